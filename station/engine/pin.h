/* PINs: what may be one, and what is kept of it, scrypt (RFC 7914) with a salt of its own. */
#ifndef TAKT_STATION_ENGINE_PIN_H
#define TAKT_STATION_ENGINE_PIN_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    PIN_BYTES_MIN = 6,
    PIN_BYTES_MAX = 64,
    PIN_SALT_BYTES = 16,
    PIN_HASH_BYTES = 32,
    /* 32 MiB and about a tenth of a second for each guess, also for whoever has the store. */
    PIN_LOG2_N = 15,
    PIN_R = 8,
    PIN_P = 1,
};

/* Kept with the account, so that the cost can be raised for new PINs. */
struct pin_hash {
    int log2_n, r, p;
    uint8_t salt[PIN_SALT_BYTES], hash[PIN_HASH_BYTES];
};

/* ERROR_INPUT for one that is too short, one character over and over (111111), or a plain run up or
 * down (123456). */
int pin_check(const char *pin, struct error *err);
/* Today's cost and a fresh salt; the hash is still to be derived. */
int pin_salt(struct pin_hash *out, struct error *err);
/* From the PIN and what of `h` is not the hash. Takes as long as it is meant to. */
int pin_derive(const char *pin, const struct pin_hash *h, uint8_t hash[PIN_HASH_BYTES],
               struct error *err);

#endif
