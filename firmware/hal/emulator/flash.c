/* NOR, NAND or eMMC over DIR/flash.img, byte for byte what the part holds: erased bytes are 0xFF,
 * programming only clears bits. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/hal/emulator/parts.h"
#include "protocol/base/clock.h"
#include "protocol/base/file.h"

/* Typical datasheet times, in microseconds a page or an erase block, and the bus while reading. */
static const struct part {
    const char *kind;
    double program_us, erase_us, read_mb_s;
    bool overwrites; /* erases by itself, as eMMC does */
} part_table[] = {
    {"nand", 200, 2000, 40, false}, /* 1 Gbit SPI NAND at 104 MHz, four bits wide */
    {"nor", 400, 45000, 30, false}, /* SPI NOR: 256-byte page, 4 to 64 KiB sector */
    {"emmc", 20, 200, 120, true},
};

struct flash {
    const struct unit *unit;
    const struct part *part;
    int fd;
    uint8_t *page;  /* one program page */
    uint8_t *block; /* one erase block of 0xFF */
};

static int make_image(int fd, const char *path, const struct flash *f, uint64_t from,
                      struct error *err)
{
    const struct board *b = &f->unit->board;
    for (uint64_t at = from; at < b->flash_bytes; at += b->erase_bytes) {
        if (pwrite(fd, f->block, b->erase_bytes, (off_t)at) == (ssize_t)b->erase_bytes)
            continue;
        int rc = errno == ENOSPC ? ERROR_FULL : ERROR_IO;
        return error_errno(err, rc, "cannot fill %s", path);
    }
    return 0;
}

int emulated_flash_open(struct unit *unit, struct flash **out, struct error *err)
{
    const struct board *b = &unit->board;
    char path[320];
    struct stat st;
    struct flash *f = *out = calloc(1, sizeof *f);
    int rc = f ? file_join(path, sizeof path, unit->folder, "flash.img", err)
               : error_set(err, ERROR_MEMORY, "no memory for the emulated flash");
    if (f)
        f->fd = -1;
    if (rc)
        goto out;
    f->unit = unit;
    for (size_t i = 0; i < sizeof part_table / sizeof part_table[0]; i++)
        if (!strcmp(part_table[i].kind, b->flash_kind))
            f->part = &part_table[i];
    if (!f->part) {
        rc = error_set(err, ERROR_INPUT, "the emulator has no flash of kind \"%s\"", b->flash_kind);
        goto out;
    }
    f->page = malloc(b->page_bytes);
    f->block = malloc(b->erase_bytes);
    if (!f->page || !f->block) {
        rc = error_set(err, ERROR_MEMORY, "no memory for the emulated flash");
        goto out;
    }
    memset(f->block, 0xff, b->erase_bytes);
    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->fd < 0 || fstat(f->fd, &st)) {
        rc = error_errno(err, ERROR_IO, "cannot open %s", path);
        goto out;
    }
    if ((uint64_t)st.st_size > b->flash_bytes)
        rc = error_set(err, ERROR_INPUT, "%s has %lld bytes, the board's flash %llu", path,
                       (long long)st.st_size, (unsigned long long)b->flash_bytes);
    else /* also one whose making was cut short: what is missing was never programmed */
        rc =
            make_image(f->fd, path, f, (uint64_t)st.st_size / b->erase_bytes * b->erase_bytes, err);
out:
    if (rc) {
        emulated_flash_close(f);
        *out = NULL;
    }
    return rc;
}

void emulated_flash_close(struct flash *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->page);
    free(f->block);
    free(f);
}

/* The range as an offset of the whole part. */
static int place(const struct flash *f, const char *partition, uint64_t offset, uint64_t size,
                 uint64_t grain, uint64_t *at, struct error *err)
{
    const struct board_partition *p = board_partition(&f->unit->board, partition, 0);
    if (!p)
        return error_set(err, ERROR_MISSING, "board %s has no partition \"%s\"",
                         f->unit->board.name, partition);
    if (offset > p->size_bytes || size > p->size_bytes - offset)
        return error_set(err, ERROR_INPUT, "%llu bytes at %llu leave partition %s, which has %llu",
                         (unsigned long long)size, (unsigned long long)offset, partition,
                         (unsigned long long)p->size_bytes);
    if (offset % grain || size % grain)
        return error_set(err, ERROR_INPUT,
                         "%llu bytes at %llu of %s are not whole units of %llu bytes",
                         (unsigned long long)size, (unsigned long long)offset, partition,
                         (unsigned long long)grain);
    *at = p->offset_bytes + offset;
    return 0;
}

static void take_time(const struct flash *f, int64_t from_ns, double us)
{
    clock_sleep_until_ns(from_ns + (int64_t)(us * 1000 * f->unit->physics.flash_time_scale));
}

static int read_exactly(const struct flash *f, uint64_t at, void *data, size_t size,
                        struct error *err)
{
    uint8_t *to = data;
    while (size) {
        ssize_t n = pread(f->fd, to, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, ERROR_IO, "cannot read flash.img at %llu",
                               (unsigned long long)at);
        to += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static int write_exactly(const struct flash *f, uint64_t at, const void *data, size_t size,
                         struct error *err)
{
    const uint8_t *from = data;
    while (size) {
        ssize_t n = pwrite(f->fd, from, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, ERROR_IO, "cannot write flash.img at %llu",
                               (unsigned long long)at);
        from += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static int flash_read(struct flash *f, const char *partition, uint64_t offset, void *data,
                      size_t size, struct error *err)
{
    uint64_t at;
    int64_t began = clock_mono_ns();
    int rc = place(f, partition, offset, size, 1, &at, err);
    if (!rc)
        rc = read_exactly(f, at, data, size, err);
    if (!rc)
        take_time(f, began, (double)size / f->part->read_mb_s);
    return rc;
}

static int flash_erase(struct flash *f, const char *partition, uint64_t offset, uint64_t size,
                       struct error *err)
{
    uint64_t at, block = f->unit->board.erase_bytes;
    int64_t began = clock_mono_ns();
    int rc = place(f, partition, offset, size, block, &at, err);
    for (uint64_t done = 0; !rc && done < size; done += block)
        rc = write_exactly(f, at + done, f->block, block, err);
    if (!rc)
        take_time(f, began, (double)(size / block) * f->part->erase_us);
    return rc;
}

static int flash_program(struct flash *f, const char *partition, uint64_t offset, const void *data,
                         size_t size, struct error *err)
{
    uint64_t at, page = f->unit->board.page_bytes;
    int64_t began = clock_mono_ns();
    const uint8_t *from = data;
    int rc = place(f, partition, offset, size, page, &at, err);
    for (uint64_t done = 0; !rc && done < size; done += page) {
        if (f->part->overwrites)
            memset(f->page, 0xff, page);
        else
            rc = read_exactly(f, at + done, f->page, page, err);
        if (rc)
            break;
        for (uint64_t i = 0; i < page; i++)
            f->page[i] &= from[done + i];
        if ((double)((at + done) / page) == f->unit->physics.flash_stuck_page)
            f->page[0] &= 0xfe;
        rc = write_exactly(f, at + done, f->page, page, err);
    }
    explicit_bzero(f->page, page); /* it may have been an identity's */
    if (!rc)
        take_time(f, began, (double)(size / page) * f->part->program_us);
    return rc;
}

static int flash_sync(struct flash *f, struct error *err)
{
    return fdatasync(f->fd) ? error_errno(err, ERROR_IO, "cannot sync flash.img") : 0;
}

const struct flash_ops emulated_flash_ops = {flash_read, flash_erase, flash_program, flash_sync};
