#include "station/engine/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int progress_rank(enum verdict v)
{
    static const int ranks[] = {
        [VERDICT_NONE] = 0,    [VERDICT_SKIPPED] = 0, [VERDICT_PASS] = 1,   [VERDICT_FAIL] = 2,
        [VERDICT_TIMEOUT] = 3, [VERDICT_ERROR] = 4,   [VERDICT_ABORTED] = 5};
    return ranks[v];
}

static int main_count(const struct progress *p)
{
    return (int)p->plan->step_count;
}

static bool settled(const struct progress_step *s)
{
    return s->state == STEP_OVER || s->state == STEP_SKIPPED;
}

int progress_init(struct progress *p, const struct plan *plan, const char *mode, int64_t ordinal,
                  struct error *err)
{
    memset(p, 0, sizeof *p);
    p->plan = plan;
    p->mode = mode;
    p->ordinal = ordinal;
    p->count = (int)(plan->step_count + plan->teardown_count);
    p->steps = calloc((size_t)p->count, sizeof *p->steps);
    p->turns = calloc((size_t)p->count, sizeof *p->turns);
    if (!p->steps || !p->turns) {
        progress_free(p);
        return error_set(err, ERROR_MEMORY, "a run's progress: out of memory");
    }
    progress_settle(p);
    return 0;
}

void progress_free(struct progress *p)
{
    for (int i = 0; p->steps && i < p->count; i++)
        free(p->steps[i].why);
    free(p->steps);
    free(p->turns);
    memset(p, 0, sizeof *p);
}

static void say_why(struct progress_step *s, const char *why)
{
    free(s->why);
    s->why = why && *why ? strdup(why) : NULL;
}

/* A group is over when all of it is and no further round comes. */
static bool group_settled(const struct progress *p, int group)
{
    if (p->repeats[group])
        return false;
    for (int i = 0; i < main_count(p); i++)
        if (p->plan->steps[i].group == group && !settled(&p->steps[i]))
            return false;
    return true;
}

static bool over_for(const struct progress *p, int step, int waiting)
{
    int group = p->plan->steps[step].group;
    if (!settled(&p->steps[step]))
        return false;
    return group < 0 || group == p->plan->steps[waiting].group || group_settled(p, group);
}

static bool its_turn(const struct progress *p, int step)
{
    const struct plan_step *s = &p->plan->steps[step];
    if (s->group >= 0 && p->repeats[s->group])
        return false;
    for (size_t i = 0; i < s->after_count; i++)
        if (!over_for(p, s->after[i], step))
            return false;
    return true;
}

static bool parts_meet(const struct plan_step *a, const struct plan_step *b)
{
    if (!a->part_count || !b->part_count)
        return true;
    for (size_t i = 0; i < a->part_count; i++)
        for (size_t k = 0; k < b->part_count; k++)
            if (strcmp(a->parts[i], b->parts[k]) == 0)
                return true;
    return false;
}

static bool parts_free(const struct progress *p, int step)
{
    for (int i = p->open, left = p->running; left && i < p->count; i++)
        if (p->steps[i].state == STEP_RUNNING) {
            if (parts_meet(&p->plan->steps[i], &p->plan->steps[step]))
                return false;
            left--;
        }
    return true;
}

/* The first that is to be done once more: one at a time, with nothing beside it. */
static int first_again(const struct progress *p)
{
    int i = 0;
    while (i < p->count && !p->steps[i].again)
        i++;
    return i;
}

bool progress_ready(const struct progress *p, int step, bool parts)
{
    const struct progress_step *s = &p->steps[step];
    if (step >= main_count(p)) {
        if (s->state != STEP_WAITING || !p->ending || p->running)
            return false;
        return step == main_count(p) || settled(&p->steps[step - 1]);
    }
    if (p->ending)
        return false;
    if (p->agains)
        return !p->running && step == first_again(p);
    return s->state == STEP_WAITING && its_turn(p, step) && (!parts || parts_free(p, step));
}

int progress_begin(struct progress *p, int step)
{
    struct progress_step *s = &p->steps[step];
    s->state = STEP_RUNNING;
    s->asked_ms = 0;
    p->running++;
    if (step < p->open)
        p->open = step;
    return ++s->attempt;
}

