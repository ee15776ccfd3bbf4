/* The SoC itself: its chip id, power states, restart, and why it started. */
#ifndef TAKT_FIRMWARE_HAL_SYSTEM_H
#define TAKT_FIRMWARE_HAL_SYSTEM_H

#include <stdint.h>

#include "protocol/base/error.h"

struct system_control;

struct system_facts {
    char chip_id[33];     /* fused, hex, unique a chip */
    char boot_slot[2];    /* "a" or "b": what the boot loader started; "": none ran before us */
    char boot_reason[24]; /* "power-on", "reboot", "watchdog" */
    double temperature_c;
    /* Memory of this process that stands for hardware (an emulator's scene); 0 on a real unit. */
    uint64_t reserved_bytes;
};

/* What wears out or goes wrong unseen, as counts since the part was made or mounted; 0 where the
 * system keeps none. */
struct system_health {
    int throttled;                                     /* cooling steps in force */
    uint64_t bad_blocks, corrected_bits, ecc_failures; /* of the flash, all partitions */
    uint64_t erase_count_max;                          /* of its most used block */
    uint64_t filesystem_errors;
};

enum system_load {
    LOAD_STANDBY, /* radio off, sensor off, CPU asleep between ticks */
    LOAD_IDLE,
    LOAD_STREAMING,
    LOAD_FULL, /* encoder and NPU busy, radio sending; LEDs and motors add what they draw */
};

struct system_ops {
    int (*facts)(struct system_control *s, struct system_facts *out, struct error *err);
    /* Reads a few small files at most: asked for every minute for months. */
    int (*health)(struct system_control *s, struct system_health *out, struct error *err);
    int (*load)(struct system_control *s, enum system_load load, struct error *err);
    /* Everything but the clock off for so long, as a battery model waits; returns once the unit is
     * awake again, in the load it was in. NULL: this hardware cannot. */
    int (*sleep)(struct system_control *s, int ms, struct error *err);
    /* Does not return on success. */
    int (*restart)(struct system_control *s, struct error *err);
};

#endif
