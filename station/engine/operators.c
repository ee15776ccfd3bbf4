#include "station/engine/operators.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/json.h"
#include "provisioning/audit.h"
#include "provisioning/database.h"

enum { SESSIONS_MAX = 64 };

/* Not "operator": that is the store's, of everyone who ever ran something here. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS operator_account(name TEXT PRIMARY KEY, role INTEGER NOT NULL,"
    "  badge TEXT UNIQUE, log2_n INTEGER NOT NULL, r INTEGER NOT NULL, p INTEGER NOT NULL,"
    "  salt BLOB NOT NULL, hash BLOB NOT NULL, wrong INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

struct kept {
    struct operator_account account;
    int64_t locked_until_ms; /* monotonic */
};

struct session {
    char text[OPERATOR_SESSION_HEX + 1], name[OPERATOR_NAME_MAX + 1];
    int64_t used_ms; /* monotonic; 0: free */
};

struct operators {
    sqlite3 *db;
    struct kept *accounts;
    size_t count;
    struct session sessions[SESSIONS_MAX];
};

/* ---- roles and acts -------------------------------------------------------------------------- */

static const char *const role_names[ROLES] = {"operator", "technician", "engineer", "qa"};

const char *operator_role_name(enum operator_role r)
{
    return role_names[r];
}

int operator_role_find(const char *name, enum operator_role *out, struct error *err)
{
    for (int r = 0; r < ROLES; r++)
        if (strcmp(name, role_names[r]) == 0) {
            *out = (enum operator_role)r;
            return 0;
        }
    return error_set(err, ERROR_INPUT,
                     "the role is '%.40s', expected operator, technician, engineer or qa", name);
}

#define O (1 << ROLE_OPERATOR)
#define T (1 << ROLE_TECHNICIAN)
#define E (1 << ROLE_ENGINEER)
#define Q (1 << ROLE_QA)
static const struct {
    const char *name;
    int roles;
} acts[ACTS] = {
    [ACT_RUN] = {"run.start", O | T | E | Q},     [ACT_RUN_OTHER] = {"run.other", T | E | Q},
    [ACT_GOLDEN] = {"golden", T | E | Q},         [ACT_RETEST] = {"run.retest", T | E | Q},
    [ACT_PLAN] = {"plan.accept", T | E},          [ACT_LABEL] = {"label.reprint", T | E | Q},
    [ACT_POOL_IMPORT] = {"pool.import", T | E},   [ACT_POOL_QUOTA] = {"pool.quota", E},
    [ACT_POOL_SCRAP] = {"pool.scrap", T | E | Q}, [ACT_POOL_EXPORT] = {"pool.export", E | Q},
    [ACT_OUTBOX] = {"outbox.retry", T | E},       [ACT_DEFECT] = {"defect.add", O | T | E | Q},
    [ACT_REPAIR] = {"defect.repair", T | E | Q},  [ACT_PORTS] = {"ports.learn", T | E},
    [ACT_CAMPAIGN] = {"qa.campaign", E | Q},      [ACT_STOP] = {"stop", T | E},
    [ACT_ACCOUNTS] = {"operator.accounts", E},
};
#undef O
#undef T
#undef E
#undef Q

const char *operator_act_name(enum operator_act a)
{
    return acts[a].name;
}

bool operator_role_may(enum operator_role r, enum operator_act a)
{
    return acts[a].roles >> r & 1;
}

