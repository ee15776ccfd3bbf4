/* The unit's identity in its flash: two copies of an identity record. Not for two threads at once.
 */
#ifndef TAKT_FIRMWARE_FACTORY_IDENTITY_STORE_H
#define TAKT_FIRMWARE_FACTORY_IDENTITY_STORE_H

#include "firmware/hal/hal.h"
#include "protocol/formats/identity_record.h"

struct identity_store {
    const struct hal *hal;
    const struct board *board;
};

enum identity_state {
    IDENTITY_EMPTY, /* never written, or the first write was cut */
    IDENTITY_WRITTEN,
    IDENTITY_LOCKED,
    /* No copy is whole and none is simply erased: it was there once. Factory mode stays closed,
     * or damage to the flash would open a unit that was sold. */
    IDENTITY_DAMAGED,
};

/* `out` is all zero unless written or locked; wipe it (explicit_bzero), it holds the key. */
int identity_load(const struct identity_store *s, enum identity_state *state,
                  struct identity_record *out, struct error *err);
/* Writes both copies under the next sequence and reads them back; record->sequence is set. A cut
 * leaves the old or the new identity whole. ERROR_STATE once it is locked. */
int identity_save(const struct identity_store *s, struct identity_record *record,
                  struct error *err);
/* At start: brings both copies to the newest, so that no older one, not yet locked, is left. */
int identity_heal(const struct identity_store *s, struct error *err);

const char *identity_state_name(enum identity_state state); /* "empty", "written", ... */

#endif
