/* A slot as clients are told of it. */
#include "station/engine/core.h"

enum { STEPS_TOLD_MAX = 64 }; /* a longer plan's list would make every event a large one */

static const struct lane *busy_lane(const struct slot *s)
{
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++)
        if (s->lanes[i].state == LANE_RUNNING || s->lanes[i].state == LANE_BEGINNING)
            return &s->lanes[i];
    return NULL;
}

static const char *state_name(const struct slot *s)
{
    switch (s->state) {
    case SLOT_IDLE:
        return "idle";
    case SLOT_SAFING:
        return "safing";
    case SLOT_STARTING:
    case SLOT_CLOSING:
        return "recording";
    case SLOT_STEPS:
        break;
    }
    const struct lane *l = busy_lane(s);
    if (l)
        return l->state == LANE_RUNNING ? "running" : "recording";
    return s->write->queued ? "recording" : "waiting";
}

static void describe_failure(cJSON *into, const struct slot_failure *f)
{
    cJSON *o = cJSON_AddObjectToObject(into, "failure");
    cJSON_AddStringToObject(o, "step", f->step);
    cJSON_AddStringToObject(o, "verdict", verdict_name(f->verdict));
    cJSON_AddStringToObject(o, "message", f->message);
    if (!f->has_value)
        return;
    cJSON_AddStringToObject(o, "measurement", f->measurement);
    cJSON_AddNumberToObject(o, "value", f->value);
    cJSON_AddStringToObject(o, "unit", f->unit);
    if (f->has_low)
        cJSON_AddNumberToObject(o, "min", f->low);
    if (f->has_high)
        cJSON_AddNumberToObject(o, "max", f->high);
}

static void describe_steps(cJSON *into, const struct slot *s)
{
    static const char *const states[] = {[STEP_WAITING] = "waiting",
                                         [STEP_RUNNING] = "running",
                                         [STEP_OVER] = "over",
                                         [STEP_SKIPPED] = "skipped"};
    const struct progress *p = &s->progress;
    cJSON *list = cJSON_AddArrayToObject(into, "steps");
    for (int i = 0; p->count <= STEPS_TOLD_MAX && i < p->count; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "id", s->run.plan->steps[i].id);
        cJSON_AddStringToObject(o, "state", states[p->steps[i].state]);
        if (p->steps[i].verdict != VERDICT_NONE)
            cJSON_AddStringToObject(o, "verdict", verdict_name(p->steps[i].verdict));
        if (p->steps[i].attempt)
            cJSON_AddNumberToObject(o, "attempt", p->steps[i].attempt);
        if (i >= (int)s->run.plan->step_count)
            cJSON_AddTrueToObject(o, "teardown");
        cJSON_AddItemToArray(list, o);
    }
    for (int i = 0; i < SCHEDULE_LANES_MAX; i++) {
        const struct lane *l = &s->lanes[i];
        cJSON *o = l->state == LANE_RUNNING ? cJSON_GetArrayItem(list, l->step) : NULL;
        if (!o)
            continue;
        cJSON_AddNumberToObject(o, "fraction", l->fraction);
        cJSON_AddStringToObject(o, "text", l->progress);
    }
}

/* The one step that stands for the slot where there is room for one alone. */
static int shown_step(const struct slot *s, const struct lane *busy)
{
    const struct progress *p = &s->progress;
    if (busy)
        return busy->step;
    if (p->turn_count)
        return p->turns[0];
    return p->count - 1;
}

static void describe_run(cJSON *o, const struct slot *s)
{
    char waits[160];
    const struct lane *l = busy_lane(s);
    const int step = shown_step(s, l);
    cJSON_AddStringToObject(o, "order", s->run.order);
    cJSON_AddStringToObject(o, "product", s->run.plan->product);
    cJSON_AddStringToObject(o, "plan", s->run.plan->name);
    cJSON_AddStringToObject(o, "mode", s->run.mode);
    cJSON_AddStringToObject(o, "step", s->run.plan->steps[step].id);
    cJSON_AddNumberToObject(o, "index", step);
    cJSON_AddNumberToObject(o, "attempt", s->progress.steps[step].attempt);
    cJSON_AddNumberToObject(o, "count", s->progress.count);
    cJSON_AddBoolToObject(o, "teardown", s->progress.ending);
    cJSON_AddBoolToObject(o, "aborting", s->aborting);
    cJSON_AddNumberToObject(o, "fraction", l ? l->fraction : 0);
    cJSON_AddStringToObject(o, "text", l ? l->progress : "");
    enum verdict worst = progress_worst(&s->progress, NULL);
    cJSON_AddStringToObject(
        o, "worst",
        verdict_name(progress_rank(s->worst) > progress_rank(worst) ? s->worst : worst));
    schedule_explain(&s->engine->schedule, (int)s->index, waits, sizeof waits);
    cJSON_AddStringToObject(o, "waits", waits);
    if (l && l->worker.pid)
        cJSON_AddNumberToObject(o, "worker_pid", l->worker.pid);
    describe_steps(o, s);
}

cJSON *slot_describe(const struct slot *s)
{
    cJSON *o = cJSON_CreateObject();
    bool busy = s->state != SLOT_IDLE;
    cJSON_AddNumberToObject(o, "slot", s->place->number);
    cJSON_AddStringToObject(o, "state", state_name(s));
    cJSON_AddStringToObject(o, "verdict", busy ? "" : verdict_name(s->last_verdict));
    cJSON_AddNumberToObject(o, "run", (double)(busy ? s->run.id : s->last_run));
    cJSON_AddStringToObject(o, "serial", busy ? s->run.serial : s->last_serial);
    if (!busy && s->last_verdict == VERDICT_PASS)
        cJSON_AddBoolToObject(o, "first_pass", s->last_first_pass);
    if (busy && s->run.plan && s->progress.plan)
        describe_run(o, s);
    if (s->failure.step[0])
        describe_failure(o, &s->failure);
    return o;
}
