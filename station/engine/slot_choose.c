/* What comes next in a run: decided in memory alone; the next write makes it so. */
#include <stdio.h>
#include <string.h>

#include "station/engine/core.h"
#include "station/engine/journal.h"

int slot_step_count(const struct slot *s)
{
    return (int)(s->run.plan->step_count + s->run.plan->teardown_count);
}

/* How bad a verdict is for the run. */
int slot_rank(enum verdict v)
{
    static const int ranks[] = {
        [VERDICT_NONE] = 0,    [VERDICT_SKIPPED] = 0, [VERDICT_PASS] = 1,   [VERDICT_FAIL] = 2,
        [VERDICT_TIMEOUT] = 3, [VERDICT_ERROR] = 4,   [VERDICT_ABORTED] = 5};
    return ranks[v];
}

void slot_count_verdict(struct slot *s, enum verdict v, const char *message)
{
    if (slot_rank(v) <= slot_rank(s->worst))
        return;
    s->worst = v;
    if (v != VERDICT_PASS)
        snprintf(s->message, sizeof s->message, "%s: %.400s", slot_step(s)->id, message);
}

/* The plan's own steps are over: those not reached are skipped, the teardown follows. */
void slot_end_main(struct slot *s)
{
    int last = (int)s->run.plan->step_count;
    if (s->at < last) {
        s->skip_from = s->at;
        s->skip_to = last;
        s->skip_attempt = s->attempt;
        s->at = last;
        s->attempt = 1;
        s->tries = 0;
    }
    s->restore = -1;
    s->ending = true;
}

/* After a restart: the next of the steps before `at` that has to be done again. */
static bool next_restore(struct slot *s)
{
    for (; s->restore >= 0 && s->restore < s->at; s->restore++) {
        const struct step_kind *kind =
            vocabulary_kind(&s->engine->vocabulary, s->run.plan->steps[s->restore].kind);
        struct error err;
        int attempt = 0;
        if (!kind || !kind->restores ||
            journal_get_attempt(s->engine->journal, s->run.id, s->restore, &attempt, &err) ||
            !attempt)
            continue;
        s->current = s->restore;
        s->current_attempt = attempt + 1;
        return true;
    }
    s->restore = -1;
    return false;
}

static bool ask_instruments(struct slot *s)
{
    const struct plan_step *step = slot_step(s);
    int resources[PLAN_NEEDS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < step->need_count; i++)
        for (size_t w = 0; w < s->place->wire_count; w++)
            if (strcmp(s->place->wires[w].class_name, step->needs[i]) == 0)
                resources[n++] = s->place->wires[w].resource;
    return n == 0 || lease_ask(&s->engine->leases, s->index, resources, n);
}

/* Steps kept for units without a fault are skipped when there was one. */
static void skip_barred(struct slot *s)
{
    const struct plan *p = s->run.plan;
    const int from = s->at;
    if (s->ending || s->aborting || s->worst == VERDICT_NONE || s->worst == VERDICT_PASS)
        return;
    while (s->at < (int)p->step_count && p->steps[s->at].only_if_all_passed)
        s->at++;
    if (s->at == from)
        return;
    s->skip_from = from;
    s->skip_to = s->at;
    s->skip_attempt = s->attempt;
    s->attempt = 1;
    s->tries = 0;
}

void slot_choose(struct slot *s)
{
    skip_barred(s);
    if (!s->ending && (s->aborting || s->at >= (int)s->run.plan->step_count))
        slot_end_main(s);
    s->begun = false;
    if (s->ending || !next_restore(s)) {
        s->current = s->at;
        s->current_attempt = s->attempt;
    }
    if (s->current >= slot_step_count(s)) {
        s->current = slot_step_count(s) - 1;
        s->next = NEXT_SAFE;
        return;
    }
    s->begun = ask_instruments(s);
    s->next = s->begun ? NEXT_STEP : NEXT_WAIT;
}
