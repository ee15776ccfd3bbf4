/* NOR and NAND behind MTD's character devices.
 *
 * The board's partitions lie in the whole device it names. A kernel that was given a partition
 * table shows its parts instead (and hides the whole, unless built otherwise): so a device of a
 * partition's own name and size is taken for it first.
 *
 * Bad blocks of NAND are passed over within their partition, as U-Boot's `nand read` and `nand
 * write` do: block n is the partition's n-th good one. A block that fails to erase or program is
 * marked bad and the call fails; the next try is placed behind it. ECC errors are not told apart
 * from data: a page cut off by a power cut must still be read, and whoever reads has a CRC or hash.
 */
#include <errno.h>
#include <fcntl.h>
#include <mtd/mtd-user.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "firmware/hal/linux/medium.h"
#include "firmware/hal/linux/mtd_list.h"
#include "protocol/base/file.h"

/* A partition's place: a device, from a byte on. */
struct stretch {
    int fd; /* -1: not found */
    bool own;
    uint64_t from;
};

struct medium {
    const struct linux_unit *unit;
    int whole_fd; /* -1: hidden behind its partitions */
    bool nand;
    struct stretch stretch[BOARD_PARTITIONS_MAX]; /* beside the board's */
};

static void mtd_close(struct medium *m)
{
    for (size_t i = 0; i < BOARD_PARTITIONS_MAX; i++)
        if (m->stretch[i].own)
            close(m->stretch[i].fd);
    if (m->whole_fd >= 0)
        close(m->whole_fd);
    free(m);
}

/* The part must be what the board says it is, or records would lie across its blocks. */
static int check_geometry(struct medium *m, int fd, const char *name, uint64_t size_bytes,
                          struct error *err)
{
    const struct board *b = m->unit->board;
    struct mtd_info_user info;
    if (ioctl(fd, MEMGETINFO, &info))
        return error_errno(err, ERROR_IO, "mtd \"%s\" does not say what it is", name);
    m->nand = info.type == MTD_NANDFLASH || info.type == MTD_MLCNANDFLASH;
    if (m->nand != (strcmp(b->flash_kind, "nand") == 0))
        return error_set(err, ERROR_INPUT, "mtd \"%s\" is %s, board %s says %s", name,
                         m->nand ? "nand" : "no nand", b->name, b->flash_kind);
    if (info.size != size_bytes || !info.erasesize || b->erase_bytes % info.erasesize ||
        (m->nand && b->erase_bytes != info.erasesize) || /* each has a bad-block mark */
        !info.writesize || b->page_bytes % info.writesize)
        return error_set(err, ERROR_INPUT,
                         "mtd \"%s\" has %llu bytes in blocks of %u and pages of %u, board %s says "
                         "%llu, %u and %u",
                         name, (unsigned long long)info.size, info.erasesize, info.writesize,
                         b->name, (unsigned long long)size_bytes, b->erase_bytes, b->page_bytes);
    return 0;
}

static int open_device(struct medium *m, const struct mtd_entry *e, const char *name,
                       uint64_t size_bytes, int *fd, struct error *err)
{
    char path[32];
    snprintf(path, sizeof path, "/dev/mtd%d", e->number);
    int rc = linux_open_device(m->unit, path, O_RDWR, fd, err);
    if (!rc)
        rc = check_geometry(m, *fd, name, size_bytes, err);
    return rc;
}

/* One look at /proc/mtd. *complete: every partition has its place. */
static int look(struct medium *m, bool *complete, struct error *err)
{
    const struct board *b = m->unit->board;
    struct buffer list = {.limit_bytes = 65536};
    struct mtd_entry e;
    *complete = true;
    int rc = file_read("/proc/mtd", &list, err);
    const char *text = rc == ERROR_MISSING ? "" : rc ? NULL : buffer_text(&list);
    if (rc == ERROR_MISSING)
        rc = 0;
    if (!rc && !text)
        rc = error_set(err, ERROR_MEMORY, "no memory for /proc/mtd");
    if (!rc && m->whole_fd < 0 && mtd_list_find(text, b->linux.mtd, &e))
        rc = open_device(m, &e, b->linux.mtd, b->flash_bytes, &m->whole_fd, err);
    for (size_t i = 0; i < b->partition_count && !rc; i++) {
        const struct board_partition *p = &b->partitions[i];
        struct stretch *s = &m->stretch[i];
        if (s->own)
            continue;
        if (mtd_list_find(text, p->name, &e) && e.size_bytes == p->size_bytes) {
            rc = open_device(m, &e, p->name, p->size_bytes, &s->fd, err);
            s->own = s->fd >= 0;
            s->from = 0;
        } else if (m->whole_fd >= 0) {
            s->fd = m->whole_fd;
            s->from = p->offset_bytes;
        }
        *complete &= s->fd >= 0;
    }
    buffer_free(&list);
    return rc;
}

