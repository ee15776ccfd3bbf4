/* A TFTP client by the RFCs' text, and a network between it and a transfer that loses, doubles and
 * swaps packets, in a time of its own. The client asks again after 5 s, as U-Boot does. */
#ifndef TAKT_TESTS_TFTP_CLIENT_MODEL_H
#define TAKT_TESTS_TFTP_CLIENT_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "protocol/base/splitmix.h"
#include "station/flash/network/tftp_transfer.h"

enum { FLIGHT_MAX = 512, CLIENT_AGAIN_US = 5000000 };

struct net_packet {
    int64_t at_us; /* when it arrives */
    uint64_t sent; /* packets of the same moment arrive in their order */
    bool to_client;
    size_t size;
    uint8_t data[4 + 1500];
};

struct net {
    uint64_t seed;
    double loss, twice, late;  /* chances of each packet */
    int64_t delay_us, late_us; /* late_us: on top, 0 = three delays */
    struct net_packet flight[FLIGHT_MAX];
    size_t count;
    int64_t now_us;
    uint64_t packets;
    uint64_t data_packets; /* that the server sent */
};

struct client_model {
    uint32_t block_bytes, window;
    uint64_t blocks;  /* taken in order */
    uint64_t counted; /* since the last acknowledgement */
    uint8_t *bytes;
    uint64_t size, room;
    bool ended, options_seen;
    int64_t spoke_us;
};

static inline double net_chance(struct net *n)
{
    return (double)(splitmix_next(&n->seed) >> 11) / 9007199254740992.0;
}

static inline void net_put(struct net *n, bool to_client, const void *data, size_t size)
{
    const int copies = net_chance(n) < n->twice ? 2 : 1;
    for (int i = 0; i < copies; i++) {
        if (net_chance(n) < n->loss || n->count == FLIGHT_MAX)
            continue;
        struct net_packet *p = &n->flight[n->count++];
        p->at_us = n->now_us + n->delay_us + i * 7;
        if (net_chance(n) < n->late)
            p->at_us += n->late_us ? n->late_us : 3 * n->delay_us;
        p->sent = n->packets++;
        p->to_client = to_client;
        p->size = size;
        memcpy(p->data, data, size);
    }
}

/* The first to arrive; NULL when nothing is under way. */
static inline struct net_packet *net_first(struct net *n)
{
    struct net_packet *first = NULL;
    for (size_t i = 0; i < n->count; i++)
        if (!first || n->flight[i].at_us < first->at_us ||
            (n->flight[i].at_us == first->at_us && n->flight[i].sent < first->sent))
            first = &n->flight[i];
    return first;
}

static inline void client_says(struct client_model *c, struct net *n)
{
    const uint8_t ack[4] = {0, 4, (uint8_t)(c->blocks >> 8), (uint8_t)c->blocks};
    net_put(n, false, ack, sizeof ack);
    c->spoke_us = n->now_us;
    c->counted = 0;
}

static inline void client_takes(struct client_model *c, struct net *n, const uint8_t *p,
                                size_t size)
{
    if (p[1] == 6) { /* the options are taken as they were asked for: net_run() granted them */
        c->options_seen = true;
        if (c->blocks == 0)
            client_says(c, n);
        return;
    }
    if (p[1] != 3)
        return;
    const uint16_t number = (uint16_t)(p[2] << 8 | p[3]);
    if (number != (uint16_t)(c->blocks + 1)) {
        /* Lock-step (RFC 1350): a block that was acknowledged is acknowledged again. Window (RFC
         * 7440): what is out of order says where the client stands. */
        client_says(c, n);
        return;
    }
    if (c->size + size - 4 <= c->room)
        memcpy(c->bytes + c->size, p + 4, size - 4);
    c->size += size - 4;
    c->blocks++;
    c->counted++;
    c->ended = size - 4 < c->block_bytes;
    if (c->ended || c->counted >= c->window)
        client_says(c, n);
}

/* Until both sides are at their end, or `limit_us` has passed. */
static inline void net_run(struct net *n, struct tftp_transfer *t, struct client_model *c,
                           const uint8_t *file, int64_t limit_us)
{
    struct tftp_packet p;
    uint8_t wire[4 + 1500];
    while (n->now_us < limit_us && (t->state < TFTP_DONE || !c->ended)) {
        while (tftp_transfer_next(t, n->now_us, &p)) {
            memcpy(wire, p.head, p.head_bytes);
            memcpy(wire + p.head_bytes, file + p.offset, p.data_bytes);
            n->data_packets += p.head[1] == 3;
            net_put(n, true, wire, p.head_bytes + p.data_bytes);
        }
        if (t->state >= TFTP_DONE && !n->count)
            break;
        struct net_packet *first = net_first(n);
        int64_t next = first ? first->at_us : INT64_MAX;
        if (t->state < TFTP_DONE && tftp_transfer_deadline_us(t) < next)
            next = tftp_transfer_deadline_us(t);
        if (!c->ended && c->spoke_us + CLIENT_AGAIN_US < next)
            next = c->spoke_us + CLIENT_AGAIN_US;
        if (next == INT64_MAX)
            break;
        n->now_us = next > n->now_us ? next : n->now_us;
        if (first && first->at_us <= n->now_us) {
            const struct net_packet taken = *first;
            *first = n->flight[--n->count];
            if (taken.to_client)
                client_takes(c, n, taken.data, taken.size);
            else
                tftp_transfer_take(t, taken.data, taken.size, n->now_us);
        } else if (!c->ended && c->spoke_us + CLIENT_AGAIN_US <= n->now_us) {
            client_says(c, n);
        }
    }
}

#endif
