/* A slot as clients are told of it. */
#include "station/engine/core.h"

const char *slot_state_name(enum slot_state s)
{
    static const char *const names[SLOT_STATES] = {"idle", "recording", "waiting", "running",
                                                   "safing"};
    return names[s];
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

cJSON *slot_describe(const struct slot *s)
{
    cJSON *o = cJSON_CreateObject();
    bool busy = s->state != SLOT_IDLE;
    cJSON_AddNumberToObject(o, "slot", s->place->number);
    cJSON_AddStringToObject(o, "state", slot_state_name(s->state));
    cJSON_AddStringToObject(o, "verdict", busy ? "" : verdict_name(s->last_verdict));
    cJSON_AddNumberToObject(o, "run", (double)(busy ? s->run.id : s->last_run));
    cJSON_AddStringToObject(o, "serial", busy ? s->run.serial : s->last_serial);
    if (busy && s->run.plan) {
        cJSON_AddStringToObject(o, "order", s->run.order);
        cJSON_AddStringToObject(o, "product", s->run.plan->product);
        cJSON_AddStringToObject(o, "plan", s->run.plan->name);
        cJSON_AddStringToObject(o, "step", slot_step(s)->id);
        cJSON_AddNumberToObject(o, "index", s->current);
        cJSON_AddNumberToObject(o, "attempt", s->current_attempt);
        cJSON_AddNumberToObject(o, "count", slot_step_count(s));
        cJSON_AddBoolToObject(o, "teardown", s->ending);
        cJSON_AddBoolToObject(o, "aborting", s->aborting);
        cJSON_AddNumberToObject(o, "fraction", s->fraction);
        cJSON_AddStringToObject(o, "text", s->progress);
        cJSON_AddStringToObject(o, "worst", verdict_name(s->worst));
        if (s->worker.pid)
            cJSON_AddNumberToObject(o, "worker_pid", s->worker.pid);
    }
    if (s->failure.step[0])
        describe_failure(o, &s->failure);
    return o;
}