int operators_allow(struct operators *o, enum operator_act act, const cJSON *params,
                    char who[OPERATOR_NAME_MAX + 1], struct error *err)
{
    if (!o->count) {
        snprintf(who, OPERATOR_NAME_MAX + 1, "%s", json_string(params, "operator", ""));
        return 0;
    }
    const struct operator_account *a = operators_who(o, json_string(params, "session", ""));
    if (!a)
        return error_set(
            err, ERROR_STATE,
            "nobody is signed in, or the session is over: sign in first (takt operator "
            "sign-in, or the console)");
    snprintf(who, OPERATOR_NAME_MAX + 1, "%s", a->name);
    if (operator_role_may(a->role, act))
        return 0;
    char roles[80] = "";
    for (int r = 0; r < ROLES; r++)
        if (operator_role_may((enum operator_role)r, act))
            snprintf(roles + strlen(roles), sizeof roles - strlen(roles), "%s%s",
                     roles[0] ? " or " : "", role_names[r]);
    return error_set(err, ERROR_REFUSED, "%s is %s: %s is for %s", a->name, role_names[a->role],
                     acts[act].name, roles);
}

/* ---- accounts -------------------------------------------------------------------------------- */

static struct kept *kept_of(const struct operators *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->accounts[i].account.name, name) == 0)
            return &o->accounts[i];
    return NULL;
}

const struct operator_account *operators_find(const struct operators *o, const char *name_or_badge)
{
    const struct kept *k = kept_of(o, name_or_badge);
    for (size_t i = 0; !k && *name_or_badge && i < o->count; i++)
        if (strcmp(o->accounts[i].account.badge, name_or_badge) == 0)
            k = &o->accounts[i];
    return k ? &k->account : NULL;
}

const struct operator_account *operators_at(const struct operators *o, size_t index)
{
    return index < o->count ? &o->accounts[index].account : NULL;
}

size_t operators_count(const struct operators *o)
{
    return o->count;
}

static void lock(struct kept *k)
{
    int64_t s = OPERATOR_LOCK_S;
    if (k->account.wrong < OPERATOR_TRIES) {
        k->locked_until_ms = 0;
        return;
    }
    for (int i = OPERATOR_TRIES; i < k->account.wrong && s < OPERATOR_LOCK_MAX_S; i++)
        s *= 2;
    s = s < OPERATOR_LOCK_MAX_S ? s : OPERATOR_LOCK_MAX_S;
    k->locked_until_ms = clock_mono_ms() + s * 1000;
}

int operators_locked_s(const struct operators *o, const char *name)
{
    const struct kept *k = kept_of(o, name);
    const int64_t left_ms = k ? k->locked_until_ms - clock_mono_ms() : 0;
    return left_ms > 0 ? (int)((left_ms + 999) / 1000) : 0;
}

static bool is_text(const char *text, size_t max)
{
    size_t n = 0;
    for (; text[n]; n++)
        if ((unsigned char)text[n] < ' ' || text[n] == 0x7f)
            return false;
    return n >= 1 && n <= max;
}

int operators_check(const struct operators *o, const char *name, const struct operator_account *to,
                    struct error *err)
{
    const struct kept *now = kept_of(o, name);
    size_t engineers = 0;
    if (to && !is_text(name, OPERATOR_NAME_MAX))
        return error_set(err, ERROR_INPUT,
                         "an operator's name has 1 to %d bytes and no control characters",
                         OPERATOR_NAME_MAX);
    if (to && to->badge[0] && !is_text(to->badge, OPERATOR_BADGE_MAX))
        return error_set(err, ERROR_INPUT, "a badge has at most %d bytes, none of control",
                         OPERATOR_BADGE_MAX);
    for (size_t i = 0; i < o->count; i++) {
        const struct operator_account *a = &o->accounts[i].account;
        engineers += a->role == ROLE_ENGINEER && &o->accounts[i] != now;
        /* Neither may be taken for the other when a badge is read. */
        if (to && &o->accounts[i] != now &&
            (strcmp(a->name, to->badge) == 0 ||
             (*a->badge && (strcmp(a->badge, to->badge) == 0 || strcmp(a->badge, name) == 0))))
            return error_set(err, ERROR_INPUT, "the badge is %s's already", a->name);
    }
    if (!engineers && (!to || to->role != ROLE_ENGINEER))
        return error_set(err, ERROR_STATE,
                         o->count ? "%s is the last engineer: make another one first"
                                  : "the first account is an engineer's, and %s would be none",
                         name);
    if (to && !now && o->count == OPERATORS_MAX)
        return error_set(err, ERROR_FULL, "%d accounts are the most there can be", OPERATORS_MAX);
    return 0;
}

