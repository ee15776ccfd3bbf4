/* A TFTP server for units: one thread, read-only, 64 clients at once, and only the files it was
 * given.
 *
 *     struct tftp_file file = {.name = "kernel", .bytes = n, .read = tftp_read_memory,
 *                              .context = bytes};
 *     struct tftp_config config = {.address = "192.168.7.1", .port = TFTP_PORT,
 *                                  .files = &file, .file_count = 1};
 *     if (tftp_server_start(&config, &server, &err)) …
 *     … the unit runs `tftpboot` …
 *     tftp_server_stop(server);
 *
 * The protocol is tftp_transfer.h's. What the unit says of the transfer (its console) counts, not
 * this side: the last acknowledgement may get lost. */
#ifndef TAKT_STATION_FLASH_NETWORK_TFTP_SERVER_H
#define TAKT_STATION_FLASH_NETWORK_TFTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "protocol/formats/bundle.h"

enum { TFTP_PORT = 69, TFTP_CLIENTS_MAX = 64 };

struct tftp_file {
    const char *name; /* as clients ask for it; a leading '/' of theirs is not looked at */
    uint64_t bytes;
    /* Up to `size` bytes from `offset`: how many, or an error. Called by the server's thread. */
    int (*read)(const void *context, uint64_t offset, void *data, size_t size, struct error *err);
    const void *context;
};

int tftp_read_memory(const void *context, uint64_t offset, void *data, size_t size,
                     struct error *err);

/* An image of a bundle as a file; `source` and the bundle must outlive the server. */
struct tftp_bundle_image {
    const struct bundle *bundle;
    const struct bundle_image *image;
};
struct tftp_file tftp_file_of_image(const char *name, const struct tftp_bundle_image *source);

enum tftp_event { TFTP_BEGAN, TFTP_MOVED, TFTP_ENDED, TFTP_BROKE_OFF };

struct tftp_progress {
    enum tftp_event event;
    const char *client; /* "192.168.7.21": which slot that is the caller knows */
    uint16_t port;
    const char *file;
    uint64_t done, total; /* bytes */
    uint64_t resent;      /* blocks sent more than once */
    double seconds;       /* since it began */
    const char *why;      /* of TFTP_BROKE_OFF, else "" */
};

struct tftp_config {
    const char *address; /* IPv4 to listen on; NULL = all */
    uint16_t port;       /* 0 = any free one: tftp_server_port() */
    const struct tftp_file *files;
    size_t file_count; /* all of this must outlive the server */
    /* From the server's thread, for each client: its begin, its end, and at most ten times a second
     * in between. A request that is refused is one TFTP_BROKE_OFF. May be NULL. */
    void (*progress)(void *context, const struct tftp_progress *p);
    void *context;
};

struct tftp_server;

/* ERROR_REFUSED when the port is only for root, ERROR_BUSY when another server has it; each says
 * what to do. */
int tftp_server_start(const struct tftp_config *config, struct tftp_server **out,
                      struct error *err);
uint16_t tftp_server_port(const struct tftp_server *s);
/* Ends transfers under way. NULL is fine. */
void tftp_server_stop(struct tftp_server *s);

#endif
