#include "station/campaign/surroundings.h"

#include <math.h>
#include <stdlib.h>

#include "fixtures/access_point.h"
#include "fixtures/attenuator.h"
#include "fixtures/chamber.h"
#include "fixtures/driver.h"
#include "fixtures/power_supply.h"
#include "protocol/base/clock.h"

/* A supply that is being switched settles within it (power.c's step reads likewise). */
enum { WINDOW_MS = 0 };

struct surroundings {
    struct surroundings_config config;
    struct fixture *surroundings;
    struct fixture *slots[SLOTS_MAX];
    struct chamber_reading chamber;
};

int surroundings_create(const struct surroundings_config *config, struct surroundings **out,
                        struct error *err)
{
    struct surroundings *e = calloc(1, sizeof *e);
    *out = e;
    if (!e)
        return error_set(err, ERROR_MEMORY, "the surroundings: out of memory");
    e->config = *config;
    return 0;
}

void surroundings_free(struct surroundings *e)
{
    if (!e)
        return;
    fixture_disconnect(e->surroundings);
    for (size_t i = 0; i < SLOTS_MAX; i++)
        fixture_disconnect(e->slots[i]);
    free(e);
}

/* The connection, opened when there is none. */
static int reach(struct surroundings *e, int slot, struct fixture ***out, struct error *err)
{
    *out = slot == SURROUNDINGS ? &e->surroundings : &e->slots[slot - 1];
    if (**out)
        return 0;
    if (!e->config.fixture_socket[0])
        return error_set(err, ERROR_MISSING, "the station has no instruments");
    return fixture_connect(e->config.fixture_socket, slot, *out, err);
}

/* A connection that ended is opened again at the next use. */
static int used(struct fixture **f, int rc)
{
    if (rc == ERROR_CLOSED || rc == ERROR_PROTOCOL || rc == ERROR_IO) {
        fixture_disconnect(*f);
        *f = NULL;
    }
    return rc;
}

/* ---- a slot's instruments, by condition -------------------------------------------------------
 */

static int set_supply(struct fixture *f, int which, double value, double amps_max,
                      struct error *err)
{
    return power_supply_set(f, value, amps_max, err);
}

static int read_supply(struct fixture *f, int which, double *value, struct error *err)
{
    struct power_reading reading;
    int rc = power_supply_measure(f, WINDOW_MS, &reading, err);
    *value = rc ? NAN : reading.volts;
    return rc;
}

static int set_attenuator(struct fixture *f, int path, double value, double amps_max,
                          struct error *err)
{
    return attenuator_set(f, (enum attenuator_path)path, value, err);
}

static int read_attenuator(struct fixture *f, int path, double *value, struct error *err)
{
    return attenuator_read(f, (enum attenuator_path)path, value, err);
}

/* Which access point and which of its settings, as one number. */
#define OF(access_point, setting) ((access_point)*ACCESS_POINT_SETTINGS + (setting))

static int set_access_point(struct fixture *f, int of, double value, double amps_max,
                            struct error *err)
{
    return access_point_set(f, (enum access_point_which)(of / ACCESS_POINT_SETTINGS),
                            (enum access_point_setting)(of % ACCESS_POINT_SETTINGS), value, err);
}

static int read_access_point(struct fixture *f, int of, double *value, struct error *err)
{
    return access_point_read(f, (enum access_point_which)(of / ACCESS_POINT_SETTINGS),
                             (enum access_point_setting)(of % ACCESS_POINT_SETTINGS), value, err);
}

