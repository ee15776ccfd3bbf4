/* Factory mode is closed for good. The proof is not the unit's answer but its next hello: also for
 * a unit that was locked by this run's attempt before, which left no record of it. A unit that was
 * restarted since gives no proof any more: it answers nothing (docs/security.md). */
#include <string.h>

#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static const struct step_measurement measurements[] = {
    {"locked", "bool", "1 when the unit says hello with its lock set"}, {0}};

static int lock_once(struct step_context *c, struct error *err)
{
    struct session *session;
    int rc = unit_link_session(c->unit, 10000, &session, err);
    /* Closed already. Only the chip this run knows to be its own gets past the link. */
    if (rc == ERROR_STATE && unit_link_facts(c->unit)->chip_id[0])
        return 0;
    step_section(c, true); /* half locked is neither sold nor open */
    if (rc == 0)
        rc = unit_call(c->unit, "factory.lock", NULL, 15000, NULL, err);
    step_section(c, false);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    struct unit_facts before, after;
    step_progress(c, 0, "locking");
    int rc = lock_once(c, err);
    if (rc < 0)
        return rc;
    before = *unit_link_facts(c->unit);
    step_progress(c, 0.5, "asking again");
    rc = unit_link_hello(c->unit, 10000, &after, err);
    if (rc < 0)
        return rc;
    if (strcmp(before.chip_id, after.chip_id) != 0)
        return error_set(err, ERROR_MISMATCH, "chip %s was locked, chip %s answers", before.chip_id,
                         after.chip_id);
    return step_value(c, "locked", after.locked, err);
}

const struct step_kind step_lock = {
    .name = "lock",
    .about = "factory mode closed for good, seen in the next hello",
    .measurements = measurements,
    .uninterruptible = true,
    .run = run,
};