static int audit(struct operators *o, const char *by, const char *action, const char *subject,
                 const struct operator_account *a, struct error *err)
{
    char detail[80] = "{}";
    if (a)
        snprintf(detail, sizeof detail, "{\"role\":\"%s\",\"wrong\":%d}", role_names[a->role],
                 a->wrong);
    const struct audit_entry entry = {.wall_ms = clock_wall_ms(),
                                      .actor = by,
                                      .action = action,
                                      .subject = subject,
                                      .detail = detail};
    return audit_append(o->db, &entry, err);
}

int operators_write(struct operators *o, const struct operator_account *a, const char *by,
                    const char *action, struct error *err)
{
    int rc =
        database_write(o->db, err, "an operator's account",
                       "INSERT OR REPLACE INTO operator_account(name, role, badge, log2_n, r, p, "
                       "salt, hash, wrong)"
                       " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                       "tiniiibbi", a->name, (int64_t)a->role, a->badge, (int64_t)a->pin.log2_n,
                       (int64_t)a->pin.r, (int64_t)a->pin.p, a->pin.salt, sizeof a->pin.salt,
                       a->pin.hash, sizeof a->pin.hash, (int64_t)a->wrong);
    return rc ? rc : audit(o, by, action, a->name, a, err);
}

int operators_write_removal(struct operators *o, const char *name, const char *by,
                            struct error *err)
{
    int rc = database_write(o->db, err, "an operator's account",
                            "DELETE FROM operator_account WHERE name = ?1", "t", name);
    return rc ? rc : audit(o, by, "operator.remove", name, NULL, err);
}

static void end_sessions_of(struct operators *o, const char *name)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (strcmp(o->sessions[i].name, name) == 0)
            memset(&o->sessions[i], 0, sizeof o->sessions[i]);
}

void operators_keep(struct operators *o, const struct operator_account *a)
{
    struct kept *k = kept_of(o, a->name);
    if (!k) {
        struct kept *more = realloc(o->accounts, (o->count + 1) * sizeof *more);
        if (!more)
            return; /* it is on record: the next start has it */
        o->accounts = more;
        k = &o->accounts[o->count++];
        memset(k, 0, sizeof *k);
    } else if (k->account.role != a->role ||
               memcmp(k->account.pin.hash, a->pin.hash, sizeof a->pin.hash) != 0) {
        end_sessions_of(o, a->name);
    }
    k->account = *a;
    lock(k);
}

void operators_keep_removal(struct operators *o, const char *name)
{
    struct kept *k = kept_of(o, name);
    if (!k)
        return;
    end_sessions_of(o, name);
    OPENSSL_cleanse(k, sizeof *k);
    *k = o->accounts[--o->count];
}

/* ---- sessions -------------------------------------------------------------------------------- */

int operators_sign_in(struct operators *o, const char *name, char session[OPERATOR_SESSION_HEX + 1],
                      struct error *err)
{
    uint8_t random[OPERATOR_SESSION_HEX / 2];
    if (RAND_bytes(random, sizeof random) != 1)
        return error_set(err, ERROR_IO, "signing in: no random bytes");
    hex_encode(random, sizeof random, session);
    struct session *s = &o->sessions[0]; /* the one nobody used for longest gives way */
    for (size_t i = 1; i < SESSIONS_MAX; i++)
        if (o->sessions[i].used_ms < s->used_ms)
            s = &o->sessions[i];
    memcpy(s->text, session, sizeof s->text);
    snprintf(s->name, sizeof s->name, "%s", name);
    s->used_ms = clock_mono_ms();
    return 0;
}

