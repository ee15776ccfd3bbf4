#include "station/engine/control_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/base/version.h"
#include "provisioning/audit.h"
#include "station/engine/acceptance.h"
#include "station/engine/admission.h"
#include "station/engine/campaign_process.h"
#include "station/engine/journal.h"
#include "station/engine/operators.h"

/* A start on its way into the store. */
struct starting {
    struct op op;
    struct engine *engine;
    long long client;
    cJSON *id;
    struct slot *slots[STATION_SLOTS_MAX];
    size_t count;
    bool accept; /* the files become the version that holds */
};

static int audit(struct engine *e, const char *actor, const char *action, const char *subject,
                 const char *detail, struct error *err)
{
    const struct audit_entry entry = {.wall_ms = clock_wall_ms(),
                                      .actor = actor,
                                      .action = action,
                                      .subject = subject,
                                      .detail = detail};
    return audit_append(store_handle(e->store), &entry, err);
}

/* The instruments the slot is wired to, as the station file describes them. */
static size_t instruments_of(const struct engine *e, const struct slot *s,
                             struct instrument_record out[STATION_WIRES_PER_SLOT])
{
    const cJSON *known =
        cJSON_GetObjectItemCaseSensitive(json_root(e->station->document), "instruments");
    for (size_t i = 0; i < s->place->wire_count; i++) {
        const char *name = s->place->wires[i].instrument;
        const cJSON *instrument = cJSON_GetObjectItemCaseSensitive(known, name);
        const cJSON *calibration = cJSON_GetObjectItemCaseSensitive(instrument, "calibration");
        out[i] = (struct instrument_record){
            .class_name = s->place->wires[i].class_name,
            .name = name,
            .serial = json_string(instrument, "serial", ""),
            .certificate = json_string(calibration, "certificate", ""),
            .calibrated_on = json_string(calibration, "calibrated_on", ""),
            .due_on = json_string(calibration, "due_on", ""),
        };
    }
    return s->place->wire_count;
}

static int open_run(struct engine *e, struct slot *s, struct error *err)
{
    struct run *run = &s->run;
    struct instrument_record instruments[STATION_WIRES_PER_SLOT];
    struct run_record record = {
        .order = run->order,
        .product = run->plan->product,
        .plan = run->plan->name,
        .plan_sha256 = run->plan->plan_sha256,
        .limits_sha256 = run->plan->limits_sha256,
        .product_sha256 = run->plan->product_sha256,
        .bundle_sha256 = run->bundle_sha256,
        .plan_signer = run->plan_signer,
        .program_version = run->program_version,
        .site = e->station->site,
        .line = e->station->line,
        .station = e->station->station,
        .slot = s->place->number,
        .serial = run->serial,
        .operator_name = run->operator_name,
        .mode = run->mode,
        .started_wall_ms = run->started_wall_ms,
        .instruments = instruments,
        .instrument_count = instruments_of(e, s, instruments),
    };
    int rc = store_run_open(e->store, &record, err);
    run->id = record.id;
    const struct journal_run entry = {.run = run->id, .slot = s->place->number};
    return rc ? rc : journal_put_run(e->journal, &entry, err);
}

static int write_start(struct op *op, struct error *err)
{
    struct starting *st = op->context;
    const struct run *first = &st->slots[0]->run;
    int rc = st->accept ? acceptance_write(st->engine, first->plan, first->bundle_sha256,
                                           first->operator_name, err)
                        : 0;
    for (size_t i = 0; !rc && i < st->count; i++)
        rc = open_run(st->engine, st->slots[i], err);
    return rc;
}

