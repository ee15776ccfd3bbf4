#include "firmware/factory/factory_partition.h"

#include <stdlib.h>

static const char name[] = "factory";

/* How much of it credentials can take up. */
static int find(const struct board *board, const struct board_partition **p, size_t *record_bytes,
                struct error *err)
{
    *p = board_partition(board, name, 0);
    if (!*p)
        return error_set(err, ERROR_MISSING, "board %s has no partition \"%s\"", board->name, name);
    *record_bytes = (*p)->size_bytes < FACTORY_CREDENTIALS_BYTES ? (size_t)(*p)->size_bytes
                                                                 : FACTORY_CREDENTIALS_BYTES;
    return 0;
}

int factory_partition_load(const struct hal *hal, const struct board *board,
                           struct factory_credentials *out, struct error *err)
{
    const struct board_partition *p;
    size_t size = 0;
    uint8_t bytes[FACTORY_CREDENTIALS_BYTES];
    *out = (struct factory_credentials){0};
    int rc = find(board, &p, &size, err);
    if (!rc)
        rc = hal->flash->read(hal->flash_state, name, 0, bytes, size, err);
    return rc ? rc : factory_credentials_decode(bytes, size, out, err);
}

static bool is_erased(const uint8_t *bytes, size_t size)
{
    size_t n = 0;
    while (n < size && bytes[n] == 0xff)
        n++;
    return n == size;
}

int factory_partition_blank(const struct hal *hal, const struct board *board, bool *blank,
                            struct error *err)
{
    const struct board_partition *p;
    size_t size = 0;
    uint8_t bytes[FACTORY_CREDENTIALS_BYTES];
    int rc = find(board, &p, &size, err);
    if (!rc)
        rc = hal->flash->read(hal->flash_state, name, 0, bytes, size, err);
    *blank = !rc && is_erased(bytes, size);
    return rc;
}

int factory_partition_erase(const struct hal *hal, const struct board *board, struct error *err)
{
    const struct board_partition *p;
    const uint32_t block = board->erase_bytes;
    size_t record_bytes;
    int rc = find(board, &p, &record_bytes, err);
    uint8_t *bytes = rc ? NULL : malloc(block);
    if (!rc && !bytes)
        rc = error_set(err, ERROR_MEMORY, "partition %s: out of memory", name);
    for (uint64_t at = 0; !rc && at < p->size_bytes; at += block) {
        rc = hal->flash->read(hal->flash_state, name, at, bytes, block, err);
        if (rc || is_erased(bytes, block))
            continue;
        rc = hal->flash->erase(hal->flash_state, name, at, block, err);
        if (!rc)
            rc = hal->flash->sync(hal->flash_state, err);
        if (!rc)
            rc = hal->flash->read(hal->flash_state, name, at, bytes, block, err);
        if (!rc && !is_erased(bytes, block))
            rc = error_set(err, ERROR_MISMATCH,
                           "partition %s: the block at %llu was erased and does not read so", name,
                           (unsigned long long)at);
    }
    free(bytes);
    return rc;
}
