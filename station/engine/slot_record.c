/* From what a worker said to what the store keeps. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/engine/admission.h"
#include "station/engine/core.h"
#include "station/plan/judge.h"

enum { ROWS_MAX = 4096 };

void slot_result_free(struct slot_result *r)
{
    cJSON_Delete(r->said);
    free(r->measurements);
    free(r->notes);
    free(r->attachments);
    free(r);
}

static const char *text_at(const cJSON *row, int index)
{
    const cJSON *item = cJSON_GetArrayItem(row, index);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static double number_at(const cJSON *row, int index)
{
    const cJSON *item = cJSON_GetArrayItem(row, index);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static size_t rows_of(const cJSON *said, const char *name, const cJSON **first)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(said, name);
    int n = cJSON_GetArraySize(rows);
    *first = rows ? rows->child : NULL;
    return n < 0 || n > ROWS_MAX ? 0 : (size_t)n;
}

static void describe_miss(const struct judged *j, char *out, size_t size)
{
    const struct limit *l = j->limit;
    if (l->has_min && !(j->value >= l->min))
        snprintf(out, size, "%s is %g %s, expected at least %g", j->measurement, j->value, j->unit,
                 l->min);
    else
        snprintf(out, size, "%s is %g %s, expected at most %g", j->measurement, j->value, j->unit,
                 l->max);
}

static void keep_failure(struct slot *s, const struct slot_result *r, const struct plan_step *step,
                         const struct judged *j)
{
    struct slot_failure *f = &s->failure;
    memset(f, 0, sizeof *f);
    snprintf(f->step, sizeof f->step, "%s", step->id);
    snprintf(f->message, sizeof f->message, "%s", r->message);
    f->verdict = r->verdict;
    if (!j)
        return;
    snprintf(f->measurement, sizeof f->measurement, "%s", j->measurement);
    snprintf(f->unit, sizeof f->unit, "%s", j->unit);
    f->has_value = true;
    f->value = j->value;
    f->has_low = j->limit->has_min;
    f->has_high = j->limit->has_max;
    f->low = j->limit->min;
    f->high = j->limit->max;
}

/* The golden unit is held against its band, where one is given. */
static void limits_of(const struct slot *s, int step, const struct limit **limits, size_t *count)
{
    const struct plan_policy *policy = &s->run.plan->policy;
    if (strcmp(s->run.mode, "golden") != 0)
        return;
    for (size_t i = 0; i < policy->band_count; i++)
        if (policy->bands[i].step == step) {
            *limits = policy->bands[i].limits;
            *count = policy->bands[i].limit_count;
        }
}

/* The measurements as records, each with the limits it was held against; the step's verdict. */
static void judge(struct slot *s, struct slot_result *r, const struct plan_step *step,
                  struct judged *values, size_t count)
{
    static const enum verdict of[] = {[JUDGED_FREE] = VERDICT_NONE,
                                      [JUDGED_PASS] = VERDICT_PASS,
                                      [JUDGED_FAIL] = VERDICT_FAIL,
                                      [JUDGED_MISSING] = VERDICT_ERROR};
    const struct limit *worst;
    const struct judged *failed = NULL;
    const struct limit *limits = step->limits;
    size_t limit_count = step->limit_count;
    limits_of(s, r->index, &limits, &limit_count);
    enum judgement all = judge_step(limits, limit_count, values, count, &worst);
    for (size_t i = 0; i < count; i++) {
        const struct limit *l = values[i].limit;
        r->measurements[i] = (struct measurement_record){
            .name = values[i].measurement,
            .unit = values[i].unit,
            .value = values[i].value,
            .has_low = l && l->has_min,
            .has_high = l && l->has_max,
            .low = l ? l->min : 0,
            .high = l ? l->max : 0,
            .verdict = of[values[i].judgement],
        };
        if (!failed && values[i].judgement == JUDGED_FAIL)
            failed = &values[i];
    }
    if (r->verdict == VERDICT_NONE) { /* the step itself went well: the values decide */
        r->verdict = of[all];
        if (all == JUDGED_MISSING)
            snprintf(r->message, sizeof r->message,
                     "there is a limit for '%s', but no value came in %s", worst->measurement,
                     worst->unit);
        else if (all == JUDGED_FAIL && failed)
            describe_miss(failed, r->message, sizeof r->message);
    }
    if (r->verdict != VERDICT_PASS)
        keep_failure(s, r, step, r->verdict == VERDICT_FAIL ? failed : NULL);
}

