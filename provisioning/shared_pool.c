#include "provisioning/shared_pool.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "provisioning/shared_parts.h"
#include "provisioning/shared_schema.h"

/* Longer than a statement may take there (statement_timeout, below). */
enum { SILENT_MS = 22000 };

/* ---- statements ------------------------------------------------------------------------------ */

/* SQLSTATE classes: PostgreSQL 15, appendix A; TK: rules of ours (shared_schema.c). */
static int code_of(const char *state)
{
    static const struct {
        const char *prefix;
        int code;
    } codes[] = {
        {"TK001", ERROR_FULL},   {"TK", ERROR_STATE},      {"23", ERROR_STATE},
        {"28", ERROR_REFUSED},   {"42501", ERROR_REFUSED}, {"53100", ERROR_FULL},
        {"40", ERROR_BUSY},      {"55P03", ERROR_BUSY},    {"57P", ERROR_CLOSED},
        {"57014", ERROR_CLOSED}, {"08", ERROR_CLOSED},     {"3D000", ERROR_MISSING},
    };
    for (size_t i = 0; state && i < sizeof codes / sizeof codes[0]; i++)
        if (!strncmp(state, codes[i].prefix, strlen(codes[i].prefix)))
            return codes[i].code;
    return ERROR_IO;
}

static int fail(const struct shared_pool *p, const PGresult *r, struct error *err)
{
    char text[300];
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *said = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    snprintf(text, sizeof text, "%s", said ? said : PQerrorMessage(p->pg));
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = c[1] ? ' ' : '\0';
    /* What has no state is said by the library alone: there is no server behind it any more. */
    const int code = state ? code_of(state) : ERROR_CLOSED;
    if (state && strncmp(state, "TK", 2) == 0)
        return error_set(err, code, "%s", text);
    return error_set(err, code, "the shared pool: %s%s%s%s", text, state ? " (" : "",
                     state ? state : "", state ? ")" : "");
}

struct values {
    const char *texts[SHARED_VALUES_MAX];
    int sizes[SHARED_VALUES_MAX], formats[SHARED_VALUES_MAX];
    char numbers[SHARED_VALUES_MAX][24];
};

static int take_values(struct values *v, const char *types, va_list list)
{
    int n = 0;
    for (; types[n]; n++) {
        v->formats[n] = types[n] == 'b';
        v->sizes[n] = 0;
        if (types[n] == 'i' || types[n] == 'z') {
            const int64_t number = va_arg(list, int64_t);
            snprintf(v->numbers[n], sizeof v->numbers[n], "%" PRId64, number);
            v->texts[n] = types[n] == 'z' && !number ? NULL : v->numbers[n];
        } else if (types[n] == 'b') {
            v->texts[n] = va_arg(list, const void *);
            v->sizes[n] = (int)va_arg(list, size_t);
        } else {
            const char *text = va_arg(list, const char *);
            v->texts[n] = types[n] == 'n' && (!text || !*text) ? NULL : text ? text : "";
        }
    }
    return n;
}

/* What the server answers, or NULL: from one that is silent the library alone would wait for ever,
 * as long as its machine says that it is there. After that the connection is of no more use. */
static PGresult *result(struct shared_pool *p, int sent, struct error *err)
{
    const int64_t end_ms = clock_mono_ms() + SILENT_MS;
    bool usable = sent == 1;
    while (usable && PQisBusy(p->pg)) {
        const int64_t left_ms = end_ms - clock_mono_ms();
        struct pollfd ready = {.fd = PQsocket(p->pg), .events = POLLIN};
        if (left_ms <= 0) {
            error_set(err, ERROR_CLOSED, "the shared pool: silent for %d s", SILENT_MS / 1000);
            return NULL;
        }
        if (poll(&ready, 1, (int)left_ms) != 0)
            usable = PQconsumeInput(p->pg) == 1;
    }
    PGresult *last = usable ? PQgetResult(p->pg) : NULL, *next;
    while (last && (next = PQgetResult(p->pg))) { /* of several statements, as PQexec() has it */
        if (PQresultStatus(next) == PGRES_FATAL_ERROR) {
            PQclear(last);
            last = next;
        } else {
            PQclear(next);
        }
    }
    const ExecStatusType status = PQresultStatus(last);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return last;
    fail(p, last, err);
    PQclear(last);
    return NULL;
}