static struct session *session_of(struct operators *o, const char *session)
{
    if (strlen(session) != OPERATOR_SESSION_HEX)
        return NULL;
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (CRYPTO_memcmp(o->sessions[i].text, session, OPERATOR_SESSION_HEX) == 0)
            return &o->sessions[i];
    return NULL;
}

void operators_sign_out(struct operators *o, const char *session)
{
    struct session *s = session_of(o, session);
    if (s)
        memset(s, 0, sizeof *s);
}

const struct operator_account *operators_who(struct operators *o, const char *session)
{
    struct session *s = session_of(o, session);
    const int64_t now = clock_mono_ms();
    if (!s)
        return NULL;
    if (now - s->used_ms > (int64_t)OPERATOR_SESSION_S * 1000) {
        memset(s, 0, sizeof *s);
        return NULL;
    }
    s->used_ms = now;
    const struct kept *k = kept_of(o, s->name);
    return k ? &k->account : NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool take_row(sqlite3_stmt *st, struct operator_account *a)
{
    const char *badge = (const char *)sqlite3_column_text(st, 2);
    snprintf(a->name, sizeof a->name, "%s", (const char *)sqlite3_column_text(st, 0));
    a->role = (enum operator_role)sqlite3_column_int(st, 1);
    snprintf(a->badge, sizeof a->badge, "%s", badge ? badge : "");
    a->pin.log2_n = sqlite3_column_int(st, 3);
    a->pin.r = sqlite3_column_int(st, 4);
    a->pin.p = sqlite3_column_int(st, 5);
    a->wrong = sqlite3_column_int(st, 8);
    /* Bounds: a row someone wrote into the file must not make taktd's child take all memory. */
    if (sqlite3_column_int(st, 1) < 0 || sqlite3_column_int(st, 1) >= ROLES || a->pin.log2_n < 10 ||
        a->pin.log2_n > 20 || a->pin.r < 1 || a->pin.r > 16 || a->pin.p < 1 || a->pin.p > 16 ||
        sqlite3_column_bytes(st, 6) != PIN_SALT_BYTES ||
        sqlite3_column_bytes(st, 7) != PIN_HASH_BYTES)
        return false;
    memcpy(a->pin.salt, sqlite3_column_blob(st, 6), PIN_SALT_BYTES);
    memcpy(a->pin.hash, sqlite3_column_blob(st, 7), PIN_HASH_BYTES);
    return true;
}

int operators_open(sqlite3 *db, struct operators **out, struct error *err)
{
    *out = NULL;
    struct operators *o = calloc(1, sizeof *o);
    if (!o)
        return error_set(err, ERROR_MEMORY, "operators' accounts: out of memory");
    o->db = db;
    int rc = database_run(db, schema, err, "making the table of operators");
    sqlite3_stmt *st = rc ? NULL
                          : database_prepare(db, err,
                                             "SELECT name, role, badge, log2_n, r, p, salt, hash,"
                                             " wrong FROM operator_account ORDER BY name LIMIT 500",
                                             "");
    if (!rc && !st)
        rc = err->code;
    while (!rc && (rc = database_step(db, st, err, "reading the operators' accounts")) == 1) {
        struct operator_account a = {0};
        rc = take_row(st, &a)
                 ? 0
                 : error_set(err, ERROR_INPUT,
                             "the account of operator '%s' in the store is damaged", a.name);
        const size_t before = o->count;
        if (!rc)
            operators_keep(o, &a);
        if (!rc && o->count == before) /* without its accounts the station would ask nobody */
            rc = error_set(err, ERROR_MEMORY, "operators' accounts: out of memory");
    }
    sqlite3_finalize(st);
    if (rc) {
        operators_close(o);
        return rc;
    }
    *out = o;
    return 0;
}

void operators_close(struct operators *o)
{
    if (!o)
        return;
    if (o->accounts)
        OPENSSL_cleanse(o->accounts, o->count * sizeof *o->accounts);
    free(o->accounts);
    OPENSSL_cleanse(o, sizeof *o);
    free(o);
}
