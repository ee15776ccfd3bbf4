#include "station/campaign/serve_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/splitmix.h"

enum { RETRY_MS = 10000 }; /* between tries to bring a unit up */

static void note_failure(struct served *s, size_t i)
{
    struct served_unit *u = &s->units[i];
    const struct row_of of = {s, served_number(s, i)};
    const struct watch_sink sink = {served_take_row, (void *)(uintptr_t)&of};
    watch_end(&u->watch, s->c, UNIT_FAILED, s->elapsed_ms, &sink);
    served_event(s, served_number(s, i), "failed", "%s", u->watch.cause);
    u->over = true;
    u->joins = false;
    served_mark(u);
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
        if (k == u->note_count) {
            served_event(s, served_number(s, i), "noted", "%s is '%s'", t->notes[n].name,
                         t->notes[n].text);
            u->notes[u->note_count++] = t->notes[n];
        } else if (strcmp(u->notes[k].text, t->notes[n].text) != 0) {
            served_event(s, served_number(s, i), "changed", "%s from '%s' to '%s'",
                         u->notes[k].name, u->notes[k].text, t->notes[n].text);
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
        served_event(s, served_number(s, i), "joined", "%s, chip %s", s->job->places[i].name,
                     u->chip_id);
    } else {
        watch_resume(&u->watch, s->elapsed_ms);
    }
    for (size_t w = 0; w < s->c->watch_count; w++)
        u->due_ms[w] = s->now_ms;
    for (size_t k = 0; k < s->c->condition_count; k++)
        if (condition_class(s->c->conditions[k].kind))
            s->conditions[k].due_ms = s->now_ms; /* its supply came up at the plan's volts */
    served_mark(u);
}

void served_take_done(struct served *s, struct crew_task *t)
{
    struct served_unit *u = &s->units[t->unit];
    const struct row_of of = {s, served_number(s, t->unit)};
    const struct watch_sink sink = {served_take_row, (void *)(uintptr_t)&of};
    const struct watch_sample sample = {.at_ms = s->elapsed_ms,
                                        .watch = t->watch,
                                        .rc = t->rc,
                                        .text = t->error.text,
                                        .values = t->values};
    u->busy = false;
    s->busy--;
    if (t->chip_id[0] && strcmp(t->chip_id, u->chip_id) != 0) {
        snprintf(u->chip_id, sizeof u->chip_id, "%s", t->chip_id);
        served_mark(u);
    }
    take_notes(s, t->unit, t);
    switch (t->kind) {
    case CREW_BRING_UP:
        came_up(s, t->unit, t);
        break;
    case CREW_WATCH:
        if (u->watch.state != UNIT_WATCHED)
            break;
        served_mark(u);
        if (watch_take(&u->watch, s->c, &sample, &sink))
            note_failure(s, t->unit);
        break;
    case CREW_TAKE_DOWN:
        u->over = false;
        u->up = false;
        if (t->rc)
            served_event(s, served_number(s, t->unit), "teardown", "%s", t->error.text);
        break;
    }
    free(t);
}

/* Of the campaign's, the unit, the watch and the hour: the same pass draws the same again. */
static uint64_t seed_of(const struct served *s, size_t i, size_t watch)
{
    uint64_t state = (uint64_t)s->c->seed;
    if (s->c->replay)
        return (uint64_t)s->c->replay;
    state = splitmix_next(&state) + (uint64_t)served_number(s, i);
    state = splitmix_next(&state) + watch;
    state = splitmix_next(&state) + (uint64_t)s->elapsed_ms;
    return splitmix_next(&state) >> 16;
}

void served_give(struct served *s, size_t i, enum crew_task_kind kind, size_t watch)
{
    struct crew_task *t = calloc(1, sizeof *t);
    if (!t)
        return; /* tried again at the next turn */
    t->unit = i;
    t->kind = kind;
    t->watch = watch;
    t->seed = seed_of(s, i, watch);
    for (size_t k = 0; k < s->c->condition_count; k++)
        t->commanded[k] = s->conditions[k].commanded;
    s->units[i].busy = true;
    s->busy++;
    crew_give(s->crew, t);
}

/* What is due of each unit; when the next is. */
int64_t served_give_due(struct served *s)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < s->job->place_count; i++) {
        struct served_unit *u = &s->units[i];
        const bool stays = u->watch.state == UNIT_WATCHED || u->watch.state == UNIT_JOINING;
        if (u->busy)
            continue;
        if (u->over) { /* acted on once it is committed */
            if (!u->dirty && !u->noting)
                served_give(s, i, CREW_TAKE_DOWN, 0);
            continue;
        }
        if (!stays && !u->joins)
            continue;
        if (!u->up) {
            if (s->now_ms >= u->bring_up_ms)
                served_give(s, i, CREW_BRING_UP, 0);
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
        served_give(s, i, CREW_WATCH, due);
    }
    return next;
}
