#include "station/campaign/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"

static const char *const state_names[UNIT_STATES] = {[UNIT_JOINING] = "joining",
                                                     [UNIT_WATCHED] = "watched",
                                                     [UNIT_FAILED] = "failed",
                                                     [UNIT_LEFT] = "left",
                                                     [UNIT_ENDED] = "ended"};

const char *unit_state_name(enum unit_state s)
{
    return (size_t)s < UNIT_STATES ? state_names[s] : "";
}

/* ---- rows ---------------------------------------------------------------------------------- */

void watch_row_add(struct watch_row *r, double value)
{
    const double delta = value - r->mean;
    r->lowest = r->samples && r->lowest < value ? r->lowest : value;
    r->highest = r->samples && r->highest > value ? r->highest : value;
    r->samples++;
    r->mean += delta / r->samples;
    r->squares += delta * (value - r->mean);
}

double watch_row_deviation(const struct watch_row *r)
{
    return r->samples > 1 ? sqrt(r->squares / (r->samples - 1)) : 0;
}

static void roll(struct watch_figure *f, size_t figure, const struct campaign *c, int64_t at_ms,
                 const struct watch_sink *sink)
{
    const int64_t from_ms = at_ms / c->rollup_ms * c->rollup_ms;
    if (f->row.samples && f->row.from_ms != from_ms) {
        sink->row(sink->context, figure, &f->row);
        f->row = (struct watch_row){0};
    }
    if (!f->row.samples)
        f->row = (struct watch_row){.from_ms = from_ms};
}

/* ---- judging ------------------------------------------------------------------------------- */

/* The tighter of two lower (upper) bounds; NAN is none. */
static double higher(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : fmax(a, b);
}

static double lower(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : fmin(a, b);
}

static void drift_bounds(const struct watch_figure *f, const struct campaign_figure *of,
                         double *low, double *high)
{
    const double start = f->start.mean, size = fabs(start) / 100;
    *low = higher(start + of->drift.min_percent * size, start + of->drift.min_change);
    *high = lower(start + of->drift.max_percent * size, start + of->drift.max_change);
}

static bool beyond(double value, double low, double high)
{
    return value < low || value > high; /* NAN bounds are none */
}

static void fail(struct unit_watch *u, int64_t at_ms, int figure, double value, double low,
                 double high)
{
    u->state = UNIT_FAILED;
    u->ended_ms = at_ms;
    u->cause_figure = figure;
    u->cause_value = value;
    u->cause_low = low;
    u->cause_high = high;
}

/* "low to high", "at least low", "at most high" */
static void say_bounds(char *out, size_t size, double low, double high)
{
    if (!isnan(low) && !isnan(high))
        snprintf(out, size, "%.6g to %.6g", low, high);
    else
        snprintf(out, size, "at %s %.6g", isnan(low) ? "most" : "least", isnan(low) ? high : low);
}

/* Whether the unit failed by this value. The own start comes from values that are good. */
static bool judge(struct unit_watch *u, const struct campaign *c, size_t index, double value,
                  int64_t at_ms)
{
    const struct campaign_figure *of = &c->figures[index];
    struct watch_figure *f = &u->figures[index];
    const bool started = f->start.samples >= c->start_samples;
    const double low = of->limit.has_min ? of->limit.min : NAN;
    const double high = of->limit.has_max ? of->limit.max : NAN;
    double drift_low = NAN, drift_high = NAN;
    char expected[64];
    if (started)
        drift_bounds(f, of, &drift_low, &drift_high);
    const bool out = beyond(value, low, high), drifted = beyond(value, drift_low, drift_high);
    if (!started && !out && at_ms - u->joined_ms >= c->start_after_ms)
        watch_row_add(&f->start, value);
    if (value < f->last && !isnan(of->drift.max_falls) && ++f->falls > of->drift.max_falls) {
        fail(u, at_ms, (int)index, f->falls, NAN, of->drift.max_falls);
        snprintf(u->cause, sizeof u->cause, "%s went back %d times, last from %.6g to %.6g %s",
                 of->name, f->falls, f->last, value, of->unit);
        return true;
    }
    f->last = value;
    f->beyond = out || drifted ? f->beyond + 1 : 0;
    if (f->beyond < c->confirm)
        return false;
    const double worst_low = out ? low : drift_low, worst_high = out ? high : drift_high;
    fail(u, at_ms, (int)index, value, worst_low, worst_high);
    say_bounds(expected, sizeof expected, worst_low, worst_high);
    if (out)
        snprintf(u->cause, sizeof u->cause, "%s is %.6g %s, expected %s, %d times in a row",
                 of->name, value, of->unit, expected, f->beyond);
    else
        snprintf(u->cause, sizeof u->cause,
                 "%s drifted from %.6g to %.6g %s, expected %s, %d times in a row", of->name,
                 f->start.mean, value, of->unit, expected, f->beyond);
    return true;
}

