#include "firmware/media/pump.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/log_line.h"
#include "protocol/base/clock.h"

enum {
    FRAME_MS = 200,  /* how long a stop waits at most */
    AGAIN_MS = 2000, /* between tries to start a camera that does not */
};

struct pump {
    struct pump_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    struct camera_progress progress; /* lock */
    bool stopping;                   /* lock */
};

__attribute__((format(printf, 2, 3))) static void say(const struct pump *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line_format(p->config.log, p->config.log_context, format, args);
    va_end(args);
}

static bool stopping(struct pump *p)
{
    pthread_mutex_lock(&p->lock);
    bool stop = p->stopping;
    pthread_mutex_unlock(&p->lock);
    return stop;
}

static void pause_ms(struct pump *p, int ms)
{
    int64_t until = clock_mono_ms() + ms;
    while (!stopping(p) && clock_mono_ms() < until)
        clock_sleep_until_ns(clock_mono_ns() + 20000000);
}

/* Until the stream runs; a camera that does not start is said once. */
static void start(struct pump *p)
{
    const struct hal *h = p->config.hal;
    bool complained = false;
    while (!stopping(p)) {
        struct error err = {0};
        if (!h->camera->stream(h->camera_state, true, &err))
            return;
        if (!complained)
            say(p, "camera: %s; trying again", err.text);
        complained = true;
        pause_ms(p, AGAIN_MS);
    }
}

/* Lock held. When the latest frame came, and how far apart they are, smoothed over about ten. */
static void note_pace(struct camera_progress *last, struct camera_progress *now)
{
    const int64_t at_us = clock_mono_ns() / 1000;
    now->last_frame_us = last->last_frame_us;
    now->interval_us = last->interval_us;
    if (now->frames == last->frames)
        return;
    now->last_frame_us = at_us;
    if (now->frames < last->frames || !last->last_frame_us)
        return;
    const double interval =
        (double)(at_us - last->last_frame_us) / (double)(now->frames - last->frames);
    now->interval_us =
        last->interval_us > 0 ? last->interval_us + 0.1 * (interval - last->interval_us) : interval;
}

static void *run(void *context)
{
    struct pump *p = context;
    const struct hal *h = p->config.hal;
    start(p);
    while (!stopping(p)) {
        struct camera_progress now = {0};
        struct error err = {0};
        int rc = h->camera->pump(h->camera_state, FRAME_MS, &now, &err);
        pthread_mutex_lock(&p->lock);
        bool first = rc >= 0 && !p->progress.frames && now.frames;
        /* After an error it is still to run: the watchdog must not take it for switched off. */
        if (rc >= 0) {
            note_pace(&p->progress, &now);
            p->progress = now;
        }
        pthread_mutex_unlock(&p->lock);
        if (first)
            say(p, "camera: first frame");
        if (first && p->config.first_frame)
            p->config.first_frame(p->config.first_frame_context, now.first_frame_us);
        if (rc < 0) {
            say(p, "camera: %s", err.text);
            pause_ms(p, AGAIN_MS);
            start(p);
        }
    }
    return NULL;
}

int pump_start(const struct pump_config *config, struct pump **out, struct error *err)
{
    *out = NULL;
    if (!config->hal->camera || !config->hal->camera->pump)
        return 0;
    struct pump *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "no memory for the stream's pump");
    p->config = *config;
    pthread_mutex_init(&p->lock, NULL);
    if (pthread_create(&p->thread, NULL, run, p)) {
        pthread_mutex_destroy(&p->lock);
        free(p);
        return error_set(err, ERROR_MEMORY, "cannot start the stream's pump");
    }
    *out = p;
    return 0;
}

void pump_stop(struct pump *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void pump_progress(struct pump *p, struct camera_progress *out)
{
    memset(out, 0, sizeof *out);
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    *out = p->progress;
    pthread_mutex_unlock(&p->lock);
}
