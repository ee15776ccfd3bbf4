/* A unit on a bench of nothing but numbers: a folder, a world with the supply on, a board. */
#ifndef TAKT_TESTS_UNIT_FIRMWARE_HAL_EMULATOR_RIG_H
#define TAKT_TESTS_UNIT_FIRMWARE_HAL_EMULATOR_RIG_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/hal/emulator/emulator.h"
#include "protocol/world.h"

struct rig {
    char folder[64];
    struct board board;
    struct world *world;
    struct hal hal;
};

/* A board small enough for a test's patience; its parts are those of the SSC337DE board. */
static inline void rig_board(struct board *b)
{
    *b = (struct board){
        .name = "test-board",
        .flash_kind = "nand",
        .flash_bytes = 4 << 20,
        .erase_bytes = 131072,
        .page_bytes = 2048,
        .partitions = {{"boot", 0, 1 << 20, true}, {"data", 1 << 20, 3 << 20, false}},
        .partition_count = 2,
        .sensor_width_px = 2304,
        .sensor_height_px = 1296,
        .pixel_um = 2.5,
        .focal_mm = 3.6,
        .f_number = 2.0,
        .has_ptz = true,
        .pan = {0, 350, 181.1454, 800},
        .tilt = {0, 100, 181.1454, 800},
        .buttons = {"reset"},
        .button_count = 1,
        .leds = {"status_blue", "status_orange"},
        .led_count = 2,
        .supply_volts = 5,
    };
}

static inline void rig_write(const struct rig *r, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* `unit` is unit.json's content; boots at once unless it says otherwise. */
static inline void rig_start(struct rig *r, const char *unit)
{
    struct error err = {0};
    char path[128];
    memset(r, 0, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "/tmp/takt-rig-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(path, sizeof path, "%s/world", r->folder);
    assert_int_equal(world_create(path, &r->world, &err), 0);
    atomic_store(&r->world->supply_volts, 5.0);
    atomic_store(&r->world->supply_ohms, 0.1);
    atomic_store(&r->world->illuminance_lux, 500);
    atomic_store(&r->world->access_point_dbm, -50);
    atomic_store(&r->world->access_point_mhz, 2437);
    strcpy(r->world->ssid, "takt-line");
    strcpy(r->world->passphrase, "takt-takt");
    rig_write(r, "unit.json", unit);
    rig_board(&r->board);
}

static inline void rig_open(struct rig *r)
{
    struct error err = {0};
    const struct hal_config config = {.board = &r->board, .options = r->folder};
    if (hal_emulator.open(&config, &r->hal, &err))
        fail_msg("%s", err.text);
}

static inline void rig_end(struct rig *r)
{
    static const char *const files[] = {"world",    "unit.json",   "flash.img",
                                        "card.img", "reset_cause", NULL};
    char path[128];
    if (r->hal.backend)
        hal_emulator.close(&r->hal);
    world_unmap(r->world);
    for (int i = 0; files[i]; i++) {
        snprintf(path, sizeof path, "%s/%s", r->folder, files[i]);
        unlink(path);
    }
    rmdir(r->folder);
}

#endif
