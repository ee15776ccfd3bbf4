/* What a worker asks taktd: each answer is sent once it is committed. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/json.h"
#include "provisioning/session_refusal.h"
#include "provisioning/token_issue.h"
#include "reports/query.h"
#include "station/engine/admission.h"
#include "station/engine/core.h"
#include "station/engine/pool_process.h"

struct question {
    struct op op;
    struct slot *slot;
    struct lane *lane;
    pid_t asker;
    int step;
    cJSON *asked, *answer;
    bool shared_asked; /* then .shared is what the shared pool said */
    struct pool_answer shared;
};

/* A worker speaks for the unit of its own run alone, and a chip is in one slot at a time: two that
 * say they are the same chip would be given the same identity. Not ERROR_BUSY: that is the store's,
 * and holds up everyone until it is over. */
static int own_unit(const struct question *q, const char **chip_id, struct error *err)
{
    const struct slot *mine = q->slot;
    const struct engine *e = mine->engine;
    *chip_id = json_string(q->asked, "chip_id", "");
    if (!**chip_id)
        return error_set(err, ERROR_INPUT, "a chip id is missing in what a worker asked");
    if (mine->run.chip_id[0] && strcmp(mine->run.chip_id, *chip_id) != 0)
        return error_set(err, ERROR_MISMATCH, "this run is with chip %s, not with chip %s",
                         mine->run.chip_id, *chip_id);
    for (size_t i = 0; i < e->slot_count; i++)
        if (i != mine->index && strcmp(e->slots[i].run.chip_id, *chip_id) == 0)
            return error_set(err, ERROR_STATE, "chip %s is in slot %d at the same time", *chip_id,
                             e->slots[i].place->number);
    return 0;
}

static struct pool_request request_of(const struct question *q, const char *chip_id)
{
    const struct slot *s = q->slot;
    return (struct pool_request){.chip_id = chip_id,
                                 .serial = s->run.serial,
                                 .order = s->run.order,
                                 .station = s->engine->station->station,
                                 .operator_name = s->run.operator_name,
                                 .certifies = s->engine->device_ca != NULL,
                                 .wall_ms = clock_wall_ms()};
}

/* From the station's own pool, or what the shared one said; without it from the lease. */
static int reserve_for(struct question *q, const struct pool_request *r, struct identity *id,
                       struct error *err)
{
    struct pool *pool = q->slot->engine->pool;
    /* Its troubles are not the store's: without it the station goes on. */
    const bool said =
        q->shared_asked && q->shared.rc != ERROR_CLOSED && !engine_storage_failed(q->shared.rc);
    if (said && q->shared.rc == 0)
        return pool_take_reserved(pool, &q->shared.identity, r, id, err);
    if (said) {
        *err = q->shared.error;
        return q->shared.rc;
    }
    int rc = pool_reserve(pool, r, id, err);
    if (rc == ERROR_FULL && q->shared_asked) {
        struct error why = *err;
        rc = error_set(err, ERROR_FULL,
                       "the shared pool is not reached (%.200s), and without it: %.200s",
                       q->shared.error.text, why.text);
    }
    return rc;
}

static int reserve(struct question *q, struct error *err)
{
    struct slot *s = q->slot;
    struct engine *e = s->engine;
    struct identity id = {0};
    char key_hex[2 * IDENTITY_KEY_MAX + 1];
    const char *chip_id;
    if (!e->pool)
        return error_set(err, ERROR_MISSING, "the station has no custody, so no identities");
    int rc = own_unit(q, &chip_id, err);
    if (rc)
        return rc;
    struct run named = s->run;
    snprintf(named.chip_id, sizeof named.chip_id, "%s", chip_id);
    rc = s->run.chip_id[0] ? 0 : admission_unit(e, &named, s->run.again, err);
    if (rc)
        return rc;
    const struct pool_request request = request_of(q, chip_id);
    /* The unit is named in the store no later than its identity. */
    rc = store_run_unit(e->store, s->run.id, chip_id, s->run.serial, err);
    if (!rc)
        rc = reserve_for(q, &request, &id, err);
    if (!rc) {
        hex_encode(id.key, id.key_bytes, key_hex);
        cJSON_AddStringToObject(q->answer, "did", id.did);
        cJSON_AddStringToObject(q->answer, "mac", id.mac);
        cJSON_AddStringToObject(q->answer, "key", key_hex);
        cJSON_AddStringToObject(q->answer, "state", pool_state_name(id.state));
        OPENSSL_cleanse(key_hex, sizeof key_hex);
        /* From here on no other slot may come with this chip, whether or not the step ends. */
        snprintf(s->run.chip_id, sizeof s->run.chip_id, "%s", chip_id);
    }
    identity_wipe(&id);
    return rc;
}

