/* SHA-256 and hexadecimal text, the two forms in which everything here is named by content. */
#ifndef TAKT_PROTOCOL_BASE_DIGEST_H
#define TAKT_PROTOCOL_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum { DIGEST_BYTES = 32, DIGEST_TEXT = 65 };

struct digest; /* a hash under way (OpenSSL EVP) */

struct digest *digest_start(void); /* NULL out of memory */
int digest_update(struct digest *d, const void *data, size_t size);
/* Ends and frees it. `out` may be NULL to throw the hash away. */
void digest_finish(struct digest *d, uint8_t out[DIGEST_BYTES]);

int digest_bytes(const void *data, size_t size, uint8_t out[DIGEST_BYTES]);
/* Streams the file. */
int digest_file(const char *path, uint8_t out[DIGEST_BYTES], uint64_t *size_bytes,
                struct error *err);

/* Lower-case hex; out has room for 2 * size + 1. */
void hex_encode(const void *data, size_t size, char *out);
/* Exactly `size` bytes of hex text, either case; ERROR_INPUT otherwise. */
int hex_decode(const char *text, void *out, size_t size);
/* As many bytes as the text has, at most `room`: their number, or ERROR_INPUT. */
int hex_decode_some(const char *text, void *out, size_t room);

#endif