static void skip(struct progress *p, int step, const char *why)
{
    struct progress_step *s = &p->steps[step];
    s->state = STEP_SKIPPED;
    s->verdict = VERDICT_SKIPPED;
    p->unsaid += !s->unsaid;
    s->unsaid = true;
    s->attempt++;
    say_why(s, why);
}

/* Why a step whose turn has come is left out all the same; NULL: it is not. */
static const char *left_out(const struct progress *p, int step, char *text, size_t size)
{
    const struct plan_step *s = &p->plan->steps[step];
    int worst;
    switch (s->when) {
    case PLAN_ALWAYS:
        break;
    case PLAN_ALL_PASSED:
        if (progress_rank(progress_worst(p, &worst)) <= progress_rank(VERDICT_PASS))
            break;
        snprintf(text, size, "only for units that passed everything before: %.64s did not",
                 p->plan->steps[worst].id);
        return text;
    case PLAN_IF_PASSED:
    case PLAN_IF_FAILED: {
        enum verdict v = p->steps[s->when_step].verdict;
        bool held = v == VERDICT_PASS;
        if (s->when == PLAN_IF_FAILED)
            held = progress_rank(v) > progress_rank(VERDICT_PASS);
        if (held)
            break;
        snprintf(text, size, "only when %.64s %s: it was %s", p->plan->steps[s->when_step].id,
                 s->when == PLAN_IF_PASSED ? "passed" : "did not pass", verdict_name(v));
        return text;
    }
    }
    if (s->sample > 1 && p->ordinal && (p->ordinal - 1) % s->sample) {
        snprintf(text, size, "done on 1 unit in %d: this is number %lld of its order", s->sample,
                 (long long)p->ordinal);
        return text;
    }
    for (size_t i = 0; p->mode && i < s->mode_count; i++)
        if (strcmp(s->modes[i], p->mode) == 0)
            return s->skip;
    if (p->mode && s->mode_count) {
        snprintf(text, size, "not done in mode %.20s", p->mode);
        return text;
    }
    return s->skip;
}

static void begin_round(struct progress *p, int group)
{
    p->repeats[group] = false;
    p->rounds[group]++;
    for (int i = 0; i < main_count(p); i++) {
        struct progress_step *s = &p->steps[i];
        if (p->plan->steps[i].group != group || !settled(s))
            continue;
        if (s->again) {
            s->again = false;
            p->agains--;
        }
        s->state = STEP_WAITING;
        s->verdict = VERDICT_NONE;
        s->tries = 0;
        if (i < p->open)
            p->open = i;
    }
}

static bool group_runs(const struct progress *p, int group)
{
    for (int i = p->open; p->running && i < main_count(p); i++)
        if (p->plan->steps[i].group == group && p->steps[i].state == STEP_RUNNING)
            return true;
    return false;
}

void progress_settle(struct progress *p)
{
    char text[200];
    for (size_t g = 0; g < p->plan->group_count; g++)
        if (p->repeats[g] && !p->ending && !group_runs(p, (int)g))
            begin_round(p, (int)g);
    bool any = !p->ending;
    while (any) {
        any = false;
        for (int i = p->open; i < main_count(p); i++) {
            /* All before it are over: looking further only matters where the order is free. */
            if (p->steps[i].state != STEP_WAITING || !its_turn(p, i))
                continue;
            const char *why = left_out(p, i, text, sizeof text);
            if (!why)
                continue;
            skip(p, i, why);
            any = true;
        }
    }
    while (p->open < p->count && settled(&p->steps[p->open]) && !p->steps[p->open].again)
        p->open++;
    if (!p->agains && progress_main_over(p))
        p->ending = true;
    p->turn_count = 0;
    for (int i = p->open; i < p->count; i++)
        if (p->steps[i].again || (p->steps[i].state == STEP_WAITING &&
                                  (i >= main_count(p) ? p->ending : its_turn(p, i))))
            p->turns[p->turn_count++] = i;
}

