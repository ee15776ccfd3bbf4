/* The session to the unit of a run: opened, said hello to and made secure on first use, opened
 * again after the unit restarted. */
#ifndef TAKT_STATION_STEPS_UNIT_LINK_H
#define TAKT_STATION_STEPS_UNIT_LINK_H

#include "protocol/formats/signing.h"
#include "protocol/formats/token.h"
#include "protocol/wire/session.h"

struct unit_link;

struct unit_facts { /* from hello */
    char chip_id[33];
    char board[33];
    char agent[33]; /* version */
    char boot_slot[2];
    bool factory_mode;            /* it can be entered */
    bool locked;                  /* its lock is set: closed for good */
    char closed[200];             /* why factory mode is closed; "" while it is open */
    char nonce[TOKEN_NONCE_TEXT]; /* of the session; "" when closed */
};

/* A factory token as it goes to the unit. */
struct unit_token {
    char text[TOKEN_TEXT_MAX + 1];
    char signature_hex[2 * SIGNATURE_BYTES_MAX + 1];
};

struct unit_link_config {
    const char *port;
    const char *station; /* whose name the tokens carry: several of its sessions may be in at once;
                            NULL or "" for one alone */
    const struct credentials *credentials;
    const bool *cancel; /* becomes true when the operator aborts; may be NULL */
    /* Gets the token for a unit and a session; each session needs one of its own. */
    int (*token)(void *context, const char *chip_id, const char *nonce, struct unit_token *out,
                 struct error *err);
    /* Told when the unit, or this station, will not have the session: at which gate ("factory
     * mode", "unit", "certificate" or "token") and in whose words. Where nobody listens the chip
     * is that of the unit met before, or "". May be NULL. */
    void (*refused)(void *context, const char *chip_id, const char *gate, const char *why);
    void *context; /* of both */
};

/* Nothing is opened yet. The config is copied, what it points to must outlive the link. */
int unit_link_create(const struct unit_link_config *config, struct unit_link **out,
                     struct error *err);
void unit_link_free(struct unit_link *l);

/* A live, secure session that a factory token let in; opens one when there is none, waiting up to
 * timeout_ms for the unit to come up. ERROR_STATE when its factory mode is closed (why),
 * ERROR_REFUSED when there is no token for it, ERROR_MISMATCH when another unit than before
 * answers: it was swapped in mid-run. */
int unit_link_session(struct unit_link *l, int timeout_ms, struct session **out, struct error *err);
/* Only hello, without a secure session: whether the unit is up and who it says it is. A unit whose
 * factory mode is closed answers nothing else. Drops the session there was. */
int unit_link_hello(struct unit_link *l, int timeout_ms, struct unit_facts *out, struct error *err);
/* Which unit a run that is gone on with belongs to: any other is ERROR_MISMATCH. */
void unit_link_expect(struct unit_link *l, const char *chip_id);
/* Drops the session (before a restart of the unit); the next unit_link_session() opens one. */
void unit_link_drop(struct unit_link *l);
const struct unit_facts *unit_link_facts(const struct unit_link *l); /* zero before the first */

/* One call with a plain answer: the usual form in steps. Params are taken over and freed, also on
 * failure; NULL is none. */
int unit_call(struct unit_link *l, const char *method, cJSON *params, int timeout_ms,
              cJSON **result, struct error *err);
/* One call with attachments; the link adds its own cancel flag. */
int unit_exchange(struct unit_link *l, const struct call *call, cJSON **result, struct error *err);

/* A call under way in a thread of its own while the step does something else: presses a button,
 * listens, reads the supply. Everything the call points to must live until the end. */
struct unit_errand;
int unit_errand_start(struct unit_link *l, const struct call *call, struct unit_errand **out,
                      struct error *err);
/* Waits for the answer. NULL is fine and means there was none. */
int unit_errand_end(struct unit_errand *e, cJSON **result, struct error *err);

#endif