static int advance(struct question *q, struct error *err)
{
    struct engine *e = q->slot->engine;
    const char *state = json_string(q->asked, "state", ""), *chip_id;
    int rc = own_unit(q, &chip_id, err);
    if (rc)
        return rc;
    for (int to = IDENTITY_INJECTED; e->pool && to < IDENTITY_STATES; to++)
        if (strcmp(state, pool_state_name((enum identity_state)to)) == 0)
            return pool_advance(e->pool, chip_id, (enum identity_state)to,
                                q->slot->run.plan->steps[q->step].id, clock_wall_ms(), err);
    return error_set(err, ERROR_INPUT, "'%s' is not a state an identity goes to", state);
}

static int certify(struct question *q, struct error *err)
{
    struct engine *e = q->slot->engine;
    const char *hex = json_string(q->asked, "request", ""), *chip_id;
    uint8_t request[UNIT_REQUEST_MAX], certificate[UNIT_CERTIFICATE_MAX];
    char out[2 * UNIT_CERTIFICATE_MAX + 1];
    size_t size;
    int rc = own_unit(q, &chip_id, err);
    if (rc)
        return rc;
    if (!e->pool || !e->device_ca)
        return error_set(err, ERROR_MISSING, "%s names no 'device_ca'", e->station->path);
    const int bytes = hex_decode_some(hex, request, sizeof request);
    if (bytes < 0)
        return error_set(err, ERROR_PROTOCOL, "a unit's request is not hex of at most %zu bytes",
                         sizeof request);
    rc = device_ca_certify(e->device_ca, e->pool, chip_id, request, (size_t)bytes, clock_wall_ms(),
                           certificate, &size, err);
    if (rc)
        return rc;
    hex_encode(certificate, size, out);
    cJSON_AddStringToObject(q->answer, "certificate", out);
    return 0;
}

/* Each session with a unit needs a token of its own. */
static int token(struct question *q, struct error *err)
{
    struct engine *e = q->slot->engine;
    const struct run *run = &q->slot->run;
    const char *chip_id;
    struct token_issued issued;
    int rc = own_unit(q, &chip_id, err);
    if (rc)
        return rc;
    if (!e->signer)
        return error_set(err, ERROR_MISSING,
                         "%s names no 'token_key' in its credentials: no unit can be entered",
                         e->station->path);
    const struct token_wish wish = {.chip_id = chip_id,
                                    .nonce = json_string(q->asked, "nonce", ""),
                                    .order = run->order,
                                    .station = e->station->station,
                                    .actor = run->operator_name[0] ? run->operator_name : "taktd",
                                    .wall_ms = clock_wall_ms(),
                                    .life_s = e->station->token_life_s};
    rc = token_issue(store_handle(e->store), e->signer, &wish, &issued, err);
    if (rc)
        return rc;
    cJSON_AddStringToObject(q->answer, "token", issued.text);
    cJSON_AddStringToObject(q->answer, "signature", issued.signature_hex);
    return 0;
}

