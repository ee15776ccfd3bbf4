/* A board: what firmware, image builder, bundle and flasher must agree on about one camera
 * hardware. One JSON file a board (firmware/boards/NAME.json, // comments allowed).
 *
 * The sections boot, network, image and linux may be left out; so may each member of `linux`: a
 * part that is not named there is not there. Texts are "" and numbers 0 where nothing is said.
 * docs/firmware.md shows a whole file and says what each member is. */
#ifndef TAKT_PROTOCOL_FORMATS_BOARD_H
#define TAKT_PROTOCOL_FORMATS_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    BOARD_NAME_MAX = 32,
    BOARD_TEXT_MAX = 256,
    BOARD_PATH_MAX = 96,
    BOARD_PARTITIONS_MAX = 24,
    BOARD_PINS_MAX = 8,
    BOARD_PROMPTS_MAX = 4,
    BOARD_KEYS_MAX = 4,
    BOARD_BANKS_MAX = 4,
    BOARD_INPUTS_MAX = 12,
    BOARD_LOADERS_MAX = 2,
    BOARD_MODULES_MAX = 32,
    BOARD_GPIOS_MAX = 32,
    BOARD_PHASES_MAX = 4,
};

/* Every board has env and identity (two erase blocks each, one a copy), factory, data, and kernel
 * and rootfs for slots a and b. */
struct board_partition {
    char name[BOARD_NAME_MAX]; /* "boot", "env", "kernel_a", "rootfs_b", "identity", "data" */
    uint64_t offset_bytes, size_bytes;
    bool protected_; /* never touched by an update: boot, identity, factory */
};

struct board_axis {
    double min_deg, max_deg;   /* range from the homing edge */
    double microsteps_per_deg; /* full steps * microstepping * gear / 360 */
    double speed_dps;          /* usual speed, degrees per second */
    int microstepping;         /* microsteps a full step of the motor, 1 to 256 */
};

/* ---- boot: what flashing and capture must know of the unit's boot loader -------------------- */

/* Memory-mapped NOR: where the loader sees a stretch of the flash. Bank 0 begins at the flash's
 * offset 0, each next one where the one before ends; all together are the whole flash. */
struct board_bank {
    uint64_t address, size_bytes;
    uint64_t writable_bytes; /* the loader can erase and write its first so many bytes */
};

struct board_usb {
    uint16_t vendor, product; /* both 0 = not there, or not known */
};

/* What the loader does with a card it was switched on with. */
struct board_card {
    char device[BOARD_NAME_MAX];  /* the card's file system as fatload and fatwrite call it: "mmc
                                     0:1";
                                     "" = the loader starts nothing from a card */
    char prepare[BOARD_PATH_MAX]; /* a command before the card is read; "" = none */
    char product[BOARD_NAME_MAX]; /* the loader's variable `board`, by which a card knows that it is
                                     in such a unit; "" = it says nothing */
    uint64_t chip_register;       /* 16 bits that say which SoC this is; a card for another writes
                                     nothing; 0 = it is not asked */
    uint64_t chip_value;          /* what this board's SoC has there */
    char flasher[BOARD_NAME_MAX]; /* RAM flasher, a file beside the bundle, which does what the
                                     loader cannot: "castflash.fit"; "" = the loader's commands */
    bool sigmastar;               /* it looks for SigmastarUpgradeSD.bin; all look for boot.scr */
};

struct board_boot {
    char loader[BOARD_NAME_MAX];  /* "U-Boot 2013.07" */
    char console[BOARD_NAME_MAX]; /* Linux's name of the loader's UART: "ttyS1" */
    uint32_t baud;
    uint32_t rom_baud;  /* the boot ROM's own lines before that; 0 = says nothing, or the same */
    uint32_t load_baud; /* the rate images are loaded at; 0 = the same */

    char prompts[BOARD_PROMPTS_MAX][BOARD_NAME_MAX]; /* "=> "; any one of them */
    size_t prompt_count;
    char stop_keys[BOARD_KEYS_MAX + 1]; /* bytes that stop autoboot, sent in turn; "" = none does */
    char stop_prompt[64];               /* printed while they count; "" = nothing is printed: stream
                                           the keys from power-on */
    char password[64];                  /* asked for after a stop key, or, without stop keys, what
                                           stops it by itself; "" = none */

