/* The unit joins the line's access point and stays in its network: what a campaign begins with. */
#include "station/steps/unit_wifi.h"

static const struct step_param params[] = {{"join_timeout_s", PARAM_NUMBER, "8", 1, 60, "s"}, {0}};

static int run(struct step_context *c, struct error *err)
{
    struct access_point_facts ap;
    cJSON *joined = NULL;
    int rc = access_point_facts(c->fixture, ACCESS_POINT_FIRST, &ap, err);
    if (rc == 0)
        rc = unit_wifi_join(c, &ap, (int)(step_number(c, "join_timeout_s") * 1000), &joined, err);
    cJSON_Delete(joined);
    return rc;
}

const struct step_kind step_wifi_join = {
    .name = "wifi_join",
    .about = "join the access point and stay in its network",
    .params = params,
    .restores = true,
    .run = run,
};
