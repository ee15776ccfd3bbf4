/* An SQLite VFS whose power can be cut. Over the machine's own it keeps, of each file, what was
 * last synced and the writes since. At the cut every later call fails; then each file becomes what
 * was synced and a random part of the writes since, some of them torn at a sector, as a disk with a
 * cache may leave it. Its disk can be full as well. Include after cmocka.h. */
#ifndef TESTS_UNIT_REPORTS_POWER_CUT_VFS_H
#define TESTS_UNIT_REPORTS_POWER_CUT_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "protocol/base/splitmix.h"

enum { FILES_MAX = 8, SECTOR_BYTES = 512 };

struct cut_write {
    struct cut_write *next;
    sqlite3_int64 offset; /* -1: a truncation to `size` */
    int size;
    unsigned char bytes[];
};

struct cut_image {
    char path[300];
    unsigned char *synced;
    sqlite3_int64 synced_bytes;
    struct cut_write *writes, **end;
};

static struct {
    sqlite3_vfs *real;
    sqlite3_vfs vfs;
    struct cut_image images[FILES_MAX];
    int operations, cut_at; /* 0 = never */
    int full_at;            /* from this one on the disk has no room for a write; 0 = never */
    bool dead, full;
} cut;

struct cut_file {
    sqlite3_file base;
    struct cut_image *image; /* NULL: not kept (temporary files) */
    sqlite3_file *real;
};

static inline sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct cut_file *)f)->real;
}

static inline void forget_writes(struct cut_image *i)
{
    while (i->writes) {
        struct cut_write *w = i->writes;
        i->writes = w->next;
        free(w);
    }
    i->end = &i->writes;
}

static inline struct cut_image *image_of(const char *path)
{
    for (int i = 0; i < FILES_MAX; i++) {
        struct cut_image *image = &cut.images[i];
        if (!image->path[0]) {
            snprintf(image->path, sizeof image->path, "%s", path);
            image->end = &image->writes;
        }
        if (!strcmp(image->path, path))
            return image;
    }
    return NULL;
}

/* Counts an operation; true once the power is gone. */
static inline bool gone(void)
{
    if (!cut.dead && cut.cut_at && ++cut.operations >= cut.cut_at)
        cut.dead = true;
    else if (!cut.cut_at)
        cut.operations++;
    return cut.dead;
}

static inline void note_write(struct cut_image *i, const void *bytes, int size,
                              sqlite3_int64 offset)
{
    struct cut_write *w = calloc(1, sizeof *w + (size_t)(offset < 0 ? 0 : size));
    w->offset = offset;
    w->size = size;
    if (offset >= 0)
        memcpy(w->bytes, bytes, (size_t)size);
    *i->end = w;
    i->end = &w->next;
}

static inline int cut_close(sqlite3_file *f)
{
    int rc = real_of(f)->pMethods->xClose(real_of(f));
    free(real_of(f));
    return rc;
}

static inline int cut_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    return cut.dead ? SQLITE_IOERR_READ : real_of(f)->pMethods->xRead(real_of(f), out, n, at);
}

static inline int cut_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
    struct cut_file *c = (struct cut_file *)f;
    if (c->image && !cut.dead && !cut.full)
        note_write(c->image, bytes, n, at); /* the one under way may reach the disk, or not */
    if (gone())
        return SQLITE_IOERR_WRITE;
    if (cut.full_at && cut.operations >= cut.full_at)
        cut.full = true;
    if (cut.full)
        return SQLITE_FULL;
    return c->real->pMethods->xWrite(c->real, bytes, n, at);
}

static inline int cut_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct cut_file *c = (struct cut_file *)f;
    if (c->image && !cut.dead)
        note_write(c->image, NULL, (int)size, -1);
    if (gone())
        return SQLITE_IOERR_TRUNCATE;
    return c->real->pMethods->xTruncate(c->real, size);
}

static inline void take_synced(struct cut_image *i)
{
    struct buffer b = {0};
    struct error ignored;
    free(i->synced);
    if (file_read(i->path, &b, &ignored))
        b.size = 0;
    i->synced = b.data;
    i->synced_bytes = (sqlite3_int64)b.size;
    forget_writes(i);
}

static inline int cut_sync(sqlite3_file *f, int flags)
{
    struct cut_file *c = (struct cut_file *)f;
    if (gone())
        return SQLITE_IOERR_FSYNC;
    if (c->image)
        take_synced(c->image);
    (void)flags; /* the files of a test need not outlive this machine's own power */
    return SQLITE_OK;
}