    uint64_t load_address, script_address; /* in memory: a payload's, and a script's */
    struct board_bank banks[BOARD_BANKS_MAX];
    size_t bank_count; /* 0 = the flash is not memory-mapped */

    /* Commands, each with its placeholders: {memory} an address; {flash} the offset in the flash,
     * or its address when there are banks; {bytes} a length; {block} and {blocks} the same two in
     * 512 bytes. Put in as hex with 0x. prepare: once before the others. One that is "" is not
     * needed (erase, on eMMC) or not to be had: without write, what writes must be loaded first. */
    char prepare[BOARD_PATH_MAX], erase[BOARD_PATH_MAX], write[BOARD_PATH_MAX],
        read[BOARD_PATH_MAX];
    char start[BOARD_PATH_MAX];   /* of the program below, with {memory}; "" = "go {memory}" */
    char program[BOARD_NAME_MAX]; /* runs at load_address and writes the flash for the loader, a
                                     file beside the bundle: "flasher.uimage"; "" = there is none */
    uint64_t uart_address; /* registers of its UART, a PL011, for the program; 0 without one */
    bool loadx;            /* images are loaded by XMODEM: it has no loady */
    bool tftp;             /* the loader can load from the network */

    char strap[BOARD_TEXT_MAX]; /* how a person gets to the boot ROM */
    struct board_usb usb_rom, usb_gadget;
    char usb_product[BOARD_NAME_MAX]; /* the loader's answer to fastboot's getvar:product; "" = it
                                         is not asked */
    char usb_cpu[BOARD_NAME_MAX]; /* begins what the boot ROM says of itself, "T31V"; "" = any */
    /* Images of a bundle that have no place in the flash: what the boot ROM is given, in order. */
    char usb_loaders[BOARD_LOADERS_MAX][BOARD_NAME_MAX];
    size_t usb_loader_count;
    struct board_card card;
};

/* ---- network: what a session and network flashing meet -------------------------------------- */

struct board_network {
    char interface[16]; /* "eth0" */
    bool dhcp;          /* else the two below */
    char address[16];   /* IPv4, "10.0.2.15" */
    int prefix_bits;
    char gateway[16]; /* "" = none */
};

/* ---- image: what the image builder cannot make from this repository ------------------------- */

struct board_input {
    char name[BOARD_NAME_MAX]; /* "u-boot", "kernel", "device_tree", "vendor_libraries" */
    char file[BOARD_PATH_MAX]; /* in the builder\'s folder of inputs; "/…" in the package, where a
                                  "*" stands for its version */
    char package[64];          /* Debian package it comes from; "" = the folder */
    char about[BOARD_TEXT_MAX]; /* what it is, for the one who must bring it */
};

struct board_image {
    char data[8]; /* file system of partition data: "ubifs", "jffs2", "ext4" */
    struct board_input inputs[BOARD_INPUTS_MAX];
    size_t input_count;
};

/* ---- linux: what the Linux HAL opens -------------------------------------------------------- */

struct board_module {
    char name[BOARD_NAME_MAX]; /* "vivid"; loaded in this order, after what it depends on */
    char options[128];         /* "n_devs=1" */
    bool early;                /* before the root file system is mounted, to get at it */
};

struct board_gpio {
    char name[BOARD_NAME_MAX]; /* a button, an LED, an ir_… or what a motor names */
    char chip[BOARD_NAME_MAX]; /* "gpiochip0", in /dev */
    uint32_t line;
    bool active_low;
    bool pressed_high; /* of a button; most pull their pin to ground */
};

struct board_motor {
    char phases[BOARD_PHASES_MAX][BOARD_NAME_MAX]; /* names of gpios, in the order of a step */
    size_t phase_count;                            /* 0 = no motor, else 4 */
    char home[BOARD_NAME_MAX];                     /* the homing sensor's gpio */
};

