/* Throughput, and loss and jitter of datagrams, by iperf3 as a child process: its library exports
 * cJSON's symbols and may end the process that uses it. */
#ifndef TAKT_FIRMWARE_FACTORY_THROUGHPUT_H
#define TAKT_FIRMWARE_FACTORY_THROUGHPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

/* Of a camera's media in RTP, below any network's largest packet. */
enum { THROUGHPUT_DATAGRAM_BYTES = 1200 };

struct throughput_config {
    const char *host; /* an address or a name; never read as an option */
    int port;
    const char *interface;   /* to bind to; "" = none */
    int seconds;             /* measured, after one that is left out (slow start) */
    bool down;               /* the unit receives */
    double datagrams_mbit_s; /* UDP at this rate instead of TCP as fast as it goes; 0 = TCP */
    /* Asked every 100 ms: end the child and return ERROR_CANCELLED. May be NULL. */
    bool (*stop)(void *context);
    void *context;
};

struct throughput {
    double bits_per_second; /* at the receiver */
    double bytes, seconds;
    double retransmits;             /* of the sender's TCP, where the sender can say */
    double loss_percent, jitter_ms; /* of datagrams, at the receiver; jitter as in RFC 3550 */
};

/* ERROR_MISSING: iperf3 is not installed; ERROR_BUSY: the server serves another; ERROR_REMOTE:
 * iperf3's own message; ERROR_TIMEOUT: the child outlived its time and was killed. */
int throughput_measure(const struct throughput_config *config, struct throughput *out,
                       struct error *err);
/* What `iperf3 -J` printed; pure. */
int throughput_parse(const char *json, struct throughput *out, struct error *err);

#endif
