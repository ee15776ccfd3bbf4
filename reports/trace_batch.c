/* From a batch to its units: of one that touched a million the count is there at once, and the
 * units come a page at a time.
 *
 * The batch's runs are read once, as numbers; only a page's units are looked up. */
#include <stdlib.h>
#include <string.h>

#include "reports/query_rows.h"
#include "reports/trace.h"

enum {
    LOOKED_UP = 500,    /* units a statement */
    TABLE_FIRST = 1024, /* places, a power of two */
};

#define FILES_OF(kind)                                                                             \
    " IN (SELECT id FROM file_version WHERE kind='" kind "' AND (name=?1 OR sha256=?1))"
#define TOOLING_OF(condition)                                                                      \
    "r.tooling IN (SELECT p.tooling FROM tooling_part p JOIN calibration c ON c.id=p.calibration"  \
    " JOIN instrument i ON i.id=c.instrument WHERE " condition ")"

const struct trace_kind trace_kinds[] = {
    {"plan", "name or SHA-256", "r.plan" FILES_OF("plan")},
    {"limits", "product or SHA-256", "r.limits" FILES_OF("limits")},
    {"product", "name, or SHA-256 of its file",
     "(r.product IN (SELECT id FROM product WHERE name=?1) OR r.product_file" FILES_OF(
         "product") ")"},
    {"bundle", "SHA-256", "r.bundle" FILES_OF("bundle")},
    {"program", "version of the station's programs", "r.program_version=?1"},
    {"instrument", "name or serial", TOOLING_OF("i.name=?1 OR i.serial=?1")},
    {"calibration", "certificate", TOOLING_OF("c.certificate=?1")},
    {"operator", "name", "r.operator=?1"},
    {"order", "name", "r.work_order IN (SELECT id FROM work_order WHERE name=?1)"},
    {"station", "name", "r.station IN (SELECT id FROM station WHERE name=?1)"},
    {"defect", "code", "r.unit IN (SELECT unit FROM defect WHERE code=?1)"},
    {"part", "put in by a repair",
     "r.unit IN (SELECT d.unit FROM repair p JOIN defect d ON d.id=p.defect WHERE p.part=?1)"},
    {NULL, NULL, NULL},
};

/* A unit, or a run that never learnt its unit, under a negative number. */
struct touched {
    int64_t who; /* 0: met again, further behind */
    int64_t last, first_ms, last_ms, runs;
};

struct trace_batch {
    struct store *reader;
    bool began;            /* a snapshot that lasts as long as this */
    struct touched *units; /* in the order of their last runs */
    size_t count, room;
    uint32_t *table; /* places in units + 1, by who; twice as many as there is room */
    size_t places;
};

/* Numbers are given one after the other: neighbours lie beside each other in the table too. */
static size_t place_of(const struct trace_batch *b, int64_t who)
{
    size_t at = (size_t)who & (b->places - 1);
    while (b->table[at] && b->units[b->table[at] - 1].who != who)
        at = (at + 1) & (b->places - 1);
    return at;
}

/* Takes what was met again out, and makes room for as many more as are left. */
static int make_room(struct trace_batch *b, struct error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++)
        if (b->units[i].who)
            b->units[kept++] = b->units[i];
    b->count = kept;
    size_t room = b->room ? b->room : TABLE_FIRST / 2;
    while (room < 2 * kept)
        room *= 2;
    struct touched *units = reallocarray(b->units, room, sizeof *units);
    b->units = units ? units : b->units;
    uint32_t *table = units && room < UINT32_MAX / 2 ? calloc(2 * room, sizeof *table) : NULL;
    if (!table)
        return error_set(err, ERROR_MEMORY, "a batch of more than %zu units: out of memory", kept);
    free(b->table);
    b->table = table;
    b->places = 2 * room;
    b->room = room;
    for (size_t i = 0; i < kept; i++)
        b->table[place_of(b, b->units[i].who)] = (uint32_t)i + 1;
    return 0;
}

static int take(struct trace_batch *b, int64_t run, int64_t who, int64_t started_ms,
                struct error *err)
{
    if (b->count == b->room) {
        int rc = make_room(b, err);
        if (rc)
            return rc;
    }
    size_t at = place_of(b, who);
    struct touched unit = {who, run, started_ms, started_ms, 1};
    if (b->table[at]) {
        struct touched *before = &b->units[b->table[at] - 1];
        unit.last = before->last > run ? before->last : run;
        unit.first_ms = before->first_ms < started_ms ? before->first_ms : started_ms;
        unit.last_ms = before->last_ms > started_ms ? before->last_ms : started_ms;
        unit.runs = before->runs + 1;
        before->who = 0;
    }
    b->units[b->count++] = unit;
    b->table[at] = (uint32_t)b->count;
    return 0;
}

static int by_last(const void *a, const void *b)
{
    const struct touched *x = a, *y = b;
    return (x->last > y->last) - (x->last < y->last);
}