struct board_linux {
    char arguments[BOARD_TEXT_MAX]; /* the kernel's command line, as far as the board decides it */
    struct board_module modules[BOARD_MODULES_MAX];
    size_t module_count;
    char camera[BOARD_PATH_MAX];      /* "/dev/video0" */
    char microphone[BOARD_NAME_MAX];  /* ALSA, "hw:0,1" */
    char speaker[BOARD_NAME_MAX];     /* ALSA, "hw:0,0" */
    char mtd[BOARD_NAME_MAX];         /* the whole flash's name in /proc/mtd */
    char block[BOARD_PATH_MAX];       /* or its block device: eMMC */
    char radio[16];                   /* "wlan0" */
    char bluetooth[16];               /* "hci0" */
    char card[BOARD_PATH_MAX];        /* "/dev/mmcblk0" */
    char watchdog[BOARD_PATH_MAX];    /* "/dev/watchdog0" */
    char temperature[BOARD_PATH_MAX]; /* a file of millidegrees */
    char chip_id[BOARD_PATH_MAX];     /* a file with the fused id */
    struct board_gpio gpio[BOARD_GPIOS_MAX];
    size_t gpio_count;
    struct board_motor pan, tilt;
};

struct board {
    char name[BOARD_NAME_MAX]; /* "ssc337de-nand128" */
    char soc[BOARD_NAME_MAX];  /* "SSC337DE" */
    char arch[8];              /* "armhf", "mipsel" */
    uint64_t memory_bytes;

    char flash_kind[8]; /* "nor", "nand", "emmc" */
    uint64_t flash_bytes;
    /* Partitions begin and end on erase blocks, and what is written as a whole (a copy of env, of
     * identity) has one for itself. eMMC needs no erase: its erase block is the grain in which the
     * HAL's erase() fills with 0xFF, and should be the part's erase group (EXT_CSD[224] * 512 KiB),
     * so that what the part moves about in one partition is never another's; its page is the
     * sector, 512 bytes. */
    uint32_t erase_bytes, page_bytes;
    struct board_partition partitions[BOARD_PARTITIONS_MAX];
    size_t partition_count;

    char sensor[BOARD_NAME_MAX]; /* "SC3336" */
    uint32_t sensor_width_px, sensor_height_px;
    double pixel_um, focal_mm, f_number;

    bool has_ptz;
    struct board_axis pan, tilt;

    char radio[BOARD_NAME_MAX]; /* "RTL8189FTV" */
    bool radio_5ghz;
    bool bluetooth; /* the radio's chip has it, and an antenna for it */
    char buttons[BOARD_PINS_MAX][BOARD_NAME_MAX];
    size_t button_count;
    char leds[BOARD_PINS_MAX][BOARD_NAME_MAX];
    size_t led_count;
    double supply_volts; /* nominal, 5.0 */

    bool has_boot, has_network, has_image, has_linux;
    struct board_boot boot;
    struct board_network network;
    struct board_image image;
    struct board_linux linux;
};

/* ERROR_INPUT with "FILE:LINE: ..." for anything missing, misspelt, out of range; for partitions
 * that overlap, leave the flash or do not start and end on erase blocks. */
int board_load(const char *path, struct board *out, struct error *err);
/* The same from memory; `name` stands where the file's name would. */
int board_parse(const char *name, const char *text, size_t size, struct board *out,
                struct error *err);

/* NULL when the board has none of that name. "kernel" and "rootfs" with slot 'a' or 'b' name
 * kernel_a and so on; slot 0 takes the name as it is. */
const struct board_partition *board_partition(const struct board *b, const char *name, char slot);

/* NULL when `linux` names no such gpio. */
const struct board_gpio *board_gpio(const struct board *b, const char *name);

/* Does an image of that name go into the unit's memory alone (usb_loaders)? */
bool board_is_loader(const struct board *b, const char *image);

/* "enter", "ctrl-c", "escape", "space": a byte of stop_keys as the board file says it. */
const char *board_key_name(char key);

/* What {flash} stands for in the loader's commands: an offset of the flash as the loader wants it,
 * its address when the flash is memory-mapped. */
uint64_t board_flash_address(const struct board *b, uint64_t offset_bytes);

#endif
