/* factory.lock: the last call a unit ever takes. */
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"

static int lock(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const no_params[] = {NULL};
    struct identity_record record = {0}, back = {0};
    enum identity_state state;
    int rc = params_only(call->params, no_params, err);
    /* On trial it would fall back after a few starts, with nobody left to commit it. */
    if (!rc && (a->slots.trial || a->running != a->slots.active))
        rc =
            error_set(err, ERROR_STATE, "slot %c is on trial; flash.commit first", a->slots.active);
    if (!rc)
        rc = identity_load(&a->store, &state, &record, err);
    if (!rc && (state != IDENTITY_WRITTEN || !record.did[0] || !record.key_bytes))
        rc = error_set(err, ERROR_STATE, "the identity is %s, expected a written one",
                       identity_state_name(state));
    if (rc)
        goto out;

    writer_free(a->writer);
    a->writer = NULL;
    record.locked = true;
    rc = identity_save(&a->store, &record, err);
    if (!rc)
        rc = identity_load(&a->store, &state, &back, err);
    if (!rc && (state != IDENTITY_LOCKED || memcmp(&back, &record, sizeof back) != 0))
        rc =
            error_set(err, ERROR_MISMATCH, "the lock reads back as %s", identity_state_name(state));
    /* A failed write may have locked the unit all the same: then it is locked. */
    if (rc && identity_load(&a->store, &state, &back, NULL) == 0 && state == IDENTITY_LOCKED)
        a->locked = true;
    if (rc)
        goto out;
    a->locked = true;
    answer_flag(call, call->result, "locked", true);
    agent_log(a, "factory: locked; factory mode is closed");
out:
    explicit_bzero(&record, sizeof record);
    explicit_bzero(&back, sizeof back);
    return rc;
}

const struct agent_method agent_lock_methods[] = {
    {"factory.lock", PART_FLASH, lock},
    {0},
};
