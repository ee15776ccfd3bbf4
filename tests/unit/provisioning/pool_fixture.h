/* A pool in a folder of its own, as the tests of provisioning use it. */
#ifndef TAKT_TESTS_POOL_FIXTURE_H
#define TAKT_TESTS_POOL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "provisioning/audit.h"
#include "provisioning/custody.h"
#include "provisioning/pool.h"

struct pool_fixture {
    char folder[64], database[96], custody_address[96], csv[96];
    sqlite3 *db;
    struct custody *custody;
    struct pool *pool;
};

#define assert_done(rc, err)                                                                       \
    do {                                                                                           \
        int done_ = (rc);                                                                          \
        if (done_)                                                                                 \
            fail_msg("%s (%d): %s", #rc, done_, (err).text);                                       \
    } while (0)

static inline void fixture_open(struct pool_fixture *f)
{
    struct error err = {0};
    assert_int_equal(sqlite3_open(f->database, &f->db), SQLITE_OK);
    sqlite3_busy_timeout(f->db, 10000);
    /* Processes are killed here, the power is not. */
    assert_int_equal(
        sqlite3_exec(f->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF", NULL, NULL, NULL),
        SQLITE_OK);
    assert_done(custody_open(f->custody_address, &f->custody, &err), err);
    assert_done(pool_open(f->db, f->custody, &f->pool, &err), err);
}

static inline void fixture_close(struct pool_fixture *f)
{
    pool_close(f->pool);
    custody_close(f->custody);
    assert_int_equal(sqlite3_close(f->db), SQLITE_OK);
}

static inline struct pool_fixture *fixture_new(void)
{
    struct pool_fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/takt-pool-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->database, sizeof f->database, "%s/pool.db", f->folder);
    snprintf(f->custody_address, sizeof f->custody_address, "file:%s/custody.key", f->folder);
    snprintf(f->csv, sizeof f->csv, "%s/pool.csv", f->folder);
    fixture_open(f);
    return f;
}

static inline void fixture_free(struct pool_fixture *f)
{
    char command[128];
    fixture_close(f);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
}

static inline int fixture_import_text(struct pool_fixture *f, const char *text, int *count,
                                      struct error *err)
{
    struct error write_err = {0};
    assert_done(file_write(f->csv, text, strlen(text), 0600, &write_err), write_err);
    return pool_import(f->pool, f->csv, NULL, "tester", count, err);
}

/* Identities first..first+count-1, each field told from its number. */
static inline void fixture_import(struct pool_fixture *f, int first, int count)
{
    struct buffer text = {0};
    struct error err = {0};
    int imported = 0;
    buffer_append_text(&text, "did,mac,key\n");
    for (int i = first; i < first + count; i++)
        buffer_printf(&text, "%d,50:ec:50:%02x:%02x:%02x,%032x\n", 100000 + i, i >> 16 & 255,
                      i >> 8 & 255, i & 255, i + 1);
    assert_done(fixture_import_text(f, buffer_text(&text), &imported, &err), err);
    assert_int_equal(imported, count);
    buffer_free(&text);
}

static inline int fixture_reserve(struct pool_fixture *f, const char *chip, struct identity *out,
                                  struct error *err)
{
    const struct pool_request r = {
        .chip_id = chip, .serial = "S", .order = "O", .station = "bench", .wall_ms = 1790000000000};
    return pool_reserve(f->pool, &r, out, err);
}

#endif
