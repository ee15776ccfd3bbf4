#include "station/engine/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is known beforehand ---------------------------------------------------------------- */

/* Longest way to the end, over who waits for whom. Steps are few and plans are read once. */
static void fill_tails(const struct plan *p, const double *usual_ms, int64_t *tail)
{
    const int n = (int)p->step_count, all = n + (int)p->teardown_count;
    int64_t teardown = 0;
    for (int i = all - 1; i >= n; i--)
        tail[i] = teardown += (int64_t)usual_ms[i];
    for (int i = 0; i < n; i++)
        tail[i] = (int64_t)usual_ms[i] + teardown;
    /* Each round carries the ways one arrow further back; none is longer than the plan. */
    for (bool any = true; any;) {
        any = false;
        for (int i = n - 1; i >= 0; i--)
            for (size_t k = 0; k < p->steps[i].after_count; k++) {
                int before = p->steps[i].after[k];
                int64_t way = tail[i] + (int64_t)usual_ms[before];
                if (way > tail[before]) {
                    tail[before] = way;
                    any = true;
                }
            }
    }
}

int schedule_needs_init(struct schedule_needs *n, const struct plan *plan, const double *usual_ms,
                        int (*resource_of)(const void *context, const char *class_name),
                        const void *context, struct error *err)
{
    const size_t count = plan->step_count + plan->teardown_count;
    n->resources = calloc(count, sizeof *n->resources);
    n->resource_count = calloc(count, sizeof *n->resource_count);
    n->tail_ms = calloc(count, sizeof *n->tail_ms);
    if (!n->resources || !n->resource_count || !n->tail_ms) {
        schedule_needs_free(n);
        return error_set(err, ERROR_MEMORY, "a plan's schedule: out of memory");
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < plan->steps[i].need_count; k++) {
            int resource = resource_of(context, plan->steps[i].needs[k]);
            bool there = resource < 0;
            for (int r = 0; r < n->resource_count[i]; r++)
                there = there || n->resources[i][r] == resource;
            if (!there)
                n->resources[i][n->resource_count[i]++] = resource;
        }
    fill_tails(plan, usual_ms, n->tail_ms);
    return 0;
}

void schedule_needs_free(struct schedule_needs *n)
{
    free(n->resources);
    free(n->resource_count);
    free(n->tail_ms);
    memset(n, 0, sizeof *n);
}

/* ---- units of one fixture -------------------------------------------------------------------- */

static bool same_fixture(const struct schedule *s, int a, int b)
{
    const struct schedule_slot *x = &s->slots[a], *y = &s->slots[b];
    return a != b && y->progress && x->fixture >= 0 && x->fixture == y->fixture &&
           strcmp(x->plan_sha256, y->plan_sha256) == 0;
}

static bool marked(const struct schedule *s, int slot, int step)
{
    return s->slots[slot].progress->plan->steps[step].together;
}

/* Every other unit of the fixture is at the step, may begin it, or will not come to it again. */
static bool barrier_open(const struct schedule *s, int slot, int step)
{
    if (!marked(s, slot, step) || s->slots[slot].fixture < 0)
        return true;
    for (int i = 0; i < s->slot_count; i++) {
        if (!same_fixture(s, slot, i))
            continue;
        const struct progress *p = s->slots[i].progress;
        if (!p->ending && p->steps[step].state == STEP_WAITING && !progress_ready(p, step, true))
            return false;
    }
    return true;
}

/* Another unit of the fixture is at this very step: its instruments are taken already. */
static bool shared(const struct schedule *s, int slot, int step)
{
    if (!marked(s, slot, step))
        return false;
    for (int i = 0; i < s->slot_count; i++)
        if (same_fixture(s, slot, i) && s->slots[i].progress->steps[step].state == STEP_RUNNING)
            return true;
    return false;
}

static bool shares(const struct schedule *s, int slot, int step, int other, int resource)
{
    const struct schedule_needs *n = &s->slots[other].needs;
    if (!marked(s, slot, step) || !same_fixture(s, slot, other) ||
        s->slots[other].progress->steps[step].state != STEP_RUNNING)
        return false;
    for (int i = 0; i < n->resource_count[step]; i++)
        if (n->resources[step][i] == resource)
            return true;
    return false;
}

/* Counted once for all units of the fixture that are at the step. */
static bool counted(const struct schedule *s, int slot, int step, int resource)
{
    for (int i = 0; i < s->slot_count; i++)
        if (shares(s, slot, step, i, resource))
            return true;
    return false;
}

/* ---- choosing -------------------------------------------------------------------------------- */

struct choice {
    int slot, step;
    int64_t tail_ms, asked_ms;
    bool overdue;
};

static bool better(const struct choice *a, const struct choice *b)
{
    if (a->overdue != b->overdue)
        return a->overdue;
    if (a->overdue && a->asked_ms != b->asked_ms)
        return a->asked_ms < b->asked_ms;
    if (a->tail_ms != b->tail_ms)
        return a->tail_ms > b->tail_ms;
    return a->asked_ms < b->asked_ms;
}

