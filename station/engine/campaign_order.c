/* What people order of a campaign: pause, resume, leave, join, stop. */
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/campaign.h"
#include "station/engine/campaign_parts.h"

/* To the process, which notes what came of it. */
static int order(struct engine *e, const char *what, const cJSON *params, cJSON **result,
                 struct error *err)
{
    char reason[120];
    struct campaign_process *p = e->campaign;
    if (!p || !p->pid)
        return error_set(err, ERROR_STATE, "no campaign is running");
    snprintf(reason, sizeof reason, "by %.80s", json_string(params, "operator", "a person"));
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "do", what);
    cJSON_AddStringToObject(o, "reason", reason);
    cJSON_AddNumberToObject(o, "unit", json_number(params, "unit", 0));
    int rc = channel_send(p->channel, o, err);
    loop_want_write(&e->loop, &p->watch, channel_unsent(p->channel) > 0);
    cJSON_Delete(o);
    if (!rc)
        *result = cJSON_CreateObject();
    return rc;
}

int campaign_process_pause(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err)
{
    return order(e, "pause", params, result, err);
}

static int order_unit(struct engine *e, const char *what, const cJSON *params, cJSON **result,
                      struct error *err)
{
    const double unit = json_number(params, "unit", 0);
    if (e->campaign && !(unit >= 1 && unit <= (double)e->campaign->place_count))
        return error_set(err, ERROR_MISSING, "the campaign has no unit %g, but 1 to %zu", unit,
                         e->campaign->place_count);
    return order(e, what, params, result, err);
}

int campaign_process_leave(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err)
{
    return order_unit(e, "leave", params, result, err);
}

int campaign_process_join(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err)
{
    return order_unit(e, "join", params, result, err);
}

int campaign_process_resume(struct engine *e, const struct control_request *r, const cJSON *params,
                            cJSON **result, struct error *err)
{
    cJSON *kept;
    /* taktd went on with it when it was started: what was asked for is so. */
    if (e->campaign) {
        *result = cJSON_CreateObject();
        cJSON_AddNumberToObject(*result, "campaign", (double)e->campaign->id);
        return 0;
    }
    int rc = campaign_current(e->store, false, true, &kept, err);
    if (!rc && !kept)
        rc = error_set(err, ERROR_STATE, "no campaign is open");
    if (!rc)
        rc = campaign_parts_put_state(e, kept, "running", json_string(params, "operator", ""), err);
    if (!rc) {
        rc = campaign_parts_go_on(e, kept, err);
        struct error ignored;
        if (rc) /* it stays where it was, with why */
            campaign_parts_put_state(e, kept, "held", err->text, &ignored);
    }
    if (!rc) {
        *result = cJSON_CreateObject();
        cJSON_AddNumberToObject(*result, "campaign", json_number(kept, "id", 0));
    }
    cJSON_Delete(kept);
    return rc;
}

int campaign_process_end(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err)
{
    cJSON *kept;
    if (e->campaign)
        return order(e, "stop", params, result, err);
    int rc = campaign_current(e->store, false, true, &kept, err);
    if (!rc && !kept)
        rc = error_set(err, ERROR_STATE, "no campaign is open");
    if (!rc)
        rc = campaign_parts_put_state(e, kept, "stopped", json_string(params, "operator", ""), err);
    if (!rc)
        *result = cJSON_CreateObject();
    cJSON_Delete(kept);
    return rc;
}
