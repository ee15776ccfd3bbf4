#include "station/campaign/serve.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/driver.h"
#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/campaign/clock.h"
#include "station/campaign/surroundings.h"
#include "station/campaign/watch.h"

enum {
    RETRY_MS = 10000, /* between tries to bring a unit up */
    SLOPE_MS = 30000, /* a slope is followed in steps of so long */
    TOKEN_MS = 15000,
    NOTE_MS = 60000, /* what the surroundings read is on record after so long at the latest */
    TURN_MS = 60000, /* the longest sleep */
};

struct served_unit {
    struct unit_watch watch;
    char chip_id[33];
    struct crew_note notes[CREW_NOTES_MAX]; /* as last seen */
    size_t note_count;
    int64_t due_ms[CAMPAIGN_WATCHES_MAX]; /* by the campaign's clock */
    int64_t bring_up_ms, tried_since_ms;  /* the next try, and when the first was */
    bool up;                              /* its session and supply are there */
    bool busy;                            /* a task of it is under way */
    bool dirty;                           /* to be noted */
    bool noting;                          /* part of the note under way */
    bool over;  /* to be taken down once that is committed; then it is down */
    bool joins; /* it left and is to come back */
    bool told;  /* its result is on record */
};

struct served_condition {
    double commanded, measured; /* NAN before the first */
    int64_t due_ms;
    struct watch_row rows[2]; /* as commanded, as measured */
};

/* An answer someone in the crew waits for. */
struct waiting {
    struct waiting *next;
    int id;
    cJSON *answer;
};

struct served {
    const struct campaign_job *job;
    const struct campaign *c;
    const struct campaign_wire *wire;
    struct campaign_clock *clock;
    struct surroundings *surroundings;
    struct crew *crew;
    struct served_unit *units;
    size_t busy;

    int64_t noted_ms;
    int64_t now_ms, last_ms; /* the campaign's clock */
    int64_t elapsed_ms;      /* campaign time */
    struct served_condition conditions[CAMPAIGN_CONDITIONS_MAX];
    int64_t poll_ms, contact_ms, off_since_ms; /* off_since 0: where it should be */
    bool has_chamber;

    const char *state; /* "running", ... as it is to be noted */
    char reason[200];
    cJSON *events, *rows; /* not yet noted */
    int note;             /* the number of the one under way; 0: none */
    int last_note;
    bool dirty, gone;

    pthread_mutex_t lock; /* over the wire's sending and what follows */
    pthread_cond_t answered;
    struct waiting *waiting;
    int last_ask;
};

/* ---- what is to be noted --------------------------------------------------------------------- */

