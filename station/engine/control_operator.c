#include "station/engine/control_operator.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/engine/operators.h"
#include "station/engine/pin_process.h"

enum { WISHES_MAX = 8 };

/* What someone asked for that needs a PIN checked, a new one hashed, and a row written. */
struct operator_wish {
    struct operator_wish *next;
    struct op op;
    struct engine *engine;
    struct pin_process process;
    long long client;
    cJSON *id;
    enum { WISH_SIGN_IN, WISH_FIRST, WISH_PUT, WISH_PIN, WISH_REMOVE } kind;
    bool known;                    /* whose PIN is checked is an account's name */
    bool checked, right;           /* the old PIN was compared; it was the right one */
    struct operator_account to;    /* what is to be written */
    char pin[PIN_BYTES_MAX + 1];   /* to be hashed for it; "" none */
    char check[PIN_BYTES_MAX + 1]; /* to be compared first; "" none */
    char by[OPERATOR_NAME_MAX + 1];
};

static int refused(struct error *err)
{
    return error_set(err, ERROR_REFUSED, "the name or the PIN is wrong");
}

static void wish_free(struct operator_wish *w)
{
    struct operator_wish **p = &w->engine->operator_wishes;
    while (*p && *p != w)
        p = &(*p)->next;
    if (*p)
        *p = w->next;
    pin_process_stop(&w->process);
    cJSON_Delete(w->id);
    OPENSSL_cleanse(w, sizeof *w);
    free(w);
}

static void wish_end(struct operator_wish *w, cJSON *result, int rc, const struct error *why)
{
    struct control_request r = {w->client, w->id};
    control_answer(w->engine, &r, result, rc, why);
    wish_free(w);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_wish(struct op *op, struct error *err)
{
    struct operator_wish *w = op->context;
    struct operators *o = w->engine->operators;
    static const char *const actions[] = {
        [WISH_FIRST] = "operator.first", [WISH_PUT] = "operator.put", [WISH_PIN] = "operator.pin"};
    if (w->checked && (!w->right || w->kind == WISH_SIGN_IN))
        return w->known ? operators_write(o, &w->to, w->to.name,
                                          w->right ? "operator.sign_in" : "operator.wrong_pin", err)
                        : 0;
    if (w->kind == WISH_FIRST && operators_count(o)) /* two at once */
        return error_set(err, ERROR_STATE, "someone made the first account meanwhile");
    int rc = operators_check(o, w->to.name, w->kind == WISH_REMOVE ? NULL : &w->to, err);
    if (rc)
        return rc;
    return w->kind == WISH_REMOVE ? operators_write_removal(o, w->to.name, w->by, err)
                                  : operators_write(o, &w->to, w->by, actions[w->kind], err);
}

static void wish_written(struct op *op, int rc, const struct error *why)
{
    struct operator_wish *w = op->context;
    struct operators *o = w->engine->operators;
    struct error err = *why;
    cJSON *result = NULL;
    if (!rc && w->kind == WISH_REMOVE)
        operators_keep_removal(o, w->to.name);
    else if (!rc && (w->known || !w->checked))
        operators_keep(o, &w->to);
    if (!rc && w->checked && !w->right) {
        rc = refused(&err);
    } else if (!rc && (w->kind == WISH_SIGN_IN || w->kind == WISH_FIRST)) {
        char session[OPERATOR_SESSION_HEX + 1];
        rc = operators_sign_in(o, w->to.name, session, &err);
        result = cJSON_CreateObject();
        cJSON_AddStringToObject(result, "session", rc ? "" : session);
        cJSON_AddStringToObject(result, "name", w->to.name);
        cJSON_AddStringToObject(result, "role", operator_role_name(w->to.role));
    }
    w->engine->changed = true;
    wish_end(w, result, rc, &err);
}

static void commit(struct operator_wish *w)
{
    w->op = (struct op){.write = write_wish, .done = wish_written, .once = true, .context = w};
    engine_queue(w->engine, &w->op);
}

/* ---- hashing --------------------------------------------------------------------------------- */

static void hashed(struct pin_process *p, const uint8_t *hash)
{
    struct operator_wish *w = p->context;
    struct error err = {0};
    if (!hash) {
        error_set(&err, ERROR_MEMORY, "the PIN could not be checked: no memory, or it was killed");
        wish_end(w, NULL, err.code, &err);
        return;
    }
    if (w->check[0]) {
        w->checked = true;
        w->right = w->known && CRYPTO_memcmp(hash, w->to.pin.hash, PIN_HASH_BYTES) == 0;
        w->to.wrong = w->right ? 0 : w->to.wrong + 1;
        OPENSSL_cleanse(w->check, sizeof w->check);
    } else {
        memcpy(w->to.pin.hash, hash, PIN_HASH_BYTES);
        OPENSSL_cleanse(w->pin, sizeof w->pin);
    }
    int rc = 0;
    if (w->pin[0] && (!w->checked || w->right)) {
        rc = pin_salt(&w->to.pin, &err);
        if (!rc)
            rc = pin_process_start(&w->process, w->pin, &w->to.pin, &err);
        if (rc)
            wish_end(w, NULL, rc, &err);
        return;
    }
    commit(w);
}

/* Takes the wish over. */
static int wish_begin(struct operator_wish *w, struct error *err)
{
    int rc = 0;
    if (w->check[0])
        rc = pin_process_start(&w->process, w->check, &w->to.pin, err);
    else if (!(w->pin[0]))
        commit(w);
    else if (!(rc = pin_salt(&w->to.pin, err)))
        rc = pin_process_start(&w->process, w->pin, &w->to.pin, err);
    if (rc)
        wish_free(w);
    return rc ? rc : CONTROL_LATER;
}

static int wish_new(struct engine *e, const struct control_request *r, int kind,
                    struct operator_wish **out, struct error *err)
{
    size_t under_way = 0;
    for (struct operator_wish *w = e->operator_wishes; w; w = w->next)
        under_way++;
    /* Each is 32 MiB for a moment. */
    if (under_way == WISHES_MAX)
        return error_set(err, ERROR_STATE, "%d PINs are being checked just now: try again",
                         WISHES_MAX);
    struct operator_wish *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, ERROR_MEMORY, "checking a PIN: out of memory");
    w->engine = e;
    w->client = r->client;
    w->id = r->id ? cJSON_Duplicate(r->id, true) : NULL;
    w->kind = kind;
    w->process =
        (struct pin_process){.loop = &e->loop, .watch = {.fd = -1}, .done = hashed, .context = w};
    w->next = e->operator_wishes;
    e->operator_wishes = w;
    *out = w;
    return 0;
}