static PGresult *query(struct shared_pool *p, struct error *err, const char *sql, const char *types,
                       va_list list)
{
    struct values v;
    const int n = take_values(&v, types, list);
    return result(p, PQsendQueryParams(p->pg, sql, n, NULL, v.texts, v.sizes, v.formats, 0), err);
}

PGresult *shared_query(struct shared_pool *p, struct error *err, const char *sql, const char *types,
                       ...)
{
    va_list list;
    va_start(list, types);
    PGresult *r = query(p, err, sql, types, list);
    va_end(list);
    return r;
}

int shared_run(struct shared_pool *p, struct error *err, int64_t *changed, const char *sql,
               const char *types, ...)
{
    va_list list;
    va_start(list, types);
    PGresult *r = query(p, err, sql, types, list);
    va_end(list);
    if (!r)
        return err->code;
    if (changed)
        *changed = strtoll(PQcmdTuples(r), NULL, 10);
    PQclear(r);
    return 0;
}

void shared_roll_back(struct shared_pool *p)
{
    struct error ignored;
    PQclear(result(p, PQsendQuery(p->pg, "ROLLBACK"), &ignored));
}

int64_t shared_number_at(const PGresult *r, int row, int column)
{
    return PQgetisnull(r, row, column) ? 0 : strtoll(PQgetvalue(r, row, column), NULL, 10);
}

/* "\x00ff...": how many bytes, -1 when it is none or too long. */
static int bytes_at(const PGresult *r, int row, int column, uint8_t *out, size_t room)
{
    const char *text = PQgetvalue(r, row, column);
    const size_t n = strlen(text) / 2;
    if (strncmp(text, "\\x", 2) != 0 || n < 1 || n - 1 > room || hex_decode(text + 2, out, n - 1))
        return -1;
    return (int)n - 1;
}

int shared_identity_at(const PGresult *r, int row, struct shared_identity *out, struct error *err)
{
    *out = (struct shared_identity){.id = shared_number_at(r, row, 0),
                                    .state = (enum identity_state)shared_number_at(r, row, 5)};
    const char *did = PQgetvalue(r, row, 1), *mac = PQgetvalue(r, row, 2);
    const int sealed = bytes_at(r, row, 4, out->sealed, sizeof out->sealed);
    if (strlen(did) >= sizeof out->did || strlen(mac) >= sizeof out->mac || sealed < 0 ||
        bytes_at(r, row, 3, out->fingerprint, sizeof out->fingerprint) !=
            (int)sizeof out->fingerprint)
        return error_set(err, ERROR_INPUT, "identity %lld of the shared pool is damaged",
                         (long long)out->id);
    strcpy(out->did, did);
    strcpy(out->mac, mac);
    out->sealed_bytes = (size_t)sealed;
    return 0;
}

/* ---- the connection -------------------------------------------------------------------------- */

static int make_tables(struct shared_pool *p, struct error *err)
{
    enum { LOCK = 0x544b504c }; /* advisory: one station makes them at a time */
    PGresult *r = NULL;
    int rc = shared_run(p, err, NULL, "BEGIN", "");
    if (!rc)
        rc = shared_run(p, err, NULL, "SELECT pg_advisory_xact_lock($1)", "i", (int64_t)LOCK);
    if (!rc && !(r = shared_query(p, err, "SELECT to_regclass('takt_pool.setting')", "")))
        rc = err->code;
    if (!rc && PQgetisnull(r, 0, 0)) {
        PGresult *made = result(p, PQsendQuery(p->pg, shared_schema_1), err);
        if (!made)
            rc = err->code;
        PQclear(made);
    }
    PQclear(r);
    return rc ? rc : shared_run(p, err, NULL, "COMMIT", "");
}

