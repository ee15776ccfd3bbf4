/* The store: every order, unit, run, step and figure, committed before anyone acts on it.
 *
 * SQLite, WAL, synchronous=FULL. taktd is the only writer; readers open their own read-only
 * handle (query.h). Schema: docs/records.md. Calls between store_begin() and store_commit() are
 * one transaction; the commit is durable when it returns. */
#ifndef TAKT_REPORTS_STORE_H
#define TAKT_REPORTS_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

struct store;

/* Below a station's state_dir. */
#define STORE_FILE        "store.db"
#define STORE_ATTACHMENTS "attachments"

/* Makes or migrates `path` and holds PATH.lock, a record lock that dies with the process and is
 * not inherited by forked workers; attachments go to `attachments_dir`. ERROR_STATE for a store of
 * a newer version, ERROR_BUSY when another process has it, ERROR_FULL on a full disk, ERROR_INPUT
 * for a damaged file or one that is no store: it is left as it was. */
int store_open(const char *path, const char *attachments_dir, struct store **out,
               struct error *err);
void store_close(struct store *s);
sqlite3 *store_handle(struct store *s); /* for provisioning's tables in the same transactions */

/* A call that fails inside a transaction takes back its own rows only. When SQLite gave up the
 * whole transaction (full disk, I/O error), every call up to store_commit() fails with that error
 * and nothing of the transaction is there: gather, begin, write, commit, and only then answer. */
int store_begin(struct store *s, struct error *err);
int store_commit(struct store *s, struct error *err);
void store_rollback(struct store *s);

enum verdict {
    VERDICT_NONE, /* not judged yet */
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_ERROR,
    VERDICT_TIMEOUT,
    VERDICT_ABORTED,
    VERDICT_SKIPPED,
};
const char *verdict_name(enum verdict v); /* "pass", ...; "" for NONE */

struct run_record {
    int64_t id; /* set by store_run_open */
    const char *order, *product, *plan;
    const char *plan_sha256, *limits_sha256, *product_sha256, *bundle_sha256; /* hex, "" none */
    const char *program_version;
    const char *site, *line, *station;
    int slot;
    const char *serial;               /* "" while unknown */
    const char *operator_name, *mode; /* "production", "engineering", ... */
    int64_t started_wall_ms;
};
/* Opens a run; makes order and unit when they are new. */
int store_run_open(struct store *s, struct run_record *run, struct error *err);
/* Once the unit said who it is: chip id, and serial when it was unknown ("" leaves it). A unit is
 * its chip: another chip under a serial seen before is another unit. */
int store_run_unit(struct store *s, int64_t run, const char *chip_id, const char *serial,
                   struct error *err);

struct measurement_record {
    const char *name, *unit;
    double value;
    bool has_low, has_high;
    double low, high;     /* the limits it was held against */
    enum verdict verdict; /* NONE when it had no limit */
};
struct note_record {
    const char *name, *text;
};
struct attachment_record {
    const char *name, *mime, *sha256; /* bytes are on disk already: store_attachment_write() */
    int64_t bytes;
};
struct step_record {
    int64_t run;
    int index, attempt;    /* index in the plan, attempt from 1 */
    const char *id, *kind; /* "image", ... */
    enum verdict verdict;
    const char *message; /* why, when not a pass */
    int64_t started_wall_ms;
    double duration_ms; /* monotonic */
    const struct measurement_record *measurements;
    size_t measurement_count;
    const struct note_record *notes;
    size_t note_count;
    const struct attachment_record *attachments;
    size_t attachment_count;
};
/* ERROR_STATE when this run, index and attempt is there already, or the run is closed: a step is
 * never recorded twice. */
int store_step(struct store *s, const struct step_record *step, struct error *err);
/* ERROR_STATE when it is closed already. */
int store_run_close(struct store *s, int64_t run, enum verdict verdict, const char *message,
                    int64_t ended_wall_ms, struct error *err);

/* Runs without a verdict, oldest first, after a crash; strings valid during the callback. */
struct open_run {
    struct run_record run;
    const char *chip_id;
    int steps_committed; /* highest index + 1 whose last attempt has a verdict */
};
int store_open_runs(struct store *s, int (*each)(void *context, const struct open_run *r),
                    void *context, struct error *err);

/* Writes bytes below attachments_dir by their hash (durable on return; the same bytes twice are
 * one file). Needs no store: slot workers call it. sha256_hex gets the name. */
int store_attachment_write(const char *attachments_dir, const void *data, size_t size,
                           char sha256_hex[65], struct error *err);
/* Appends an attachment's bytes to out (its limit_bytes bounds it); ERROR_MISSING, or
 * ERROR_MISMATCH when what is on disk is no longer what was written. */
int store_attachment_read(const char *attachments_dir, const char *sha256_hex, struct buffer *out,
                          struct error *err);

#endif