static int take_text(const cJSON *params, const char *name, size_t max, char *out,
                     struct error *err)
{
    const char *text = json_string(params, name, "");
    if (strlen(text) > max)
        return error_set(err, ERROR_INPUT, "'%s' has %zu bytes, expected at most %zu", name,
                         strlen(text), max);
    strcpy(out, text);
    return 0;
}

static int take_new_pin(const cJSON *params, struct operator_wish *w, struct error *err)
{
    int rc = take_text(params, "pin", PIN_BYTES_MAX, w->pin, err);
    return rc ? rc : pin_check(w->pin, err);
}

/* The account whose PIN is to be compared. One nobody has is compared all the same, so that the
 * time it takes tells nothing. */
static int take_account(struct operator_wish *w, const char *name_or_badge, struct error *err)
{
    const struct operators *o = w->engine->operators;
    const struct operator_account *a = operators_find(o, name_or_badge);
    w->known = a != NULL;
    if (!a)
        return pin_salt(&w->to.pin, err);
    w->to = *a;
    for (struct operator_wish *other = w->engine->operator_wishes; other; other = other->next)
        if (other != w && strcmp(other->to.name, a->name) == 0)
            return error_set(err, ERROR_STATE, "a PIN of %s is being checked just now", a->name);
    const int locked_s = operators_locked_s(o, a->name);
    if (locked_s)
        return error_set(err, ERROR_REFUSED,
                         "%s is locked for %d s more after %d wrong PINs; an engineer can give a "
                         "new one",
                         a->name, locked_s, a->wrong);
    return 0;
}

static int ended(struct operator_wish *w, int rc, struct error *err)
{
    if (!rc)
        return wish_begin(w, err);
    wish_free(w);
    return rc;
}

/* ---- methods --------------------------------------------------------------------------------- */

int control_operator_first(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err)
{
    struct operator_wish *w;
    if (operators_count(e->operators))
        return error_set(err, ERROR_STATE, "the station has accounts: an engineer makes the next");
    int rc = wish_new(e, r, WISH_FIRST, &w, err);
    if (rc)
        return rc;
    w->to.role = ROLE_ENGINEER;
    rc = take_text(params, "name", OPERATOR_NAME_MAX, w->to.name, err);
    if (!rc)
        rc = take_text(params, "badge", OPERATOR_BADGE_MAX, w->to.badge, err);
    if (!rc)
        rc = take_new_pin(params, w, err);
    if (!rc)
        rc = operators_check(e->operators, w->to.name, &w->to, err);
    memcpy(w->by, w->to.name, sizeof w->by);
    return ended(w, rc, err);
}

