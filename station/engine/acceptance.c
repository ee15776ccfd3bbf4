#include "station/engine/acceptance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/formats/signing.h"
#include "provisioning/audit.h"
#include "provisioning/database.h"
#include "station/engine/operators.h"
#include "station/plan/plan_signature.h"

enum { CHANGED_TEXT = 60 };

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS accepted_plan(product TEXT NOT NULL, plan TEXT NOT NULL,"
    "  plan_sha256 TEXT NOT NULL, limits_sha256 TEXT NOT NULL, product_sha256 TEXT NOT NULL,"
    "  bundle_sha256 TEXT NOT NULL, accepted_by TEXT NOT NULL, accepted_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(product, plan)) STRICT, WITHOUT ROWID;";

int acceptance_open(sqlite3 *db, struct error *err)
{
    return database_run(db, schema, err, "making the table of accepted plans");
}

/* 1 with what differs from the version that holds, in words ("" nothing); 0: none holds yet. */
static int compare(struct engine *e, const struct plan *p, const char *bundle_sha256,
                   char changed[CHANGED_TEXT], struct error *err)
{
    static const char *const names[] = {"plan", "limits", "product", "bundle"};
    const char *now[] = {p->plan_sha256, p->limits_sha256, p->product_sha256, bundle_sha256};
    sqlite3 *db = store_handle(e->store);
    changed[0] = '\0';
    sqlite3_stmt *st = database_prepare(
        db, err,
        "SELECT plan_sha256, limits_sha256, product_sha256, bundle_sha256 FROM accepted_plan"
        " WHERE product = ?1 AND plan = ?2",
        "tt", p->product, p->name);
    if (!st)
        return err->code;
    int rc = database_step(db, st, err, "looking up the accepted plan");
    for (int i = 0; rc == 1 && i < 4; i++) {
        const char *then = (const char *)sqlite3_column_text(st, i);
        if (!then || strcmp(then, now[i]) != 0)
            snprintf(changed + strlen(changed), CHANGED_TEXT - strlen(changed), "%s%s",
                     changed[0] ? ", " : "", names[i]);
    }
    sqlite3_finalize(st);
    return rc;
}

/* signer: the key's fingerprint, "" where the station asks for none. */
static int check_signature(const struct engine *e, const struct plan *p, char signer[DIGEST_TEXT],
                           struct error *err)
{
    const char *key = e->station->plan_key_pem;
    signer[0] = '\0';
    int rc = key ? plan_signature_check(e->station->products_dir, p, key, err) : 0;
    return rc || !key ? rc : signing_key_fingerprint(key, signer, err);
}

int acceptance_check(struct engine *e, const struct plan *p, const char *bundle_sha256,
                     const char *mode, bool *put, char signer[DIGEST_TEXT], struct error *err)
{
    char changed[CHANGED_TEXT];
    *put = false;
    int rc = check_signature(e, p, signer, err);
    if (strcmp(mode, "engineering") == 0) /* how a change is tried out */
        return rc == ERROR_REFUSED ? 0 : rc;
    if (rc)
        return rc;
    rc = compare(e, p, bundle_sha256, changed, err);
    if (rc < 0)
        return rc;
    *put = rc == 0 || changed[0];
    if (!changed[0] || !operators_count(e->operators))
        return 0;
    *put = false;
    return error_set(err, ERROR_REFUSED,
                     "%s/%s was changed (%s) and nobody has accepted that: a technician looks at "
                     "it and accepts it (key a on the health screen, or takt plan accept)",
                     p->product, p->name, changed);
}

int acceptance_write(struct engine *e, const struct plan *p, const char *bundle_sha256,
                     const char *who, struct error *err)
{
    sqlite3 *db = store_handle(e->store);
    const int64_t now_ms = clock_wall_ms();
    char subject[200], detail[500];
    int rc = database_write(db, err, "an accepted plan",
                            "INSERT OR REPLACE INTO accepted_plan VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
                            "ttttttti", p->product, p->name, p->plan_sha256, p->limits_sha256,
                            p->product_sha256, bundle_sha256, who, now_ms);
    snprintf(subject, sizeof subject, "%s/%s", p->product, p->name);
    snprintf(detail, sizeof detail,
             "{\"plan\":\"%s\",\"limits\":\"%s\",\"product\":\"%s\",\"bundle\":\"%s\"}",
             p->plan_sha256, p->limits_sha256, p->product_sha256, bundle_sha256);
    const struct audit_entry entry = {.wall_ms = now_ms,
                                      .actor = who,
                                      .action = operator_act_name(ACT_PLAN),
                                      .subject = subject,
                                      .detail = detail};
    return rc ? rc : audit_append(db, &entry, err);
}

/* ---- by a technician ------------------------------------------------------------------------- */

struct accepting {
    struct op op;
    struct engine *engine;
    long long client;
    cJSON *id;
    struct plan *plan;
    char bundle_sha256[65], who[OPERATOR_NAME_MAX + 1], changed[CHANGED_TEXT];
};

static int write_accepting(struct op *op, struct error *err)
{
    struct accepting *a = op->context;
    return acceptance_write(a->engine, a->plan, a->bundle_sha256, a->who, err);
}

static void accepted(struct op *op, int rc, const struct error *why)
{
    struct accepting *a = op->context;
    struct control_request r = {a->client, a->id};
    cJSON *result = NULL;
    if (!rc) {
        char reference[200];
        snprintf(reference, sizeof reference, "%s/%s", a->plan->product, a->plan->name);
        result = cJSON_CreateObject();
        cJSON_AddStringToObject(result, "plan", reference);
        cJSON_AddStringToObject(result, "changed", a->changed);
    }
    control_answer(a->engine, &r, result, rc, why);
    plan_free(a->plan);
    cJSON_Delete(a->id);
    free(a);
}

int control_plan_accept(struct engine *e, const struct control_request *r, const cJSON *params,
                        cJSON **result, struct error *err)
{
    struct accepting *a = calloc(1, sizeof *a);
    const struct start start = {.plan = json_string(params, "plan", "")};
    struct board board;
    char signer[DIGEST_TEXT];
    if (!a)
        return error_set(err, ERROR_MEMORY, "accepting a plan: out of memory");
    int rc = operators_allow(e->operators, ACT_PLAN, params, a->who, err);
    if (!rc)
        rc = engine_prepare(e, &start, NULL, 0, &a->plan, &board, a->bundle_sha256, err);
    if (!rc)
        rc = check_signature(e, a->plan, signer, err);
    if (!rc) {
        rc = compare(e, a->plan, a->bundle_sha256, a->changed, err);
        rc = rc < 0 ? rc : 0;
    }
    if (rc) {
        plan_free(a->plan);
        free(a);
        return rc;
    }
    a->engine = e;
    a->client = r->client;
    a->id = r->id ? cJSON_Duplicate(r->id, true) : NULL;
    a->op = (struct op){.write = write_accepting, .done = accepted, .once = true, .context = a};
    engine_queue(e, &a->op);
    return CONTROL_LATER;
}
