#include "firmware/camd/feeder.h"

#include <pthread.h>
#include <stdlib.h>

#include "protocol/base/clock.h"

/* Looks so often within the watchdog's time; a feed may come late by one of them. */
enum { LOOKS = 5 };

struct feeder {
    struct feeder_config config;
    pthread_t thread;
    atomic_uint beats;
    atomic_bool stopping;
};

bool feeder_progress(const struct feeder_view *before, const struct feeder_view *now)
{
    bool frames_owed = now->stream.streaming && now->stream.frames > 0;
    if (now->beats == before->beats)
        return false;
    return !frames_owed || now->stream.frames != before->stream.frames;
}

static void look(struct feeder *g, struct feeder_view *out)
{
    out->beats = g->beats;
    pump_progress(g->config.pump, &out->stream);
}

static void pause_ms(const struct feeder *g, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    while (!g->stopping && clock_mono_ms() < until)
        clock_sleep_until_ns(clock_mono_ns() + 20000000);
}

static void *run(void *context)
{
    struct feeder *g = context;
    const struct hal *h = g->config.hal;
    struct feeder_view fed, now;
    struct error err = {0};
    int granted_s = 0;
    bool hungry = false;
    if (h->watchdog->start(h->watchdog_state, g->config.timeout_s, &granted_s, &err)) {
        log_printf(g->config.log, "watchdog: %s; the unit runs without", err.text);
        return NULL;
    }
    log_printf(g->config.log, "watchdog: restarts the unit after %d s without progress", granted_s);
    look(g, &fed);
    while (!g->stopping) {
        pause_ms(g, granted_s * 1000LL / LOOKS);
        look(g, &now);
        if (!feeder_progress(&fed, &now)) {
            if (!hungry)
                log_printf(g->config.log, "watchdog: not fed: %s",
                           now.beats == fed.beats ? "camd's loop stands still"
                                                  : "no frame came from the camera");
            hungry = true;
            continue;
        }
        hungry = false;
        if (h->watchdog->feed(h->watchdog_state, &err))
            log_printf(g->config.log, "watchdog: %s", err.text);
        fed = now;
    }
    return NULL;
}

int feeder_start(const struct feeder_config *config, struct feeder **out, struct error *err)
{
    *out = NULL;
    if (!config->hal->watchdog)
        return 0;
    struct feeder *g = calloc(1, sizeof *g);
    if (!g)
        return error_set(err, ERROR_MEMORY, "no memory for the watchdog's feeder");
    g->config = *config;
    if (pthread_create(&g->thread, NULL, run, g)) {
        free(g);
        return error_set(err, ERROR_MEMORY, "cannot start the watchdog's feeder");
    }
    *out = g;
    return 0;
}

void feeder_stop(struct feeder *g, bool disarm)
{
    struct error err = {0};
    if (!g)
        return;
    const struct hal *h = g->config.hal;
    g->stopping = true;
    pthread_join(g->thread, NULL);
    if (disarm && h->watchdog->stop(h->watchdog_state, &err))
        log_printf(g->config.log, "watchdog: %s", err.text);
    free(g);
}

void feeder_beat(struct feeder *g)
{
    if (g)
        g->beats++;
}
