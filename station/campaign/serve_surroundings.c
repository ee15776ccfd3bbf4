#include "station/campaign/serve_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    SLOPE_MS = 30000, /* a slope is followed in steps of so long */
    NOTE_MS = 60000,  /* what the surroundings read is on record after so long at the latest */
};

static void roll_condition(struct served *s, size_t i, int k, double value)
{
    struct watch_row *r = &s->conditions[i].rows[k];
    const int64_t from_ms = s->elapsed_ms / s->c->rollup_ms * s->c->rollup_ms;
    if (r->samples && r->from_ms != from_ms) {
        served_row(s, 0, 2 * i + (size_t)k, r);
        r->samples = 0;
    }
    if (!r->samples)
        *r = (struct watch_row){.from_ms = from_ms};
    watch_row_add(r, value);
}

void served_end_with(struct served *s, const char *state, const char *kind, const char *why)
{
    if (strcmp(s->state, "running") != 0)
        return;
    s->state = state;
    snprintf(s->reason, sizeof s->reason, "%s", why);
    served_event(s, 0, kind, "%s", why);
}

/* An interlock: off first, everything else after. */
static void trip(struct served *s, const char *why)
{
    struct error err = {0};
    int rc = surroundings_safe(s->surroundings, &err);
    served_end_with(s, "held", "interlock", why);
    if (rc)
        served_event(s, 0, "interlock", "not everything could be switched off: %s", err.text);
}

/* What the units under watch say of themselves, on the average; NAN before the first has. */
static double measured_of_units(const struct served *s, size_t figure)
{
    double sum = 0;
    size_t units = 0;
    for (size_t i = 0; i < s->job->place_count; i++) {
        const struct unit_watch *w = &s->units[i].watch;
        if (w->state != UNIT_WATCHED || !s->units[i].up || !isfinite(w->figures[figure].last))
            continue;
        sum += w->figures[figure].last;
        units++;
    }
    return units ? sum / (double)units : NAN;
}

static int read_condition(struct served *s, size_t i, double *value, struct error *err)
{
    const struct campaign_condition *of = &s->c->conditions[i];
    if (condition_class(of->kind))
        return surroundings_read(s->surroundings, i, value, err);
    *value = measured_of_units(s, (size_t)of->figure);
    return 0;
}

void served_poll(struct served *s)
{
    bool off = false;
    for (size_t i = 0; i < s->c->condition_count; i++) {
        struct served_condition *k = &s->conditions[i];
        const struct campaign_condition *of = &s->c->conditions[i];
        struct error err = {0};
        double value = NAN;
        int rc = read_condition(s, i, &value, &err);
        if (rc) {
            if (isfinite(k->measured))
                served_event(s, 0, "instrument", "%s: %s", condition_name(of->kind), err.text);
            k->measured = NAN;
        } else {
            k->measured = value;
            if (isfinite(value))
                roll_condition(s, i, 1, value);
            if (isfinite(k->commanded))
                roll_condition(s, i, 0, k->commanded);
            if (of->kind == CONDITION_CHAMBER_C)
                s->contact_ms = s->now_ms;
        }
        off = off || (of->tolerance > 0 && !(fabs(k->measured - k->commanded) <= of->tolerance));
        if (!off || !s->off_since_ms || s->now_ms - s->off_since_ms < of->reach_ms)
            continue;
        char why[160];
        snprintf(why, sizeof why, "%s is %.1f %s, not %.1f within %.1f after %.0f s",
                 condition_name(of->kind), k->measured, condition_unit(of->kind), k->commanded,
                 of->tolerance, (double)(s->now_ms - s->off_since_ms) / 1000);
        trip(s, why);
    }
    if (!off)
        s->off_since_ms = 0;
    else if (!s->off_since_ms)
        s->off_since_ms = s->now_ms;
    /* Units' samples carry it along; without any it is noted by itself. */
    s->dirty = s->dirty || s->now_ms - s->noted_ms >= NOTE_MS;
}

void served_judge_interlocks(struct served *s)
{
    struct interlock_view v = {.now_ms = s->now_ms, .contact_ms = s->contact_ms, .chamber_c = NAN};
    char why[160];
    if (!s->has_chamber)
        return;
    for (size_t i = 0; i < s->c->condition_count; i++)
        if (s->c->conditions[i].kind == CONDITION_CHAMBER_C)
            v.chamber_c = s->conditions[i].measured;
    surroundings_chamber(s->surroundings, &v.door_open, &v.alarm);
    if (interlock_judge(s->c, &v, why))
        trip(s, why);
}

/* Told once. One slot's instrument does not stop the rest; where none is reached the units are not
 * put through what is asked, and no hour may count as if they were. */
static void not_set(struct served *s, size_t i, size_t reached, const struct error *why)
{
    struct served_condition *k = &s->conditions[i];
    char text[280];
    snprintf(text, sizeof text, "%s: %.240s", condition_name(s->c->conditions[i].kind), why->text);
    if (!k->unset_ms) {
        k->unset_ms = s->now_ms;
        served_event(s, 0, "instrument", "%s", text);
    } else if (!reached && s->now_ms - k->unset_ms >= s->c->contact_ms) {
        trip(s, text);
    }
}

/* A load is put on by the step that is watched for it: done to each unit at once. */
static int put_on_units(struct served *s, size_t i)
{
    const size_t watch = s->c->figures[s->c->conditions[i].figure].watch;
    for (size_t k = 0; k < s->job->place_count; k++)
        s->units[k].due_ms[watch] = s->now_ms;
    return 0;
}

static int set_condition(struct served *s, size_t i, double value, size_t *reached,
                         struct error *err)
{
    return condition_class(s->c->conditions[i].kind)
               ? surroundings_set(s->surroundings, i, value, reached, err)
               : put_on_units(s, i);
}

/* Gives conditions anew where they changed; when the next does. */
int64_t served_set_conditions(struct served *s)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < s->c->condition_count; i++) {
        struct served_condition *k = &s->conditions[i];
        const struct profile *p = &s->c->conditions[i].profile;
        struct error err = {0};
        if (s->now_ms >= k->due_ms) {
            k->commanded = profile_at(p, s->elapsed_ms);
            size_t reached = 0;
            if (set_condition(s, i, k->commanded, &reached, &err)) {
                not_set(s, i, reached, &err);
                k->due_ms = s->now_ms + s->c->poll_ms;
            } else {
                k->unset_ms = 0;
                const int64_t at = profile_next_ms(p, s->elapsed_ms, SLOPE_MS);
                k->due_ms = at == INT64_MAX ? INT64_MAX : s->now_ms + at - s->elapsed_ms;
            }
        }
        next = sooner(next, k->due_ms);
    }
    return next;
}

/* Campaign time goes on while the surroundings are what they are to be. */
void served_go_on(struct served *s)
{
    const int64_t passed_ms = s->now_ms - s->last_ms;
    s->last_ms = s->now_ms;
    if (passed_ms <= 0)
        return;
    if (!s->off_since_ms) {
        s->elapsed_ms += passed_ms;
        return;
    }
    for (size_t i = 0; i < s->c->condition_count; i++)
        if (s->conditions[i].due_ms != INT64_MAX) /* the profile stands still meanwhile */
            s->conditions[i].due_ms += passed_ms;
}
