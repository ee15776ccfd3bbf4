/* The power goes at any write or sync of a store: what was committed is there, nothing is half.
 *
 * An SQLite VFS over the machine's own keeps, of each file, what was last synced and the writes
 * since. At the cut every later call fails; then each file becomes what was synced and a random
 * part of the writes since, some of them torn at a sector, as a disk with a cache may leave it.
 * TAKT_POWER_CUTS=all tries every point (make soak); else a seeded sample. */
#include "tests/unit/reports/store_fixture.h"

#include "protocol/base/splitmix.h"

enum { FILES_MAX = 8, SECTOR_BYTES = 512, STEPS = 12, SAMPLE = 40 };

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
    bool dead;
} cut;

struct cut_file {
    sqlite3_file base;
    struct cut_image *image; /* NULL: not kept (temporary files) */
    sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct cut_file *)f)->real;
}

static void forget_writes(struct cut_image *i)
{
    while (i->writes) {
        struct cut_write *w = i->writes;
        i->writes = w->next;
        free(w);
    }
    i->end = &i->writes;
}

static struct cut_image *image_of(const char *path)
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
static bool gone(void)
{
    if (!cut.dead && cut.cut_at && ++cut.operations >= cut.cut_at)
        cut.dead = true;
    else if (!cut.cut_at)
        cut.operations++;
    return cut.dead;
}

static void note_write(struct cut_image *i, const void *bytes, int size, sqlite3_int64 offset)
{
    struct cut_write *w = calloc(1, sizeof *w + (size_t)(offset < 0 ? 0 : size));
    w->offset = offset;
    w->size = size;
    if (offset >= 0)
        memcpy(w->bytes, bytes, (size_t)size);
    *i->end = w;
    i->end = &w->next;
}

static int cut_close(sqlite3_file *f)
{
    int rc = real_of(f)->pMethods->xClose(real_of(f));
    free(real_of(f));
    return rc;
}

static int cut_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    return cut.dead ? SQLITE_IOERR_READ : real_of(f)->pMethods->xRead(real_of(f), out, n, at);
}

static int cut_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
    struct cut_file *c = (struct cut_file *)f;
    if (c->image && !cut.dead)
        note_write(c->image, bytes, n, at); /* the one under way may reach the disk, or not */
    if (gone())
        return SQLITE_IOERR_WRITE;
    return c->real->pMethods->xWrite(c->real, bytes, n, at);
}

static int cut_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct cut_file *c = (struct cut_file *)f;
    if (c->image && !cut.dead)
        note_write(c->image, NULL, (int)size, -1);
    if (gone())
        return SQLITE_IOERR_TRUNCATE;
    return c->real->pMethods->xTruncate(c->real, size);
}

static void take_synced(struct cut_image *i)
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

static int cut_sync(sqlite3_file *f, int flags)
{
    struct cut_file *c = (struct cut_file *)f;
    if (gone())
        return SQLITE_IOERR_FSYNC;
    if (c->image)
        take_synced(c->image);
    (void)flags; /* the files of a test need not outlive this machine's own power */
    return SQLITE_OK;
}

static int cut_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int cut_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int cut_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int cut_check(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int cut_control(sqlite3_file *f, int op, void *argument)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, argument);
}

static int cut_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int cut_character(sqlite3_file *f)
{
    (void)f;
    return 0; /* promises nothing: no atomic sectors, no power-safe overwrite */
}

static int cut_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int cut_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void cut_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int cut_shm_unmap(sqlite3_file *f, int remove)
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

static int cut_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
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
    return SQLITE_OK;
}

static int cut_delete(sqlite3_vfs *v, const char *name, int sync)
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
static void settle(struct cut_image *i, uint64_t *seed)
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

static void start_over(int cut_at)
{
    for (int i = 0; i < FILES_MAX; i++) {
        forget_writes(&cut.images[i]);
        free(cut.images[i].synced);
    }
    memset(cut.images, 0, sizeof cut.images);
    cut.operations = 0;
    cut.cut_at = cut_at;
    cut.dead = false;
}

/* One run of so many steps, each step a transaction; how many were told committed. */
static int write_steps(struct store *s)
{
    struct error err = {0};
    struct run_record run = {.order = "O-1",
                             .product = "p",
                             .plan = "p",
                             .site = "s",
                             .line = "l",
                             .station = "b",
                             .serial = "SN1"};
    struct store_fixture f = {.store = s};
    if (store_run_open(s, &run, &err))
        return -1;
    for (int n = 0; n < STEPS; n++)
        if (store_begin(s, &err) || step_new(&f, run.id, n, 1, "image", 0.2, &err) ||
            store_commit(s, &err))
            return n;
    return STEPS;
}

