/* Every output of the slot off: the teardown of every plan. */
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static int run(struct step_context *c, struct error *err)
{
    if (c->unit)
        unit_link_drop(c->unit);
    return fixture_safe(c->fixture, err);
}

const struct step_kind step_power_off = {
    .name = "power_off",
    .about = "supply, light, sound and actuators off",
    .uninterruptible = true,
    .run = run,
};
