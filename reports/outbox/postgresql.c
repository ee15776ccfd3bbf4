/* The line's store in PostgreSQL: a run is written through the same calls as in a station, with its
 * message's key in the same transaction. A key that is there already means that a commit's answer
 * was lost: nothing is written again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/outbox/connector.h"
#include "reports/outbox/line_store.h"
#include "reports/store.h"
#include "reports/store/statements.h"

enum { ROWS_MAX = 65536, TOOLING_MAX = 64 };

static const char *text_of(const cJSON *object, const char *name)
{
    return json_string(object, name, ""); /* null is "" too */
}

static enum verdict verdict_of(const char *name)
{
    enum verdict v = VERDICT_SKIPPED;
    while (v != VERDICT_NONE && strcmp(verdict_name(v), name) != 0)
        v = (enum verdict)(v - 1);
    return v;
}

static void take_limit(const cJSON *m, const char *name, bool *has, double *value)
{
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(m, name);
    *has = cJSON_IsNumber(limit);
    *value = *has ? limit->valuedouble : 0;
}

struct rows {
    struct measurement_record *measurements;
    struct note_record *notes;
    struct attachment_record *attachments;
    struct step_record step;
};

static void free_rows(struct rows *r)
{
    free(r->measurements);
    free(r->notes);
    free(r->attachments);
    memset(r, 0, sizeof *r);
}

static int take_rows(struct rows *r, const cJSON *attempt, struct error *err)
{
    const cJSON *ms = cJSON_GetObjectItemCaseSensitive(attempt, "measurements"),
                *ns = cJSON_GetObjectItemCaseSensitive(attempt, "notes"),
                *as = cJSON_GetObjectItemCaseSensitive(attempt, "attachments"), *row;
    size_t counts[3] = {(size_t)cJSON_GetArraySize(ms), (size_t)cJSON_GetArraySize(ns),
                        (size_t)cJSON_GetArraySize(as)};
    for (int i = 0; i < 3; i++)
        if (counts[i] > ROWS_MAX)
            return error_set(err, ERROR_REFUSED, "a step of %zu rows is too large", counts[i]);
    r->measurements = calloc(counts[0] + 1, sizeof *r->measurements);
    r->notes = calloc(counts[1] + 1, sizeof *r->notes);
    r->attachments = calloc(counts[2] + 1, sizeof *r->attachments);
    if (!r->measurements || !r->notes || !r->attachments)
        return error_set(err, ERROR_MEMORY, "a step's rows: out of memory");
    cJSON_ArrayForEach(row, ms)
    {
        struct measurement_record *m = &r->measurements[r->step.measurement_count++];
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(row, "value");
        *m = (struct measurement_record){.name = text_of(row, "name"),
                                         .unit = text_of(row, "unit"),
                                         .value = cJSON_IsNumber(value) ? value->valuedouble : NAN,
                                         .verdict = verdict_of(text_of(row, "verdict"))};
        take_limit(row, "low", &m->has_low, &m->low);
        take_limit(row, "high", &m->has_high, &m->high);
    }
    cJSON_ArrayForEach(row, ns) r->notes[r->step.note_count++] =
        (struct note_record){text_of(row, "name"), text_of(row, "text")};
    cJSON_ArrayForEach(row, as) r->attachments[r->step.attachment_count++] =
        (struct attachment_record){text_of(row, "name"), text_of(row, "mime"),
                                   text_of(row, "sha256"), (int64_t)json_number(row, "bytes", 0)};
    r->step.measurements = r->measurements;
    r->step.notes = r->notes;
    r->step.attachments = r->attachments;
    return 0;
}

static int write_attempt(struct store *s, int64_t run, const cJSON *step, const cJSON *attempt,
                         struct error *err)
{
    struct rows r = {.step = {
                         .run = run,
                         .index = (int)json_number(step, "index", 0),
                         .attempt = (int)json_number(attempt, "attempt", 1),
                         .id = text_of(step, "id"),
                         .kind = text_of(step, "kind"),
                         .verdict = verdict_of(text_of(attempt, "verdict")),
                         .message = text_of(attempt, "message"),
                         .started_wall_ms = (int64_t)json_number(attempt, "started_ms", 0),
                         .duration_ms = json_number(attempt, "duration_ms", 0),
                     }};
    int rc = take_rows(&r, attempt, err);
    if (!rc)
        rc = store_step(s, &r.step, err);
    free_rows(&r);
    return rc;
}