/* A session that was not let in, at the gate and in the words the worker heard. */
static int refused(struct question *q, struct error *err)
{
    const struct run *run = &q->slot->run;
    const struct engine *e = q->slot->engine;
    const struct session_refusal refusal = {
        .chip_id = json_string(q->asked, "chip_id", ""),
        .serial = run->serial,
        .gate = json_string(q->asked, "gate", ""),
        .why = json_string(q->asked, "why", ""),
        .order = run->order,
        .station = e->station->station,
        .slot = q->slot->place->number,
        .actor = run->operator_name[0] ? run->operator_name : "taktd",
        .wall_ms = clock_wall_ms(),
    };
    return session_refused(store_handle(e->store), &refusal, err);
}

static int committed(struct question *q, struct error *err)
{
    struct engine *e = q->slot->engine;
    cJSON *figures = NULL;
    int rc =
        query_step(e->store, q->slot->run.id, json_string(q->asked, "step", ""), &figures, err);
    if (!rc)
        cJSON_AddItemToObject(q->answer, "figures", figures);
    return rc;
}

static void wipe_answer(struct question *q)
{
    cJSON *key = cJSON_GetObjectItemCaseSensitive(q->answer, "key");
    if (cJSON_IsString(key))
        OPENSSL_cleanse(key->valuestring, strlen(key->valuestring));
    cJSON_Delete(q->answer);
    q->answer = NULL;
}

static int write_question(struct op *op, struct error *err)
{
    static const struct {
        const char *name;
        int (*answer)(struct question *q, struct error *err);
    } table[] = {{"reserve", reserve}, {"advance", advance}, {"certify", certify},
                 {"token", token},     {"refused", refused}, {"committed", committed}};
    struct question *q = op->context;
    const char *name = json_string(q->asked, "ask", "");
    wipe_answer(q);
    q->answer = cJSON_CreateObject();
    /* The asker is gone: its step is over, and it must not take an identity any more. */
    if (q->lane->worker.pid != q->asker)
        return error_set(err, ERROR_CLOSED, "the worker that asked is gone");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(name, table[i].name) == 0)
            return table[i].answer(q, err);
    return error_set(err, ERROR_PROTOCOL, "a worker asked for '%s'", name);
}

static void answer_question(struct op *op, int rc, const struct error *why)
{
    struct question *q = op->context;
    struct error err;
    if (q->lane->worker.pid == q->asker) {
        cJSON_AddNumberToObject(q->answer, "rc", rc);
        if (rc)
            cJSON_AddStringToObject(q->answer, "text", why->text);
        if (channel_send(q->lane->worker.channel, q->answer, &err))
            worker_kill(&q->lane->worker);
    }
    wipe_answer(q);
    cJSON_Delete(q->asked);
    free(q);
}

static void shared_answered(void *context, const struct pool_answer *a)
{
    struct question *q = context;
    q->shared_asked = true;
    q->shared = *a;
    engine_queue(q->slot->engine, &q->op);
}

/* A unit that has no identity here gets one from the shared pool, where the station has part in
 * one; the answer is then queued. Anything that is wrong with the question is found as it is
 * answered. */
static bool ask_shared_pool(struct question *q)
{
    struct engine *e = q->slot->engine;
    struct identity has;
    struct error err = {0};
    const char *chip_id;
    if (!pool_process_wanted(e) || strcmp(json_string(q->asked, "ask", ""), "reserve") != 0 ||
        own_unit(q, &chip_id, &err) || pool_find(e->pool, chip_id, &has, &err) != ERROR_MISSING)
        return false;
    const struct pool_request r = request_of(q, chip_id);
    return pool_process_reserve(e, &r, shared_answered, q, &err) == 0;
}

void slot_take_question(struct lane *l, cJSON *asked)
{
    struct question *q = calloc(1, sizeof *q);
    if (!q) {
        cJSON_Delete(asked);
        worker_kill(&l->worker); /* recorded as its death, in this step */
        return;
    }
    q->slot = l->slot;
    q->lane = l;
    q->step = l->step;
    q->asker = l->worker.pid;
    q->asked = asked;
    q->op =
        (struct op){.write = write_question, .done = answer_question, .single = true, .context = q};
    if (!ask_shared_pool(q))
        engine_queue(l->slot->engine, &q->op);
}
