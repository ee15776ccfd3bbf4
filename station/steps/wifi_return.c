/* Whether a unit is back in the network, and reaches its peer, while an access point is near; the
 * unit is told nothing: that it goes back by itself is what is looked at. */
#include <math.h>
#include <stdio.h>

#include "fixtures/attenuator.h"
#include "protocol/base/json.h"
#include "station/steps/unit_link.h"
#include "station/steps/unit_wifi.h"

static const struct step_param params[] = {
    {"near_db", PARAM_NUMBER, "20", 0, 120, "attenuation up to which the link must be there, dB"},
    {"access_points", PARAM_NUMBER, "1", 1, 2, "of the network, each behind an attenuator"},
    {"seconds", PARAM_NUMBER, "1", 1, 60, "of traffic to the peer, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"attenuation_db", "dB", "before the nearer access point, as its attenuator says"},
    {"associated", "bool", "the unit is in a network"},
    {"rssi_dbm", "dBm", "the access point's level at the unit, when it is"},
    {"near_mbit_s", "Mbit/s",
     "traffic that reaches the peer while an access point is near; left out while none is"},
    {"peer_missing", "bool", "1 while an access point is near and nothing reaches the peer"},
    {0}};

static int reach_peer(struct step_context *c, double *mbit_s, struct error *err)
{
    struct access_point_facts ap;
    struct error why = {0};
    double retransmits = 0;
    int rc = access_point_facts(c->fixture, &ap, err);
    if (rc < 0)
        return rc;
    rc = unit_wifi_traffic(c, &ap, "up", step_number(c, "seconds"), mbit_s, &retransmits, &why);
    if (rc == ERROR_REMOTE) { /* no network, no route, no answer: that is its figure */
        *mbit_s = 0;
        return step_noted(c, "peer", why.text, err);
    }
    return rc < 0 ? error_set(err, rc, "%s", why.text) : step_noted(c, "peer", "reached", err);
}

static int run(struct step_context *c, struct error *err)
{
    double attenuation_db, second_db = INFINITY, mbit_s = 0;
    char at[64];
    cJSON *link = NULL;
    int rc = attenuator_read(c->fixture, ATTENUATOR_FIRST, &attenuation_db, err);
    if (rc == 0 && step_number(c, "access_points") > 1)
        rc = attenuator_read(c->fixture, ATTENUATOR_SECOND, &second_db, err);
    attenuation_db = fmin(attenuation_db, second_db);
    if (rc == 0)
        rc = step_value(c, "attenuation_db", attenuation_db, err);
    if (rc < 0)
        return rc;
    rc = unit_call(c->unit, "wifi.link", NULL, 5000, &link, err);
    const bool associated = rc == 0;
    if (rc == ERROR_REMOTE) /* it is in none */
        rc = 0;
    if (rc == 0)
        rc = step_value(c, "associated", associated, err);
    if (rc == 0 && associated)
        rc = step_value(c, "rssi_dbm", json_number(link, "rssi_dbm", 0), err);
    snprintf(at, sizeof at, "%.40s, %.0f MHz", json_string(link, "bssid", ""),
             json_number(link, "frequency_mhz", 0));
    if (rc == 0) /* another one than before is an event of a campaign */
        rc = step_noted(c, "access_point", associated ? at : "none", err);
    cJSON_Delete(link);
    if (rc < 0)
        return rc;
    if (attenuation_db > step_number(c, "near_db"))
        return step_value(c, "peer_missing", 0, err);
    rc = reach_peer(c, &mbit_s, err);
    if (rc == 0)
        rc = step_value(c, "near_mbit_s", mbit_s, err);
    return rc < 0 ? rc : step_value(c, "peer_missing", !(mbit_s > 0), err);
}

const struct step_kind step_wifi_return = {
    .name = "wifi_return",
    .about = "back in the network by itself, and to its peer, while the access point is near",
    .params = params,
    .measurements = measurements,
    .run = run,
};