static void give_up(struct progress *p, const char *why)
{
    p->ending = true;
    snprintf(p->stopped, sizeof p->stopped, "%s", why);
    for (int i = 0; i < main_count(p); i++) {
        if (p->steps[i].state == STEP_WAITING) {
            skip(p, i, why);
            p->broken = true;
        }
        p->steps[i].again = false;
    }
    p->agains = 0;
    memset(p->repeats, 0, sizeof p->repeats);
}

void progress_stop(struct progress *p, const char *why)
{
    if (!p->ending)
        give_up(p, why);
    progress_settle(p);
}

void progress_end(struct progress *p, int step, enum verdict verdict, const char *why)
{
    struct progress_step *s = &p->steps[step];
    const struct plan_step *of = &p->plan->steps[step];
    const bool main = step < main_count(p), again = s->again;
    char text[200];
    p->running--;
    if (s->first == VERDICT_NONE)
        s->first = verdict;
    s->state = STEP_OVER;
    if (again) {
        s->again = false;
        p->agains--;
        if (verdict != VERDICT_PASS) {
            s->verdict = verdict;
            say_why(s, why);
            snprintf(text, sizeof text, "not reached: %.64s: %s", of->id, verdict_name(verdict));
            give_up(p, text);
        }
        progress_settle(p);
        return;
    }
    s->verdict = verdict;
    say_why(s, verdict == VERDICT_PASS ? NULL : why);
    s->tries++;
    const bool bad = verdict != VERDICT_PASS && verdict != VERDICT_ABORTED;
    if (bad && s->tries < of->attempts && !(main && p->ending)) {
        s->state = STEP_WAITING;
        progress_settle(p);
        return;
    }
    if (bad && main && of->group >= 0 && !p->ending &&
        p->rounds[of->group] + 1 < p->plan->groups[of->group].attempts) {
        p->repeats[of->group] = true;
        progress_settle(p);
        return;
    }
    const bool stops = verdict == VERDICT_ERROR || verdict == VERDICT_TIMEOUT ||
                       verdict == VERDICT_ABORTED ||
                       (verdict == VERDICT_FAIL && !of->continue_on_fail);
    if (main && stops && !p->ending) {
        snprintf(text, sizeof text, "not reached: %.64s: %s", of->id, verdict_name(verdict));
        give_up(p, text);
    }
    progress_settle(p);
}

void progress_drop(struct progress *p, int step, bool recorded)
{
    struct progress_step *s = &p->steps[step];
    p->running--;
    s->attempt -= !recorded;
    s->state = s->again ? STEP_OVER : STEP_WAITING;
    if (p->ending && step < main_count(p) && s->state == STEP_WAITING)
        skip(p, step, p->stopped);
    progress_settle(p);
}

void progress_again(struct progress *p, int step)
{
    struct progress_step *s = &p->steps[step];
    if (s->state != STEP_OVER || s->again || p->ending)
        return;
    s->again = true;
    p->agains++;
    if (step < p->open)
        p->open = step;
}

bool progress_main_over(const struct progress *p)
{
    for (int i = p->open; i < main_count(p); i++)
        if (!settled(&p->steps[i]))
            return false;
    for (size_t g = 0; g < p->plan->group_count; g++)
        if (p->repeats[g])
            return false;
    return true;
}

bool progress_over(const struct progress *p)
{
    if (!p->ending || p->running)
        return false;
    return p->open >= p->count;
}

enum verdict progress_worst(const struct progress *p, int *step)
{
    enum verdict worst = VERDICT_NONE;
    if (step)
        *step = -1;
    for (int i = 0; i < p->count; i++) {
        const struct progress_step *s = &p->steps[i];
        int group = p->plan->steps[i].group;
        if (s->state != STEP_OVER || (group >= 0 && !group_settled(p, group) && !p->ending))
            continue;
        if (progress_rank(s->verdict) > progress_rank(worst)) {
            worst = s->verdict;
            if (step)
                *step = i;
        }
    }
    return worst;
}

bool progress_first_pass(const struct progress *p)
{
    for (int i = 0; i < main_count(p); i++)
        if (p->steps[i].state == STEP_OVER &&
            (p->steps[i].first != VERDICT_PASS || p->steps[i].verdict != VERDICT_PASS))
            return false;
    return true;
}