static void cut_once(int at, uint64_t seed)
{
    start_over(0);
    struct store_fixture *f = store_fixture_new();
    struct error err = {0};
    store_close(f->store);
    f->store = NULL;
    start_over(0);
    store_fixture_open(f); /* made, and synced, before the power is at risk */
    for (int i = 0; i < FILES_MAX; i++)
        if (cut.images[i].path[0])
            take_synced(&cut.images[i]);
    cut.operations = 0;
    cut.cut_at = at;
    int committed = write_steps(f->store);
    cut.dead = true;
    store_close(f->store);
    for (int i = 0; i < FILES_MAX; i++)
        if (cut.images[i].path[0])
            settle(&cut.images[i], &seed);
    char shm[300];
    snprintf(shm, sizeof shm, "%s-shm", f->path);
    unlink(shm); /* it is memory */
    start_over(0);
    int rc = store_open(f->path, f->attachments, &f->store, &err);
    if (rc)
        fail_msg("cut at operation %d: %s", at, err.text);
    sqlite3 *db = store_handle(f->store);
    int steps = (int)number_of(db, "SELECT count(*) FROM step");
    if (steps < committed || steps > committed + 1)
        fail_msg("cut at operation %d: %d steps of %d committed", at, steps, committed);
    assert_int_equal(number_of(db, "SELECT count(*) FROM measurement"), steps);
    assert_int_equal(number_of(db, "SELECT count(*) FROM note"), steps);
    assert_int_equal(number_of(db, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                   " integrity_check='ok'"),
                     1);
    assert_int_equal(number_of(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_int_equal(write_steps(f->store), STEPS); /* and it goes on */
    store_fixture_free(f);
}

static void test_a_power_cut_at_any_write_keeps_what_was_committed(void **state)
{
    (void)state;
    const char *want = getenv("TAKT_POWER_CUTS");
    bool all = want && !strcmp(want, "all");
    uint64_t seed = 0x7a6b;
    start_over(0);
    struct store_fixture *f = store_fixture_new();
    cut.operations = 0;
    assert_int_equal(write_steps(f->store), STEPS);
    int operations = cut.operations;
    store_fixture_free(f);
    assert_true(operations > 2 * STEPS);
    int points = all ? operations : SAMPLE;
    for (int n = 0; n < points; n++) {
        int at = all ? n + 1 : 1 + (int)(splitmix_next(&seed) % (uint64_t)operations);
        for (int image = 0; image < (all ? 8 : 1); image++)
            cut_once(at, splitmix_next(&seed));
    }
    print_message("%d writes and syncs; the power cut at %d of them\n", operations, points);
}

/* A disk that says "synced" and is not would be found out: the proof that this test can fail. */
static int lying_sync(sqlite3_file *f, int flags)
{
    (void)f, (void)flags;
    return gone() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static void test_a_disk_that_lies_about_syncs_is_noticed_by_this_test(void **state)
{
    (void)state;
    static sqlite3_io_methods lying;
    uint64_t seed = 1;
    int lost = 0;
    lying = cut_methods;
    lying.xSync = lying_sync;
    for (int n = 0; n < 5; n++) {
        start_over(0);
        struct store_fixture *f = store_fixture_new();
        store_close(f->store);
        start_over(0);
        store_fixture_open(f);
        for (int i = 0; i < FILES_MAX; i++)
            if (cut.images[i].path[0])
                take_synced(&cut.images[i]);
        sqlite3_file *wal = NULL;
        sqlite3_file_control(store_handle(f->store), "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
        assert_non_null(wal);
        wal->pMethods = &lying;
        int committed = write_steps(f->store);
        cut.dead = true;
        store_close(f->store);
        for (int i = 0; i < FILES_MAX; i++)
            if (cut.images[i].path[0])
                settle(&cut.images[i], &seed);
        start_over(0);
        store_fixture_open(f);
        lost += number_of(store_handle(f->store), "SELECT count(*) FROM step") < committed;
        store_fixture_free(f);
    }
    assert_true(lost > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_power_cut_at_any_write_keeps_what_was_committed),
        cmocka_unit_test(test_a_disk_that_lies_about_syncs_is_noticed_by_this_test),
    };
    cut.real = sqlite3_vfs_find(NULL);
    cut.vfs = *cut.real;
    cut.vfs.pNext = NULL;
    cut.vfs.zName = "cut";
    cut.vfs.szOsFile = sizeof(struct cut_file);
    cut.vfs.xOpen = cut_open;
    cut.vfs.xDelete = cut_delete;
    sqlite3_vfs_register(&cut.vfs, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