static void started(struct op *op, int rc, const struct error *why)
{
    struct starting *st = op->context;
    struct control_request r = {st->client, st->id};
    cJSON *result = NULL;
    if (rc) {
        for (size_t i = 0; i < st->count; i++)
            slot_forget_run(st->slots[i]);
    } else {
        result = cJSON_CreateObject();
        cJSON *runs = cJSON_AddArrayToObject(result, "runs");
        for (size_t i = 0; i < st->count; i++) {
            cJSON *run = cJSON_CreateObject();
            cJSON_AddNumberToObject(run, "slot", st->slots[i]->place->number);
            cJSON_AddNumberToObject(run, "run", (double)st->slots[i]->run.id);
            cJSON_AddItemToArray(runs, run);
        }
    }
    control_answer(st->engine, &r, result, rc, why);
    for (size_t i = 0; !rc && i < st->count; i++)
        slot_begin(st->slots[i]);
    cJSON_Delete(st->id);
    free(st);
}

/* ---- what is asked for, checked ------------------------------------------------------------- */

static int take_slots(struct engine *e, const cJSON *params, struct starting *st, struct error *err)
{
    const cJSON *asked = cJSON_GetObjectItemCaseSensitive(params, "slots"), *item;
    if (!asked) {
        for (size_t i = 0; i < e->slot_count; i++)
            if (e->slots[i].state == SLOT_IDLE &&
                !campaign_process_holds(e, e->slots[i].place->number))
                st->slots[st->count++] = &e->slots[i];
        return st->count ? 0 : error_set(err, ERROR_BUSY, "every slot has a run under way");
    }
    if (!cJSON_IsArray(asked) || !asked->child)
        return error_set(err, ERROR_INPUT, "'slots' must be a list of slot numbers");
    cJSON_ArrayForEach(item, asked)
    {
        struct slot *s = cJSON_IsNumber(item) ? engine_slot(e, item->valueint) : NULL;
        if (!s)
            return error_set(err, ERROR_MISSING, "the station has no slot %d",
                             cJSON_IsNumber(item) ? item->valueint : 0);
        if (campaign_process_holds(e, s->place->number))
            return error_set(err, ERROR_BUSY, "slot %d has a unit of a campaign", s->place->number);
        if (s->state != SLOT_IDLE)
            return error_set(err, ERROR_BUSY, "slot %d has run %lld under way", s->place->number,
                             (long long)s->run.id);
        for (size_t i = 0; i < st->count; i++)
            if (st->slots[i] == s)
                return error_set(err, ERROR_INPUT, "slot %d is asked for twice", s->place->number);
        st->slots[st->count++] = s;
    }
    return 0;
}

static bool has_control(const char *text)
{
    while (*text && (unsigned char)*text >= ' ' && *text != 0x7f)
        text++;
    return *text != '\0';
}

static int take_text(const cJSON *params, const char *name, const char *fallback, char *out,
                     size_t size, struct error *err)
{
    const char *text = json_string(params, name, fallback);
    if (!text || !*text)
        return error_set(err, ERROR_INPUT, "'%s' is missing", name);
    if (strlen(text) >= size)
        return error_set(err, ERROR_INPUT, "'%s' has %zu bytes, expected at most %zu", name,
                         strlen(text), size - 1);
    if (has_control(text))
        return error_set(err, ERROR_INPUT, "'%s' holds a control character", name);
    strcpy(out, text);
    return 0;
}

static int take_serials(struct engine *e, const cJSON *params, struct starting *st,
                        struct error *err)
{
    const cJSON *serials = cJSON_GetObjectItemCaseSensitive(params, "serials");
    if (!serials)
        return 0;
    if (!cJSON_IsArray(serials) || (size_t)cJSON_GetArraySize(serials) > st->count)
        return error_set(err, ERROR_INPUT, "'serials' must be a list of at most %zu, one a slot",
                         st->count);
    for (size_t i = 0; i < (size_t)cJSON_GetArraySize(serials); i++) {
        const cJSON *item = cJSON_GetArrayItem(serials, (int)i);
        const char *text = cJSON_IsString(item) ? item->valuestring : NULL;
        if (!text || strlen(text) >= sizeof st->slots[i]->run.serial)
            return error_set(err, ERROR_INPUT, "serial %zu must be a string of at most %zu bytes",
                             i + 1, sizeof st->slots[i]->run.serial - 1);
        if (has_control(text))
            return error_set(err, ERROR_INPUT, "serial %zu holds a control character", i + 1);
        for (size_t k = 0; *text && k < e->slot_count; k++)
            if (&e->slots[k] != st->slots[i] && strcmp(e->slots[k].run.serial, text) == 0)
                return error_set(err, ERROR_BUSY, "serial %s is on slot %d already", text,
                                 e->slots[k].place->number);
        strcpy(st->slots[i]->run.serial, text);
    }
    return 0;
}

