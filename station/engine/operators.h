/* Who may do what at a station: accounts with a role and a PIN, and who is signed in.
 *
 * Whoever serves a request of weight asks operators_allow() with the act it is, once, and records
 * the name it gives. Acts are rows of one table in operators.c: a new one is an enum value and a
 * row.
 *
 * A station nobody has made an account at asks nobody: the first start of the console makes the
 * first engineer, and from then on every act needs its role. There is no default PIN. */
#ifndef TAKT_STATION_ENGINE_OPERATORS_H
#define TAKT_STATION_ENGINE_OPERATORS_H

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "station/engine/pin.h"

enum {
    OPERATOR_NAME_MAX = 64, /* bytes */
    OPERATOR_BADGE_MAX = 64,
    OPERATOR_SESSION_HEX = 32,
    OPERATORS_MAX = 500,
    /* Wrong PINs in a row; from then on each costs a wait, doubled every time up to the longest. */
    OPERATOR_TRIES = 5,
    OPERATOR_LOCK_S = 60,
    OPERATOR_LOCK_MAX_S = 3600,
    /* A session that nobody used ends: a shift is over. */
    OPERATOR_SESSION_S = 9 * 3600,
};

enum operator_role { ROLE_OPERATOR, ROLE_TECHNICIAN, ROLE_ENGINEER, ROLE_QA, ROLES };
const char *operator_role_name(enum operator_role r); /* "operator", "technician", ... */
/* ERROR_INPUT naming the roles there are. */
int operator_role_find(const char *name, enum operator_role *out, struct error *err);

enum operator_act {
    ACT_RUN,         /* start production runs */
    ACT_RUN_OTHER,   /* start engineering, rework and gauge-study runs */
    ACT_GOLDEN,      /* run the golden unit, set its band */
    ACT_RETEST,      /* let a unit run again beyond what the policy allows */
    ACT_PLAN,        /* accept changed plans, limits, products and bundles */
    ACT_LABEL,       /* print a label again */
    ACT_POOL_IMPORT, /* bring identities in */
    ACT_POOL_QUOTA,  /* change what an order, station or operator may use */
    ACT_POOL_SCRAP,  /* take a unit's identity out of the world */
    ACT_POOL_EXPORT, /* write what an order used, signed for the platform */
    ACT_OUTBOX,      /* let refused records be sent again */
    ACT_DEFECT,      /* put a defect on record */
    ACT_REPAIR,      /* put a repair on record */
    ACT_PORTS,       /* learn which port is which slot */
    ACT_CAMPAIGN,    /* start and resume burn-in and reliability campaigns */
    ACT_STOP,        /* stop taktd */
    ACT_ACCOUNTS,    /* make, change and remove accounts */
    ACTS,
};
const char *operator_act_name(enum operator_act a); /* "pool.quota", as in records */
bool operator_role_may(enum operator_role r, enum operator_act a);

struct operators;

/* Makes its table and reads it; wrong PINs of before are not forgotten. */
int operators_open(sqlite3 *db, struct operators **out, struct error *err);
void operators_close(struct operators *o); /* NULL is fine */
size_t operators_count(const struct operators *o);

/* May the one who sent `params` do this? Their "session" says who they are; who[] gets the name for
 * records. Without any account: everyone may, and who[] is their "operator" ("" when not given).
 * ERROR_REFUSED says which roles may, ERROR_STATE that nobody is signed in. */
int operators_allow(struct operators *o, enum operator_act act, const cJSON *params,
                    char who[OPERATOR_NAME_MAX + 1], struct error *err);

/* ---- for control_operator.c ------------------------------------------------------------------ */

struct operator_account {
    char name[OPERATOR_NAME_MAX + 1], badge[OPERATOR_BADGE_MAX + 1]; /* badge "" when none */
    enum operator_role role;
    struct pin_hash pin;
    int wrong; /* PINs in a row */
};

/* By name, or by the badge's number; NULL when there is none. Valid until accounts change. */
const struct operator_account *operators_find(const struct operators *o, const char *name_or_badge);
const struct operator_account *operators_at(const struct operators *o, size_t index);
/* Seconds until the account may try again; 0 when it may now. By the monotonic clock: setting the
 * clock opens nothing. A restart begins the wait anew. */
int operators_locked_s(const struct operators *o, const char *name);

/* Each is two halves: `write` within the round's transaction with its audit entry, and `keep` once
 * that is committed. by: who did it. */
int operators_write(struct operators *o, const struct operator_account *a, const char *by,
                    const char *action, struct error *err);
int operators_write_removal(struct operators *o, const char *name, const char *by,
                            struct error *err);
void operators_keep(struct operators *o, const struct operator_account *a);
void operators_keep_removal(struct operators *o, const char *name);
/* Whether the account may become this, or go (NULL): there is always an engineer, badges are one
 * person's, names and sizes fit. */
int operators_check(const struct operators *o, const char *name, const struct operator_account *to,
                    struct error *err);

/* A session for the account, as text of OPERATOR_SESSION_HEX digits. */
int operators_sign_in(struct operators *o, const char *name, char session[OPERATOR_SESSION_HEX + 1],
                      struct error *err);
void operators_sign_out(struct operators *o, const char *session);
/* Whose session it is; NULL when it is none, or over. Using it keeps it alive. */
const struct operator_account *operators_who(struct operators *o, const char *session);

#endif
