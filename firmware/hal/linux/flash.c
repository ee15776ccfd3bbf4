/* Partitions of the board file over the flash the board names. */
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/linux/medium.h"

struct flash {
    struct linux_unit *unit;
    const struct medium_ops *ops;
    struct medium *medium; /* NULL before the first use */
};

int linux_flash_open(struct linux_unit *u, struct flash **out, struct error *err)
{
    struct flash *f = *out = calloc(1, sizeof *f);
    if (!f)
        return error_set(err, ERROR_MEMORY, "no memory for the flash");
    f->unit = u;
    f->ops = u->board->linux.mtd[0] ? &medium_mtd : &medium_block;
    return 0;
}

void linux_flash_close(struct flash *f)
{
    if (!f)
        return;
    if (f->medium)
        f->ops->close(f->medium);
    free(f);
}

/* The partition, once the range is within it and of whole units of `grain` bytes. */
static int place(struct flash *f, const char *name, uint64_t offset, uint64_t size, uint64_t grain,
                 const struct board_partition **out, struct error *err)
{
    const struct board *b = f->unit->board;
    const struct board_partition *p = *out = board_partition(b, name, 0);
    if (!p)
        return error_set(err, ERROR_MISSING, "board %s has no partition \"%s\"", b->name, name);
    if (offset > p->size_bytes || size > p->size_bytes - offset)
        return error_set(err, ERROR_INPUT, "%llu bytes at %llu leave partition %s, which has %llu",
                         (unsigned long long)size, (unsigned long long)offset, name,
                         (unsigned long long)p->size_bytes);
    if (offset % grain || size % grain)
        return error_set(
            err, ERROR_INPUT, "%llu bytes at %llu of %s are not whole units of %llu bytes",
            (unsigned long long)size, (unsigned long long)offset, name, (unsigned long long)grain);
    return f->medium ? 0 : f->ops->open(f->unit, &f->medium, err);
}

static int flash_read(struct flash *f, const char *partition, uint64_t offset, void *data,
                      size_t size, struct error *err)
{
    const struct board_partition *p;
    int rc = place(f, partition, offset, size, 1, &p, err);
    return rc ? rc : f->ops->read(f->medium, p, offset, data, size, err);
}

static int flash_erase(struct flash *f, const char *partition, uint64_t offset, uint64_t size,
                       struct error *err)
{
    const struct board_partition *p;
    int rc = place(f, partition, offset, size, f->unit->board->erase_bytes, &p, err);
    return rc ? rc : f->ops->erase(f->medium, p, offset, size, err);
}

static int flash_program(struct flash *f, const char *partition, uint64_t offset, const void *data,
                         size_t size, struct error *err)
{
    const struct board_partition *p;
    int rc = place(f, partition, offset, size, f->unit->board->page_bytes, &p, err);
    return rc ? rc : f->ops->program(f->medium, p, offset, data, size, err);
}

static int flash_sync(struct flash *f, struct error *err)
{
    return f->medium ? f->ops->sync(f->medium, err) : 0;
}

const struct flash_ops linux_flash_ops = {flash_read, flash_erase, flash_program, flash_sync};
