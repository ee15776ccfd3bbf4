/* The factory agent: the methods by which a station reaches every part of the camera
 * (docs/protocol.md has their table). It gives evidence and never a verdict.
 *
 * What it offers follows from the hardware: a method whose part the HAL lacks is not there. Beside
 * `hello`, a session gets nothing before a factory token was accepted in it (factory.enter). Once
 * factory.lock was called, now or in an earlier life, nothing but `hello` answers. */
#ifndef TAKT_FIRMWARE_FACTORY_AGENT_H
#define TAKT_FIRMWARE_FACTORY_AGENT_H

#include <stdbool.h>

#include "firmware/factory/boot_stages.h"
#include "firmware/hal/hal.h"
#include "firmware/update/card_update.h"
#include "protocol/wire/session.h"

struct agent;
struct pump;
struct agent_session;

struct agent_config {
    const struct board *board; /* must outlive the agent, as all below */
    const struct hal *hal;
    const char *bundle_key_pem;                   /* whose bundles are taken; NULL: none */
    void (*log)(void *context, const char *line); /* may be NULL; called from any thread */
    void *log_context;
    int64_t (*wall_s)(void); /* seconds since 1970 UTC by the unit's clock; NULL: the system's */
    struct boot_clock *boot; /* may be NULL: unit.info then has no boot_stages */
    struct pump *pump;       /* that keeps the stream going; NULL: the camera says how it stands */
};

/* Reads identity, slots and factory credentials; where no boot loader ran before, does its part
 * (slots_boot); finishes a finalizing that was cut short (finalize.h). */
int agent_create(const struct agent_config *config, struct agent **out, struct error *err);
/* No session may use it any more. */
void agent_free(struct agent *a);

const char *agent_chip_id(const struct agent *a);
/* Factory mode is closed for good: locked, or on the way there and past the point of return. */
bool agent_finalized(const struct agent *a);
/* The factory CA whose stations may go secure, PEM; NULL when factory mode is closed: by
 * finalizing, by a damaged identity, or without whole factory credentials. */
const char *agent_factory_ca(const struct agent *a);

/* What a session with a station has of its own: the nonce its token must carry, and whether one was
 * accepted. Several may be open, those of one station can be in: another that wants in is
 * ERROR_BUSY. */
int agent_session_create(struct agent *a, struct agent_session **out, struct error *err);
/* Its peer is gone: another station may come in, though calls of this one may still be ending. From
 * any thread. */
void agent_session_leave(struct agent_session *s);
/* The session must be closed. NULL is fine. */
void agent_session_free(struct agent_session *s);
bool agent_session_entered(const struct agent_session *s); /* its token was accepted */
int agent_session_refusals(const struct agent_session *s); /* tokens that were not */

/* For struct session_config: the methods this unit serves; their context is an agent_session. Calls
 * that need the same part of the camera wait for one another. */
const struct method *agent_methods(const struct agent *a);

/* An update from a card's bundle (update/card_update.h), with the flash and the card to itself
 * meanwhile. CARD_UPDATE_NOTHING also while a station is in: the unit is that one's. */
enum card_update_end agent_card_update(struct agent *a, const char *bundle_path,
                                       bool (*stop)(void *context), void *context,
                                       struct card_record *record);
/* From any thread: a button's pin, true = high. */
int agent_button(struct agent *a, const char *name, bool *level, struct error *err);
/* From any thread: agent_restart_wanted() from now on. */
void agent_want_restart(struct agent *a);

/* True once unit.restart was answered: drop the session and call agent_restart(). */
bool agent_restart_wanted(const struct agent *a);
/* Does not return on success. */
int agent_restart(struct agent *a, struct error *err);

#endif