static void event(struct served *s, int unit, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void event(struct served *s, int unit, const char *kind, const char *format, ...)
{
    char text[360];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cJSON *e = cJSON_CreateObject();
    cJSON_AddNumberToObject(e, "unit", unit);
    cJSON_AddNumberToObject(e, "elapsed_ms", (double)s->elapsed_ms);
    cJSON_AddNumberToObject(e, "at_ms", (double)s->now_ms);
    cJSON_AddStringToObject(e, "kind", kind);
    cJSON_AddStringToObject(e, "text", text);
    cJSON_AddItemToArray(s->events, e);
    s->dirty = true;
}

static void add_row(struct served *s, int unit, size_t figure, const struct watch_row *r)
{
    const double numbers[] = {
        unit,       (double)figure, (double)r->from_ms,    r->samples, r->lowest,
        r->highest, r->mean,        watch_row_deviation(r)};
    cJSON_AddItemToArray(s->rows, cJSON_CreateDoubleArray(numbers, 8));
    s->dirty = true;
}

struct row_of {
    struct served *s;
    int unit;
};

static void take_row(void *context, size_t figure, const struct watch_row *row)
{
    const struct row_of *of = context;
    add_row(of->s, of->unit, figure, row);
}

static cJSON *describe_unit(struct served *s, size_t i)
{
    struct served_unit *u = &s->units[i];
    const struct campaign_place *p = &s->job->places[i];
    cJSON *o = cJSON_CreateObject(), *notes;
    cJSON *kept = watch_write(&u->watch, s->c);
    char *watch = cJSON_PrintUnformatted(kept);
    cJSON_Delete(kept);
    cJSON_AddNumberToObject(o, "number", p->number);
    cJSON_AddStringToObject(o, "place", p->name);
    cJSON_AddStringToObject(o, "port", p->port);
    cJSON_AddNumberToObject(o, "slot", p->slot);
    cJSON_AddStringToObject(o, "chip_id", u->chip_id);
    cJSON_AddStringToObject(o, "state", unit_state_name(u->watch.state));
    cJSON_AddStringToObject(o, "cause", u->watch.cause);
    cJSON_AddNumberToObject(o, "cause_figure", u->watch.cause_figure);
    cJSON_AddNumberToObject(o, "joined_ms", (double)u->watch.joined_ms);
    cJSON_AddNumberToObject(o, "watched_ms", (double)watch_hours_ms(&u->watch, s->elapsed_ms));
    cJSON_AddStringToObject(o, "watch", watch ? watch : "");
    free(watch);
    const bool ends = u->watch.state == UNIT_FAILED || u->watch.state == UNIT_ENDED;
    if (ends && !u->told && u->chip_id[0]) {
        cJSON *result = cJSON_AddObjectToObject(o, "result");
        cJSON_AddBoolToObject(result, "passed", u->watch.state == UNIT_ENDED);
        if (u->watch.cause_figure >= 0 && isfinite(u->watch.cause_value)) {
            const struct campaign_figure *f = &s->c->figures[u->watch.cause_figure];
            cJSON_AddStringToObject(result, "figure", f->name);
            cJSON_AddStringToObject(result, "unit", f->unit);
            cJSON_AddNumberToObject(result, "value", u->watch.cause_value);
            if (isfinite(u->watch.cause_low))
                cJSON_AddNumberToObject(result, "low", u->watch.cause_low);
            if (isfinite(u->watch.cause_high))
                cJSON_AddNumberToObject(result, "high", u->watch.cause_high);
        }
        u->told = true;
    }
    notes = cJSON_AddObjectToObject(o, "notes");
    for (size_t n = 0; n < u->note_count; n++)
        cJSON_AddStringToObject(notes, u->notes[n].name, u->notes[n].text);
    return o;
}

/* What this process needs besides the units to go on from. */
static char *write_progress(const struct served *s)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "conditions");
    for (size_t i = 0; i < s->c->condition_count; i++)
        for (int k = 0; k < 2; k++) {
            const struct watch_row *r = &s->conditions[i].rows[k];
            const double numbers[] = {(double)r->from_ms, r->samples, r->lowest,
                                      r->highest,         r->mean,    r->squares};
            cJSON_AddItemToArray(list, cJSON_CreateDoubleArray(numbers, 6));
        }
    cJSON *now = cJSON_AddArrayToObject(o, "measured");
    for (size_t i = 0; i < s->c->condition_count; i++)
        cJSON_AddItemToArray(now, isfinite(s->conditions[i].measured)
                                      ? cJSON_CreateNumber(s->conditions[i].measured)
                                      : cJSON_CreateNull());
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    return text;
}

static void read_progress(struct served *s, const char *text)
{
    cJSON *o = cJSON_Parse(text);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "conditions");
    for (size_t i = 0; i < 2 * s->c->condition_count; i++) {
        const cJSON *one = cJSON_GetArrayItem(list, (int)i);
        double n[6];
        for (int k = 0; k < 6; k++) {
            const cJSON *at = cJSON_GetArrayItem(one, k);
            n[k] = cJSON_IsNumber(at) ? at->valuedouble : 0;
        }
        s->conditions[i / 2].rows[i % 2] =
            (struct watch_row){(int64_t)n[0], (int)n[1], n[2], n[3], n[4], n[5]};
    }
    cJSON_Delete(o);
}