static int gather(struct trace_batch *b, const struct trace_kind *kind, const char *name,
                  int64_t from_ms, int64_t to_ms, struct error *err)
{
    struct buffer sql = {0};
    bool sorted = true;
    int rc = buffer_printf(&sql,
                           "SELECT r.id, coalesce(r.unit, -r.id), r.started_ms FROM run r"
                           " WHERE %s AND r.started_ms >= ?2 AND r.started_ms < ?3",
                           kind->where);
    const char *text = rc ? NULL : buffer_text(&sql);
    struct rows *r = NULL;
    if (!text)
        rc = rows_out_of_memory(err);
    else if (!(r = rows_open_many(b->reader, err, text, "tii", name, from_ms, to_ms)))
        rc = rows_code(err);
    while (!rc && (rc = rows_next(r, err)) == 1)
        rc = take(b, rows_integer(r, 0), rows_integer(r, 1), rows_integer(r, 2), err);
    if (!rc)
        rc = make_room(b, err);
    for (size_t i = 1; i < b->count && sorted; i++)
        sorted = b->units[i - 1].last < b->units[i].last;
    if (!sorted)
        qsort(b->units, b->count, sizeof *b->units, by_last);
    rows_close(r);
    buffer_free(&sql);
    return rc;
}

int trace_batch_open(struct store *reader, const char *kind, const char *name, int64_t from_ms,
                     int64_t to_ms, struct trace_batch **out, struct error *err)
{
    const struct trace_kind *k = trace_kinds;
    while (k->name && strcmp(k->name, kind) != 0)
        k++;
    if (!k->name)
        return error_set(err, ERROR_INPUT, "'%.40s' is nothing that can be traced", kind);
    struct trace_batch *b = calloc(1, sizeof *b);
    if (!b)
        return rows_out_of_memory(err);
    b->reader = reader;
    int rc = rows_begin(reader, &b->began, err);
    if (!rc)
        rc = gather(b, k, name, from_ms, to_ms, err);
    if (rc)
        trace_batch_close(b);
    else
        *out = b;
    return rc;
}

void trace_batch_close(struct trace_batch *b)
{
    if (!b)
        return;
    rows_end(b->reader, b->began);
    free(b->units);
    free(b->table);
    free(b);
}

size_t trace_batch_count(const struct trace_batch *b)
{
    return b->count;
}

/* Of units[from] to units[to], in one statement: numbers of runs, nothing that came from outside.
 */
static int look_up(struct trace_batch *b, size_t from, size_t to, cJSON *array, struct error *err)
{
    struct buffer sql = {0};
    int rc = buffer_append_text(
        &sql, "SELECT coalesce(u.serial, l.serial) serial, u.chip_id, o.name \"order\","
              " s.name station, v.name verdict FROM run l JOIN verdict v ON v.id=l.verdict"
              " JOIN work_order o ON o.id=l.work_order JOIN station s ON s.id=l.station"
              " LEFT JOIN unit u ON u.id=l.unit WHERE l.id IN (");
    for (size_t i = from; !rc && i < to; i++)
        rc = buffer_printf(&sql, "%s%lld", i > from ? "," : "", (long long)b->units[i].last);
    rc = rc ? rc : buffer_append_text(&sql, ") ORDER BY l.id");
    const char *text = rc ? NULL : buffer_text(&sql);
    struct rows *r = NULL;
    if (!text)
        rc = rows_out_of_memory(err);
    else if (!(r = rows_open(b->reader, err, text, "")))
        rc = rows_code(err);
    for (size_t i = from; !rc && (rc = rows_next(r, err)) == 1 && i < to; i++) {
        const struct touched *unit = &b->units[i];
        cJSON *row = cJSON_CreateObject();
        if (!row || !cJSON_AddItemToArray(array, row) ||
            !cJSON_AddNumberToObject(row, "runs", (double)unit->runs) ||
            rows_moment(row, "first_ms", unit->first_ms) ||
            rows_moment(row, "last_ms", unit->last_ms))
            rc = rows_out_of_memory(err);
        else
            rc = rows_columns(r, 0, row, err);
    }
    rows_close(r);
    buffer_free(&sql);
    return rc < 0 ? rc : 0;
}

int trace_batch_page(struct trace_batch *b, size_t skip, size_t most, cJSON **units,
                     struct error *err)
{
    cJSON *array = cJSON_CreateArray();
    size_t end = skip < b->count && most < b->count - skip ? skip + most : b->count;
    int rc = array ? 0 : rows_out_of_memory(err);
    for (size_t i = skip; !rc && i < end; i += LOOKED_UP)
        rc = look_up(b, i, i + LOOKED_UP < end ? i + LOOKED_UP : end, array, err);
    if (rc)
        cJSON_Delete(array);
    else
        *units = array;
    return rc;
}
