/* The time campaigns go by: the system's, or one that stands still until it is told to go on
 * (fixtures/virtual/virtual_clock.h), so that 30 days pass in minutes. Who waits never sees which.
 */
#ifndef TAKT_STATION_CAMPAIGN_CLOCK_H
#define TAKT_STATION_CAMPAIGN_CLOCK_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct campaign_clock;

/* `address` of simulated time, tcp://HOST:PORT; "" is the system's: wall time at the start, and as
 * far as the monotonic clock went on from there. */
int campaign_clock_open(const char *address, struct campaign_clock **out, struct error *err);
void campaign_clock_close(struct campaign_clock *c); /* NULL is fine */
int campaign_clock_now(struct campaign_clock *c, int64_t *now_ms, struct error *err);
/* Until `until_ms`, or until one of the descriptors is ready. Simulated time goes on only when
 * nothing is under way (`busy`): what is being done takes none of it. */
int campaign_clock_wait(struct campaign_clock *c, int64_t until_ms, bool busy, struct pollfd *fds,
                        nfds_t count, struct error *err);

#endif
