#include "station/campaign/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixtures/line_client.h"
#include "protocol/base/clock.h"

enum { ANSWER_MS = 10000, POLL_MAX_MS = 60000 };

struct campaign_clock {
    struct line_client *simulated; /* NULL: the system's */
    int64_t wall_ms, mono_ms;      /* when it was opened */
};

int campaign_clock_open(const char *address, struct campaign_clock **out, struct error *err)
{
    struct campaign_clock *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return error_set(err, ERROR_MEMORY, "the campaign's clock: out of memory");
    c->wall_ms = clock_wall_ms();
    c->mono_ms = clock_mono_ms();
    int rc =
        *address ? line_client_open(address, clock_mono_ms() + ANSWER_MS, &c->simulated, err) : 0;
    if (rc) {
        free(c);
        return error_context(err, "the campaign's clock");
    }
    *out = c;
    return 0;
}

void campaign_clock_close(struct campaign_clock *c)
{
    if (!c)
        return;
    line_client_close(c->simulated);
    free(c);
}

static int ask(struct campaign_clock *c, int64_t advance_ms, int64_t *now_ms, struct error *err)
{
    const int64_t deadline = clock_mono_ms() + ANSWER_MS;
    char answer[48], rest;
    int rc = advance_ms > 0 ? line_client_send(c->simulated, deadline, err, "advance %" PRId64 "\n",
                                               advance_ms)
                            : line_client_send(c->simulated, deadline, err, "now\n");
    if (!rc)
        rc = line_client_read(c->simulated, "\n", answer, sizeof answer, deadline, err);
    if (!rc && sscanf(answer, "%" SCNd64 "%c", now_ms, &rest) != 1)
        rc = error_set(err, ERROR_PROTOCOL, "simulated time answered '%s'", answer);
    return rc ? error_context(err, "the campaign's clock") : 0;
}

int campaign_clock_now(struct campaign_clock *c, int64_t *now_ms, struct error *err)
{
    if (c->simulated)
        return ask(c, 0, now_ms, err);
    *now_ms = c->wall_ms + clock_mono_ms() - c->mono_ms;
    return 0;
}

int campaign_clock_wait(struct campaign_clock *c, int64_t until_ms, bool busy, struct pollfd *fds,
                        nfds_t count, struct error *err)
{
    int64_t now_ms;
    int rc = campaign_clock_now(c, &now_ms, err);
    if (rc)
        return rc;
    int64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    const int64_t at_most = left_ms < POLL_MAX_MS ? left_ms : POLL_MAX_MS;
    const int timeout_ms = !c->simulated ? (int)at_most : busy ? POLL_MAX_MS : 0;
    const int ready = poll(fds, count, timeout_ms);
    if (ready < 0 && errno != EINTR)
        return error_errno(err, ERROR_IO, "waiting for units");
    if (ready != 0 || busy || !c->simulated || !left_ms)
        return 0;
    return ask(c, left_ms, &now_ms, err);
}
