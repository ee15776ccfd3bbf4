/* A campaign being conducted, in a process of its own below taktd.
 *
 * The process holds units and surroundings and judges what comes; taktd alone writes. Everything
 * taken in goes up as a note, {"note": n, "state", "reason", "elapsed_ms", "at_ms", "progress",
 * "units": [...], "events": [...], "rows": [...]}, and nothing follows from it before taktd has
 * answered {"noted": n}: that it is committed. What is in `kept` is the last such state, so the
 * process can be killed at any moment and begun again.
 *
 * Further messages up: {"ask": "token", "id", "unit", "chip_id", "nonce"}, answered with {"answer":
 * id, "rc", "text" | "token", "signature"}. Down: {"do": "pause" | "stop" | "leave" | "join",
 * "unit"}. */
#ifndef TAKT_STATION_CAMPAIGN_SERVE_H
#define TAKT_STATION_CAMPAIGN_SERVE_H

#include "station/campaign/crew.h"

/* The way to taktd; its framing is the engine's. */
struct campaign_wire {
    int fd;
    int (*send)(void *context, const cJSON *message, struct error *err);
    /* Takes what has come; *out NULL when nothing is there. */
    int (*receive)(void *context, cJSON **out, struct error *err);
    void *context;
};

struct campaign_job {
    const struct campaign *campaign;
    const struct board *board;
    const struct step_kind *const *kinds;
    const struct campaign_place *places;
    size_t place_count;
    const cJSON *kept; /* campaign_current()'s of an earlier process; units NULL: a new one */
    const char *order, *bundle_path, *bundle_key_pem, *fixture_socket;
    const char *clock; /* address of simulated time, "" the system's */
    const struct credentials *credentials;
};

/* Returns once the campaign is not running any more and that is committed, or taktd is gone. */
int campaign_serve(const struct campaign_job *job, const struct campaign_wire *wire,
                   struct error *err);

#endif
