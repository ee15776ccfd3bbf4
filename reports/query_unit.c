/* Everything of one unit as a document. */
#include <string.h>

#include "reports/query.h"
#include "reports/query_rows.h"

enum { NAMED_UNITS_MAX = 64 };

/* Units that answer to the name, the one with the latest run first. */
static int find_units(struct store *s, const char *name, int identities,
                      int64_t units[NAMED_UNITS_MAX], int *count, struct error *err)
{
    static const char with[] =
        "SELECT id FROM unit u WHERE id IN ("
        " SELECT id FROM unit WHERE chip_id=?1 UNION SELECT id FROM unit WHERE serial=?1"
        " UNION SELECT unit FROM run WHERE serial=?1 AND serial<>'' AND unit IS NOT NULL"
        " UNION SELECT u2.id FROM identity i JOIN unit u2 ON u2.chip_id=i.chip_id"
        "  WHERE i.did=?1 OR i.mac=lower(?1))"
        " ORDER BY (SELECT coalesce(max(id), 0) FROM run WHERE unit=u.id) DESC";
    static const char without[] =
        "SELECT id FROM unit u WHERE id IN ("
        " SELECT id FROM unit WHERE chip_id=?1 UNION SELECT id FROM unit WHERE serial=?1"
        " UNION SELECT unit FROM run WHERE serial=?1 AND serial<>'' AND unit IS NOT NULL)"
        " ORDER BY (SELECT coalesce(max(id), 0) FROM run WHERE unit=u.id) DESC";
    struct rows *st = rows_open(s, err, identities ? with : without, "t", name);
    if (!st)
        return rows_code(err);
    int rc = 0;
    *count = 0;
    while (*count < NAMED_UNITS_MAX && (rc = rows_next(st, err)) == 1)
        units[(*count)++] = rows_integer(st, 0);
    rows_close(st);
    if (rc >= 0 && *count == 0)
        return error_set(err, ERROR_MISSING,
                         "the store has no unit of serial, chip id, DID or MAC '%s'", name);
    return rc < 0 ? rc : 0;
}

/* The unit's own facts, and those of its identity when it has one. */
static int add_facts(struct store *s, int64_t unit, int identities, cJSON *object,
                     struct error *err)
{
    struct rows *st = rows_open(
        s, err,
        identities ? "SELECT u.serial, u.chip_id, i.did, i.mac, s.name identity_state, u.first_ms"
                     " FROM unit u LEFT JOIN identity i ON i.chip_id=u.chip_id"
                     " LEFT JOIN identity_state s ON s.id=i.state WHERE u.id=?1"
                   : "SELECT serial, chip_id, NULL did, NULL mac, NULL identity_state, first_ms"
                     " FROM unit WHERE id=?1",
        "i", unit);
    if (!st)
        return rows_code(err);
    int rc = rows_next(st, err);
    if (rc == 1)
        rc = rows_columns(st, 0, object, err);
    rows_close(st);
    return rc;
}

static int add_runs(struct store *s, int64_t unit, cJSON *object, struct error *err)
{
    cJSON *runs = cJSON_AddArrayToObject(object, "runs");
    struct rows *st =
        rows_open(s, err, "SELECT id FROM run WHERE unit=?1 ORDER BY id DESC", "i", unit);
    if (!st)
        return rows_code(err);
    int rc = runs ? 0 : rows_out_of_memory(err);
    while (!rc && (rc = rows_next(st, err)) == 1) {
        cJSON *run = NULL;
        rc = rows_run(s, rows_integer(st, 0), &run, err);
        if (!rc)
            cJSON_AddItemToArray(runs, run);
    }
    rows_close(st);
    return rc;
}

/* What people found and did. */
static int add_defects(struct store *s, int64_t unit, cJSON *object, struct error *err)
{
    cJSON *defect;
    int rc = rows_array(rows_open(s, err,
                                  "SELECT id defect, run, code, place, text, operator, found_ms"
                                  " FROM defect WHERE unit=?1 ORDER BY id",
                                  "i", unit),
                        object, "defects", err);
    cJSON_ArrayForEach(defect, cJSON_GetObjectItemCaseSensitive(object, "defects"))
    {
        int64_t id = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(defect, "defect"));
        if (!rc)
            rc = rows_array(rows_open(s, err,
                                      "SELECT id repair, action, part, text, operator, done_ms"
                                      " FROM repair WHERE defect=?1 ORDER BY id",
                                      "i", id),
                            defect, "repairs", err);
    }
    return rc;
}

int query_unit(struct store *s, const char *name, cJSON **out, struct error *err)
{
    int64_t units[NAMED_UNITS_MAX];
    int count = 0, identities = 0;
    bool began = false;
    cJSON *object = cJSON_CreateObject();
    int rc = object ? rows_begin(s, &began, err) : rows_out_of_memory(err);
    if (rc) {
        cJSON_Delete(object);
        return rc;
    }
    cJSON_AddStringToObject(object, "document", "unit");
    rc = identities = rows_have_identities(s, err);
    if (rc >= 0)
        rc = find_units(s, name, identities, units, &count, err);
    if (!rc)
        rc = add_facts(s, units[0], identities, object, err);
    if (!rc)
        rc = add_runs(s, units[0], object, err);
    if (!rc)
        rc = add_defects(s, units[0], object, err);
    cJSON *others = cJSON_AddArrayToObject(object, "other_chips");
    for (int i = 1; !rc && i < count; i++) {
        struct rows *st =
            rows_open(s, err, "SELECT coalesce(chip_id, '') FROM unit WHERE id=?1", "i", units[i]);
        rc = st ? rows_next(st, err) : rows_code(err);
        if (rc == 1)
            cJSON_AddItemToArray(others, cJSON_CreateString(rows_bytes(st, 0)));
        rows_close(st);
        rc = rc < 0 ? rc : 0;
    }
    rows_end(s, began);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}
