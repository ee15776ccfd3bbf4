/* The unit joins the line's access point and pushes data both ways against its iperf3.
 *
 * A unit that cannot join moved 0 Mbit/s: that is its figure. That the access point is there at all
 * is asked of the fixture first, so a dead one is the station's error. */
#include <math.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"
#include "station/steps/unit_wifi.h"

/* Below what any radio hears: thermal noise of 20 MHz lies at -101 dBm. */
#define NOTHING_DBM (-110.0)
/* Of what never came. */
#define NEVER_MS    1000.0

static const struct step_param params[] = {
    {"join_timeout_s", PARAM_NUMBER, "8", 1, 60, "s"},
    {"seconds", PARAM_NUMBER, "1", 1, 60, "of traffic each way, s"},
    {"country", PARAM_TEXT, "CN", 0, 0, "whose rules of the air the unit must keep"},
    {"looks", PARAM_NUMBER, "1", 1, 50, "how often its level is asked for"},
    {"look_every_ms", PARAM_NUMBER, "100", 10, 5000, "between two looks, ms"},
    {"datagrams_mbit_s", PARAM_NUMBER, "0", 0, 100,
     "of UDP each way for loss and jitter, Mbit/s; 0: none is sent"},
    {0}};

static const struct step_measurement measurements[] = {
    {"joined", "bool", "1 when the unit associated with the access point"},
    {"join_ms", "ms", "until it had"},
    {"rssi_dbm", "dBm", "the access point's level at the unit, as it says: mean of the looks"},
    {"rssi_delta_db", "dB", "above what a golden unit hears at this slot; where that is known"},
    {"region_matches", "bool", "1 when it keeps the rules of the stated country"},
    {"frequency_mhz", "MHz", "of the channel it joined on"},
    {"up_mbit_s", "Mbit/s", "from the unit, as the receiving iperf3 counted"},
    {"down_mbit_s", "Mbit/s", "to the unit"},
    {"retransmits", "count", "TCP segments sent again, both ways"},
    {"loss_percent", "%", "of datagrams sent evenly, the worse way"},
    {"jitter_ms", "ms", "of their arrival (RFC 3550, 6.4.1), the worse way"},
    {0}};

static int datagrams(struct step_context *c, const struct access_point_facts *ap, struct error *err)
{
    static const char *const ways[] = {"up", "down"};
    double loss_percent = 0, jitter_ms = 0;
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc =
            unit_wifi_datagrams(c, ap, ways[i], step_number(c, "seconds"),
                                step_number(c, "datagrams_mbit_s"), &loss_percent, &jitter_ms, err);
    if (rc == 0)
        rc = step_value(c, "loss_percent", loss_percent, err);
    return rc < 0 ? rc : step_value(c, "jitter_ms", jitter_ms, err);
}

static int not_joined(struct step_context *c, const struct access_point_facts *ap,
                      const struct error *why, struct error *err)
{
    int rc = step_noted(c, "join", why->text, err);
    if (rc == 0)
        rc = step_value(c, "joined", 0, err);
    /* Nothing was heard: below all that is. */
    if (rc == 0)
        rc = step_value(c, "rssi_dbm", NOTHING_DBM, err);
    if (rc == 0 && !isnan(ap->golden_rssi_dbm))
        rc = step_value(c, "rssi_delta_db", NOTHING_DBM - ap->golden_rssi_dbm, err);
    if (rc == 0)
        rc = step_value(c, "region_matches", 0, err);
    if (rc == 0)
        rc = step_value(c, "up_mbit_s", 0, err);
    if (rc == 0)
        rc = step_value(c, "down_mbit_s", 0, err);
    if (rc < 0 || step_number(c, "datagrams_mbit_s") <= 0)
        return rc;
    rc = step_value(c, "loss_percent", 100, err);
    return rc < 0 ? rc : step_value(c, "jitter_ms", NEVER_MS, err);
}

/* The level wanders; each look says what it is now. Looks closer together than the fading lasts
 * (a second or two) say the same again: what counts is the time that they span. */
