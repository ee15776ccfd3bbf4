/* For the files of this folder: what a transport is made of, and the kinds there are. */
#ifndef TAKT_PROTOCOL_TRANSPORT_KINDS_H
#define TAKT_PROTOCOL_TRANSPORT_KINDS_H

#include <stdint.h>
#include <sys/socket.h>

#include "protocol/transport/transport.h"

struct transport {
    const struct transport_ops *ops;
    int read_fd, write_fd; /* may be the same; closed by transport_close() */
    bool reliable;
    void *state; /* the kind's own, freed by its close() */
    char name[160];
};

extern const struct transport_ops transport_tcp, transport_unix, transport_serial, transport_pty,
    transport_rfc2217;

/* A transport of this kind over open descriptors (which it then owns, also on failure). */
int transport_make(const struct transport_ops *ops, int read_fd, int write_fd, const char *name,
                   struct transport **out, struct error *err);

/* read(2) and write(2) with the meaning of transport_read() and transport_write(). */
int transport_fd_read(struct transport *t, void *data, size_t size, struct error *err);
int transport_fd_write(struct transport *t, const void *data, size_t size, struct error *err);

/* Sockets, for tcp and rfc2217. */
int transport_tcp_connect(const char *scheme, const char *address, int timeout_ms, int *fd,
                          struct error *err);
int transport_connect_fd(int fd, const struct sockaddr *to, socklen_t to_size, int timeout_ms,
                         const char *name, struct error *err);
int transport_tcp_listen(const char *address, int *listen_fd, char *bound, size_t bound_size,
                         struct error *err);
int transport_unix_listen(const char *address, int *listen_fd, char *bound, size_t bound_size,
                          struct error *err);

/* Takes "?baud=N" off an address: the device's path (or HOST:PORT) into out, the rate into *baud
 * (115200 unless given). ERROR_INPUT when it is not of that form. */
int transport_split_baud(const char *scheme, const char *address, char *out, size_t out_size,
                         int *baud, struct error *err);
/* The error of opening a device by errno, with what to do about it. */
int transport_open_error(const char *scheme, const char *path, struct error *err);
/* Two programs on one line would each get half of the bytes: ERROR_BUSY for the second. */
int transport_claim(int fd, const char *scheme, const char *path, struct error *err);

#endif
