/* A transport carries bytes between station and unit: nothing more.
 *
 * Kinds are rows of one table, chosen by the port's text:
 *   tcp://HOST:PORT            a socket
 *   unix:PATH                  a local stream socket
 *   serial:/dev/ttyUSB0?baud=921600    a tty through libserialport
 *   pty:/dev/pts/3?baud=115200         a pseudo-terminal (libserialport 0.1.1 refuses those)
 *   rfc2217://HOST:PORT?baud=115200    a terminal server that also sets the baud rate
 * A bare /dev/... path is serial: or pty: by what it is. */
#ifndef TAKT_PROTOCOL_TRANSPORT_TRANSPORT_H
#define TAKT_PROTOCOL_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/base/error.h"

struct transport;

struct transport_ops {
    const char *scheme; /* "tcp", "serial", ... */
    bool reliable;      /* delivers every byte in order (tcp, unix): no need to retransmit */
    /* Opens `address` (the port's text behind the scheme). ERROR_MISSING no such device, host or
     * nobody listens, ERROR_BUSY someone has it, ERROR_REFUSED no permission, ERROR_TIMEOUT,
     * ERROR_INPUT not an address. */
    int (*open)(const char *address, int timeout_ms, struct transport **out, struct error *err);
    int (*read)(struct transport *t, void *data, size_t size, struct error *err);
    int (*write)(struct transport *t, const void *data, size_t size, struct error *err);
    int (*set_baud)(struct transport *t, int baud, struct error *err); /* NULL: there is none */
    void (*close)(struct transport *t); /* of its own state; NULL: nothing but descriptors */
};

/* Opens a port by its text. */
int transport_open(const char *port, int timeout_ms, struct transport **out, struct error *err);
/* A transport over descriptors that are open already (a socket pair, an accepted socket, a pty's
 * master). Takes ownership of both; they may be the same. */
int transport_from_fd(int read_fd, int write_fd, bool reliable, const char *name,
                      struct transport **out, struct error *err);
void transport_close(struct transport *t); /* NULL is fine */

/* Non-blocking. Bytes moved, 0 when it would block, ERROR_CLOSED or ERROR_IO. */
int transport_read(struct transport *t, void *data, size_t size, struct error *err);
int transport_write(struct transport *t, const void *data, size_t size, struct error *err);
/* Changes the line rate where there is one; ERROR_STATE elsewhere. */
int transport_set_baud(struct transport *t, int baud, struct error *err);

int transport_read_fd(const struct transport *t);  /* to poll for reading */
int transport_write_fd(const struct transport *t); /* to poll for writing */
bool transport_reliable(const struct transport *t);
const char *transport_name(const struct transport *t); /* for messages: "tcp://127.0.0.1:4000" */

/* Listening, for the unit's side and for tests: tcp://HOST:PORT (port 0 picks one), unix:PATH. */
int transport_listen(const char *port, int *listen_fd, char *bound, size_t bound_size,
                     struct error *err);
int transport_accept(int listen_fd, struct transport **out, struct error *err);

#endif
