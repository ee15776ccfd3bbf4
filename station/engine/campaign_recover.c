/* A campaign that was open when taktd ended, or is held. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/campaign.h"
#include "station/engine/campaign_parts.h"

/* As it began: the file as the store has it, the plan as it was then, the places by their number.
 */
static int reload(struct engine *e, const cJSON *kept, struct campaign_process *p,
                  struct error *err)
{
    const char *text = json_string(kept, "file", "");
    const cJSON *units = cJSON_GetObjectItemCaseSensitive(kept, "units"), *unit;
    const cJSON *rack = cJSON_GetObjectItemCaseSensitive(json_root(e->station->document), "rack");
    int rc = campaign_parse(json_string(kept, "name", "campaign"), text, strlen(text),
                            e->station->products_dir, &e->vocabulary.words, &p->campaign, err);
    if (rc)
        return rc;
    if (strcmp(p->campaign->plan->plan_sha256, json_string(kept, "plan_sha256", "")) != 0 ||
        strcmp(p->campaign->plan->limits_sha256, json_string(kept, "limits_sha256", "")) != 0)
        return error_set(err, ERROR_MISMATCH, "plan %s or its limits were changed",
                         json_string(kept, "plan", ""));
    snprintf(p->order, sizeof p->order, "%s", json_string(kept, "lot", ""));
    snprintf(p->operator_name, sizeof p->operator_name, "%s", json_string(kept, "operator", ""));
    p->id = (int64_t)json_number(kept, "id", 0);
    if (!cJSON_GetArraySize(units)) /* it ended before its first note */
        rc = campaign_parts_take_places(e, NULL, p, err);
    else
        p->places = calloc((size_t)cJSON_GetArraySize(units), sizeof *p->places);
    if (!rc && !p->places)
        rc = error_set(err, ERROR_MEMORY, "a campaign's places: out of memory");
    cJSON_ArrayForEach(unit, units)
    {
        const char *place = json_string(unit, "place", "");
        int n = 0;
        if (rc)
            break;
        if (sscanf(place, "slot %d", &n) == 1) {
            const struct slot *s = engine_slot(e, n);
            if (!s)
                rc = error_set(err, ERROR_MISSING, "the station has no slot %d any more", n);
            else
                campaign_parts_add_place(p, "slot", n, s->place->port, n);
        } else {
            const cJSON *port =
                sscanf(place, "rack %d", &n) == 1 ? cJSON_GetArrayItem(rack, n - 1) : NULL;
            if (!port)
                rc = error_set(err, ERROR_MISSING, "the rack has no place %d any more", n);
            else
                campaign_parts_add_place(p, "rack", n, port->valuestring, 0);
        }
    }
    return rc ? rc : campaign_parts_board(e, p->campaign->plan->board, &p->board, err);
}

int campaign_parts_put_state(struct engine *e, const cJSON *kept, const char *state,
                             const char *reason, struct error *err)
{
    const int64_t id = (int64_t)json_number(kept, "id", 0);
    const int64_t elapsed_ms = (int64_t)json_number(kept, "elapsed_ms", 0);
    const int64_t at_ms = (int64_t)json_number(kept, "at_ms", 0);
    const struct campaign_event_record event = {0, elapsed_ms, at_ms, state, reason};
    int rc = store_begin(e->store, err);
    if (rc)
        return rc;
    rc = store_campaign_event(e->store, id, &event, err);
    if (!rc)
        rc = store_campaign_progress(e->store, id, state, reason, elapsed_ms, at_ms,
                                     json_string(kept, "progress", ""), err);
    if (!rc)
        rc = store_commit(e->store, err);
    else
        store_rollback(e->store);
    return rc;
}

int campaign_parts_go_on(struct engine *e, const cJSON *kept, struct error *why)
{
    struct campaign_process *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(why, ERROR_MEMORY, "going on with a campaign: out of memory");
    e->campaign = p;
    int rc = reload(e, kept, p, why);
    if (!rc)
        rc = campaign_parts_launch(e, why);
    if (rc)
        campaign_parts_free(e);
    return rc;
}

int campaign_process_recover(struct engine *e, struct error *err)
{
    struct error why = {0};
    cJSON *kept;
    int rc = campaign_current(e->store, false, true, &kept, err);
    if (!rc && kept && strcmp(json_string(kept, "state", ""), "running") == 0 &&
        campaign_parts_go_on(e, kept, &why)) {
        fprintf(stderr, "campaign %.0f is held: %s\n", json_number(kept, "id", 0), why.text);
        rc = campaign_parts_put_state(e, kept, "held", why.text, err);
    }
    cJSON_Delete(kept);
    return rc;
}