/* Status tells of the golden unit of the plan that was asked for last. */
static void remember_golden(struct engine *e, const struct plan *plan)
{
    plan_free(e->golden_plan);
    struct error ignored;
    char reference[140];
    snprintf(reference, sizeof reference, "%s/%s", plan->product, plan->name);
    if (!plan->policy.golden_count || plan_load(e->station->products_dir, reference,
                                                &e->vocabulary.words, &e->golden_plan, &ignored))
        e->golden_plan = NULL;
}

/* What all slots of one start share, into each of them. */
static int fill_runs(struct engine *e, const cJSON *params, struct starting *st, struct error *err)
{
    struct run first = {.started_wall_ms = clock_wall_ms()};
    struct start start = {.plan = json_string(params, "plan", "")};
    int rc = take_text(params, "order", NULL, first.order, sizeof first.order, err);
    if (!rc)
        rc = take_text(params, "operator", "unknown", first.operator_name,
                       sizeof first.operator_name, err);
    if (!rc)
        rc = take_text(params, "mode", "production", first.mode, sizeof first.mode, err);
    char who[OPERATOR_NAME_MAX + 1];
    if (strcmp(first.mode, "rework") == 0) /* as it was called before */
        strcpy(first.mode, "repair");
    first.again = json_bool(params, "again", false);
    if (!rc && first.again)
        rc = operators_allow(e->operators, ACT_RETEST, params, who, err);
    if (!rc)
        rc = operators_allow(e->operators,
                             strcmp(first.mode, "production") == 0 ? ACT_RUN
                             : strcmp(first.mode, "golden") == 0   ? ACT_GOLDEN
                                                                   : ACT_RUN_OTHER,
                             params, who, err);
    if (!rc && operators_count(e->operators))
        snprintf(first.operator_name, sizeof first.operator_name, "%s", who);
    size_t m = 0;
    while (!rc && plan_modes[m] && strcmp(plan_modes[m], first.mode) != 0)
        m++;
    if (!rc && !plan_modes[m])
        rc = error_set(err, ERROR_INPUT,
                       "'mode' is '%s', expected production, engineering, repair, golden or gauge",
                       first.mode);
    snprintf(first.program_version, sizeof first.program_version, "%s", takt_version);
    if (!rc)
        rc = engine_prepare(e, &start, st->slots, st->count, &first.plan, &first.board,
                            first.bundle_sha256, err);
    if (!rc) {
        remember_golden(e, first.plan);
        rc = acceptance_check(e, first.plan, first.bundle_sha256, first.mode, &st->accept,
                              first.plan_signer, err);
        if (!rc)
            rc = admission_open(e, first.plan, first.order, first.mode, err);
        if (rc)
            plan_free(first.plan);
    }
    for (size_t i = 0; !rc && i < st->count; i++) {
        struct slot *s = st->slots[i];
        struct plan *own = first.plan;
        if (i)
            rc = plan_load(e->station->products_dir, start.plan, &e->vocabulary.words, &own, err);
        if (!rc &&
            (strcmp(own->plan_sha256, st->slots[0]->run.plan ? st->slots[0]->run.plan->plan_sha256
                                                             : own->plan_sha256) != 0))
            rc = error_set(err, ERROR_STATE, "plan %s is being changed just now", start.plan);
        if (rc) {
            plan_free(own);
            break;
        }
        char serial[sizeof s->run.serial];
        strcpy(serial, s->run.serial);
        s->run = first;
        s->run.plan = own;
        strcpy(s->run.serial, serial);
        rc = slot_prepare(s, err);
        if (!rc && serial[0])
            rc = admission_unit(e, &s->run, first.again, err);
    }
    return rc;
}