static int mtd_open(const struct linux_unit *u, struct medium **out, struct error *err)
{
    struct medium *m = calloc(1, sizeof *m);
    bool complete;
    if (!m)
        return error_set(err, ERROR_MEMORY, "no memory for the flash");
    m->unit = u;
    m->whole_fd = -1;
    for (size_t i = 0; i < BOARD_PARTITIONS_MAX; i++)
        m->stretch[i].fd = -1;
    int rc;
    do
        rc = look(m, &complete, err);
    while (!rc && !complete && linux_wait(u));
    if (!rc && !complete)
        rc = error_set(err, ERROR_MISSING,
                       "/proc/mtd has neither \"%s\" nor a device for every partition of board %s",
                       u->board->linux.mtd, u->board->name);
    if (rc)
        mtd_close(m);
    else
        *out = m;
    return rc;
}

/* Where block `block` of the partition begins in its device. */
static int find_block(const struct medium *m, const struct board_partition *p,
                      const struct stretch *s, uint64_t block, uint64_t *at, struct error *err)
{
    const uint32_t block_bytes = m->unit->board->erase_bytes;
    if (!m->nand) {
        *at = s->from + block * block_bytes;
        return 0;
    }
    uint64_t good = 0, bad_blocks = 0;
    for (uint64_t offset = 0; offset < p->size_bytes; offset += block_bytes) {
        loff_t where = (loff_t)(s->from + offset);
        int bad = ioctl(s->fd, MEMGETBADBLOCK, &where);
        if (bad < 0)
            return error_errno(err, ERROR_IO, "cannot ask whether the block at %llu of %s is bad",
                               (unsigned long long)offset, p->name);
        bad_blocks += bad > 0;
        if (bad)
            continue;
        if (good++ == block) {
            *at = (uint64_t)where;
            return 0;
        }
    }
    return error_set(err, ERROR_FULL, "partition %s has no block %llu: %llu of its blocks are bad",
                     p->name, (unsigned long long)block, (unsigned long long)bad_blocks);
}

/* A block that failed is never used again. */
static int give_up(const struct medium *m, const struct board_partition *p, const struct stretch *s,
                   uint64_t at, const char *what, struct error *err)
{
    loff_t block = (loff_t)(at - (at - s->from) % m->unit->board->erase_bytes);
    bool marked = m->nand && !ioctl(s->fd, MEMSETBADBLOCK, &block);
    return error_errno(err, ERROR_IO, "partition %s: cannot %s at %llu%s", p->name, what,
                       (unsigned long long)(at - s->from), marked ? ", marked bad" : "");
}

static const struct stretch *stretch_of(const struct medium *m, const struct board_partition *p)
{
    return &m->stretch[p - m->unit->board->partitions];
}

enum access { READ, PROGRAM };

/* Moves bytes block by block: neighbours in the partition need not be neighbours on the part. */
static int transfer(struct medium *m, const struct board_partition *p, uint64_t offset,
                    enum access access, uint8_t *data, size_t size, struct error *err)
{
    const struct stretch *s = stretch_of(m, p);
    const uint32_t block_bytes = m->unit->board->erase_bytes;
    int rc = 0;
    while (size && !rc) {
        uint64_t within = offset % block_bytes, at;
        size_t piece = block_bytes - within < size ? (size_t)(block_bytes - within) : size;
        rc = find_block(m, p, s, offset / block_bytes, &at, err);
        for (size_t done = 0; done < piece && !rc;) {
            off_t where = (off_t)(at + within + done);
            ssize_t n = access == READ ? pread(s->fd, data + done, piece - done, where)
                                       : pwrite(s->fd, data + done, piece - done, where);
            if (n > 0)
                done += (size_t)n;
            else if (n == 0)
                rc = error_set(err, ERROR_IO, "partition %s ends at %llu", p->name,
                               (unsigned long long)(offset + done));
            else if (errno != EINTR && access == READ)
                rc = error_errno(err, ERROR_IO, "cannot read partition %s at %llu", p->name,
                                 (unsigned long long)(offset + done));
            else if (errno != EINTR)
                rc = give_up(m, p, s, (uint64_t)where, "program", err);
        }
        offset += piece;
        data += piece;
        size -= piece;
    }
    return rc;
}

static int mtd_read(struct medium *m, const struct board_partition *p, uint64_t offset, void *data,
                    size_t size, struct error *err)
{
    return transfer(m, p, offset, READ, data, size, err);
}

static int mtd_program(struct medium *m, const struct board_partition *p, uint64_t offset,
                       const void *data, size_t size, struct error *err)
{
    return transfer(m, p, offset, PROGRAM, (uint8_t *)(uintptr_t)data, size, err);
}

static int mtd_erase(struct medium *m, const struct board_partition *p, uint64_t offset,
                     uint64_t size, struct error *err)
{
    const struct stretch *s = stretch_of(m, p);
    const uint32_t block_bytes = m->unit->board->erase_bytes;
    int rc = 0;
    for (uint64_t done = 0; done < size && !rc; done += block_bytes) {
        uint64_t at;
        rc = find_block(m, p, s, (offset + done) / block_bytes, &at, err);
        struct erase_info_user64 erase = {.start = at, .length = block_bytes};
        if (!rc && ioctl(s->fd, MEMERASE64, &erase))
            rc = give_up(m, p, s, at, "erase", err);
    }
    return rc;
}

static int mtd_sync(struct medium *m, struct error *err)
{
    return 0; /* MTD's character devices have no cache: a write returns when the part is done */
}

const struct medium_ops medium_mtd = {mtd_open,  mtd_close,   mtd_read,
                                      mtd_erase, mtd_program, mtd_sync};
