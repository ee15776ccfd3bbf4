/* bluetooth.advertise, bluetooth.silence. */
#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"

static int advertise(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"name", NULL};
    char address[HCI_ADDRESS_TEXT];
    const char *name;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_text(call->params, "name", 1, HCI_NAME_MAX, &name, err);
    if (!rc)
        rc = a->hal->bluetooth->advertise(a->hal->bluetooth_state, name, address, err);
    if (rc)
        return rc;
    answer_text(call, call->result, "address", address);
    answer_number(call, call->result, "interval_ms", BLUETOOTH_INTERVAL_MS);
    return 0;
}

static int silence(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const no_params[] = {NULL};
    int rc = params_only(call->params, no_params, err);
    return rc ? rc : a->hal->bluetooth->silence(a->hal->bluetooth_state, err);
}

const struct agent_method agent_bluetooth_methods[] = {
    {"bluetooth.advertise", PART_BLUETOOTH, advertise},
    {"bluetooth.silence", PART_BLUETOOTH, silence},
    {0},
};
