/* The factory token: lets one station into factory mode of one unit, in one session, for a while.
 *
 *   {"format":1,"chip_id":"5cc3…","order":"A-1001","station":"line 2","issued":1795802400,
 *    "expires":1795803000,"nonce":"0123456789abcdef0123456789abcdef"}
 *
 * as one line of text that can be written in one way only, so that what was signed is what is read:
 * these members in this order ("station" may be absent), no blanks, numbers as decimal digits
 * without a leading zero, seconds since 1970 UTC; within strings `"` and `\` are escaped by a `\`
 * and nothing else is, and control characters (below 0x20, 0x7F) do not occur. The signature is one of
 * signing.h over exactly these bytes, by the factory's token key. The nonce is the one that the
 * unit gave in this session's hello: a token is worth nothing in another.
 *
 * Pure: the time is passed in. Any bytes may come. */
#ifndef TAKT_PROTOCOL_FORMATS_TOKEN_H
#define TAKT_PROTOCOL_FORMATS_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    TOKEN_TEXT_MAX = 1024, /* bytes, without a NUL */
    TOKEN_CHIP_ID_MAX = 32,
    TOKEN_NAME_MAX = 64, /* bytes of order and station */
    TOKEN_NONCE_BYTES = 16,
    TOKEN_NONCE_TEXT = 2 * TOKEN_NONCE_BYTES + 1, /* lower-case hex and a NUL */
    TOKEN_LIFE_MAX_S = 24 * 60 * 60,              /* no unit takes one that lasts longer */
};

struct token {
    char chip_id[TOKEN_CHIP_ID_MAX + 1]; /* the unit it is for */
    char order[TOKEN_NAME_MAX + 1];
    char station[TOKEN_NAME_MAX + 1]; /* "" when absent */
    int64_t issued_s, expires_s;      /* since 1970 UTC */
    char nonce[TOKEN_NONCE_TEXT];
};

/* The text, with a NUL behind it. ERROR_INPUT when a member cannot be written: empty, too long, a
 * control character, expires before it is issued or lasts longer than TOKEN_LIFE_MAX_S. */
int token_write(const struct token *token, char text[TOKEN_TEXT_MAX + 1], struct error *err);
/* ERROR_INPUT: what was expected, and at which byte. Says nothing about who wrote it. */
int token_read(const char *text, size_t size, struct token *out, struct error *err);

/* What the unit holds a token against. */
struct token_door {
    const char *public_key_pem; /* of the factory's token key */
    const char *chip_id;        /* of this unit */
    const char *nonce;          /* of this session */
    int64_t now_s;              /* the latest time that the unit can be sure of */
};

/* Reads it and checks, in this order: the signature, the text, chip id, nonce, time. ERROR_REFUSED
 * with a plain reason that is another one for each; ERROR_INPUT when signed bytes are no token, or
 * the key is none. `out` is filled only on success. */
int token_admit(const struct token_door *door, const char *text, size_t size,
                const uint8_t *signature, size_t signature_size, struct token *out,
                struct error *err);

#endif