int control_operator_sign_in(struct engine *e, const struct control_request *r, const cJSON *params,
                             cJSON **result, struct error *err)
{
    struct operator_wish *w;
    int rc = wish_new(e, r, WISH_SIGN_IN, &w, err);
    if (rc)
        return rc;
    rc = take_text(params, "pin", PIN_BYTES_MAX, w->check, err);
    if (!rc && !w->check[0])
        rc = refused(err);
    if (!rc)
        rc = take_account(w, json_string(params, "name", json_string(params, "badge", "")), err);
    return ended(w, rc, err);
}

int control_operator_pin(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err)
{
    struct operator_wish *w;
    int rc = wish_new(e, r, WISH_PIN, &w, err);
    if (rc)
        return rc;
    rc = take_new_pin(params, w, err);
    if (!rc)
        rc = take_text(params, "old", PIN_BYTES_MAX, w->check, err);
    if (!rc && !w->check[0])
        rc = refused(err);
    if (!rc)
        rc = take_account(w, json_string(params, "name", ""), err);
    if (!rc)
        memcpy(w->by, w->to.name, sizeof w->by);
    return ended(w, rc, err);
}

int control_operator_put(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err)
{
    struct operator_wish *w;
    char by[OPERATOR_NAME_MAX + 1];
    if (!operators_count(e->operators))
        return error_set(err, ERROR_STATE, "the first account is made by operator.first");
    int rc = operators_allow(e->operators, ACT_ACCOUNTS, params, by, err);
    if (!rc)
        rc = wish_new(e, r, WISH_PUT, &w, err);
    if (rc)
        return rc;
    memcpy(w->by, by, sizeof by);
    const struct operator_account *now =
        operators_find(e->operators, json_string(params, "name", ""));
    if (now && strcmp(now->name, json_string(params, "name", "")) == 0)
        w->to = *now;
    else
        now = NULL;
    rc = take_text(params, "name", OPERATOR_NAME_MAX, w->to.name, err);
    if (!rc && (!now || cJSON_GetObjectItemCaseSensitive(params, "role")))
        rc = operator_role_find(json_string(params, "role", ""), &w->to.role, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(params, "badge"))
        rc = take_text(params, "badge", OPERATOR_BADGE_MAX, w->to.badge, err);
    if (!rc && (!now || cJSON_GetObjectItemCaseSensitive(params, "pin"))) {
        rc = take_new_pin(params, w, err);
        w->to.wrong = 0;
    }
    if (!rc)
        rc = operators_check(e->operators, w->to.name, &w->to, err);
    return ended(w, rc, err);
}

int control_operator_remove(struct engine *e, const struct control_request *r, const cJSON *params,
                            cJSON **result, struct error *err)
{
    struct operator_wish *w;
    char by[OPERATOR_NAME_MAX + 1];
    const char *name = json_string(params, "name", "");
    int rc = operators_allow(e->operators, ACT_ACCOUNTS, params, by, err);
    const struct operator_account *a = operators_find(e->operators, name);
    if (!rc && (!a || strcmp(a->name, name) != 0))
        rc = error_set(err, ERROR_MISSING, "there is no operator '%.64s'", name);
    if (!rc)
        rc = operators_check(e->operators, name, NULL, err);
    if (!rc)
        rc = wish_new(e, r, WISH_REMOVE, &w, err);
    if (rc)
        return rc;
    memcpy(w->by, by, sizeof by);
    w->to = *a;
    return wish_begin(w, err);
}

int control_operator_sign_out(struct engine *e, const struct control_request *r,
                              const cJSON *params, cJSON **result, struct error *err)
{
    operators_sign_out(e->operators, json_string(params, "session", ""));
    *result = cJSON_CreateObject();
    return 0;
}

int control_operator_who(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err)
{
    const struct operator_account *a =
        operators_who(e->operators, json_string(params, "session", ""));
    if (!a)
        return error_set(err, ERROR_STATE, "nobody is signed in, or the session is over");
    *result = cJSON_CreateObject();
    cJSON_AddStringToObject(*result, "name", a->name);
    cJSON_AddStringToObject(*result, "role", operator_role_name(a->role));
    return 0;
}

int control_operator_list(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err)
{
    char who[OPERATOR_NAME_MAX + 1];
    int rc = operators_allow(e->operators, ACT_RUN, params, who, err);
    if (rc)
        return rc;
    *result = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(*result, "operators");
    for (size_t i = 0; i < operators_count(e->operators); i++) {
        const struct operator_account *a = operators_at(e->operators, i);
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", a->name);
        cJSON_AddStringToObject(o, "role", operator_role_name(a->role));
        cJSON_AddStringToObject(o, "badge", a->badge);
        cJSON_AddNumberToObject(o, "wrong", a->wrong);
        cJSON_AddNumberToObject(o, "locked_s", operators_locked_s(e->operators, a->name));
        cJSON_AddItemToArray(list, o);
    }
    return 0;
}

void control_operator_stop(struct engine *e)
{
    while (e->operator_wishes)
        wish_free(e->operator_wishes);
}
