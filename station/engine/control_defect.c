#include "station/engine/control_defect.h"

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/engine/core.h"
#include "station/engine/operators.h"

/* Each in a transaction of its own; between rounds there is none under way. */
int control_defect_add(struct engine *e, const struct control_request *r, const cJSON *params,
                       cJSON **result, struct error *err)
{
    char who[OPERATOR_NAME_MAX + 1];
    int rc = operators_allow(e->operators, ACT_DEFECT, params, who, err);
    if (rc)
        return rc;
    struct defect_record d = {.unit = json_string(params, "unit", ""),
                              .run = (int64_t)json_number(params, "run", 0),
                              .code = json_string(params, "code", ""),
                              .place = json_string(params, "place", ""),
                              .text = json_string(params, "text", ""),
                              .operator_name = who,
                              .found_wall_ms = clock_wall_ms()};
    rc = store_defect(e->store, &d, err);
    if (rc)
        return rc;
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "defect", (double)d.id);
    return 0;
}

int control_defect_repair(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err)
{
    char who[OPERATOR_NAME_MAX + 1];
    int rc = operators_allow(e->operators, ACT_REPAIR, params, who, err);
    if (rc)
        return rc;
    struct repair_record repair = {.defect = (int64_t)json_number(params, "defect", 0),
                                   .action = json_string(params, "action", ""),
                                   .part = json_string(params, "part", ""),
                                   .text = json_string(params, "text", ""),
                                   .operator_name = who,
                                   .done_wall_ms = clock_wall_ms()};
    rc = store_repair(e->store, &repair, err);
    if (rc)
        return rc;
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "repair", (double)repair.id);
    return 0;
}
