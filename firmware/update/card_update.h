/* An update from a card, by a unit that runs: the card's bundle goes into the slot that does not
 * run, as a station's would (writer.h), and starts on trial.
 *
 * Everything is checked before the first erase: signature, board, release, and every hash of the
 * card's images, so that a short or altered card writes nothing. A bundle whose images the running
 * slot holds already is not written; when that slot is on trial, the unit came up from what this
 * card brought, and it is committed: the record then says "flashed". A version that was tried and
 * given up is not tried again. Cut off anywhere, the next start with the card goes on. */
#ifndef TAKT_FIRMWARE_UPDATE_CARD_UPDATE_H
#define TAKT_FIRMWARE_UPDATE_CARD_UPDATE_H

#include "firmware/update/slots.h"
#include "protocol/formats/card_record.h"

struct card_update {
    const struct hal *hal;
    const struct board *board;
    struct slots *slots;
    char running;
    const char *public_key_pem;  /* whose bundles are taken; NULL: none */
    const char *unit;            /* chip id, for the record */
    bool (*stop)(void *context); /* asked between two pieces; may be NULL */
    void *context;
};

enum card_update_end {
    CARD_UPDATE_NOTHING,  /* the unit is what the card would make it, or was told to stop */
    CARD_UPDATE_ON_TRIAL, /* written and verified: restart now */
    CARD_UPDATE_RECORD,   /* over, with a record for the card */
};

enum card_update_end card_update_run(const struct card_update *u, const char *bundle_path,
                                     struct card_record *record);

#endif