static bool instruments_free(const struct schedule *s, int slot, int step)
{
    const struct schedule_needs *n = &s->slots[slot].needs;
    for (int i = 0; i < n->resource_count[step]; i++) {
        int r = n->resources[step][i];
        if (s->used[r] >= s->capacity[r] && !counted(s, slot, step, r))
            return false;
    }
    return true;
}

struct look { /* at all that waits, once through */
    struct schedule *s;
    int64_t now_ms;
    int64_t kept_ms[SCHEDULE_RESOURCES_MAX]; /* kept free for who asked then; 0: for nobody */
};

static void keep_free(struct look *l, const struct choice *c)
{
    const struct schedule_needs *n = &l->s->slots[c->slot].needs;
    for (int i = 0; i < n->resource_count[c->step]; i++) {
        int64_t *kept = &l->kept_ms[n->resources[c->step][i]];
        if (!*kept || c->asked_ms < *kept)
            *kept = c->asked_ms;
    }
}

static bool kept_from(const struct look *l, const struct choice *c)
{
    const struct schedule_needs *n = &l->s->slots[c->slot].needs;
    for (int i = 0; i < n->resource_count[c->step]; i++) {
        int64_t kept = l->kept_ms[n->resources[c->step][i]];
        if (kept && kept < c->asked_ms && !shared(l->s, c->slot, c->step))
            return true;
    }
    return false;
}

/* Calls for every step that lacks nothing but, maybe, its instruments. */
static void each_waiting(struct look *l,
                         void (*take)(struct look *l, const struct choice *c, bool instruments,
                                      void *context),
                         void *context)
{
    struct schedule *s = l->s;
    const int64_t patience = s->patience_ms ? s->patience_ms : SCHEDULE_PATIENCE_MS;
    for (int i = 0; i < s->slot_count; i++) {
        struct progress *p = s->slots[i].progress;
        if (!p || p->running >= s->slots[i].lanes)
            continue;
        for (int t = 0; t < p->turn_count; t++) {
            const int k = p->turns[t];
            if (!progress_ready(p, k, true) || !barrier_open(s, i, k))
                continue;
            if (!p->steps[k].asked_ms)
                p->steps[k].asked_ms = l->now_ms ? l->now_ms : 1;
            const struct choice c = {.slot = i,
                                     .step = k,
                                     .tail_ms = s->slots[i].needs.tail_ms[k],
                                     .asked_ms = p->steps[k].asked_ms,
                                     .overdue = l->now_ms - p->steps[k].asked_ms >= patience};
            take(l, &c, instruments_free(s, i, k), context);
        }
    }
}

static void keep_for_overdue(struct look *l, const struct choice *c, bool instruments,
                             void *context)
{
    if (c->overdue && !instruments)
        keep_free(l, c);
}

static void choose(struct look *l, const struct choice *c, bool instruments, void *context)
{
    struct choice *best = context;
    if (instruments && !kept_from(l, c) && (best->slot < 0 || better(c, best)))
        *best = *c;
}

bool schedule_next(struct schedule *s, int64_t now_ms, int *slot, int *step)
{
    struct look l = {.s = s, .now_ms = now_ms};
    struct choice best = {.slot = -1};
    each_waiting(&l, keep_for_overdue, NULL);
    each_waiting(&l, choose, &best);
    if (best.slot < 0)
        return false;
    *slot = best.slot;
    *step = best.step;
    const struct schedule_needs *n = &s->slots[best.slot].needs;
    for (int i = 0; i < n->resource_count[best.step]; i++)
        if (!counted(s, best.slot, best.step, n->resources[best.step][i]))
            s->used[n->resources[best.step][i]]++;
    progress_begin(s->slots[best.slot].progress, best.step);
    return true;
}

void schedule_release(struct schedule *s, int slot, int step)
{
    const struct schedule_needs *n = &s->slots[slot].needs;
    for (int i = 0; i < n->resource_count[step]; i++)
        if (!counted(s, slot, step, n->resources[step][i]))
            s->used[n->resources[step][i]]--;
}

void schedule_explain(const struct schedule *s, int slot, char *out, size_t size)
{
    const struct progress *p = s->slots[slot].progress;
    out[0] = '\0';
    if (!p)
        return;
    for (int t = 0; t < p->turn_count; t++) {
        const int k = p->turns[t];
        if (!progress_ready(p, k, true))
            continue;
        if (!barrier_open(s, slot, k)) {
            snprintf(out, size, "%.64s waits for the other units of the fixture",
                     p->plan->steps[k].id);
            return;
        }
        if (!instruments_free(s, slot, k)) {
            const struct plan_step *of = &p->plan->steps[k];
            snprintf(out, size, "%.64s waits for %.32s", of->id, of->needs[0]);
            return;
        }
    }
}