/* A step that did not succeed: the unit's silence, until it lasts too long. */
static bool take_bad(struct unit_watch *u, const struct campaign *c, const struct watch_sample *s)
{
    u->bad[s->watch]++;
    if (u->bad[s->watch] < c->confirm || s->at_ms - u->good_ms[s->watch] < c->silent_ms)
        return false;
    fail(u, s->at_ms, -1, NAN, NAN, NAN);
    snprintf(u->cause, sizeof u->cause, "%s has not succeeded for %.0f s, %d times: %.120s",
             c->plan->steps[c->watches[s->watch].step].id,
             (double)(s->at_ms - u->good_ms[s->watch]) / 1000, u->bad[s->watch],
             s->text ? s->text : "no reason given");
    return true;
}

bool watch_take(struct unit_watch *u, const struct campaign *c, const struct watch_sample *s,
                const struct watch_sink *sink)
{
    bool failed = false;
    if (u->state != UNIT_WATCHED)
        return false;
    if (s->rc < 0)
        return take_bad(u, c, s);
    u->good_ms[s->watch] = s->at_ms;
    u->bad[s->watch] = 0;
    /* All are kept, also those behind the one that fails. */
    for (size_t i = 0; i < c->figure_count; i++) {
        const bool limited = c->figures[i].limit.has_min || c->figures[i].limit.has_max;
        const double value = s->values[i];
        if (c->figures[i].watch != s->watch)
            continue;
        if (isfinite(value)) {
            roll(&u->figures[i], i, c, s->at_ms, sink);
            watch_row_add(&u->figures[i].row, value);
            if (!failed)
                failed = judge(u, c, i, value, s->at_ms);
        } else if (!failed && limited && ++u->figures[i].beyond >= c->confirm) {
            fail(u, s->at_ms, (int)i, NAN, NAN, NAN);
            snprintf(u->cause, sizeof u->cause, "%s did not come, %d times in a row",
                     c->figures[i].name, u->figures[i].beyond);
            failed = true;
        }
    }
    return failed;
}

/* ---- coming and going ---------------------------------------------------------------------- */

void watch_join(struct unit_watch *u, const struct campaign *c, int64_t at_ms, bool anew)
{
    const int64_t before_ms = anew ? 0 : watch_hours_ms(u, u->ended_ms);
    if (anew) {
        memset(u, 0, sizeof *u);
        for (size_t i = 0; i < c->figure_count; i++)
            u->figures[i].last = NAN;
    }
    u->state = UNIT_WATCHED;
    u->joined_ms = at_ms;
    u->before_ms = before_ms;
    u->cause_figure = -1;
    u->cause_value = u->cause_low = u->cause_high = NAN;
    watch_resume(u, at_ms);
}

void watch_resume(struct unit_watch *u, int64_t at_ms)
{
    for (size_t i = 0; i < CAMPAIGN_WATCHES_MAX; i++) {
        u->good_ms[i] = at_ms;
        u->bad[i] = 0;
    }
    for (size_t i = 0; i < CAMPAIGN_FIGURES_MAX; i++)
        u->figures[i].last = NAN;
}

void watch_fail(struct unit_watch *u, int64_t at_ms, const char *cause)
{
    fail(u, at_ms, -1, NAN, NAN, NAN);
    snprintf(u->cause, sizeof u->cause, "%s", cause);
}

void watch_end(struct unit_watch *u, const struct campaign *c, enum unit_state state, int64_t at_ms,
               const struct watch_sink *sink)
{
    for (size_t i = 0; state != UNIT_LEFT && i < c->figure_count; i++) {
        if (u->figures[i].row.samples)
            sink->row(sink->context, i, &u->figures[i].row);
        u->figures[i].row = (struct watch_row){0};
    }
    if (u->state == UNIT_FAILED)
        return;
    u->state = state;
    u->ended_ms = at_ms;
}

int64_t watch_hours_ms(const struct unit_watch *u, int64_t at_ms)
{
    if (u->state == UNIT_JOINING)
        return u->before_ms;
    return u->before_ms + (u->state == UNIT_WATCHED ? at_ms : u->ended_ms) - u->joined_ms;
}

/* ---- as text ------------------------------------------------------------------------------- */

