/* A flash in memory with the rules of a real part, which can be cut at any operation: erase sets
 * bits, programming only clears them, and the power goes in the middle of operation `cut_at`. */
#ifndef TAKT_TESTS_UNIT_FIRMWARE_MEMORY_FLASH_H
#define TAKT_TESTS_UNIT_FIRMWARE_MEMORY_FLASH_H

#include <stdlib.h>
#include <string.h>

#include "firmware/hal/hal.h"

struct flash {
    const struct board *board;
    uint8_t *bytes;
    int writes; /* erase and program operations begun */
    int cut_at; /* the power goes within this one, counted from 1; 0 = never */
    bool off;   /* it went: nothing works until memory_flash_power_on() */
    int erases;
    bool stuck; /* erases do nothing and say nothing of it, as a block gone bad */
    int tear;   /* how much of the operation it went in was done: a row of memory_flash_tears */
};

/* Of an erase and of a program; the rest is as it was. A torn page may begin with what was there
 * and end with what was to come: some parts program both planes at once. */
static const struct memory_flash_tear {
    const char *name;
    int first_eighth, last_eighth; /* done from .. to, in eighths of the operation */
} memory_flash_tears[] = {
    {"the first half", 0, 4},  {"nothing", 0, 0},         {"all", 0, 8},
    {"the second half", 4, 8}, {"all but the end", 0, 7},
};
enum { MEMORY_FLASH_TEARS = sizeof memory_flash_tears / sizeof memory_flash_tears[0] };

static inline uint8_t *memory_flash_at(struct flash *f, const char *partition, uint64_t offset,
                                       uint64_t size, struct error *err)
{
    const struct board_partition *p = board_partition(f->board, partition, 0);
    if (f->off) {
        error_set(err, ERROR_CLOSED, "the power is off");
        return NULL;
    }
    if (!p || offset > p->size_bytes || size > p->size_bytes - offset) {
        error_set(err, ERROR_INPUT, "%s: %llu bytes at %llu", partition, (unsigned long long)size,
                  (unsigned long long)offset);
        return NULL;
    }
    return f->bytes + p->offset_bytes + offset;
}

/* True when the power goes in this operation: then only its first half happens. */
static inline bool memory_flash_cut(struct flash *f)
{
    f->off = ++f->writes == f->cut_at;
    return f->off;
}

static inline int memory_flash_read(struct flash *f, const char *partition, uint64_t offset,
                                    void *data, size_t size, struct error *err)
{
    uint8_t *at = memory_flash_at(f, partition, offset, size, err);
    if (!at)
        return f->off ? ERROR_CLOSED : ERROR_INPUT;
    memcpy(data, at, size);
    return 0;
}

static inline int memory_flash_erase(struct flash *f, const char *partition, uint64_t offset,
                                     uint64_t size, struct error *err)
{
    if (offset % f->board->erase_bytes || size % f->board->erase_bytes)
        return error_set(err, ERROR_INPUT, "misaligned erase");
    uint8_t *at = memory_flash_at(f, partition, offset, size, err);
    if (!at)
        return ERROR_INPUT;
    bool cut = memory_flash_cut(f);
    f->erases++;
    if (f->stuck)
        return 0;
    const struct memory_flash_tear *t = &memory_flash_tears[f->tear];
    if (cut)
        memset(at + size / 8 * (uint64_t)t->first_eighth, 0xff,
               size / 8 * (uint64_t)(t->last_eighth - t->first_eighth));
    else
        memset(at, 0xff, size);
    return cut ? error_set(err, ERROR_CLOSED, "the power went in an erase") : 0;
}

static inline int memory_flash_program(struct flash *f, const char *partition, uint64_t offset,
                                       const void *data, size_t size, struct error *err)
{
    if (offset % f->board->page_bytes || size % f->board->page_bytes)
        return error_set(err, ERROR_INPUT, "misaligned program");
    uint8_t *at = memory_flash_at(f, partition, offset, size, err);
    if (!at)
        return ERROR_INPUT;
    bool cut = memory_flash_cut(f);
    const struct memory_flash_tear *t = &memory_flash_tears[f->tear];
    size_t from = cut ? size / 8 * (size_t)t->first_eighth : 0;
    size_t to = cut ? size / 8 * (size_t)t->last_eighth : size;
    if (cut && f->tear == 0 && f->writes % 4)
        to = 37; /* within whatever record is being written */
    for (size_t i = from; i < to; i++)
        at[i] &= ((const uint8_t *)data)[i];
    return cut ? error_set(err, ERROR_CLOSED, "the power went in a program") : 0;
}

static inline int memory_flash_sync(struct flash *f, struct error *err)
{
    return f->off ? error_set(err, ERROR_CLOSED, "the power is off") : 0;
}

static const struct flash_ops memory_flash_ops = {memory_flash_read, memory_flash_erase,
                                                  memory_flash_program, memory_flash_sync};

static inline void memory_flash_make(struct flash *f, const struct board *board)
{
    memset(f, 0, sizeof *f);
    f->board = board;
    f->bytes = malloc(board->flash_bytes);
    memset(f->bytes, 0xff, board->flash_bytes);
}

static inline void memory_flash_power_on(struct flash *f, int cut_at)
{
    f->off = false;
    f->writes = f->erases = 0;
    f->cut_at = cut_at;
}

/* A small NAND with everything the firmware asks for. */
static const char memory_flash_board[] =
    "{\"board\":\"tiny\",\"soc\":\"NONE\",\"arch\":\"armhf\",\"memory_mib\":1,"
    "\"flash\":{\"kind\":\"nand\",\"size_mib\":2,\"erase_bytes\":65536,\"page_bytes\":2048,"
    "\"partitions\":["
    "{\"name\":\"env\",\"offset_kib\":0,\"size_kib\":128},"
    "{\"name\":\"identity\",\"offset_kib\":128,\"size_kib\":128,\"protected\":true},"
    "{\"name\":\"kernel_a\",\"offset_kib\":256,\"size_kib\":128},"
    "{\"name\":\"kernel_b\",\"offset_kib\":384,\"size_kib\":128},"
    "{\"name\":\"rootfs_a\",\"offset_kib\":512,\"size_kib\":512},"
    "{\"name\":\"rootfs_b\",\"offset_kib\":1024,\"size_kib\":512},"
    "{\"name\":\"factory\",\"offset_kib\":1536,\"size_kib\":128,\"protected\":true},"
    "{\"name\":\"data\",\"offset_kib\":1664,\"size_kib\":384}]},"
    "\"camera\":{\"sensor\":\"S\",\"width_px\":64,\"height_px\":32,\"pixel_um\":2.5,"
    "\"focal_mm\":3.6,\"f_number\":2},"
    "\"ptz\":{\"pan\":{\"min_deg\":0,\"max_deg\":350,\"steps_per_turn\":32,\"microstepping\":16,"
    "\"gear\":127.367901,\"speed_dps\":40},\"tilt\":{\"min_deg\":0,\"max_deg\":100,"
    "\"steps_per_turn\":32,\"microstepping\":16,\"gear\":127.367901,\"speed_dps\":40}},"
    "\"radio\":{\"chip\":\"R\",\"bands_ghz\":[2.4]},"
    "\"buttons\":[\"reset\"],\"leds\":[\"status_blue\"],\"supply_volts\":5}";

#endif