static inline int cut_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static inline int cut_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static inline int cut_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static inline int cut_check(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static inline int cut_control(sqlite3_file *f, int op, void *argument)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, argument);
}

static inline int cut_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static inline int cut_character(sqlite3_file *f)
{
    (void)f;
    return 0; /* promises nothing: no atomic sectors, no power-safe overwrite */
}

static inline int cut_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static inline int cut_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static inline void cut_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static inline int cut_shm_unmap(sqlite3_file *f, int remove)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods cut_methods = {
    .iVersion = 2,
    .xClose = cut_close,
    .xRead = cut_read,
    .xWrite = cut_write,
    .xTruncate = cut_truncate,
    .xSync = cut_sync,
    .xFileSize = cut_size,
    .xLock = cut_lock,
    .xUnlock = cut_unlock,
    .xCheckReservedLock = cut_check,
    .xFileControl = cut_control,
    .xSectorSize = cut_sector,
    .xDeviceCharacteristics = cut_character,
    .xShmMap = cut_shm_map,
    .xShmLock = cut_shm_lock,
    .xShmBarrier = cut_shm_barrier,
    .xShmUnmap = cut_shm_unmap,
};

static inline int cut_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags,
                           int *out)
{
    struct cut_file *c = (struct cut_file *)f;
    (void)v;
    memset(c, 0, sizeof *c);
    c->real = calloc(1, (size_t)cut.real->szOsFile);
    int rc = cut.real->xOpen(cut.real, name, c->real, flags, out);
    if (rc) {
        free(c->real);
        return rc;
    }
    c->base.pMethods = &cut_methods;
    c->image = name ? image_of(name) : NULL;
    if (c->image && !c->image->synced && !c->image->writes)
        take_synced(c->image); /* there before the power was at risk */
    return SQLITE_OK;
}

static inline int cut_delete(sqlite3_vfs *v, const char *name, int sync)
{
    (void)v;
    if (gone())
        return SQLITE_IOERR_DELETE;
    struct cut_image *i = image_of(name);
    if (i) {
        forget_writes(i);
        i->synced_bytes = 0;
    }
    return cut.real->xDelete(cut.real, name, sync);
}

/* What the disk holds when the power comes back. */
static inline void settle(struct cut_image *i, uint64_t *seed)
{
    sqlite3_int64 size = i->synced_bytes, room = size;
    for (struct cut_write *w = i->writes; w; w = w->next)
        if (w->offset >= 0 && w->offset + w->size > room)
            room = w->offset + w->size;
    unsigned char *disk = calloc(1, (size_t)room + 1);
    if (i->synced_bytes)
        memcpy(disk, i->synced, (size_t)i->synced_bytes);
    for (struct cut_write *w = i->writes; w; w = w->next) {
        uint64_t fate = splitmix_next(seed) % 4;
        int kept = w->size;
        if (fate < 2)
            continue; /* never left the cache */
        if (w->offset < 0) {
            size = w->size < size ? w->size : size;
            continue;
        }
        if (fate == 2 && w->size > SECTOR_BYTES)
            kept = (int)(splitmix_next(seed) % (uint64_t)(w->size / SECTOR_BYTES)) * SECTOR_BYTES;
        memcpy(disk + w->offset, w->bytes, (size_t)kept);
        if (kept && w->offset + kept > size)
            size = w->offset + kept;
    }
    if (!access(i->path, F_OK)) {
        FILE *f = fopen(i->path, "wb");
        assert_int_equal(fwrite(disk, 1, (size_t)size, f), (size_t)size);
        fclose(f);
    }
    free(disk);
}

static inline void start_over(int cut_at)
{
    for (int i = 0; i < FILES_MAX; i++) {
        forget_writes(&cut.images[i]);
        free(cut.images[i].synced);
    }
    memset(cut.images, 0, sizeof cut.images);
    cut.operations = 0;
    cut.cut_at = cut_at;
    cut.full_at = 0;
    cut.dead = cut.full = false;
}

/* Before the first handle is opened: from here on every one is on it. */
static inline void cut_register(void)
{
    cut.real = sqlite3_vfs_find(NULL);
    cut.vfs = *cut.real;
    cut.vfs.pNext = NULL;
    cut.vfs.zName = "cut";
    cut.vfs.szOsFile = sizeof(struct cut_file);
    cut.vfs.xOpen = cut_open;
    cut.vfs.xDelete = cut_delete;
    sqlite3_vfs_register(&cut.vfs, 1);
}

#endif
