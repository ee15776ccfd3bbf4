#include "reports/trace.h"

#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "reports/store/statements.h"
#include "reports/utf8.h"

enum { COLUMNS_MAX = 10 };

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

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "cannot trace: out of memory");
}

static cJSON *clean_text(const char *text)
{
    struct buffer b = {0};
    const char *clean = utf8_append_clean(&b, text) ? NULL : buffer_text(&b);
    cJSON *value = clean ? cJSON_CreateString(clean) : NULL;
    buffer_free(&b);
    return value;
}

/* `columns`: one letter each, t text, i integer, w wall time (also as text, without its "_ms"),
 * and the member's name, ended by a space. */
static int add_row(const struct store_engine *e, struct store_statement *st, const char *columns,
                   cJSON *row)
{
    for (int i = 0; *columns && i < COLUMNS_MAX; i++) {
        char name[32], text[25];
        size_t n = strcspn(columns, " ");
        cJSON *value;
        if (n < 2 || n > sizeof name)
            return ERROR_INPUT;
        memcpy(name, columns + 1, n - 1);
        name[n - 1] = '\0';
        if (e->null(st, i))
            value = cJSON_CreateNull();
        else if (*columns == 't')
            value = clean_text(e->text(st, i));
        else
            value = cJSON_CreateNumber((double)e->integer(st, i));
        if (!value || !cJSON_AddItemToObject(row, name, value))
            return ERROR_MEMORY;
        if (*columns == 'w' && !e->null(st, i)) {
            clock_format_utc(e->integer(st, i), text);
            name[strlen(name) - 3] = '\0';
            if (!cJSON_AddStringToObject(row, name, text))
                return ERROR_MEMORY;
        }
        columns += n + (columns[n] == ' ');
    }
    return 0;
}

/* All rows of a statement as an array of objects under `name`. */
static int add_rows(struct store *s, const char *sql, const struct store_value *values,
                    size_t count, const char *columns, cJSON *object, const char *name,
                    struct error *err)
{
    const struct store_engine *e = s->engine;
    struct store_statement *st = NULL;
    cJSON *array = cJSON_AddArrayToObject(object, name);
    int rc = array ? e->prepare(s->connection, sql, &st, err) : out_of_memory(err);
    if (!rc)
        rc = e->start(st, values, count, err);
    while (!rc && (rc = e->next(st, err)) == 1) {
        cJSON *row = cJSON_CreateObject();
        rc = 0;
        if (!row || !cJSON_AddItemToArray(array, row) || add_row(e, st, columns, row))
            rc = out_of_memory(err);
    }
    if (st)
        e->release(st);
    return rc;
}

/* ---- from a unit ----------------------------------------------------------------------------- */

#define UNITS                                                                                      \
    "(SELECT id FROM unit WHERE chip_id=?1 UNION SELECT id FROM unit WHERE serial=?1"              \
    " UNION SELECT unit FROM run WHERE serial=?1 AND serial<>'' AND unit IS NOT NULL)"
#define FILES(column, kind)                                                                        \
    "SELECT f.name, f.sha256, count(*), min(r.started_ms), max(r.started_ms) FROM run r JOIN"      \
    " file_version f ON f.id=r." column " WHERE r.unit IN " UNITS                                  \
    " GROUP BY f.id, f.name, f.sha256 ORDER BY f.id"
#define FILE_COLUMNS "tname tsha256 iruns wfirst_ms wlast_ms"

