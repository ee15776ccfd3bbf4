#include "station/engine/simulate.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS = 14, /* units a slot, on average */
    FILLING = 4, /* of them while the line fills: not counted */
};

struct bench { /* one slot of it */
    struct progress progress;
    int unit;        /* how many came before */
    int64_t next_ms; /* when the next unit is in; -1 while one is there */
};

struct under_way {
    int slot, step;
    int64_t from_ms, to_ms;
};

struct simulation {
    const struct simulate_line *line;
    struct schedule schedule;
    struct bench slots[SCHEDULE_SLOTS_MAX];
    struct under_way busy[SCHEDULE_SLOTS_MAX * SCHEDULE_LANES_MAX];
    int busy_count;
    int64_t now_ms, counted_from_ms;
    double used_ms[SIMULATE_CLASSES_MAX];
    int done;
    struct simulate_result *out;
    size_t bar_room;
    int shown_units;
};

static int resource_of(const void *context, const char *class_name)
{
    const struct simulate_line *line = context;
    for (size_t i = 0; i < line->instrument_count; i++)
        if (strcmp(line->instruments[i].class_name, class_name) == 0)
            return (int)i;
    return -1;
}

/* ---- what cannot be beaten ------------------------------------------------------------------- */

static bool done_when_all_pass(const struct plan *p, size_t step)
{
    return !p->steps[step].skip && p->steps[step].when != PLAN_IF_FAILED;
}

static bool uses(const struct plan_step *s, const char *part)
{
    for (size_t i = 0; i < s->part_count; i++)
        if (strcmp(s->parts[i], part) == 0)
            return true;
    return s->part_count == 0;
}

/* The least time a unit can spend on a slot: its longest way, or the part of it in use longest. */
static double unit_ms(const struct simulate_line *line, const int64_t *tail_ms)
{
    const struct plan *p = line->plan;
    double least = 0, teardown = 0;
    for (size_t i = p->step_count; i < p->step_count + p->teardown_count; i++)
        teardown += line->usual_ms[i];
    for (size_t i = 0; i < p->step_count; i++) {
        if (done_when_all_pass(p, i) && (double)tail_ms[i] > least)
            least = (double)tail_ms[i];
        for (size_t k = 0; k < p->steps[i].part_count; k++) {
            double sum = teardown;
            for (size_t m = 0; m < p->step_count; m++)
                if (done_when_all_pass(p, m) && uses(&p->steps[m], p->steps[i].parts[k]))
                    sum += line->usual_ms[m];
            least = sum > least ? sum : least;
        }
    }
    return least;
}

static void find_bound(const struct simulate_line *line, const int64_t *tail_ms,
                       struct simulate_result *out)
{
    const struct plan *p = line->plan;
    const double hour_ms = 3600e3;
    double least = unit_ms(line, tail_ms) + (double)line->change_ms;
    out->bottleneck = "slots";
    out->bound_per_hour = least > 0 ? line->slots * hour_ms / least : 0;
    for (size_t c = 0; c < line->instrument_count; c++) {
        double need_ms = 0;
        for (size_t i = 0; i < p->step_count + p->teardown_count; i++)
            for (size_t n = 0; n < p->steps[i].need_count; n++)
                if (strcmp(p->steps[i].needs[n], line->instruments[c].class_name) == 0 &&
                    (i >= p->step_count || done_when_all_pass(p, i)))
                    need_ms += line->usual_ms[i] / (p->steps[i].together ? line->nests : 1);
        double bound = need_ms > 0 ? line->instruments[c].count * hour_ms / need_ms : 0;
        if (need_ms > 0 && bound < out->bound_per_hour) {
            out->bound_per_hour = bound;
            out->bottleneck = line->instruments[c].class_name;
        }
    }
}

/* ---- the line runs --------------------------------------------------------------------------- */

static int add_bar(struct simulation *m, const struct under_way *u, struct error *err)
{
    struct simulate_result *out = m->out;
    if (m->slots[u->slot].unit >= m->shown_units)
        return 0;
    if (out->bar_count == m->bar_room) {
        m->bar_room = m->bar_room ? 2 * m->bar_room : 256;
        struct simulate_bar *more = realloc(out->bars, m->bar_room * sizeof *more);
        if (!more)
            return error_set(err, ERROR_MEMORY, "a simulation's chart: out of memory");
        out->bars = more;
    }
    out->bars[out->bar_count++] =
        (struct simulate_bar){u->slot, m->slots[u->slot].unit, u->step, u->from_ms, u->to_ms};
    if (u->to_ms > out->end_ms)
        out->end_ms = u->to_ms;
    return 0;
}

static void begin_all(struct simulation *m)
{
    int slot, step;
    while (schedule_next(&m->schedule, m->now_ms, &slot, &step))
        m->busy[m->busy_count++] = (struct under_way){
            slot, step, m->now_ms, m->now_ms + (int64_t)(m->line->usual_ms[step] + 0.5)};
}