static void add_number(cJSON *list, double value)
{
    cJSON_AddItemToArray(list, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

static double number_at(const cJSON **at)
{
    const double value = cJSON_IsNumber(*at) ? (*at)->valuedouble : NAN;
    *at = *at ? (*at)->next : NULL;
    return value;
}

static int64_t whole_at(const cJSON **at)
{
    const double value = number_at(at);
    return value >= -9e15 && value <= 9e15 ? (int64_t)value : 0;
}

static void add_row(cJSON *list, const struct watch_row *r)
{
    add_number(list, (double)r->from_ms);
    add_number(list, r->samples);
    add_number(list, r->lowest);
    add_number(list, r->highest);
    add_number(list, r->mean);
    add_number(list, r->squares);
}

static struct watch_row row_at(const cJSON **at)
{
    struct watch_row r;
    r.from_ms = whole_at(at);
    r.samples = (int)whole_at(at);
    r.lowest = number_at(at);
    r.highest = number_at(at);
    r.mean = number_at(at);
    r.squares = number_at(at);
    return r;
}

cJSON *watch_write(const struct unit_watch *u, const struct campaign *c)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *times = cJSON_AddArrayToObject(o, "times"), *steps = cJSON_AddArrayToObject(o, "steps");
    cJSON *figures = cJSON_AddArrayToObject(o, "figures");
    cJSON_AddStringToObject(o, "state", unit_state_name(u->state));
    add_number(times, (double)u->joined_ms);
    add_number(times, (double)u->before_ms);
    add_number(times, (double)u->ended_ms);
    for (size_t i = 0; i < c->watch_count; i++) {
        add_number(steps, (double)u->good_ms[i]);
        add_number(steps, u->bad[i]);
    }
    if (u->cause[0]) {
        cJSON *cause = cJSON_AddArrayToObject(o, "cause");
        add_number(cause, u->cause_figure);
        add_number(cause, u->cause_value);
        add_number(cause, u->cause_low);
        add_number(cause, u->cause_high);
        cJSON_AddStringToObject(o, "why", u->cause);
    }
    for (size_t i = 0; i < c->figure_count; i++) {
        const struct watch_figure *f = &u->figures[i];
        cJSON *one = cJSON_CreateArray();
        add_number(one, f->beyond);
        add_number(one, f->falls);
        add_number(one, f->last);
        add_row(one, &f->start);
        if (f->row.samples)
            add_row(one, &f->row);
        cJSON_AddItemToArray(figures, one);
    }
    return o;
}

int watch_read(const cJSON *from, const struct campaign *c, struct unit_watch *out,
               struct error *err)
{
    const cJSON *times = cJSON_GetObjectItemCaseSensitive(from, "times");
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(from, "steps");
    const cJSON *figures = cJSON_GetObjectItemCaseSensitive(from, "figures");
    const cJSON *cause = cJSON_GetObjectItemCaseSensitive(from, "cause"), *one;
    const char *state = json_string(from, "state", "");
    int known = 0;
    memset(out, 0, sizeof *out);
    while (known < UNIT_STATES && strcmp(state_names[known], state) != 0)
        known++;
    if (known == UNIT_STATES || cJSON_GetArraySize(times) != 3 ||
        (size_t)cJSON_GetArraySize(steps) != 2 * c->watch_count ||
        (size_t)cJSON_GetArraySize(figures) != c->figure_count)
        return error_set(err, ERROR_INPUT, "what was kept of a unit is not of this campaign");
    out->state = (enum unit_state)known;
    times = times->child;
    out->joined_ms = whole_at(&times);
    out->before_ms = whole_at(&times);
    out->ended_ms = whole_at(&times);
    steps = steps->child;
    for (size_t i = 0; i < c->watch_count; i++) {
        out->good_ms[i] = whole_at(&steps);
        out->bad[i] = (int)whole_at(&steps);
    }
    cause = cause ? cause->child : NULL;
    out->cause_figure = cause ? (int)whole_at(&cause) : -1;
    out->cause_value = number_at(&cause);
    out->cause_low = number_at(&cause);
    out->cause_high = number_at(&cause);
    snprintf(out->cause, sizeof out->cause, "%s", json_string(from, "why", ""));
    if (out->cause_figure < -1 || out->cause_figure >= (int)c->figure_count)
        return error_set(err, ERROR_INPUT, "what was kept of a unit names figure %d of %zu",
                         out->cause_figure, c->figure_count);
    size_t i = 0;
    cJSON_ArrayForEach(one, figures)
    {
        const cJSON *at = one->child;
        struct watch_figure *f = &out->figures[i++];
        f->beyond = (int)whole_at(&at);
        f->falls = (int)whole_at(&at);
        f->last = number_at(&at);
        f->start = row_at(&at);
        f->row = at ? row_at(&at) : (struct watch_row){0};
    }
    return 0;
}
