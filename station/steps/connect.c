/* The secure session, and who the unit is. A unit of another board than the product's is stopped
 * here, before anything is written to it. */
#include <string.h>

#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static const struct step_param params[] = {
    {"timeout_s", PARAM_NUMBER, "10", 1, 300, "how long the unit may take to answer, s"}, {0}};

static const struct step_measurement measurements[] = {
    {"temperature_c", "degC", "of the SoC, as it says"}, {0}};

static int run(struct step_context *c, struct error *err)
{
    struct session *session;
    cJSON *info = NULL;
    step_progress(c, 0, "connecting");
    int rc = unit_link_session(c->unit, (int)(step_number(c, "timeout_s") * 1000), &session, err);
    if (rc < 0)
        return rc;
    const struct unit_facts *facts = unit_link_facts(c->unit);
    if (strcmp(facts->board, c->board->name) != 0)
        return error_set(err, ERROR_MISMATCH, "the unit is a %s, product %s needs a %s",
                         facts->board, c->product, c->board->name);
    rc = unit_call(c->unit, "unit.info", NULL, 5000, &info, err);
    if (rc == 0)
        rc = step_noted(c, "chip_id", facts->chip_id, err);
    if (rc == 0)
        rc = step_noted(c, "agent", facts->agent, err);
    if (rc == 0)
        rc = step_noted(c, "boot_slot", facts->boot_slot, err);
    if (rc == 0)
        rc = step_noted(c, "firmware_before", json_string(info, "firmware", ""), err);
    if (rc == 0)
        rc = step_noted(c, "boot_reason", json_string(info, "boot_reason", ""), err);
    if (rc == 0)
        rc = step_value(c, "temperature_c", json_number(info, "temperature_c", 0), err);
    cJSON_Delete(info);
    return rc;
}

const struct step_kind step_connect = {
    .name = "connect",
    .about = "secure session; chip, agent, boot slot; the board must match",
    .params = params,
    .measurements = measurements,
    .run = run,
};