static int bring_units(struct simulation *m, struct error *err)
{
    for (int i = 0; i < m->line->slots; i++) {
        struct bench *b = &m->slots[i];
        if (b->next_ms < 0 || b->next_ms > m->now_ms)
            continue;
        int rc = progress_init(&b->progress, m->line->plan, "production", 0, err);
        if (rc)
            return rc;
        m->schedule.slots[i].progress = &b->progress;
        b->next_ms = -1;
    }
    return 0;
}

static void count_use(struct simulation *m, const struct under_way *u)
{
    const struct schedule_needs *n = &m->schedule.slots[u->slot].needs;
    int64_t from = u->from_ms > m->counted_from_ms ? u->from_ms : m->counted_from_ms;
    double share = m->line->plan->steps[u->step].together ? m->line->nests : 1;
    for (int r = 0; r < n->resource_count[u->step]; r++)
        m->used_ms[n->resources[u->step][r]] += (double)(m->now_ms - from) / share;
}

static int end_step(struct simulation *m, int which, struct error *err)
{
    const struct under_way u = m->busy[which];
    struct bench *b = &m->slots[u.slot];
    m->busy[which] = m->busy[--m->busy_count];
    int rc = add_bar(m, &u, err);
    if (m->counted_from_ms)
        count_use(m, &u);
    schedule_release(&m->schedule, u.slot, u.step);
    progress_end(&b->progress, u.step, VERDICT_PASS, NULL);
    if (!progress_over(&b->progress))
        return rc;
    m->schedule.slots[u.slot].progress = NULL;
    progress_free(&b->progress);
    b->unit++;
    b->next_ms = m->now_ms + m->line->change_ms;
    if (++m->done == FILLING * m->line->slots)
        m->counted_from_ms = m->now_ms;
    return rc;
}

/* To when something happens next. */
static bool go_forward(struct simulation *m)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < m->busy_count; i++)
        next = m->busy[i].to_ms < next ? m->busy[i].to_ms : next;
    for (int i = 0; i < m->line->slots; i++)
        if (m->slots[i].next_ms >= 0 && m->slots[i].next_ms < next)
            next = m->slots[i].next_ms;
    if (next == INT64_MAX)
        return false;
    m->now_ms = next > m->now_ms ? next : m->now_ms;
    return true;
}

static int run(struct simulation *m, struct error *err)
{
    int rc = 0;
    while (!rc && m->done < ROUNDS * m->line->slots) {
        if (!go_forward(m))
            return error_set(err, ERROR_STATE, "the line comes to a stand after %d units", m->done);
        for (int i = m->busy_count - 1; !rc && i >= 0; i--)
            if (i < m->busy_count && m->busy[i].to_ms <= m->now_ms)
                rc = end_step(m, i, err);
        if (!rc)
            rc = bring_units(m, err);
        begin_all(m);
    }
    return rc;
}

int simulate(const struct simulate_line *line, int units, struct simulate_result *out,
             struct error *err)
{
    struct simulation *m = calloc(1, sizeof *m);
    memset(out, 0, sizeof *out);
    if (!m)
        return error_set(err, ERROR_MEMORY, "a simulation: out of memory");
    m->line = line;
    m->out = out;
    m->shown_units = units;
    m->schedule.slot_count = line->slots;
    for (size_t i = 0; i < line->instrument_count; i++)
        m->schedule.capacity[i] = line->instruments[i].count;
    int rc = 0;
    for (int i = 0; !rc && i < line->slots; i++) {
        struct schedule_slot *s = &m->schedule.slots[i];
        s->plan_sha256 = line->plan->plan_sha256;
        s->fixture = line->nests > 1 ? i / line->nests : -1;
        s->lanes = line->lanes;
        rc = schedule_needs_init(&s->needs, line->plan, line->usual_ms, resource_of, line, err);
    }
    if (!rc)
        find_bound(line, m->schedule.slots[0].needs.tail_ms, out);
    if (!rc)
        rc = run(m, err);
    double counted_ms = (double)(m->now_ms - m->counted_from_ms);
    if (!rc && counted_ms > 0) {
        out->units_per_hour = (m->done - FILLING * line->slots) * 3600e3 / counted_ms;
        for (size_t i = 0; i < line->instrument_count; i++)
            out->busy[i] = m->used_ms[i] / (counted_ms * line->instruments[i].count);
    }
    for (int i = 0; i < line->slots; i++) {
        if (m->slots[i].next_ms < 0)
            progress_free(&m->slots[i].progress);
        schedule_needs_free(&m->schedule.slots[i].needs);
    }
    free(m);
    if (rc)
        simulate_free(out);
    return rc;
}

void simulate_free(struct simulate_result *r)
{
    free(r->bars);
    memset(r, 0, sizeof *r);
}