static int send_up(struct served *s, const cJSON *message, struct error *err)
{
    pthread_mutex_lock(&s->lock);
    int rc = s->wire->send(s->wire->context, message, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* One note at a time: what comes meanwhile is in the next. */
static int send_note(struct served *s, struct error *err)
{
    bool units = false;
    for (size_t i = 0; i < s->job->place_count; i++)
        units = units || s->units[i].dirty;
    if (s->note || !(s->dirty || units))
        return 0;
    cJSON *o = cJSON_CreateObject();
    char *progress = write_progress(s);
    cJSON_AddNumberToObject(o, "note", s->note = ++s->last_note);
    cJSON_AddStringToObject(o, "state", s->state);
    cJSON_AddStringToObject(o, "reason", s->reason);
    cJSON_AddNumberToObject(o, "elapsed_ms", (double)s->elapsed_ms);
    cJSON_AddNumberToObject(o, "at_ms", (double)s->now_ms);
    cJSON_AddStringToObject(o, "progress", progress ? progress : "");
    free(progress);
    cJSON *list = cJSON_AddArrayToObject(o, "units");
    for (size_t i = 0; i < s->job->place_count; i++)
        if (s->units[i].dirty) {
            cJSON_AddItemToArray(list, describe_unit(s, i));
            s->units[i].dirty = false;
            s->units[i].noting = true;
        }
    cJSON_AddItemToObject(o, "events", s->events);
    cJSON_AddItemToObject(o, "rows", s->rows);
    s->events = cJSON_CreateArray();
    s->rows = cJSON_CreateArray();
    s->dirty = false;
    s->noted_ms = s->now_ms;
    int rc = send_up(s, o, err);
    cJSON_Delete(o);
    return rc;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

/* From the crew's threads; the loop brings the answer. */
static int token(void *context, const char *chip_id, const char *nonce, struct unit_token *out,
                 struct error *err)
{
    struct served *s = context;
    struct waiting w = {0};
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TOKEN_MS / 1000;
    cJSON *question = cJSON_CreateObject();
    pthread_mutex_lock(&s->lock);
    w.id = ++s->last_ask;
    w.next = s->waiting;
    s->waiting = &w;
    cJSON_AddStringToObject(question, "ask", "token");
    cJSON_AddNumberToObject(question, "id", w.id);
    cJSON_AddStringToObject(question, "chip_id", chip_id);
    cJSON_AddStringToObject(question, "nonce", nonce);
    int rc = s->wire->send(s->wire->context, question, err);
    while (!rc && !w.answer && !s->gone)
        if (pthread_cond_timedwait(&s->answered, &s->lock, &until))
            rc = error_set(err, ERROR_TIMEOUT, "taktd gave no token within %d s", TOKEN_MS / 1000);
    for (struct waiting **p = &s->waiting; *p; p = &(*p)->next)
        if (*p == &w) {
            *p = w.next;
            break;
        }
    pthread_mutex_unlock(&s->lock);
    cJSON_Delete(question);
    if (w.answer)
        rc = (int)json_number(w.answer, "rc", ERROR_PROTOCOL);
    else if (!rc)
        rc = error_set(err, ERROR_CLOSED, "taktd is gone");
    if (w.answer && rc)
        error_set(err, rc, "%s", json_string(w.answer, "text", "no token, no reason"));
    if (w.answer && !rc) {
        snprintf(out->text, sizeof out->text, "%s", json_string(w.answer, "token", ""));
        snprintf(out->signature_hex, sizeof out->signature_hex, "%s",
                 json_string(w.answer, "signature", ""));
    }
    cJSON_Delete(w.answer);
    return rc;
}

static bool take_answer(struct served *s, cJSON *message)
{
    const int id = (int)json_number(message, "answer", 0);
    bool taken = false;
    pthread_mutex_lock(&s->lock);
    for (struct waiting *w = s->waiting; w && !taken; w = w->next)
        if (w->id == id && !w->answer) {
            w->answer = message;
            taken = true;
        }
    pthread_cond_broadcast(&s->answered);
    pthread_mutex_unlock(&s->lock);
    return taken;
}

/* ---- units ----------------------------------------------------------------------------------- */

static void mark(struct served_unit *u)
{
    u->dirty = true;
}

static int number_of(const struct served *s, size_t i)
{
    return s->job->places[i].number;
}

static void note_failure(struct served *s, size_t i)
{
    struct served_unit *u = &s->units[i];
    const struct row_of of = {s, number_of(s, i)};
    const struct watch_sink sink = {take_row, (void *)(uintptr_t)&of};
    watch_end(&u->watch, s->c, UNIT_FAILED, s->elapsed_ms, &sink);
    event(s, number_of(s, i), "failed", "%s", u->watch.cause);
    u->over = true;
    u->joins = false;
    mark(u);
}

/* A text fact that is another than before: a slot, a reason of a restart. */
static void take_notes(struct served *s, size_t i, const struct crew_task *t)
{
    struct served_unit *u = &s->units[i];
    for (size_t n = 0; n < t->note_count; n++) {
        size_t k = 0;
        while (k < u->note_count && strcmp(u->notes[k].name, t->notes[n].name) != 0)
            k++;
        if (k == CREW_NOTES_MAX)
            continue;
        if (k == u->note_count)
            u->notes[u->note_count++] = t->notes[n];
        else if (strcmp(u->notes[k].text, t->notes[n].text) != 0) {
            event(s, number_of(s, i), "changed", "%s from '%s' to '%s'", u->notes[k].name,
                  u->notes[k].text, t->notes[n].text);
            u->notes[k] = t->notes[n];
        }
    }
}

static void came_up(struct served *s, size_t i, const struct crew_task *t)
{
    struct served_unit *u = &s->units[i];
    if (!u->tried_since_ms)
        u->tried_since_ms = s->now_ms;
    if (t->rc) {
        u->bring_up_ms = s->now_ms + RETRY_MS;
        if (s->now_ms - u->tried_since_ms < s->c->silent_ms)
            return;
        if (u->watch.state == UNIT_JOINING)
            watch_join(&u->watch, s->c, s->elapsed_ms, true);
        char why[240];
        snprintf(why, sizeof why, "it did not come up within %.0f s: %.160s",
                 (double)(s->now_ms - u->tried_since_ms) / 1000, t->error.text);
        watch_fail(&u->watch, s->elapsed_ms, why);
        note_failure(s, i);
        return;
    }
    u->up = true;
    u->joins = false;
    u->tried_since_ms = 0;
    if (u->watch.state == UNIT_JOINING || u->watch.state == UNIT_LEFT) {
        watch_join(&u->watch, s->c, s->elapsed_ms, u->watch.state == UNIT_JOINING);
        event(s, number_of(s, i), "joined", "%s, chip %s", s->job->places[i].name, u->chip_id);
    } else {
        watch_resume(&u->watch, s->elapsed_ms);
    }
    for (size_t w = 0; w < s->c->watch_count; w++)
        u->due_ms[w] = s->now_ms;
    for (size_t k = 0; k < s->c->condition_count; k++)
        s->conditions[k].due_ms = s->now_ms; /* its supply came up at the plan's volts */
    mark(u);
}

static void take_done(struct served *s, struct crew_task *t)
{
    struct served_unit *u = &s->units[t->unit];
    const struct row_of of = {s, number_of(s, t->unit)};
    const struct watch_sink sink = {take_row, (void *)(uintptr_t)&of};
    const struct watch_sample sample = {.at_ms = s->elapsed_ms,
                                        .watch = t->watch,
                                        .rc = t->rc,
                                        .text = t->error.text,
                                        .values = t->values};
    u->busy = false;
    s->busy--;
    if (t->chip_id[0] && strcmp(t->chip_id, u->chip_id) != 0) {
        snprintf(u->chip_id, sizeof u->chip_id, "%s", t->chip_id);
        mark(u);
    }
    take_notes(s, t->unit, t);
    switch (t->kind) {
    case CREW_BRING_UP:
        came_up(s, t->unit, t);
        break;
    case CREW_WATCH:
        if (u->watch.state != UNIT_WATCHED)
            break;
        mark(u);
        if (watch_take(&u->watch, s->c, &sample, &sink))
            note_failure(s, t->unit);
        break;
    case CREW_TAKE_DOWN:
        u->over = false;
        u->up = false;
        if (t->rc)
            event(s, number_of(s, t->unit), "teardown", "%s", t->error.text);
        break;
    }
    free(t);
}

static void give(struct served *s, size_t i, enum crew_task_kind kind, size_t watch)
{
    struct crew_task *t = calloc(1, sizeof *t);
    if (!t)
        return; /* tried again at the next turn */
    t->unit = i;
    t->kind = kind;
    t->watch = watch;
    s->units[i].busy = true;
    s->busy++;
    crew_give(s->crew, t);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What is due of each unit; when the next is. */
static int64_t give_due(struct served *s)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < s->job->place_count; i++) {
        struct served_unit *u = &s->units[i];
        const bool stays = u->watch.state == UNIT_WATCHED || u->watch.state == UNIT_JOINING;
        if (u->busy)
            continue;
        if (u->over) { /* acted on once it is committed */
            if (!u->dirty && !u->noting)
                give(s, i, CREW_TAKE_DOWN, 0);
            continue;
        }
        if (!stays && !u->joins)
            continue;
        if (!u->up) {
            if (s->now_ms >= u->bring_up_ms)
                give(s, i, CREW_BRING_UP, 0);
            else
                next = sooner(next, u->bring_up_ms);
            continue;
        }
        size_t due = 0;
        for (size_t w = 1; w < s->c->watch_count; w++)
            due = u->due_ms[w] < u->due_ms[due] ? w : due;
        if (s->now_ms < u->due_ms[due]) {
            next = sooner(next, u->due_ms[due]);
            continue;
        }
        /* What could not be done in time is left out, not caught up with. */
        u->due_ms[due] += s->c->watches[due].every_ms;
        if (u->due_ms[due] <= s->now_ms)
            u->due_ms[due] = s->now_ms + s->c->watches[due].every_ms;
        give(s, i, CREW_WATCH, due);
    }
    return next;
}

/* ---- surroundings ---------------------------------------------------------------------------- */

static void roll_condition(struct served *s, size_t i, int k, double value)
{
    struct watch_row *r = &s->conditions[i].rows[k];
    const int64_t from_ms = s->elapsed_ms / s->c->rollup_ms * s->c->rollup_ms;
    if (r->samples && r->from_ms != from_ms) {
        add_row(s, 0, 2 * i + (size_t)k, r);
        r->samples = 0;
    }
    if (!r->samples)
        *r = (struct watch_row){.from_ms = from_ms};
    watch_row_add(r, value);
}

static void end_with(struct served *s, const char *state, const char *kind, const char *why)
{
    if (strcmp(s->state, "running") != 0)
        return;
    s->state = state;
    snprintf(s->reason, sizeof s->reason, "%s", why);
    event(s, 0, kind, "%s", why);
}

/* An interlock: off first, everything else after. */
static void trip(struct served *s, const char *why)
{
    struct error err = {0};
    int rc = surroundings_safe(s->surroundings, &err);
    end_with(s, "held", "interlock", why);
    if (rc)
        event(s, 0, "interlock", "not everything could be switched off: %s", err.text);
}

static void poll_surroundings(struct served *s)
{
    bool off = false;
    for (size_t i = 0; i < s->c->condition_count; i++) {
        struct served_condition *k = &s->conditions[i];
        const struct campaign_condition *of = &s->c->conditions[i];
        struct error err = {0};
        double value = NAN;
        int rc = surroundings_read(s->surroundings, i, &value, &err);
        if (rc) {
            if (isfinite(k->measured))
                event(s, 0, "instrument", "%s: %s", condition_name(of->kind), err.text);
            k->measured = NAN;
        } else {
            k->measured = value;
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

static void judge_interlocks(struct served *s)
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

/* Gives conditions anew where they changed; when the next does. */
static int64_t set_conditions(struct served *s)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < s->c->condition_count; i++) {
        struct served_condition *k = &s->conditions[i];
        const struct profile *p = &s->c->conditions[i].profile;
        struct error err = {0};
        if (s->now_ms >= k->due_ms) {
            k->commanded = profile_at(p, s->elapsed_ms);
            if (surroundings_set(s->surroundings, i, k->commanded, &err)) {
                event(s, 0, "instrument", "%s: %s", condition_name(s->c->conditions[i].kind),
                      err.text);
                k->due_ms = s->now_ms + s->c->poll_ms;
            } else {
                const int64_t at = profile_next_ms(p, s->elapsed_ms, SLOPE_MS);
                k->due_ms = at == INT64_MAX ? INT64_MAX : s->now_ms + at - s->elapsed_ms;
            }
        }
        next = sooner(next, k->due_ms);
    }
    return next;
}

/* Campaign time goes on while the surroundings are what they are to be. */
static void go_on(struct served *s)
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

/* ---- the loop -------------------------------------------------------------------------------- */

static void leave_or_join(struct served *s, const cJSON *order, bool leave)
{
    const int number = (int)json_number(order, "unit", 0);
    for (size_t i = 0; i < s->job->place_count; i++) {
        struct served_unit *u = &s->units[i];
        const struct row_of of = {s, number};
        const struct watch_sink sink = {take_row, (void *)(uintptr_t)&of};
        if (number_of(s, i) != number)
            continue;
        if (leave && (u->watch.state == UNIT_WATCHED || u->watch.state == UNIT_JOINING)) {
            watch_end(&u->watch, s->c, UNIT_LEFT, s->elapsed_ms, &sink);
            event(s, number, "left", "taken out after %.2f h",
                  (double)watch_hours_ms(&u->watch, s->elapsed_ms) / 3600000);
            u->over = true;
        } else if (!leave && u->watch.state == UNIT_LEFT) {
            u->joins = true; /* once it is down */
            u->bring_up_ms = s->now_ms;
        }
        mark(u);
    }
}

static void take_order(struct served *s, const cJSON *order)
{
    const char *what = json_string(order, "do", "");
    if (strcmp(what, "pause") == 0)
        end_with(s, "paused", "paused", json_string(order, "reason", "by a person"));
    else if (strcmp(what, "stop") == 0)
        end_with(s, "stopped", "stopped", json_string(order, "reason", "by a person"));
    else if (strcmp(what, "leave") == 0 || strcmp(what, "join") == 0)
        leave_or_join(s, order, what[0] == 'l');
}

static int take_messages(struct served *s, struct error *err)
{
    for (;;) {
        cJSON *message = NULL;
        pthread_mutex_lock(&s->lock);
        int rc = s->wire->receive(s->wire->context, &message, err);
        pthread_mutex_unlock(&s->lock);
        if (rc || !message)
            return rc;
        if (cJSON_HasObjectItem(message, "answer") && take_answer(s, message))
            continue; /* whoever waited owns it */
        if (json_number(message, "noted", 0) == s->note && s->note) {
            s->note = 0;
            for (size_t i = 0; i < s->job->place_count; i++)
                s->units[i].noting = false;
        } else {
            take_order(s, message);
        }
        cJSON_Delete(message);
    }
}

static size_t count_failed(const struct served *s)
{
    size_t failed = 0;
    for (size_t i = 0; i < s->job->place_count; i++)
        failed += s->units[i].watch.state == UNIT_FAILED;
    return failed;
}

/* One that was taken out may come back. */
static bool any_left(const struct served *s)
{
    for (size_t i = 0; i < s->job->place_count; i++)
        if (s->units[i].watch.state != UNIT_FAILED && s->units[i].watch.state != UNIT_ENDED)
            return true;
    return false;
}

static void judge_end(struct served *s)
{
    char why[120];
    if (s->elapsed_ms >= s->c->duration_ms) {
        s->elapsed_ms = s->c->duration_ms;
        end_with(s, "finished", "finished", "its time is over");
    } else if (s->c->stop_failed && count_failed(s) >= (size_t)s->c->stop_failed) {
        snprintf(why, sizeof why, "%zu units have failed, %d end it", count_failed(s),
                 s->c->stop_failed);
        end_with(s, "stopped", "stopped", why);
    } else if (!any_left(s)) {
        end_with(s, "finished", "finished", "no unit is left under watch");
    }
}

/* Sleeps until something is due, a task is done, or taktd says something. */
static int turn(struct served *s, int64_t due_ms, struct error *err)
{
    const bool busy = s->busy || s->note;
    struct pollfd fds[] = {{.fd = crew_fd(s->crew), .events = POLLIN},
                           {.fd = s->wire->fd, .events = POLLIN}};
    const int64_t hurry = crew_hurry(s->crew, clock_mono_ms());
    if (due_ms > s->now_ms + TURN_MS && busy)
        due_ms = s->now_ms + TURN_MS;
    /* A step's deadline is of the real clock, whatever the campaign goes by. */
    int rc = 0;
    if (busy && hurry >= 0 && poll(fds, 2, 0) == 0) {
        const int64_t left = hurry - clock_mono_ms();
        poll(fds, 2, left < 1 ? 1 : left > 1000 ? 1000 : (int)left);
    } else {
        rc = campaign_clock_wait(s->clock, due_ms, busy, fds, 2, err);
    }
    if (!rc)
        rc = take_messages(s, err);
    if (!rc)
        rc = campaign_clock_now(s->clock, &s->now_ms, err);
    for (struct crew_task *t; !rc && (t = crew_take(s->crew));)
        take_done(s, t);
    return rc;
}

static int run(struct served *s, struct error *err)
{
    int rc = 0;
    while (!rc && strcmp(s->state, "running") == 0) {
        int64_t next = INT64_MAX;
        go_on(s);
        if (s->now_ms >= s->poll_ms && s->c->condition_count) {
            poll_surroundings(s);
            judge_interlocks(s);
            s->poll_ms = s->now_ms + s->c->poll_ms;
        }
        if (s->c->condition_count)
            next = s->poll_ms;
        judge_end(s);
        if (strcmp(s->state, "running") != 0)
            break;
        next = sooner(next, set_conditions(s));
        next = sooner(next, give_due(s));
        /* The end, and the profile's next change, lie on campaign time. */
        if (!s->off_since_ms)
            next = sooner(next, s->now_ms + s->c->duration_ms - s->elapsed_ms);
        rc = send_note(s, err);
        if (!rc)
            rc = turn(s, next, err);
    }
    return rc;
}

/* Rows under way that nobody will add to. */
static void close_rows(struct served *s)
{
    const bool good = strcmp(s->state, "finished") == 0;
    for (size_t i = 0; i < s->job->place_count; i++) {
        struct served_unit *u = &s->units[i];
        const struct row_of of = {s, number_of(s, i)};
        const struct watch_sink sink = {take_row, (void *)(uintptr_t)&of};
        if (u->watch.state == UNIT_WATCHED)
            watch_end(&u->watch, s->c, UNIT_ENDED, s->elapsed_ms, &sink);
        else if (u->watch.state != UNIT_JOINING)
            watch_end(&u->watch, s->c, u->watch.state == UNIT_LEFT ? UNIT_ENDED : u->watch.state,
                      u->watch.ended_ms, &sink);
        u->told = u->told || !good;
        mark(u);
    }
    for (size_t i = 0; i < s->c->condition_count; i++)
        for (int k = 0; k < 2; k++)
            if (s->conditions[i].rows[k].samples)
                add_row(s, 0, 2 * i + (size_t)k, &s->conditions[i].rows[k]);
}

/* Whatever ended it: units down, everything off, and then the last note. */
static int finish(struct served *s, struct error *err)
{
    struct error ignored = {0};
    const bool ends = strcmp(s->state, "finished") == 0 || strcmp(s->state, "stopped") == 0;
    int rc = 0;
    while (!rc && (s->busy || s->note)) /* what is under way comes to its end first */
        rc = turn(s, s->now_ms, err);
    for (size_t i = 0; !rc && i < s->job->place_count; i++)
        if (s->units[i].up)
            give(s, i, CREW_TAKE_DOWN, 0);
    while (!rc && s->busy)
        rc = turn(s, s->now_ms, err);
    if (surroundings_safe(s->surroundings, &ignored) && !rc)
        event(s, 0, "instrument", "%s", ignored.text);
    if (!rc && ends)
        close_rows(s);
    s->dirty = true;
    if (!rc)
        rc = send_note(s, err);
    while (!rc && s->note)
        rc = turn(s, s->now_ms, err);
    return rc;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int restore(struct served *s, struct error *err)
{
    const cJSON *kept = s->job->kept, *each;
    const cJSON *units = cJSON_GetObjectItemCaseSensitive(kept, "units");
    int rc = 0;
    s->elapsed_ms = (int64_t)json_number(kept, "elapsed_ms", 0);
    read_progress(s, json_string(kept, "progress", ""));
    cJSON_ArrayForEach(each, units)
    {
        const int number = (int)json_number(each, "number", 0);
        for (size_t i = 0; !rc && i < s->job->place_count; i++) {
            struct served_unit *u = &s->units[i];
            cJSON *watch = NULL;
            if (number_of(s, i) != number)
                continue;
            if (*json_string(each, "watch", "")) { /* else it was never noted */
                watch = cJSON_Parse(json_string(each, "watch", ""));
                rc = watch_read(watch, s->c, &u->watch, err);
                cJSON_Delete(watch);
            }
            snprintf(u->chip_id, sizeof u->chip_id, "%s", json_string(each, "chip_id", ""));
            if (u->chip_id[0])
                crew_expect(s->crew, i, u->chip_id);
            u->told = u->watch.state == UNIT_FAILED || u->watch.state == UNIT_ENDED;
        }
    }
    const double stood_ms = (double)s->now_ms - json_number(kept, "at_ms", 0);
    if (!rc)
        event(s, 0, "gap", "gone on with after %.1f s in which nobody watched", stood_ms / 1000);
    return rc;
}

static int begin(struct served *s, struct error *err)
{
    int slots[SLOTS_MAX];
    size_t slot_count = 0;
    const struct campaign_job *job = s->job;
    const cJSON *units = cJSON_GetObjectItemCaseSensitive(job->kept, "units");
    for (size_t i = 0; i < job->place_count && slot_count < SLOTS_MAX; i++)
        if (job->places[i].slot)
            slots[slot_count++] = job->places[i].slot;
    double amps_max = 2;
    for (size_t i = 0; i < s->c->plan->step_count; i++)
        amps_max = json_number(s->c->plan->steps[i].params, "amps_max", amps_max);
    const struct surroundings_config around = {.campaign = s->c,
                                               .fixture_socket = job->fixture_socket,
                                               .slots = slots,
                                               .slot_count = slot_count,
                                               .amps_max = amps_max};
    const struct crew_config crew = {.campaign = s->c,
                                     .board = job->board,
                                     .kinds = job->kinds,
                                     .places = job->places,
                                     .count = job->place_count,
                                     .order = job->order,
                                     .bundle_path = job->bundle_path,
                                     .bundle_key_pem = job->bundle_key_pem,
                                     .fixture_socket = job->fixture_socket,
                                     .credentials = job->credentials,
                                     .token = token,
                                     .token_context = s};
    int rc = campaign_clock_open(job->clock, &s->clock, err);
    if (!rc)
        rc = campaign_clock_now(s->clock, &s->now_ms, err);
    if (!rc)
        rc = surroundings_create(&around, &s->surroundings, err);
    if (!rc)
        rc = crew_start(&crew, &s->crew, err);
    if (rc)
        return rc;
    s->last_ms = s->contact_ms = s->now_ms;
    for (size_t i = 0; i < s->c->condition_count; i++) {
        s->conditions[i].commanded = s->conditions[i].measured = NAN;
        s->has_chamber = s->has_chamber || s->c->conditions[i].kind == CONDITION_CHAMBER_C;
        /* Not there before it was measured. */
        if (s->c->conditions[i].tolerance > 0)
            s->off_since_ms = s->now_ms;
    }
    for (size_t i = 0; i < job->place_count; i++)
        mark(&s->units[i]);
    if (cJSON_GetArraySize(units))
        return restore(s, err);
    event(s, 0, "started", "%s, %zu units, seed %lld", s->c->name, job->place_count,
          (long long)s->c->seed);
    return 0;
}

int campaign_serve(const struct campaign_job *job, const struct campaign_wire *wire,
                   struct error *err)
{
    struct served *s = calloc(1, sizeof *s);
    if (s)
        s->units = calloc(job->place_count ? job->place_count : 1, sizeof *s->units);
    if (!s || !s->units) {
        free(s);
        return error_set(err, ERROR_MEMORY, "a campaign of %zu units: out of memory",
                         job->place_count);
    }
    s->job = job;
    s->c = job->campaign;
    s->wire = wire;
    s->state = "running";
    s->events = cJSON_CreateArray();
    s->rows = cJSON_CreateArray();
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->answered, NULL);
    int rc = begin(s, err);
    if (!rc)
        rc = run(s, err);
    if (!rc)
        rc = finish(s, err);
    pthread_mutex_lock(&s->lock);
    s->gone = true;
    pthread_cond_broadcast(&s->answered);
    pthread_mutex_unlock(&s->lock);
    crew_stop(s->crew);
    surroundings_free(s->surroundings);
    campaign_clock_close(s->clock);
    cJSON_Delete(s->events);
    cJSON_Delete(s->rows);
    pthread_cond_destroy(&s->answered);
    pthread_mutex_destroy(&s->lock);
    free(s->units);
    free(s);
    return rc;
}
