/* A board: what firmware, image builder, bundle and flasher must agree on about one camera
 * hardware. One JSON file a board (firmware/boards/NAME.json, // comments allowed). */
#ifndef TAKT_PROTOCOL_FORMATS_BOARD_H
#define TAKT_PROTOCOL_FORMATS_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum { BOARD_NAME_MAX = 32, BOARD_PARTITIONS_MAX = 24, BOARD_PINS_MAX = 8 };

struct board_partition {
    char name[BOARD_NAME_MAX]; /* "boot", "env", "kernel_a", "rootfs_b", "identity", "data" */
    uint64_t offset_bytes, size_bytes;
    bool protected_; /* never touched by an update: boot, identity */
};

struct board_axis {
    double min_deg, max_deg;   /* range from the homing edge */
    double microsteps_per_deg; /* full steps * 16 * gear / 360 */
    double speed_dps;          /* usual speed, degrees per second */
};

struct board {
    char name[BOARD_NAME_MAX]; /* "ssc337de-nand128" */
    char soc[BOARD_NAME_MAX];  /* "SSC337DE" */
    uint64_t memory_bytes;

    char flash_kind[8]; /* "nor", "nand", "emmc" */
    uint64_t flash_bytes;
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
    char buttons[BOARD_PINS_MAX][BOARD_NAME_MAX];
    size_t button_count;
    char leds[BOARD_PINS_MAX][BOARD_NAME_MAX];
    size_t led_count;
    double supply_volts; /* nominal, 5.0 */
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

#endif
