/* eMMC: a block device that erases by itself, so that programming overwrites. Erased bytes read
 * 0xFF here as on raw flash, which the records' formats count on. */
#include <stdlib.h>

#include "firmware/hal/linux/direct_io.h"
#include "firmware/hal/linux/medium.h"

struct medium {
    struct direct_io *device;
};

static void block_close(struct medium *m)
{
    direct_close(m->device);
    free(m);
}

static int block_open(const struct linux_unit *u, struct medium **out, struct error *err)
{
    const struct board *b = u->board;
    struct direct_facts facts;
    struct medium *m = calloc(1, sizeof *m);
    if (!m)
        return error_set(err, ERROR_MEMORY, "no memory for the flash");
    int rc = direct_open(u, b->linux.block, &m->device, err);
    if (!rc)
        rc = direct_facts(m->device, &facts, err);
    if (!rc && (facts.bytes < b->flash_bytes || b->page_bytes % facts.block_bytes))
        rc = error_set(err, ERROR_INPUT,
                       "%s has %llu bytes in blocks of %u, board %s says %llu and pages of %u",
                       b->linux.block, (unsigned long long)facts.bytes, facts.block_bytes, b->name,
                       (unsigned long long)b->flash_bytes, b->page_bytes);
    if (rc)
        block_close(m);
    else
        *out = m;
    return rc;
}

static int block_read(struct medium *m, const struct board_partition *p, uint64_t offset,
                      void *data, size_t size, struct error *err)
{
    return direct_read(m->device, p->offset_bytes + offset, data, size, err);
}

static int block_erase(struct medium *m, const struct board_partition *p, uint64_t offset,
                       uint64_t size, struct error *err)
{
    int rc = 0;
    for (uint64_t done = 0; done < size && !rc;) {
        size_t piece = size - done < 1 << 20 ? (size_t)(size - done) : 1 << 20;
        rc = direct_write(m->device, p->offset_bytes + offset + done, NULL, piece, err);
        done += piece;
    }
    return rc;
}

static int block_program(struct medium *m, const struct board_partition *p, uint64_t offset,
                         const void *data, size_t size, struct error *err)
{
    return direct_write(m->device, p->offset_bytes + offset, data, size, err);
}

static int block_sync(struct medium *m, struct error *err)
{
    return direct_sync(m->device, err);
}

const struct medium_ops medium_block = {block_open,  block_close,   block_read,
                                        block_erase, block_program, block_sync};
