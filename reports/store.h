/* The store: every order, unit, run, step and figure, committed before anyone acts on it.
 *
 * One schema, two engines. A station's own store is one SQLite file (WAL, synchronous=FULL): taktd
 * is its only writer. The store that stations of a line share is a PostgreSQL database, named by
 * its address ("postgresql://..."); each station's outbox writes to it. Readers open their own
 * handle (store_open_reader(), or query.h for SQLite). Schema: docs/records.md. Calls between
 * store_begin() and store_commit() are one transaction; the commit is durable when it returns. */
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

/* Makes or migrates the store at `place`, a path or a PostgreSQL address. ERROR_STATE for a store
 * of a newer version, ERROR_FULL on a full disk, ERROR_INPUT for a damaged file or one that is no
 * store: it is left as it was. A file's writer holds PATH.lock, a record lock that dies with the
 * process and is not inherited by forked workers: ERROR_BUSY when another process has it;
 * attachments go to `attachments_dir` (NULL: none is made). A server that does not answer is
 * ERROR_CLOSED, and store_begin() connects again. */
int store_open(const char *place, const char *attachments_dir, struct store **out,
               struct error *err);
/* A handle through which every write is refused (ERROR_REFUSED); ERROR_MISSING without a store. */
int store_open_reader(const char *place, struct store **out, struct error *err);
void store_close(struct store *s);
/* For provisioning's tables in the same transactions; NULL where the engine is not SQLite. */
sqlite3 *store_handle(struct store *s);
const char *store_engine_name(const struct store *s); /* "sqlite", "postgresql" */
bool store_is_address(const char *place);             /* of a server's, not a file's path */

/* A call that fails inside a transaction takes back its own rows only. When the engine gave up the
 * whole transaction (full disk, I/O error, connection gone), every call up to store_commit() fails
 * with that error and nothing of the transaction is there: gather, begin, write, commit, and only
 * then answer. */
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

/* An instrument that touches the units of a run, with the calibration it has. Dates are texts as
 * the certificate gives them ("2026-11-28"), "" unknown. */
struct instrument_record {
    const char *class_name, *name, *serial;
    const char *certificate, *calibrated_on, *due_on;
};

struct run_record {
    int64_t id; /* set by store_run_open */
    const char *order, *product, *plan;
    const char *plan_sha256, *limits_sha256, *product_sha256, *bundle_sha256; /* hex, "" none */
    const char *plan_signer; /* fingerprint of the key that signed the plan, "" or NULL none */
    const char *program_version;
    const char *site, *line, *station;
    int slot;
    const char *serial;               /* "" while unknown */
    const char *operator_name, *mode; /* "production", "engineering", ... */
    int64_t started_wall_ms;
    const struct instrument_record *instruments;
    size_t instrument_count;
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
/* ERROR_STATE when it is closed already. What goes out to the store's destinations (outbox.h) is
 * queued with it. */
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

/* What a person found wrong with a unit (by chip id, else by serial), and what was done about it.
 * ids are set. ERROR_MISSING for a unit or defect that is not there. Never changed afterwards. */
struct defect_record {
    int64_t id;
    const char *unit;
    int64_t run; /* in which it showed, 0 none */
    const char *code, *place, *text, *operator_name;
    int64_t found_wall_ms;
};
int store_defect(struct store *s, struct defect_record *d, struct error *err);
struct repair_record {
    int64_t id, defect;
    const char *action, *part, *text, *operator_name;
    int64_t done_wall_ms;
};
int store_repair(struct store *s, struct repair_record *r, struct error *err);

/* Writes bytes below attachments_dir by their hash (durable on return; the same bytes twice are
 * one file). Needs no store: slot workers call it. sha256_hex gets the name. */
int store_attachment_write(const char *attachments_dir, const void *data, size_t size,
                           char sha256_hex[65], struct error *err);
/* Appends an attachment's bytes to out (its limit_bytes bounds it); ERROR_MISSING, or
 * ERROR_MISMATCH when what is on disk is no longer what was written. */
int store_attachment_read(const char *attachments_dir, const char *sha256_hex, struct buffer *out,
                          struct error *err);

#endif
