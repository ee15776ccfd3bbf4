/* The outbox's rows, and its part of the station file. */
#include "reports/outbox.h"

#include <string.h>

#include "reports/outbox/connector.h"
#include "reports/store/statements.h"
#include "reports/utf8.h"

static const cJSON *destinations_of(const struct json_document *station)
{
    return cJSON_GetObjectItemCaseSensitive(json_root(station), "outbox");
}

static int check_destination(const struct json_document *doc, const cJSON *d, struct error *err)
{
    const char *name, *nearest = NULL;
    long long first = 1, pause;
    if (!cJSON_IsObject(d))
        return json_complain(doc, d, err, "destination '%s' must be an object", d->string);
    if (!*d->string || strlen(d->string) > 31)
        return json_complain(doc, d, err,
                             "destination '%s' has a name of %zu bytes, expected 1 to 31",
                             d->string, strlen(d->string));
    int rc = json_need_string(doc, d, "connector", &name, err);
    if (rc)
        return rc;
    const struct connector *c = connector_find(name, &nearest);
    if (!c)
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(d, "connector"), err,
                             "no connector '%s'%s%s%s", name, nearest ? ", did you mean '" : "",
                             nearest ? nearest : "", nearest ? "'?" : "");
    const char *allowed[16] = {"connector", "first_pause_ms", "longest_pause_ms"};
    size_t n = 3;
    for (const char *const *m = c->members; *m && n < 15; m++)
        allowed[n++] = *m;
    rc = json_only(doc, d, allowed, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(d, "first_pause_ms"))
        rc = json_need_integer(doc, d, "first_pause_ms", 1, 3600000, &first, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(d, "longest_pause_ms"))
        rc = json_need_integer(doc, d, "longest_pause_ms", first, 86400000, &pause, err);
    return rc ? rc : c->check(doc, d, err);
}

int outbox_check(const struct json_document *station, struct error *err)
{
    const cJSON *all = destinations_of(station), *d;
    if (!all)
        return 0;
    if (!cJSON_IsObject(all))
        return json_complain(station, all, err, "'outbox' must be an object of destinations");
    if (cJSON_GetArraySize(all) > OUTBOX_DESTINATIONS_MAX)
        return json_complain(station, all, err, "%d destinations, expected at most %d",
                             cJSON_GetArraySize(all), OUTBOX_DESTINATIONS_MAX);
    int rc = 0;
    cJSON_ArrayForEach(d, all)
    {
        rc = check_destination(station, d, err);
        if (rc)
            break;
    }
    return rc;
}

int outbox_configure(struct store *s, const struct json_document *station, struct error *err)
{
    const cJSON *d;
    int rc = store_begin(s, err);
    if (rc)
        return rc;
    rc = store_run(s, ST_DESTINATION_OFF, err, "");
    cJSON_ArrayForEach(d, destinations_of(station))
    {
        if (!rc)
            rc = store_run(s, ST_DESTINATION_PUT, err, "tt", d->string,
                           json_string(d, "connector", ""));
    }
    if (!rc)
        return store_commit(s, err);
    store_rollback(s);
    return rc;
}

static int write_outcome(struct store *s, int64_t id, enum outbox_outcome outcome,
                         const char *reason, int64_t wall_ms, struct error *err)
{
    int64_t state = 0;
    int rc = store_number(s, ST_OUTBOX_STATE, &state, err, "i", id);
    if (rc <= 0)
        return rc ? rc
                  : error_set(err, ERROR_MISSING, "the outbox has no message %lld", (long long)id);
    if (state != 0) /* settled before: said twice */
        return 0;
    if (outcome == OUTBOX_TROUBLE)
        return store_run(s, ST_OUTBOX_TROUBLE, err, "in", id, reason);
    return store_run(s, ST_OUTBOX_SETTLE, err, "iiin", id,
                     (int64_t)(outcome == OUTBOX_SENT ? 1 : 2), wall_ms,
                     outcome == OUTBOX_SENT ? "" : reason);
}

int outbox_settle(struct store *s, int64_t id, enum outbox_outcome outcome, const char *reason,
                  int64_t wall_ms, struct error *err)
{
    int rc = store_save(s, err);
    return rc ? rc : store_keep(s, write_outcome(s, id, outcome, reason, wall_ms, err), err);
}

int outbox_retry(struct store *s, int64_t id, struct error *err)
{
    int64_t found = 0;
    int rc = store_save(s, err);
    if (rc)
        return rc;
    rc = store_number(s, ST_OUTBOX_RETRY, &found, err, "i", id);
    if (rc == 0)
        rc = error_set(err, ERROR_STATE, "message %lld is not parked", (long long)id);
    return store_keep(s, rc > 0 ? 0 : rc, err);
}

