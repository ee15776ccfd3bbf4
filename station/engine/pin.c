#include "station/engine/pin.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

int pin_check(const char *pin, struct error *err)
{
    const size_t n = strlen(pin);
    if (n < PIN_BYTES_MIN || n > PIN_BYTES_MAX)
        return error_set(err, ERROR_INPUT, "a PIN of %zu characters, expected %d to %d", n,
                         PIN_BYTES_MIN, PIN_BYTES_MAX);
    const int by = pin[1] - pin[0];
    if (by < -1 || by > 1)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (pin[i] - pin[i - 1] != by)
            return 0;
    return error_set(err, ERROR_INPUT, "a PIN like 111111 or 123456 is tried first: another one");
}

int pin_salt(struct pin_hash *out, struct error *err)
{
    *out = (struct pin_hash){.log2_n = PIN_LOG2_N, .r = PIN_R, .p = PIN_P};
    return RAND_bytes(out->salt, sizeof out->salt) == 1
               ? 0
               : error_set(err, ERROR_IO, "a PIN's salt: no random bytes");
}

int pin_derive(const char *pin, const struct pin_hash *h, uint8_t hash[PIN_HASH_BYTES],
               struct error *err)
{
    const uint64_t n = (uint64_t)1 << h->log2_n, r = (uint64_t)h->r, p = (uint64_t)h->p;
    /* RFC 7914: 128·r·(N + p) bytes and a little more. */
    const uint64_t bytes_max = 128 * r * (n + p + 2) + 4096;
    return EVP_PBE_scrypt(pin, strlen(pin), h->salt, sizeof h->salt, n, r, p, bytes_max, hash,
                          PIN_HASH_BYTES) == 1
               ? 0
               : error_set(err, ERROR_MEMORY, "a PIN's scrypt needs %llu bytes of memory",
                           (unsigned long long)bytes_max);
}