static int write_run(struct store *s, const cJSON *run, int64_t *id, struct error *err)
{
    struct instrument_record tooling[TOOLING_MAX];
    struct run_record record = {
        .order = text_of(run, "order"),
        .product = text_of(run, "product"),
        .plan = text_of(run, "plan"),
        .plan_sha256 = text_of(run, "plan_sha256"),
        .limits_sha256 = text_of(run, "limits_sha256"),
        .product_sha256 = text_of(run, "product_sha256"),
        .bundle_sha256 = text_of(run, "bundle_sha256"),
        .plan_signer = text_of(run, "plan_signer"),
        .program_version = text_of(run, "program_version"),
        .site = text_of(run, "site"),
        .line = text_of(run, "line"),
        .station = text_of(run, "station"),
        .slot = (int)json_number(run, "slot", 0),
        .serial = text_of(run, "serial"),
        .operator_name = text_of(run, "operator"),
        .mode = text_of(run, "mode"),
        .started_wall_ms = (int64_t)json_number(run, "started_ms", 0),
        .instruments = tooling,
    };
    const cJSON *i, *step, *attempt;
    cJSON_ArrayForEach(i, cJSON_GetObjectItemCaseSensitive(
                              run, "instruments")) if (record.instrument_count < TOOLING_MAX)
        tooling[record.instrument_count++] =
            (struct instrument_record){text_of(i, "class"),         text_of(i, "name"),
                                       text_of(i, "serial"),        text_of(i, "certificate"),
                                       text_of(i, "calibrated_on"), text_of(i, "due_on")};
    int rc = store_run_open(s, &record, err);
    *id = record.id;
    if (!rc && *text_of(run, "chip_id"))
        rc = store_run_unit(s, *id, text_of(run, "chip_id"), text_of(run, "serial"), err);
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(run, "steps"))
        cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(step, "attempts")) if (!rc)
            rc = write_attempt(s, *id, step, attempt, err);
    if (!rc)
        rc = store_run_close(s, *id, verdict_of(text_of(run, "verdict")), text_of(run, "message"),
                             (int64_t)json_number(run, "ended_ms", 0), err);
    return rc;
}

int line_store_write(struct store *s, const struct outbox_message *m, struct error *err)
{
    int64_t id = 0;
    int rc = store_begin(s, err);
    if (rc)
        return rc;
    rc = store_number(s, ST_RECEIVED_FIND, &id, err, "t", m->key);
    if (rc == 0) {
        rc = write_run(s, m->run, &id, err);
        if (!rc)
            rc = store_run(s, ST_RECEIVED_ADD, err, "ti", m->key, id);
        if (!rc)
            return store_commit(s, err);
    }
    store_rollback(s);
    return rc < 0 ? rc : 0;
}

/* ---- the connector --------------------------------------------------------------------------- */

struct line_store {
    char *address;
    struct store *store; /* NULL while the server cannot be reached */
};

static const char *const members[] = {"address", NULL};

static int check(const struct json_document *doc, const cJSON *destination, struct error *err)
{
    const char *address;
    int rc = json_need_string(doc, destination, "address", &address, err);
    if (!rc && strcmp(store_engine_of(address)->name, "postgresql") != 0)
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(destination, "address"), err,
                           "'%s' is no address of a PostgreSQL database, expected postgresql://...",
                           address);
    return rc;
}

static int open_line_store(const cJSON *destination, const char *folder, void **out,
                           struct error *err)
{
    struct line_store *l = calloc(1, sizeof *l);
    if (!l || !(l->address = strdup(text_of(destination, "address")))) {
        free(l);
        return error_set(err, ERROR_MEMORY, "the line's store: out of memory");
    }
    (void)folder;
    *out = l;
    return 0;
}

static int send_message(void *connection, const struct outbox_message *m, struct error *err)
{
    struct line_store *l = connection;
    int rc = l->store ? 0 : store_open(l->address, NULL, &l->store, err);
    if (!rc)
        rc = line_store_write(l->store, m, err);
    /* A run that the tables themselves refuse is refused for good; a wrong password is not. */
    if (rc == ERROR_STATE || rc == ERROR_INPUT)
        return l->store ? (err->code = ERROR_REFUSED) : rc;
    return rc == ERROR_REFUSED ? (err->code = ERROR_BUSY) : rc;
}

static void close_line_store(void *connection)
{
    struct line_store *l = connection;
    if (!l)
        return;
    store_close(l->store);
    free(l->address);
    free(l);
}

const struct connector connector_postgresql = {
    .name = "postgresql",
    .members = members,
    .check = check,
    .open = open_line_store,
    .send = send_message,
    .close = close_line_store,
};