/* Who the unit is, once a step found out; the next write puts it into the store. */
static void learn(struct slot *s, char *kept, size_t size, const char *text)
{
    if (!*text || strcmp(kept, text) == 0)
        return;
    snprintf(kept, size, "%s", text);
    s->unit_known = false;
}

/* Texts may be a unit's own words: what would steer a terminal becomes a question mark. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

/* Who the unit is came out just now: it may be one that has no business here. */
static void admit(struct slot *s, struct slot_result *r, const char *known_as)
{
    char now[sizeof s->run.serial + sizeof s->run.chip_id];
    struct error err = {0};
    snprintf(now, sizeof now, "%s%s", s->run.serial, s->run.chip_id);
    if (strcmp(now, known_as) == 0 || (r->verdict != VERDICT_NONE && r->verdict != VERDICT_PASS) ||
        !admission_unit(s->engine, &s->run, s->run.again, &err))
        return;
    r->verdict = VERDICT_ERROR;
    snprintf(r->message, sizeof r->message, "%s", err.text);
}

/* said may be NULL: then the verdict and the message are what there is. */
void slot_result_take(const struct lane *l, struct slot_result *r, cJSON *said)
{
    struct slot *s = l->slot;
    const struct plan_step *step = &s->run.plan->steps[l->step];
    const cJSON *m, *n, *a;
    char known_as[sizeof s->run.serial + sizeof s->run.chip_id];
    snprintf(known_as, sizeof known_as, "%s%s", s->run.serial, s->run.chip_id);
    r->said = said;
    make_printable(r->message);
    r->index = l->step;
    r->attempt = l->attempt;
    r->started_wall_ms = l->step_started_wall_ms;
    size_t measured = rows_of(said, "measurements", &m), noted = rows_of(said, "notes", &n),
           attached = rows_of(said, "attachments", &a);
    struct judged *values = calloc(measured + 1, sizeof *values);
    r->measurements = calloc(measured + 1, sizeof *r->measurements);
    r->notes = calloc(noted + 1, sizeof *r->notes);
    r->attachments = calloc(attached + 1, sizeof *r->attachments);
    if (!values || !r->measurements || !r->notes || !r->attachments) {
        /* Never a pass on half a record. */
        r->verdict = VERDICT_ERROR;
        snprintf(r->message, sizeof r->message, "out of memory for the step's figures");
        free(values);
        return;
    }
    for (size_t i = 0; i < measured; i++, m = m->next)
        values[i] = (struct judged){
            .measurement = text_at(m, 0), .unit = text_at(m, 1), .value = number_at(m, 2)};
    for (size_t i = 0; i < noted; i++, n = n->next) {
        const cJSON *text = cJSON_GetArrayItem(n, 1);
        if (cJSON_IsString(text))
            make_printable(text->valuestring);
        r->notes[i] = (struct note_record){text_at(n, 0), text_at(n, 1)};
        if (strcmp(r->notes[i].name, "serial") == 0)
            learn(s, s->run.serial, sizeof s->run.serial, r->notes[i].text);
    }
    for (size_t i = 0; i < attached; i++, a = a->next)
        r->attachments[i] = (struct attachment_record){text_at(a, 0), text_at(a, 1), text_at(a, 2),
                                                       (int64_t)number_at(a, 3)};
    r->measurement_count = measured;
    r->note_count = noted;
    r->attachment_count = attached;
    learn(s, s->run.chip_id, sizeof s->run.chip_id, json_string(said, "chip_id", ""));
    admit(s, r, known_as);
    judge(s, r, step, values, measured);
    free(values);
}

int slot_write_result(struct slot *s, const struct slot_result *r, struct error *err)
{
    const struct plan_step *step = &s->run.plan->steps[r->index];
    struct engine *e = s->engine;
    const struct step_record record = {
        .run = s->run.id,
        .index = r->index,
        .attempt = r->attempt,
        .id = step->id,
        .kind = step->kind,
        .verdict = r->verdict,
        .message = r->message,
        .started_wall_ms = r->started_wall_ms,
        .duration_ms = r->duration_ms,
        .measurements = r->measurements,
        .measurement_count = r->measurement_count,
        .notes = r->notes,
        .note_count = r->note_count,
        .attachments = r->attachments,
        .attachment_count = r->attachment_count,
    };
    int rc = store_step(e->store, &record, err);
    if (!rc && s->run.chip_id[0] && !s->unit_known)
        rc = store_run_unit(e->store, s->run.id, s->run.chip_id, s->run.serial, err);
    return rc;
}
