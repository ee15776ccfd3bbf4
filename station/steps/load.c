/* What the unit is at, as a campaign's conditions command it over time: each pass puts it on anew
 * and says what the unit really did, what its processor spent on it and what it drew. What no
 * condition commands is left as it is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixtures/power_supply.h"
#include "protocol/base/json.h"
#include "station/measure/signal.h"
#include "station/steps/step.h"
#include "station/steps/unit_sound.h"

enum { CALL_MS = 5000, WORK_MS = 60000, RATE_HZ = 16000 };

static const struct step_param params[] = {
    {"seconds", PARAM_NUMBER, "1", 0.2, 10, "of talkback, and of current averaged, a pass, s"},
    {"record_bytes", PARAM_NUMBER, "1048576", 65536, 16777216, "written to the card a pass"},
    {"volume", PARAM_NUMBER, "0.3", 0, 1, "of the unit's amplifier"},
    {"timeout_s", PARAM_NUMBER, "10", 1, 300, "how long the unit may take to answer, s"},
    {0}};

/* The first six are what the conditions of the same names (unit_streams, ...) are measured as. */
static const struct step_measurement measurements[] = {
    {"streams", "ratio", "1 when the main stream's frames went on during the pass"},
    {"infrared", "ratio", "of the IR LEDs' full light, as the unit says"},
    {"motors", "ratio", "1 when the head went where it was sent"},
    {"recording", "ratio", "1 when what was written to the card reads as written"},
    {"talkback", "ratio", "1 when speaker and microphone were on together"},
    {"processor", "ratio", "camd's share of one processor during the pass"},
    {"not_done", "count", "of what was commanded: refused by the unit, or without effect"},
    {"supply_amps", "A", "mean while all of it was under way; left out without a supply"},
    {0}};

struct pass {
    struct step_context *step;
    int not_done;
    cJSON *move, *write; /* what the errands ask */
    struct unit_errand *moving, *writing;
    struct unit_sound sound;
};

/* 0 or 1; `given` is false for what no condition commands. */
static bool commanded(const struct step_context *c, const char *condition, bool *given)
{
    const double value = step_commanded(c, condition);
    *given = isfinite(value);
    return value > 0;
}

/* A refusal is the figure, anything else the step's failure. */
static int refused(struct pass *p, const char *what, int rc, const struct error *why,
                   struct error *err)
{
    char text[80];
    if (rc != ERROR_REMOTE)
        return rc < 0 ? error_set(err, rc, "%s", why->text) : rc;
    snprintf(text, sizeof text, "%.60s", why->text);
    return step_noted(p->step, what, text, err);
}

static int report(struct pass *p, const char *name, double value, bool wanted, struct error *err)
{
    p->not_done += wanted && !(value > 0);
    return step_value(p->step, name, value, err);
}

/* ---- what stays on between passes ---------------------------------------------------------------
 */

static int put_processor(struct pass *p, struct error *err)
{
    bool given, streams_given;
    const bool full = commanded(p->step, "unit_processor", &given);
    const bool streams = commanded(p->step, "unit_streams", &streams_given);
    struct error why = {0};
    cJSON *ask;
    if (!given && !streams_given)
        return 0;
    ask = cJSON_CreateObject();
    cJSON_AddStringToObject(ask, "load", full ? "full" : streams ? "streaming" : "idle");
    int rc = unit_call(p->step->unit, "system.load", ask, CALL_MS, NULL, &why);
    return refused(p, "processor", rc, &why, err);
}

static int put_camera(struct pass *p, struct error *err)
{
    bool streams_given, infrared_given;
    const bool streams = commanded(p->step, "unit_streams", &streams_given);
    const bool infrared = commanded(p->step, "unit_infrared", &infrared_given);
    struct error why = {0};
    cJSON *ask, *answer = NULL;
    if (!streams_given && !infrared_given)
        return 0;
    ask = cJSON_CreateObject();
    if (streams_given)
        cJSON_AddBoolToObject(ask, "stream", streams);
    if (infrared_given) {
        cJSON_AddStringToObject(ask, "ir_cut", infrared ? "night" : "day");
        cJSON_AddNumberToObject(ask, "ir_led", infrared ? 1 : 0);
    }
    int rc = unit_call(p->step->unit, "camera.configure", ask, CALL_MS, &answer, &why);
    rc = refused(p, "camera", rc, &why, err);
    if (rc >= 0 && infrared_given)
        rc = report(p, "infrared", json_number(answer, "ir_led", 0), infrared, err);
    cJSON_Delete(answer);
    return rc;
}

