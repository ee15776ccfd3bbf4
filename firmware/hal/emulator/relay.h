/* A relay as fast as a radio: what a connection through the air is to the programs at its ends.
 *
 * Each route is a port on the loopback, of TCP and of UDP, that leads to one host and port. All
 * connections and datagrams, in both directions, share one channel whose rate may change at any
 * time. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_RELAY_H
#define TAKT_FIRMWARE_HAL_EMULATOR_RELAY_H

#include <stdint.h>

#include "protocol/base/error.h"

struct relay;

/* What the channel does; asked from the relay's thread. */
struct relay_channel {
    /* Told what fraction of the channel was used since it was last asked. */
    double (*bytes_per_second)(void *context, double used);
    /* How long the air holds a datagram up, ns; negative: it is lost. */
    int64_t (*datagram_ns)(void *context);
    void *context;
};

int relay_create(const struct relay_channel *channel, struct relay **out, struct error *err);
void relay_free(struct relay *r);

/* The loopback port that leads to host:port; the same one again for the same pair. */
int relay_route(struct relay *r, const char *host, int port, int *local_port, struct error *err);

/* Breaks every connection (the link is gone). Routes stay. */
void relay_break(struct relay *r);

#endif