static int check_version(struct shared_pool *p, struct error *err)
{
    PGresult *r = shared_query(p, err,
                               "SELECT convert_from(value, 'UTF8') FROM takt_pool.setting WHERE"
                               " name='version'",
                               "");
    if (!r)
        return err->code;
    const int version = PQntuples(r) ? atoi(PQgetvalue(r, 0, 0)) : 0;
    PQclear(r);
    return version == SHARED_POOL_VERSION
               ? 0
               : error_set(err, ERROR_STATE,
                           "the shared pool is of version %d, this program knows %d", version,
                           SHARED_POOL_VERSION);
}

/* What it says beside its answers would stand in the station's log as if it were ours. */
static void no_notice(void *context, const char *text)
{
    (void)context, (void)text;
}

int shared_pool_open(const char *address, struct shared_pool **out, struct error *err)
{
    /* A statement that hangs, or a server that is gone without a word, is as good as none: the
     * station goes on with what it holds. */
    static const char *const names[] = {
        "dbname",          "connect_timeout",     "tcp_user_timeout",
        "keepalives_idle", "keepalives_interval", "keepalives_count",
        "options",         "application_name",    NULL};
    const char *const values[] = {
        address,     "4", "5000", "10", "3", "3", "-c statement_timeout=20000 -c lock_timeout=4000",
        "takt pool", NULL};
    struct shared_pool *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "the shared pool: out of memory");
    p->pg = PQconnectdbParams(names, values, 1);
    PQsetNoticeProcessor(p->pg, no_notice, NULL);
    int rc = PQstatus(p->pg) == CONNECTION_OK ? 0 : fail(p, NULL, err);
    if (rc)
        rc = err->code = ERROR_CLOSED;
    if (!rc)
        rc = make_tables(p, err);
    if (!rc)
        rc = check_version(p, err);
    if (rc)
        shared_pool_close(p);
    else
        *out = p;
    return rc;
}

void shared_pool_close(struct shared_pool *p)
{
    if (!p)
        return;
    PQfinish(p->pg);
    free(p);
}

/* ---- reserving and reporting ----------------------------------------------------------------- */

/* Planned once a connection: the plan costs more than the rows. */
static PGresult *ask_for_one(struct shared_pool *p, const struct pool_request *r, struct error *err)
{
    char wall_ms[24];
    snprintf(wall_ms, sizeof wall_ms, "%lld", (long long)r->wall_ms);
    const char *const values[] = {r->chip_id,
                                  r->serial ? r->serial : "",
                                  r->order ? r->order : "",
                                  r->station ? r->station : "",
                                  r->operator_name ? r->operator_name : "",
                                  wall_ms};
    if (!p->prepared) {
        PGresult *made =
            result(p, PQsendPrepare(p->pg, "reserve", shared_reserve_sql, 0, NULL), err);
        p->prepared = made != NULL;
        PQclear(made);
        if (!p->prepared)
            return NULL;
    }
    return result(p, PQsendQueryPrepared(p->pg, "reserve", 6, values, NULL, NULL, 0), err);
}

int shared_pool_reserve(struct shared_pool *p, const struct pool_request *r,
                        struct shared_identity *out, struct error *err)
{
    if (!r->chip_id || !*r->chip_id)
        return error_set(err, ERROR_INPUT, "an identity is for a unit: its chip id is empty");
    for (int tries = 0;; tries++) {
        PGresult *rows = ask_for_one(p, r, err);
        /* The same chip at two stations in the same moment: the second finds it the next time.
         * Quotas taken in another order: one of the two begins again. */
        if (!rows && tries < SHARED_TRIES && (err->code == ERROR_BUSY || err->code == ERROR_STATE))
            continue;
        if (!rows)
            return err->code;
        int rc = PQntuples(rows) ? shared_identity_at(rows, 0, out, err)
                                 : error_set(err, ERROR_FULL,
                                             "the shared pool has no free identity for unit %s: "
                                             "import more",
                                             r->chip_id);
        PQclear(rows);
        return rc;
    }
}