int control_run_start(struct engine *e, const struct control_request *r, const cJSON *params,
                      cJSON **result, struct error *err)
{
    struct starting *st = calloc(1, sizeof *st);
    if (!st)
        return error_set(err, ERROR_MEMORY, "starting a run: out of memory");
    int rc = e->paused[0]
                 ? error_set(err, ERROR_FULL, "nothing can be recorded now: %.300s", e->paused)
                 : take_slots(e, params, st, err);
    for (size_t i = 0; !rc && i < st->count; i++)
        slot_forget_run(st->slots[i]);
    if (!rc)
        rc = take_serials(e, params, st, err);
    if (!rc)
        rc = fill_runs(e, params, st, err);
    if (rc) {
        for (size_t i = 0; i < st->count; i++)
            if (st->slots[i]->state == SLOT_IDLE)
                slot_forget_run(st->slots[i]);
        free(st);
        return rc;
    }
    for (size_t i = 0; i < st->count; i++) {
        st->slots[i]->state = SLOT_STARTING; /* taken: no second start finds it idle */
        memset(&st->slots[i]->failure, 0, sizeof st->slots[i]->failure);
    }
    st->engine = e;
    st->client = r->client;
    st->id = r->id ? cJSON_Duplicate(r->id, true) : NULL;
    st->op = (struct op){.write = write_start, .done = started, .once = true, .context = st};
    engine_queue(e, &st->op);
    return CONTROL_LATER;
}

/* ---- aborting ------------------------------------------------------------------------------- */

struct aborting {
    struct op op;
    struct engine *engine;
    char actor[65], detail[64];
};

static int write_abort(struct op *op, struct error *err)
{
    struct aborting *a = op->context;
    return audit(a->engine, a->actor, "run.abort", "slots", a->detail, err);
}

static void abort_written(struct op *op, int rc, const struct error *why)
{
    free(op->context);
}

int control_run_abort(struct engine *e, const struct control_request *r, const cJSON *params,
                      cJSON **result, struct error *err)
{
    bool all = json_bool(params, "all", false);
    int number = (int)json_number(params, "slot", 0);
    const struct operator_account *known =
        operators_who(e->operators, json_string(params, "session", ""));
    const char *who = known ? known->name : json_string(params, "operator", "an operator");
    char reason[200];
    if (!all && !engine_slot(e, number))
        return error_set(err, ERROR_MISSING, "the station has no slot %d", number);
    snprintf(reason, sizeof reason, "aborted by %.100s", who);
    struct aborting *a = calloc(1, sizeof *a);
    if (!a)
        return error_set(err, ERROR_MEMORY, "aborting: out of memory");
    *result = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(*result, "aborting");
    /* At once, whatever the disk says: the record of it follows. */
    for (size_t i = 0; i < e->slot_count; i++) {
        struct slot *s = &e->slots[i];
        if ((!all && s->place->number != number) || s->state == SLOT_IDLE || !s->run.plan)
            continue;
        slot_abort(s, reason);
        cJSON_AddItemToArray(list, cJSON_CreateNumber(s->place->number));
    }
    if (!cJSON_GetArraySize(list)) {
        free(a);
        return 0;
    }
    a->engine = e;
    snprintf(a->actor, sizeof a->actor, "%.64s", who);
    snprintf(a->detail, sizeof a->detail, all ? "{\"all\":true}" : "{\"slot\":%d}", number);
    a->op = (struct op){.write = write_abort, .done = abort_written, .single = true, .context = a};
    engine_queue(e, &a->op);
    return 0;
}