/* ---- what is done once a pass, all at the same time ---------------------------------------------
 */

/* To the far end of the middle half of its range; the next pass brings it back. */
static void add_target(cJSON *ask, const cJSON *status, const char *axis,
                       const struct board_axis *facts)
{
    const cJSON *now = cJSON_GetObjectItemCaseSensitive(status, axis);
    const double middle = (facts->min_deg + facts->max_deg) / 2;
    const double quarter = (facts->max_deg - facts->min_deg) / 4;
    char member[16];
    snprintf(member, sizeof member, "%s_deg", axis);
    cJSON_AddNumberToObject(ask, member,
                            json_number(now, "deg", middle) < middle ? middle + quarter
                                                                     : middle - quarter);
}

static int home(struct pass *p, const cJSON *status, const char *axis, struct error *why)
{
    cJSON *ask;
    if (json_bool(cJSON_GetObjectItemCaseSensitive(status, axis), "homed", false))
        return 0;
    ask = cJSON_CreateObject();
    cJSON_AddStringToObject(ask, "axis", axis);
    return unit_call(p->step->unit, "ptz.home", ask, WORK_MS, NULL, why);
}

static int start_moving(struct pass *p, struct error *why)
{
    struct step_context *c = p->step;
    cJSON *status = NULL;
    int rc = unit_call(c->unit, "ptz.status", NULL, CALL_MS, &status, why);
    if (rc >= 0)
        rc = home(p, status, "pan", why);
    if (rc >= 0)
        rc = home(p, status, "tilt", why);
    if (rc >= 0) {
        p->move = cJSON_CreateObject();
        add_target(p->move, status, "pan", &c->board->pan);
        add_target(p->move, status, "tilt", &c->board->tilt);
        const struct call call = {.method = "ptz.move", .params = p->move, .timeout_ms = WORK_MS};
        rc = unit_errand_start(c->unit, &call, &p->moving, why);
    }
    cJSON_Delete(status);
    return rc;
}

static int start_writing(struct pass *p, struct error *why)
{
    p->write = cJSON_CreateObject();
    cJSON_AddNumberToObject(p->write, "bytes", step_number(p->step, "record_bytes"));
    cJSON_AddNumberToObject(p->write, "seed", (double)(step_seed(p->step) >> 17)); /* 31 bits */
    const struct call call = {.method = "card.speed", .params = p->write, .timeout_ms = WORK_MS};
    return unit_errand_start(p->step->unit, &call, &p->writing, why);
}

static int talk(struct pass *p, struct error *why)
{
    struct step_context *c = p->step;
    const size_t count = (size_t)(step_number(c, "seconds") * RATE_HZ);
    float *samples = malloc(count * sizeof *samples);
    int rc = samples ? 0 : error_set(why, ERROR_MEMORY, "load: out of memory");
    if (rc == 0) {
        signal_sine(1000, 0.25, RATE_HZ, 0.02, samples, count);
        rc = unit_sound_play(c, RATE_HZ, step_number(c, "volume"), samples, count, &p->sound, why);
    }
    if (rc == 0)
        rc = unit_sound_record(c, RATE_HZ, samples, count, why);
    free(samples);
    return rc;
}

static int measure_current(struct pass *p, struct error *err)
{
    struct power_reading reading;
    struct error why = {0};
    if (!p->step->fixture)
        return 0;
    int rc = power_supply_measure(p->step->fixture, (int)(step_number(p->step, "seconds") * 1000),
                                  &reading, &why);
    if (rc < 0) /* a rack without supplies of its own has none */
        return rc == ERROR_REMOTE ? 0 : error_set(err, rc, "%s", why.text);
    return step_value(p->step, "supply_amps", reading.amps, err);
}

static int end_moving(struct pass *p, struct error *why)
{
    cJSON *answer = NULL;
    int rc = unit_errand_end(p->moving, &answer, why);
    p->moving = NULL;
    if (rc >= 0) {
        const double pan_deg =
            json_number(answer, "pan_microsteps", NAN) / p->step->board->pan.microsteps_per_deg;
        if (!(fabs(pan_deg - json_number(p->move, "pan_deg", 0)) < 1))
            rc = error_set(why, ERROR_REMOTE, "pan is at %.1f deg, sent to %.1f", pan_deg,
                           json_number(p->move, "pan_deg", 0));
    }
    cJSON_Delete(answer);
    return rc;
}