static const struct {
    const char *member, *columns, *sql;
} touches[] = {
    {"units", "tserial tchip_id wfirst_ms",
     "SELECT serial, chip_id, first_ms FROM unit WHERE id IN " UNITS " ORDER BY id"},
    {"orders", "tname iruns",
     "SELECT o.name, count(*) FROM run r JOIN work_order o ON o.id=r.work_order WHERE r.unit "
     "IN " UNITS " GROUP BY o.id, o.name ORDER BY o.id"},
    {"plans", FILE_COLUMNS, FILES("plan", "plan")},
    {"limits", FILE_COLUMNS, FILES("limits", "limits")},
    {"products", FILE_COLUMNS, FILES("product_file", "product")},
    {"bundles", FILE_COLUMNS, FILES("bundle", "bundle")},
    {"programs", "tversion iruns wfirst_ms wlast_ms",
     "SELECT r.program_version, count(*), min(r.started_ms), max(r.started_ms) FROM run r WHERE"
     " r.unit IN " UNITS " GROUP BY r.program_version ORDER BY min(r.id)"},
    {"stations", "tsite tline tstation iruns wfirst_ms wlast_ms",
     "SELECT si.name, l.name, s.name, count(*), min(r.started_ms), max(r.started_ms) FROM run r"
     " JOIN station s ON s.id=r.station JOIN line l ON l.id=s.line JOIN site si ON si.id=l.site"
     " WHERE r.unit IN " UNITS " GROUP BY s.id, si.name, l.name, s.name ORDER BY s.id"},
    {"operators", "tname iruns wfirst_ms wlast_ms",
     "SELECT r.operator, count(*), min(r.started_ms), max(r.started_ms) FROM run r WHERE r.unit "
     "IN " UNITS " AND r.operator<>'' GROUP BY r.operator ORDER BY min(r.id)"},
    {"instruments",
     "tclass tname tserial tcertificate tcalibrated_on tdue_on iruns wfirst_ms wlast_ms",
     "SELECT i.class, i.name, i.serial, c.certificate, c.calibrated_on, c.due_on, count(*),"
     " min(r.started_ms), max(r.started_ms) FROM run r JOIN tooling_part p ON p.tooling=r.tooling"
     " JOIN calibration c ON c.id=p.calibration JOIN instrument i ON i.id=c.instrument"
     " WHERE r.unit IN " UNITS " GROUP BY c.id, i.class, i.name, i.serial, c.certificate,"
     " c.calibrated_on, c.due_on ORDER BY c.id"},
    {"defects", "idefect irun tcode tplace ttext toperator wfound_ms",
     "SELECT d.id, d.run, d.code, d.place, d.text, d.operator, d.found_ms FROM defect d"
     " WHERE d.unit IN " UNITS " ORDER BY d.id"},
    {"repairs", "idefect taction tpart ttext toperator wdone_ms",
     "SELECT p.defect, p.action, p.part, p.text, p.operator, p.done_ms FROM repair p JOIN defect d"
     " ON d.id=p.defect WHERE d.unit IN " UNITS " ORDER BY p.id"},
};

int trace_unit(struct store *reader, const char *name, cJSON **out, struct error *err)
{
    const struct store_value value = {.kind = VALUE_TEXT, .text = name};
    cJSON *object = cJSON_CreateObject();
    int rc = object ? store_begin(reader, err) : out_of_memory(err); /* one snapshot */
    if (rc) {
        cJSON_Delete(object);
        return rc;
    }
    cJSON_AddStringToObject(object, "document", "trace");
    cJSON_AddItemToObject(object, "unit", clean_text(name));
    for (size_t i = 0; !rc && i < sizeof touches / sizeof touches[0]; i++)
        rc = add_rows(reader, touches[i].sql, &value, 1, touches[i].columns, object,
                      touches[i].member, err);
    store_rollback(reader);
    if (!rc && !cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(object, "units")))
        rc = error_set(err, ERROR_MISSING, "the store has no unit of chip id or serial '%.200s'",
                       name);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}

/* ---- from a batch ---------------------------------------------------------------------------- */

int trace_batch(struct store *reader, const char *kind, const char *name, int64_t from_ms,
                int64_t to_ms, cJSON **out, struct error *err)
{
    const struct store_value values[] = {{.kind = VALUE_TEXT, .text = name},
                                         {.kind = VALUE_INTEGER, .integer = from_ms},
                                         {.kind = VALUE_INTEGER, .integer = to_ms}};
    const struct trace_kind *k = trace_kinds;
    struct buffer sql = {0};
    while (k->name && strcmp(k->name, kind) != 0)
        k++;
    if (!k->name)
        return error_set(err, ERROR_INPUT, "'%.40s' is nothing that can be traced", kind);
    /* A run that never learnt its unit stands for itself, under a negative number. */
    int rc = buffer_printf(
        &sql,
        "SELECT coalesce(u.serial, l.serial), u.chip_id, g.runs, g.first, g.last_ms, o.name,"
        " s.name, v.name FROM (SELECT coalesce(r.unit, -r.id) AS who, count(*) AS runs,"
        "   min(r.started_ms) AS first, max(r.started_ms) AS last_ms, max(r.id) AS last FROM run r"
        "   WHERE %s AND r.started_ms >= ?2 AND r.started_ms < ?3 GROUP BY coalesce(r.unit, -r.id))"
        " g JOIN run l ON l.id=g.last JOIN verdict v ON v.id=l.verdict"
        " JOIN work_order o ON o.id=l.work_order JOIN station s ON s.id=l.station"
        " LEFT JOIN unit u ON u.id=l.unit ORDER BY g.last",
        k->where);
    const char *text = rc ? NULL : buffer_text(&sql);
    cJSON *object = text ? cJSON_CreateObject() : NULL;
    rc = object ? 0 : out_of_memory(err);
    if (!rc) {
        cJSON_AddStringToObject(object, "document", "trace");
        cJSON_AddStringToObject(object, "kind", kind);
        cJSON_AddItemToObject(object, "name", clean_text(name));
        rc = add_rows(reader, text, values, 3,
                      "tserial tchip_id iruns wfirst_ms wlast_ms torder tstation tverdict", object,
                      "units", err);
    }
    if (!rc)
        cJSON_AddNumberToObject(
            object, "unit_count",
            cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(object, "units")));
    buffer_free(&sql);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}
