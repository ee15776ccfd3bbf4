/* TLS 1.3, and nothing else, between two buffers: bytes in, bytes out, no I/O of its own.
 *
 * The station is the client and proves itself by a certificate of the factory CA whose subject
 * says OU=station; the unit is the server, and by its own (self-signed, CN = chip id) certificate
 * proves that it is still the one the session began with. Validity dates are not looked at: a
 * camera in the factory has no clock to hold them against. No renegotiation, no resumption. */
#ifndef TAKT_PROTOCOL_WIRE_SECURE_H
#define TAKT_PROTOCOL_WIRE_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

/* Keys and certificates of one side, PEM text. */
struct credentials {
    const char *certificate_pem;
    const char *private_key_pem;
    const char *ca_pem; /* whom this side accepts; NULL accepts any (station towards a unit) */
};

struct secure;

/* ERROR_INPUT when the credentials are no PEM or do not fit together. */
int secure_create(bool server, const struct credentials *credentials, struct secure **out,
                  struct error *err);
void secure_free(struct secure *s); /* NULL is fine */

/* Bytes from the peer; goes on with the handshake. ERROR_REFUSED when one side did not accept the
 * other's certificate, ERROR_CLOSED when the peer ended TLS, ERROR_PROTOCOL for anything that is
 * not TLS 1.3. After an error secure_output() may still hold the alert for the peer. */
int secure_feed(struct secure *s, const void *data, size_t size, struct error *err);
/* Starts the client's handshake; nothing for the server. */
int secure_start(struct secure *s, struct error *err);
/* Decrypted bytes; 0 when there are none, or what secure_feed() returns. */
int secure_read(struct secure *s, void *data, size_t size, struct error *err);
/* Encrypts all of it; ERROR_STATE before the handshake is done. */
int secure_write(struct secure *s, const void *data, size_t size, struct error *err);
/* Bytes for the peer. */
size_t secure_output(struct secure *s, void *data, size_t size);
bool secure_pending(const struct secure *s);     /* secure_output() has some */
bool secure_established(const struct secure *s); /* the handshake is done, the peer accepted */
/* SHA-256 of the peer's certificate, hex; "" before. */
void secure_peer_fingerprint(const struct secure *s, char out[65]);

#endif