int64_t outbox_pause_ms(int attempt, int64_t first_ms, int64_t longest_ms, uint64_t random)
{
    int64_t pause = first_ms;
    for (int i = 1; i < attempt && pause < longest_ms; i++)
        pause *= 2;
    pause = pause < longest_ms ? pause : longest_ms;
    return pause - pause / 2 + (int64_t)(random % (uint64_t)(pause / 2 + 1));
}

/* ---- what waits, for people ------------------------------------------------------------------ */

static void add_text(cJSON *object, const char *name, const char *text)
{
    struct buffer b = {0};
    if (utf8_append_clean(&b, text) == 0 && buffer_text(&b))
        cJSON_AddStringToObject(object, name, buffer_text(&b));
    buffer_free(&b);
}

/* Each row as an object made by `add`, at the end of `out`. */
static int list_rows(struct store *s, const char *sql,
                     void (*add)(const struct store_engine *e, struct store_statement *st,
                                 cJSON *row),
                     cJSON *out, struct error *err)
{
    const struct store_engine *e = s->engine;
    struct store_statement *st = NULL;
    int rc = e->prepare(s->connection, sql, &st, err);
    if (!rc)
        rc = e->start(st, NULL, 0, err);
    while (!rc && (rc = e->next(st, err)) == 1) {
        cJSON *row = cJSON_CreateObject();
        rc = 0;
        add(e, st, row);
        cJSON_AddItemToArray(out, row);
    }
    if (st)
        e->release(st);
    return rc;
}

static void add_destination(const struct store_engine *e, struct store_statement *st, cJSON *row)
{
    add_text(row, "name", e->text(st, 0));
    add_text(row, "connector", e->text(st, 1));
    cJSON_AddBoolToObject(row, "active", e->integer(st, 2) != 0);
    cJSON_AddNumberToObject(row, "waiting", (double)e->integer(st, 3));
    cJSON_AddNumberToObject(row, "sent", (double)e->integer(st, 4));
    cJSON_AddNumberToObject(row, "parked", (double)e->integer(st, 5));
    if (e->kind(st, 6) != VALUE_NULL) {
        cJSON_AddNumberToObject(row, "oldest_ms", (double)e->integer(st, 6));
        cJSON_AddNumberToObject(row, "attempts", (double)e->integer(st, 7));
        add_text(row, "reason", e->text(st, 8));
    }
}

static void add_parked(const struct store_engine *e, struct store_statement *st, cJSON *row)
{
    cJSON_AddNumberToObject(row, "message", (double)e->integer(st, 0));
    add_text(row, "destination", e->text(st, 1));
    cJSON_AddNumberToObject(row, "run", (double)e->integer(st, 2));
    add_text(row, "serial", e->text(st, 3));
    add_text(row, "reason", e->text(st, 4));
}

static void add_unsettled(const struct store_engine *e, struct store_statement *st, cJSON *row)
{
    add_text(row, "name", e->text(st, 0));
    cJSON_AddNumberToObject(row, "waiting", (double)e->integer(st, 1));
    cJSON_AddNumberToObject(row, "parked", (double)e->integer(st, 2));
    add_text(row, "reason", e->text(st, 3));
}

#define OF_STATE(n) "(SELECT count(*) FROM outbox WHERE destination=d.id AND state=" #n ")"
#define FIRST_WAITING                                                                              \
    "LEFT JOIN outbox o ON o.id=(SELECT min(id) FROM outbox WHERE destination=d.id AND state=0)"

int outbox_unsettled(struct store *s, cJSON **out, struct error *err)
{
    cJSON *list = cJSON_CreateArray();
    int rc =
        list ? list_rows(s,
                         "SELECT d.name, " OF_STATE(0) ", " OF_STATE(
                             2) ", o.reason FROM"
                                " destination d " FIRST_WAITING " WHERE d.active=1 ORDER BY d.id",
                         add_unsettled, list, err)
             : error_set(err, ERROR_MEMORY, "listing the outbox: out of memory");
    if (rc)
        cJSON_Delete(list);
    else
        *out = list;
    return rc;
}

int outbox_list(struct store *reader, cJSON **out, struct error *err)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *all = cJSON_AddArrayToObject(object, "destinations");
    cJSON *parked = cJSON_AddArrayToObject(object, "parked");
    int rc =
        all && parked
            ? list_rows(reader,
                        "SELECT d.name, d.connector, d.active, " OF_STATE(0) ", " OF_STATE(
                            1) ", " OF_STATE(2) ", o.queued_ms, o.attempts, o.reason FROM"
                                                " destination d " FIRST_WAITING " ORDER BY d.id",
                        add_destination, all, err)
            : error_set(err, ERROR_MEMORY, "listing the outbox: out of memory");
    if (!rc)
        rc = list_rows(reader,
                       "SELECT o.id, d.name, o.run, r.serial, o.reason FROM outbox o JOIN"
                       " destination d ON d.id=o.destination JOIN run r ON r.id=o.run"
                       " WHERE o.state=2 ORDER BY o.id LIMIT 1000",
                       add_parked, parked, err);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}
