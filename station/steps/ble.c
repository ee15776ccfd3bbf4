/* Bluetooth is there: the unit advertises a name of this pass, and the line's receiver hears it.
 *
 * The name is drawn anew, so that what another slot's unit, or this one before, has sent is not
 * taken for it. That a unit whose controller is dead says so is its figure: nothing was heard. A
 * product whose board has no Bluetooth leaves the step out ("skip" in its plan, with the reason).
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fixtures/ble_receiver.h"
#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

/* Below what a receiver hears. */
#define NOTHING_DBM (-110.0)

static const struct step_param params[] = {
    {"window_ms", PARAM_NUMBER, "1500", 200, 10000, "listened for, ms"}, {0}};

static const struct step_measurement measurements[] = {
    {"heard", "count", "advertisements of the unit within the window"},
    {"address_matches", "bool", "1 when they came from the address that the unit says it has"},
    {"rssi_dbm", "dBm", "their level at the line's receiver, mean"},
    {"rssi_delta_db", "dB", "above what is heard of a golden unit; where that is known"},
    {0}};

static int advertise(struct step_context *c, const char *name, char address[18], struct error *err)
{
    cJSON *ask = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddStringToObject(ask, "name", name);
    int rc = unit_call(c->unit, "bluetooth.advertise", ask, 10000, &answer, err);
    snprintf(address, 18, "%s", rc ? "" : json_string(answer, "address", ""));
    cJSON_Delete(answer);
    return rc;
}

static int report(struct step_context *c, const struct ble_heard *heard, const char *address,
                  struct error *err)
{
    const double dbm = heard->count == 0 ? NOTHING_DBM : heard->rssi_dbm;
    int rc = step_value(c, "heard", heard->count, err);
    if (rc == 0)
        rc = step_value(c, "address_matches",
                        heard->count > 0 && strcmp(address, heard->address) == 0, err);
    if (rc == 0 && !isnan(dbm))
        rc = step_value(c, "rssi_dbm", dbm, err);
    if (rc == 0 && !isnan(dbm) && !isnan(heard->golden_rssi_dbm))
        rc = step_value(c, "rssi_delta_db", dbm - heard->golden_rssi_dbm, err);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    struct ble_heard heard = {0};
    struct error why = {0};
    char name[32], address[18];
    if (!c->board->bluetooth)
        return error_set(err, ERROR_INPUT,
                         "board %s has no Bluetooth: its plan leaves this step out with \"skip\"",
                         c->board->name);
    snprintf(name, sizeof name, "takt-%012" PRIx64, step_seed(c) & 0xffffffffffff);
    step_progress(c, 0, "advertising");
    int rc = advertise(c, name, address, &why);
    if (rc < 0 && rc != ERROR_REMOTE)
        return error_set(err, rc, "%s", why.text);
    const bool dead = rc == ERROR_REMOTE;
    rc = dead ? step_noted(c, "bluetooth", why.text, err) : step_noted(c, "address", address, err);
    /* Listened to all the same: a receiver that is gone is the station's trouble. */
    if (rc == 0)
        rc = ble_receiver_listen(c->fixture, name, (int)step_number(c, "window_ms"), &heard, err);
    if (rc == 0)
        rc = report(c, &heard, address, err);
    if (!dead)
        unit_call(c->unit, "bluetooth.silence", NULL, 5000, NULL, NULL);
    return rc;
}

const struct step_kind step_ble = {
    .name = "ble",
    .about = "Bluetooth advertises, at the level of a golden unit",
    .params = params,
    .measurements = measurements,
    .run = run,
};