static int end_writing(struct pass *p, struct error *why)
{
    cJSON *answer = NULL;
    int rc = unit_errand_end(p->writing, &answer, why);
    p->writing = NULL;
    if (rc >= 0 && json_number(answer, "bad_blocks", 1) > 0)
        rc = error_set(why, ERROR_REMOTE, "%g blocks read otherwise than written",
                       json_number(answer, "bad_blocks", 1));
    cJSON_Delete(answer);
    return rc;
}

/* One row for each of them: its condition, and how it is begun and ended. */
static const struct {
    const char *condition, *measurement;
    int (*begin)(struct pass *p, struct error *why), (*end)(struct pass *p, struct error *why);
} works[] = {{"unit_motors", "motors", start_moving, end_moving},
             {"unit_recording", "recording", start_writing, end_writing}};
enum { WORKS = sizeof works / sizeof *works };

static int work(struct pass *p, struct error *err)
{
    struct step_context *c = p->step;
    struct error why[WORKS] = {0}, talk_why = {0};
    bool wanted[WORKS], given[WORKS], talk_given;
    int came[WORKS] = {0}, rc = 0, talked = 0;
    for (size_t i = 0; i < WORKS; i++) {
        wanted[i] = commanded(c, works[i].condition, &given[i]);
        if (wanted[i] && i == 0 && !c->board->has_ptz)
            came[i] = error_set(&why[i], ERROR_REMOTE, "board %s has no motors", c->board->name);
        else if (wanted[i])
            came[i] = works[i].begin(p, &why[i]);
    }
    const bool talks = commanded(c, "unit_talkback", &talk_given);
    rc = measure_current(p, err);
    if (rc == 0 && talks)
        talked = talk(p, &talk_why);
    const int played = unit_sound_played(&p->sound, talked < 0 ? err : &talk_why);
    talked = talked < 0 ? talked : played;
    for (size_t i = 0; i < WORKS; i++)
        if (wanted[i] && came[i] >= 0)
            came[i] = works[i].end(p, &why[i]);
    for (size_t i = 0; rc == 0 && i < WORKS; i++) {
        rc = refused(p, works[i].measurement, came[i], &why[i], err);
        if (rc == 0 && given[i])
            rc = report(p, works[i].measurement, wanted[i] && came[i] >= 0, wanted[i], err);
    }
    if (rc == 0)
        rc = refused(p, "talkback", talked, &talk_why, err);
    return rc || !talk_given ? rc : report(p, "talkback", talks && talked >= 0, talks, err);
}

/* ---- one pass -----------------------------------------------------------------------------------
 */

static const cJSON *main_stream(const cJSON *health)
{
    const cJSON *streams = cJSON_GetObjectItemCaseSensitive(health, "streams");
    return cJSON_IsArray(streams) ? streams->child : NULL;
}

static int report_health(struct pass *p, const cJSON *before, const cJSON *after, struct error *err)
{
    const double ms = json_number(after, "uptime_ms", 0) - json_number(before, "uptime_ms", 0);
    const double frames = json_number(main_stream(after), "frames", 0) -
                          json_number(main_stream(before), "frames", 0);
    bool given;
    const bool streams = commanded(p->step, "unit_streams", &given);
    int rc = given ? report(p, "streams",
                            json_bool(main_stream(after), "streaming", false) && frames > 0,
                            streams, err)
                   : 0;
    if (rc == 0 && ms > 0)
        rc = step_value(p->step, "processor",
                        (json_number(after, "cpu_ms", 0) - json_number(before, "cpu_ms", 0)) / ms,
                        err);
    return rc < 0 ? rc : step_value(p->step, "not_done", p->not_done, err);
}

static int run(struct step_context *c, struct error *err)
{
    struct pass p = {.step = c};
    cJSON *before = NULL, *after = NULL;
    struct session *session;
    int rc = unit_link_session(c->unit, (int)(step_number(c, "timeout_s") * 1000), &session, err);
    if (rc == 0)
        rc = put_processor(&p, err);
    if (rc == 0)
        rc = put_camera(&p, err);
    if (rc == 0)
        rc = unit_call(c->unit, "unit.health", NULL, CALL_MS, &before, err);
    if (rc == 0)
        rc = work(&p, err);
    if (rc == 0)
        rc = unit_call(c->unit, "unit.health", NULL, CALL_MS, &after, err);
    if (rc == 0)
        rc = report_health(&p, before, after, err);
    cJSON_Delete(p.move);
    cJSON_Delete(p.write);
    cJSON_Delete(before);
    cJSON_Delete(after);
    return rc;
}

const struct step_kind step_load = {
    .name = "load",
    .about =
        "what a campaign's conditions have the unit do: streams, IR, motors, recording, talkback",
    .params = params,
    .measurements = measurements,
    .run = run,
};
