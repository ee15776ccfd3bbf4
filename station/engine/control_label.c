#include "station/engine/control_label.h"

#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "provisioning/audit.h"
#include "reports/query.h"
#include "station/engine/core.h"
#include "station/engine/operators.h"

static int put_on_record(struct engine *e, const char *who, const char *did, const char *serial,
                         const char *reason, struct error *err)
{
    cJSON *detail = cJSON_CreateObject();
    cJSON_AddStringToObject(detail, "serial", serial);
    cJSON_AddStringToObject(detail, "reason", reason);
    const struct audit_entry entry = {
        .wall_ms = clock_wall_ms(), .actor = who, .action = "label.reprint", .subject = did};
    return audit_append_object(store_handle(e->store), entry, detail, err);
}

int control_label_reprint(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err)
{
    const char *name = json_string(params, "unit", ""), *reason = json_string(params, "reason", "");
    char who[OPERATOR_NAME_MAX + 1];
    struct buffer zpl = {0};
    cJSON *unit = NULL;
    const cJSON *run = NULL;
    int rc = operators_allow(e->operators, ACT_LABEL, params, who, err);
    if (!rc && !*reason)
        rc = error_set(err, ERROR_INPUT, "a label is printed again for a reason: none is given");
    if (!rc)
        rc = query_label(e->store, e->attachments_dir, name, &unit, &run, &zpl, err);
    if (!rc)
        rc = put_on_record(e, who, json_string(unit, "did", ""), json_string(unit, "serial", ""),
                           reason, err);
    if (!rc) {
        *result = cJSON_CreateObject();
        cJSON_AddStringToObject(*result, "zpl", buffer_text(&zpl));
        cJSON_AddStringToObject(*result, "serial", json_string(unit, "serial", ""));
        cJSON_AddStringToObject(*result, "did", json_string(unit, "did", ""));
        cJSON_AddNumberToObject(*result, "run", json_number(run, "run", 0));
        cJSON_AddNumberToObject(*result, "slot", json_number(run, "slot", 1));
        cJSON_AddStringToObject(*result, "socket", e->fixture_socket);
    }
    cJSON_Delete(unit);
    buffer_free(&zpl);
    return rc;
}
