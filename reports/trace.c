#include "reports/trace.h"

#include "reports/query_rows.h"

#define UNITS                                                                                      \
    "(SELECT id FROM unit WHERE chip_id=?1 UNION SELECT id FROM unit WHERE serial=?1"              \
    " UNION SELECT unit FROM run WHERE serial=?1 AND serial<>'' AND unit IS NOT NULL)"
#define RUNS "count(*) runs, min(r.started_ms) first_ms, max(r.started_ms) last_ms FROM run r"
#define FILES(column)                                                                              \
    "SELECT f.name, f.sha256, " RUNS " JOIN file_version f ON f.id=r." column                      \
    " WHERE r.unit IN " UNITS " GROUP BY f.id, f.name, f.sha256 ORDER BY f.id"

static const struct {
    const char *member, *sql;
} touches[] = {
    {"units", "SELECT serial, chip_id, first_ms FROM unit WHERE id IN " UNITS " ORDER BY id"},
    {"orders", "SELECT o.name, count(*) runs FROM run r JOIN work_order o ON o.id=r.work_order"
               " WHERE r.unit IN " UNITS " GROUP BY o.id, o.name ORDER BY o.id"},
    {"plans", FILES("plan")},
    {"limits", FILES("limits")},
    {"products", FILES("product_file")},
    {"bundles", FILES("bundle")},
    {"programs", "SELECT r.program_version version, " RUNS " WHERE r.unit IN " UNITS
                 " GROUP BY r.program_version ORDER BY min(r.id)"},
    {"stations", "SELECT si.name site, l.name line, s.name station, " RUNS
                 " JOIN station s ON s.id=r.station JOIN line l ON l.id=s.line JOIN site si ON"
                 " si.id=l.site WHERE r.unit IN " UNITS
                 " GROUP BY s.id, si.name, l.name, s.name ORDER BY s.id"},
    {"operators", "SELECT r.operator name, " RUNS " WHERE r.unit IN " UNITS
                  " AND r.operator<>'' GROUP BY r.operator ORDER BY min(r.id)"},
    {"instruments",
     "SELECT i.class, i.name, i.serial, c.certificate, c.calibrated_on, c.due_on, " RUNS
     " JOIN tooling_part p ON p.tooling=r.tooling JOIN calibration c ON c.id=p.calibration"
     " JOIN instrument i ON i.id=c.instrument WHERE r.unit IN " UNITS
     " GROUP BY c.id, i.class, i.name, i.serial, c.certificate, c.calibrated_on, c.due_on"
     " ORDER BY c.id"},
    {"defects", "SELECT d.id defect, d.run, d.code, d.place, d.text, d.operator, d.found_ms"
                " FROM defect d WHERE d.unit IN " UNITS " ORDER BY d.id"},
    {"repairs", "SELECT p.defect, p.action, p.part, p.text, p.operator, p.done_ms FROM repair p"
                " JOIN defect d ON d.id=p.defect WHERE d.unit IN " UNITS " ORDER BY p.id"},
};

int trace_unit(struct store *reader, const char *name, cJSON **out, struct error *err)
{
    bool began = false;
    cJSON *object = cJSON_CreateObject();
    int rc = object ? rows_begin(reader, &began, err) : rows_out_of_memory(err);
    if (rc) {
        cJSON_Delete(object);
        return rc;
    }
    cJSON_AddStringToObject(object, "document", "trace");
    cJSON_AddItemToObject(object, "unit", rows_clean(name));
    for (size_t i = 0; !rc && i < sizeof touches / sizeof touches[0]; i++)
        rc = rows_array(rows_open(reader, err, touches[i].sql, "t", name), object,
                        touches[i].member, err);
    rows_end(reader, began);
    if (!rc && !cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(object, "units")))
        rc = error_set(err, ERROR_MISSING, "the store has no unit of chip id or serial '%.200s'",
                       name);
    if (rc)
        cJSON_Delete(object);
    else
        *out = object;
    return rc;
}
