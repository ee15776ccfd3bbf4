/* Whether a unit is back in the network, and reaches its peer, while an access point is near; the
 * unit is told nothing: that it goes back by itself is what is looked at. */
#include <math.h>
#include <stdio.h>

#include "fixtures/access_point.h"
#include "fixtures/attenuator.h"
#include "protocol/base/json.h"
#include "station/steps/unit_link.h"
#include "station/steps/unit_wifi.h"

static const double away_db = 200; /* said of an access point that is off */

static const struct step_param params[] = {
    {"near_db", PARAM_NUMBER, "20", 0, 120, "attenuation up to which the link must be there, dB"},
    {"access_points", PARAM_NUMBER, "1", 1, 2, "of the network, each behind an attenuator"},
    {"seconds", PARAM_NUMBER, "1", 1, 60, "of traffic to the peer, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"attenuation_db", "dB",
     "before the nearer access point, as its attenuator says; 200 while all are off"},
    {"associated", "bool", "the unit is in a network"},
    {"rssi_dbm", "dBm", "the access point's level at the unit, when it is"},
    {"near_mbit_s", "Mbit/s",
     "traffic that reaches the peer while an access point is near; left out while none is"},
    {"peer_missing", "bool", "1 while an access point is near and nothing reaches the peer"},
    {0}};

/* The peer is behind the access point that is near. */
static int reach_peer(struct step_context *c, enum access_point_which near, double *mbit_s,
                      struct error *err)
{
    struct access_point_facts ap;
    struct error why = {0};
    double retransmits = 0;
    int rc = access_point_facts(c->fixture, near, &ap, &why);
    if (rc == ERROR_REMOTE && near == ACCESS_POINT_SECOND) /* not wired: the first one's peer */
        rc = access_point_facts(c->fixture, ACCESS_POINT_FIRST, &ap, &why);
    if (rc < 0)
        return error_set(err, rc, "%s", why.text);
    rc = unit_wifi_traffic(c, &ap, "up", step_number(c, "seconds"), mbit_s, &retransmits, &why);
    if (rc == ERROR_REMOTE) { /* no network, no route, no answer: that is its figure */
        *mbit_s = 0;
        return step_noted(c, "peer", why.text, err);
    }
    return rc < 0 ? error_set(err, rc, "%s", why.text) : step_noted(c, "peer", "reached", err);
}

/* How far away an access point is for the unit; one that is off is not there at any distance. One
 * that cannot be asked is as it was set up: on. */
static int distance(struct step_context *c, enum access_point_which which, double *db,
                    struct error *err)
{
    struct error why = {0};
    double on = 1;
    int rc = access_point_read(c->fixture, which, ACCESS_POINT_ON, &on, &why);
    if (rc < 0 && rc != ERROR_REMOTE)
        return error_set(err, rc, "%s", why.text);
    if (rc == 0 && !(on > 0)) {
        *db = away_db;
        return 0;
    }
    return attenuator_read(
        c->fixture, which == ACCESS_POINT_SECOND ? ATTENUATOR_SECOND : ATTENUATOR_FIRST, db, err);
}

static int run(struct step_context *c, struct error *err)
{
    double attenuation_db, second_db = away_db, mbit_s = 0;
    char at[64];
    cJSON *link = NULL;
    int rc = distance(c, ACCESS_POINT_FIRST, &attenuation_db, err);
    if (rc == 0 && step_number(c, "access_points") > 1)
        rc = distance(c, ACCESS_POINT_SECOND, &second_db, err);
    const enum access_point_which near =
        second_db < attenuation_db ? ACCESS_POINT_SECOND : ACCESS_POINT_FIRST;
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
    rc = reach_peer(c, near, &mbit_s, err);
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
