/* Finalize: factory mode is closed for good, in an order that a power cut anywhere cannot spoil.
 *
 *   verify        the identity is whole, the running slot is the committed one; loader=closing
 *   credentials   the partition "factory" is erased
 *   loader        loader=closed: the boot script leaves no moment to get to the prompt
 *   lock          set in both copies of the identity record
 *
 * each read back before the next. What a cut leaves is told at the next start from what is in the
 * flash alone: while the credentials are whole a station can come in and do it again; without them
 * nobody could, so the start itself does the rest. Not for two threads at once. */
#ifndef TAKT_FIRMWARE_FACTORY_FINALIZE_H
#define TAKT_FIRMWARE_FACTORY_FINALIZE_H

#include "firmware/factory/identity_store.h"
#include "firmware/update/slots.h"

struct finalize {
    const struct hal *hal;
    const struct board *board;
    struct slots *slots;
    const struct identity_store *store;
    char running; /* slot */
    void (*log)(void *context, const char *line);
    void *log_context;
};

/* All of it. ERROR_STATE when a slot is on trial or no identity was written: nothing was changed
 * then. Any other error leaves what the next start, or another call, goes on from. */
int finalize_now(const struct finalize *f, struct error *err);

/* At start, once identity and slots were read: finishes what was cut short, and repairs a locked
 * unit on which credentials lie (put back by force, or left by a flash that did not erase) or whose
 * loader is open. *state follows. An error says what could not be done: what is closed stays so. */
int finalize_at_start(const struct finalize *f, enum identity_state *state, struct error *err);

/* The boot environment says that the loader is closed. */
bool finalize_loader_closed(const struct slots *slots);

#endif
