/* Datagrams over the emulated radio: beside each route's TCP port lies the UDP port of the same
 * number. What a sender gives is queued like in a radio; it is lost when the queue is full or the
 * air loses it, and held up as long as the air says. For the relay's thread alone. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_RELAY_DATAGRAMS_H
#define TAKT_FIRMWARE_HAL_EMULATOR_RELAY_DATAGRAMS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    DATAGRAM_FLOWS = 4,
    DATAGRAM_QUEUE = 128, /* 200 ms of 6 Mbit/s in packets of 1,200 bytes */
    DATAGRAM_BYTES = 1500,
};

struct datagram {
    int64_t due_ns;
    size_t size;
    uint8_t data[DATAGRAM_BYTES];
};

struct datagram_queue {
    struct datagram packet[DATAGRAM_QUEUE];
    size_t head, count;
};

/* One program of the unit that sends to a route's port, and the socket towards the host. */
struct datagram_flow {
    int near, far; /* far -1: free. near is the route's socket, shared by its flows */
    struct sockaddr_storage from;
    socklen_t from_size;
    struct datagram_queue queue[2]; /* to the far end, to the near end */
    int64_t used_ns;
};

/* How long the air holds a datagram up, ns; negative: it loses it. */
typedef int64_t (*datagram_air)(void *context);

/* The UDP port of a route: bound to the loopback's `port`. -1 when it is taken. */
int datagrams_listen(int port);

/* Takes in what waits at `near`, for the route that leads to `to`; *bytes counts what was queued.
 */
void datagrams_from_near(struct datagram_flow *flows, int near, const struct sockaddr_storage *to,
                         socklen_t to_size, datagram_air air, void *context, double *bytes);
/* The same from the far end of a flow. */
void datagrams_from_far(struct datagram_flow *flow, datagram_air air, void *context, double *bytes);
/* Sends what is due; at most `credit` bytes of it, which are taken off. */
void datagrams_send(struct datagram_flow *flow, int64_t now_ns, double *credit);
/* When the next is due; INT64_MAX when none waits. */
int64_t datagrams_due_ns(const struct datagram_flow *flow);
void datagrams_drop(struct datagram_flow *flow); /* fine on a free one */

#endif
