/* A store in a folder of its own, and a run with steps as a line would write them. */
#ifndef TAKT_TESTS_STORE_FIXTURE_H
#define TAKT_TESTS_STORE_FIXTURE_H

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
#include "reports/query.h"
#include "reports/store.h"

struct store_fixture {
    char folder[64], path[200], attachments[200];
    struct store *store;
};

#define assert_done(rc, err)                                                                       \
    do {                                                                                           \
        int done_ = (rc);                                                                          \
        if (done_)                                                                                 \
            fail_msg("%s (%d): %s", #rc, done_, (err).text);                                       \
    } while (0)

#define PLAN_SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static inline void store_fixture_open(struct store_fixture *f)
{
    struct error err = {0};
    assert_done(store_open(f->path, f->attachments, &f->store, &err), err);
}

/* A store in a database instead of a file: every other thing is the same. */
static inline struct store_fixture *store_fixture_at(const char *place)
{
    struct store_fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/takt-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s", place);
    snprintf(f->attachments, sizeof f->attachments, "%s/" STORE_ATTACHMENTS, f->folder);
    store_fixture_open(f);
    return f;
}

static inline struct store_fixture *store_fixture_new(void)
{
    struct store_fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/takt-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/" STORE_FILE, f->folder);
    snprintf(f->attachments, sizeof f->attachments, "%s/" STORE_ATTACHMENTS, f->folder);
    store_fixture_open(f);
    return f;
}

static inline void store_fixture_free(struct store_fixture *f)
{
    char command[128];
    store_close(f->store);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
}

static inline struct run_record record_of(const char *order, const char *serial,
                                          int64_t started_wall_ms)
{
    return (struct run_record){
        .order = order,
        .product = "ptz-indoor-3mp",
        .plan = "ptz-indoor-3mp/line",
        .plan_sha256 = PLAN_SHA256,
        .limits_sha256 = PLAN_SHA256,
        .product_sha256 = PLAN_SHA256,
        .bundle_sha256 = "",
        .program_version = "0.1.0-test",
        .site = "lab",
        .line = "box",
        .station = "bench",
        .slot = 1,
        .serial = serial,
        .operator_name = "li",
        .mode = "production",
        .started_wall_ms = started_wall_ms,
    };
}

static inline int64_t run_new(struct store_fixture *f, const char *order, const char *serial,
                              int64_t started_wall_ms)
{
    struct error err = {0};
    struct run_record run = record_of(order, serial, started_wall_ms);
    assert_done(store_run_open(f->store, &run, &err), err);
    assert_true(run.id > 0);
    return run.id;
}

/* One step with one figure held against 0.14 or more. */
static inline int step_new(struct store_fixture *f, int64_t run, int index, int attempt,
                           const char *id, double value, struct error *err)
{
    const struct measurement_record m = {
        .name = "mtf50_centre",
        .unit = "cycles/px",
        .value = value,
        .has_low = true,
        .low = 0.14,
        .verdict = value >= 0.14 ? VERDICT_PASS : VERDICT_FAIL,
    };
    const struct note_record n = {.name = "firmware", .text = "1.0.2"};
    const struct step_record step = {
        .run = run,
        .index = index,
        .attempt = attempt,
        .id = id,
        .kind = "image",
        .verdict = m.verdict,
        .message = m.verdict == VERDICT_PASS ? "" : "mtf50_centre is below its limit",
        .started_wall_ms = 1790000000000 + index,
        .duration_ms = 12.5,
        .measurements = &m,
        .measurement_count = 1,
        .notes = &n,
        .note_count = 1,
    };
    return store_step(f->store, &step, err);
}

static inline int64_t number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

#endif
