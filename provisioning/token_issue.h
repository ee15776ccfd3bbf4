/* Issuing factory tokens: one for a unit, an order and a session, and never without an entry in the
 * audit chain. */
#ifndef TAKT_PROVISIONING_TOKEN_ISSUE_H
#define TAKT_PROVISIONING_TOKEN_ISSUE_H

#include <sqlite3.h>

#include "protocol/formats/token.h"
#include "provisioning/signer.h"

struct token_wish {
    const char *chip_id, *nonce; /* as the unit's hello said */
    const char *order, *station;
    const char *actor; /* who is at the station */
    int64_t wall_ms;
    int life_s; /* 1 to TOKEN_LIFE_MAX_S */
};

struct token_issued {
    char text[TOKEN_TEXT_MAX + 1];
    char signature_hex[2 * SIGNATURE_BYTES_MAX + 1];
};

/* The entry ("token.issue", the chip) is part of the caller's transaction: the token must not leave
 * before that is committed. ERROR_INPUT when no token can be made of the wish. */
int token_issue(sqlite3 *db, struct signer *signer, const struct token_wish *wish,
                struct token_issued *out, struct error *err);

#endif