static int mean_level(struct step_context *c, const cJSON *joined, double *dbm, struct error *err)
{
    const int looks = (int)step_number(c, "looks");
    double sum = json_number(joined, "rssi_dbm", NOTHING_DBM);
    int rc = 0;
    for (int i = 1; i < looks && rc == 0; i++) {
        cJSON *link = NULL;
        rc = step_wait(c, (int)step_number(c, "look_every_ms"), err);
        if (rc == 0)
            rc = unit_call(c->unit, "wifi.link", NULL, 5000, &link, err);
        sum += json_number(link, "rssi_dbm", NOTHING_DBM);
        cJSON_Delete(link);
    }
    *dbm = sum / looks;
    return rc;
}

static int report_link(struct step_context *c, const struct access_point_facts *ap,
                       const cJSON *joined, struct error *err)
{
    const char *country = json_string(joined, "country", "");
    const double mhz = json_number(joined, "frequency_mhz", 0);
    double dbm = NOTHING_DBM;
    /* Two channels may send the same name; the figures are of one. */
    if (ap->frequency_mhz && mhz != ap->frequency_mhz)
        return error_set(err, ERROR_STATE, "the unit joined %s at %g MHz, the fixture's is at %d",
                         ap->ssid, mhz, ap->frequency_mhz);
    int rc = step_value(c, "joined", 1, err);
    if (rc == 0)
        rc = step_value(c, "join_ms", json_number(joined, "duration_ms", 0), err);
    if (rc == 0)
        rc = step_value(c, "frequency_mhz", mhz, err);
    if (rc == 0)
        rc = step_noted(c, "country", country, err);
    if (rc == 0)
        rc = step_value(c, "region_matches", strcmp(country, step_text(c, "country")) == 0, err);
    if (rc == 0)
        rc = mean_level(c, joined, &dbm, err);
    if (rc == 0)
        rc = step_value(c, "rssi_dbm", dbm, err);
    if (rc == 0 && !isnan(ap->golden_rssi_dbm))
        rc = step_value(c, "rssi_delta_db", dbm - ap->golden_rssi_dbm, err);
    return rc;
}

static int measure_traffic(struct step_context *c, const struct access_point_facts *ap,
                           struct error *err)
{
    const double seconds = step_number(c, "seconds");
    double up = 0, down = 0, retransmits = 0;
    step_progress(c, 0.3, "sending");
    int rc = unit_wifi_traffic(c, ap, "up", seconds, &up, &retransmits, err);
    if (rc == 0) {
        step_progress(c, 0.65, "receiving");
        rc = unit_wifi_traffic(c, ap, "down", seconds, &down, &retransmits, err);
    }
    if (rc == 0)
        rc = step_value(c, "up_mbit_s", up, err);
    if (rc == 0)
        rc = step_value(c, "down_mbit_s", down, err);
    if (rc == 0)
        rc = step_value(c, "retransmits", retransmits, err);
    if (rc == 0 && step_number(c, "datagrams_mbit_s") > 0) {
        step_progress(c, 0.8, "datagrams");
        rc = datagrams(c, ap, err);
    }
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    struct access_point_facts ap;
    struct error why = {0};
    const int join_ms = (int)(step_number(c, "join_timeout_s") * 1000);
    int rc = access_point_facts(c->fixture, ACCESS_POINT_FIRST, &ap, err);
    if (rc < 0)
        return rc;
    step_progress(c, 0, "joining %s", ap.ssid);
    cJSON *joined = NULL;
    rc = unit_wifi_join(c, &ap, join_ms, &joined, &why);
    if (rc == ERROR_REMOTE)
        return not_joined(c, &ap, &why, err);
    if (rc < 0)
        return error_set(err, rc, "%s", why.text);
    rc = report_link(c, &ap, joined, err);
    cJSON_Delete(joined);
    if (rc == 0)
        rc = measure_traffic(c, &ap, err);
    unit_call(c->unit, "wifi.leave", NULL, 5000, NULL, NULL);
    return rc;
}

const struct step_kind step_wifi = {
    .name = "wifi",
    .about = "join the access point, throughput both ways",
    .params = params,
    .measurements = measurements,
    .run = run,
};