static const struct {
    int (*set)(struct fixture *f, int which, double value, double amps_max, struct error *err);
    int (*read)(struct fixture *f, int which, double *value, struct error *err);
    int which;
    bool given_back; /* others need it as it was, once no campaign does */
} of_slot[CONDITION_KINDS] = {
    [CONDITION_SUPPLY_V] = {set_supply, read_supply, 0, false},
    [CONDITION_ATTENUATION_DB] = {set_attenuator, read_attenuator, ATTENUATOR_FIRST, false},
    [CONDITION_SECOND_ATTENUATION_DB] = {set_attenuator, read_attenuator, ATTENUATOR_SECOND, false},
    [CONDITION_ACCESS_POINT_ON] = {set_access_point, read_access_point,
                                   OF(ACCESS_POINT_FIRST, ACCESS_POINT_ON), true},
    [CONDITION_ACCESS_POINT_MHZ] = {set_access_point, read_access_point,
                                    OF(ACCESS_POINT_FIRST, ACCESS_POINT_MHZ), true},
    [CONDITION_ACCESS_POINT_DBM] = {set_access_point, read_access_point,
                                    OF(ACCESS_POINT_FIRST, ACCESS_POINT_DBM), true},
    [CONDITION_SECOND_ACCESS_POINT_ON] = {set_access_point, read_access_point,
                                          OF(ACCESS_POINT_SECOND, ACCESS_POINT_ON), true},
    [CONDITION_SECOND_ACCESS_POINT_MHZ] = {set_access_point, read_access_point,
                                           OF(ACCESS_POINT_SECOND, ACCESS_POINT_MHZ), true},
    [CONDITION_SECOND_ACCESS_POINT_DBM] = {set_access_point, read_access_point,
                                           OF(ACCESS_POINT_SECOND, ACCESS_POINT_DBM), true},
};

int surroundings_set(struct surroundings *e, size_t index, double value, size_t *reached,
                     struct error *err)
{
    const enum condition_kind kind = e->config.campaign->conditions[index].kind;
    struct fixture **f;
    int rc = 0;
    *reached = 0;
    if (kind == CONDITION_CHAMBER_C) {
        rc = reach(e, SURROUNDINGS, &f, err);
        rc = rc ? rc : used(f, chamber_set(*f, value, true, err));
        *reached = rc == 0;
        return rc;
    }
    /* One slot's silent instrument does not keep the others from theirs. */
    for (size_t i = 0; i < e->config.slot_count; i++) {
        struct error why = {0};
        int failed = reach(e, e->config.slots[i], &f, &why);
        if (!failed)
            failed = used(
                f, of_slot[kind].set(*f, of_slot[kind].which, value, e->config.amps_max, &why));
        *reached += !failed;
        if (failed && !rc) {
            rc = failed;
            error_set(err, rc, "slot %d: %s", e->config.slots[i], why.text);
        }
    }
    return rc;
}

int surroundings_read(struct surroundings *e, size_t index, double *value, struct error *err)
{
    const enum condition_kind kind = e->config.campaign->conditions[index].kind;
    const int slot = kind == CONDITION_CHAMBER_C ? SURROUNDINGS
                     : e->config.slot_count      ? e->config.slots[0]
                                                 : 0;
    struct fixture **f;
    *value = NAN;
    if (!slot)
        return error_set(err, ERROR_MISSING, "no unit stands in a slot with instruments");
    int rc = reach(e, slot, &f, err);
    if (rc)
        return rc;
    if (kind != CONDITION_CHAMBER_C)
        return used(f, of_slot[kind].read(*f, of_slot[kind].which, value, err));
    rc = chamber_read(*f, &e->chamber, err);
    *value = rc ? NAN : e->chamber.chamber_c;
    return used(f, rc);
}

void surroundings_chamber(const struct surroundings *e, bool *door_open, bool *alarm)
{
    *door_open = e->chamber.door_open;
    *alarm = e->chamber.alarm;
}

int surroundings_give_back(struct surroundings *e, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < e->config.campaign->condition_count; i++) {
        const struct campaign_condition *of = &e->config.campaign->conditions[i];
        struct error why = {0};
        size_t reached;
        if (!of_slot[of->kind].given_back)
            continue;
        const int failed = surroundings_set(e, i, of->profile.start, &reached, &why);
        if (failed && !rc) {
            rc = failed;
            *err = why;
        }
    }
    return rc;
}

int surroundings_safe(struct surroundings *e, struct error *err)
{
    bool chamber = false;
    int rc = 0;
    for (size_t i = 0; i < e->config.campaign->condition_count; i++)
        chamber = chamber || e->config.campaign->conditions[i].kind == CONDITION_CHAMBER_C;
    for (size_t i = 0; i <= e->config.slot_count; i++) {
        struct error why = {0};
        struct fixture **f;
        if (!e->config.fixture_socket[0] || (i == 0 && !chamber))
            continue;
        int failed = reach(e, i ? e->config.slots[i - 1] : SURROUNDINGS, &f, &why);
        if (!failed)
            failed = used(f, fixture_safe(*f, &why));
        if (failed && !rc) {
            rc = failed;
            *err = why;
        }
    }
    return rc;
}