int shared_pool_report(struct shared_pool *p, const struct shared_report *r, bool *conflict,
                       struct error *err)
{
    for (int tries = 0;; tries++) {
        PGresult *said = shared_query(
            p, err,
            "SELECT takt_pool.report($1, $2, $3, $4, $5, $6, $7::smallint, $8, $9, $10, $11, $12,"
            " $13)",
            "itnnnnizzzzzn", r->id, r->chip_id, r->serial, r->order, r->station, r->operator_name,
            (int64_t)r->state, r->reserved_ms, r->injected_ms, r->confirmed_ms, r->quarantined_ms,
            r->scrapped_ms, r->reason);
        if (!said && tries < SHARED_TRIES && err->code == ERROR_BUSY)
            continue;
        if (!said)
            return err->code;
        *conflict = strcmp(PQgetvalue(said, 0, 0), "quarantined") == 0;
        PQclear(said);
        return 0;
    }
}

int shared_pool_counts(struct shared_pool *p, struct pool_counts *out, struct error *err)
{
    *out = (struct pool_counts){0};
    PGresult *r =
        shared_query(p, err, "SELECT state, count(*) FROM takt_pool.identity GROUP BY state", "");
    if (!r)
        return err->code;
    for (int i = 0; i < PQntuples(r); i++) {
        const int64_t state = shared_number_at(r, i, 0);
        if (state >= 0 && state < IDENTITY_STATES)
            out->of[state] = shared_number_at(r, i, 1);
    }
    PQclear(r);
    return 0;
}

int shared_pool_free_up_to(struct shared_pool *p, int64_t at_most, int64_t *out, struct error *err)
{
    PGresult *r = shared_query(p, err,
                               "SELECT count(*) FROM (SELECT 1 FROM takt_pool.identity WHERE"
                               " state = 0 AND lease IS NULL LIMIT $1::bigint) f",
                               "i", at_most);
    if (!r)
        return err->code;
    *out = shared_number_at(r, 0, 0);
    PQclear(r);
    return 0;
}

/* ---- quotas ---------------------------------------------------------------------------------- */

int shared_quota_set(struct shared_pool *p, enum pool_quota_kind kind, const char *name,
                     int64_t allowed, struct error *err)
{
    static const char *const columns[QUOTA_KINDS] = {"work_order", "station", "operator"};
    char sql[400];
    snprintf(sql, sizeof sql,
             "INSERT INTO takt_pool.quota(kind, name, allowed, used) VALUES ($1, $2, $3,"
             " (SELECT count(*) FROM takt_pool.identity WHERE %s = $2))"
             " ON CONFLICT (kind, name) DO UPDATE SET allowed = excluded.allowed",
             columns[kind]);
    return shared_run(p, err, NULL, sql, "tti", pool_quota_kind_name(kind), name, allowed);
}

int shared_quota_each(struct shared_pool *p,
                      void (*each)(void *context, enum pool_quota_kind kind, const char *name,
                                   int64_t used, int64_t allowed),
                      void *context, struct error *err)
{
    enum pool_quota_kind kind = QUOTA_ORDER;
    PGresult *r = shared_query(
        p, err, "SELECT kind, name, used, allowed FROM takt_pool.quota ORDER BY kind, name", "");
    if (!r)
        return err->code;
    for (int i = 0; i < PQntuples(r); i++)
        if (!pool_quota_kind_find(PQgetvalue(r, i, 0), &kind, NULL))
            each(context, kind, PQgetvalue(r, i, 1), shared_number_at(r, i, 2),
                 shared_number_at(r, i, 3));
    PQclear(r);
    return 0;
}
