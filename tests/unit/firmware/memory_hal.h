/* A camera in memory, for tests of the agent: each part does the simplest thing that can be told
 * apart from another. The flash is memory_flash.h's. */
#ifndef TAKT_TESTS_UNIT_FIRMWARE_MEMORY_HAL_H
#define TAKT_TESTS_UNIT_FIRMWARE_MEMORY_HAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "protocol/base/clock.h"
#include "tests/unit/firmware/memory_flash.h"

struct camera {
    struct camera_settings settings;
    uint32_t sequence;
    uint8_t frame[64 * 32 * 3 / 2];
    atomic_int inside; /* calls at once: more than one breaks the HAL's rule */
    atomic_int most_inside;
};

struct motor {
    struct motor_status axis[MOTOR_AXES];
    double last_speed;
};

struct audio {
    int16_t played[48000];
    size_t played_count;
    int played_rate_hz;
};

struct card {
    uint8_t *bytes;
    uint64_t claimed, real; /* wraps at real */
    bool absent, protected_, loses;
};

struct radio {
    bool joined;
    int port;
};

struct gpio {
    atomic_bool level;
    bool led;
};

struct system_control {
    enum system_load load;
    atomic_int restarts;
};

struct memory_hal {
    struct hal hal;
    struct flash flash;
    struct camera camera;
    struct motor motor;
    struct audio audio;
    struct card card;
    struct radio radio;
    struct gpio gpio;
    struct system_control system;
};

static inline int memory_camera_configure(struct camera *c, const struct camera_settings *s,
                                          struct error *err)
{
    c->settings = *s;
    return 0;
}

static inline int memory_camera_settings(struct camera *c, struct camera_settings *out)
{
    *out = c->settings;
    return 0;
}

static inline int memory_camera_stream(struct camera *c, bool on, struct error *err)
{
    return 0;
}

static inline int memory_camera_capture(struct camera *c, struct camera_frame *out,
                                        struct error *err)
{
    int inside = atomic_fetch_add(&c->inside, 1) + 1;
    if (inside > atomic_load(&c->most_inside))
        atomic_store(&c->most_inside, inside);
    c->sequence++;
    memset(c->frame, (int)c->sequence, sizeof c->frame);
    *out = (struct camera_frame){.width_px = 64,
                                 .height_px = 32,
                                 .timestamp_us = 1000u * c->sequence,
                                 .sequence = c->sequence,
                                 .exposure_ms = 10,
                                 .gain = 1,
                                 .data = c->frame,
                                 .bytes = sizeof c->frame};
    return 0;
}

static inline void memory_camera_release(struct camera *c, struct camera_frame *f)
{
    atomic_fetch_sub(&c->inside, 1);
}

static inline int memory_motor_home(struct motor *m, enum motor_axis axis, struct error *err)
{
    m->axis[axis] = (struct motor_status){.homed = true, .home_sensor = true};
    return 0;
}

static inline int memory_motor_move(struct motor *m, enum motor_axis axis, int32_t microsteps,
                                    double speed, struct error *err)
{
    if (!m->axis[axis].homed)
        return error_set(err, ERROR_STATE, "not homed");
    m->axis[axis].microsteps = microsteps;
    m->axis[axis].home_sensor = microsteps == 0;
    m->last_speed = speed;
    return 0;
}

static inline int memory_motor_stop(struct motor *m)
{
    return 0;
}

static inline int memory_motor_status(struct motor *m, enum motor_axis axis,
                                      struct motor_status *out)
{
    *out = m->axis[axis];
    return 0;
}

static inline int memory_audio_record(struct audio *a, int rate_hz, enum audio_source source,
                                      int16_t *samples, size_t count, struct error *err)
{
    for (size_t i = 0; i < count * audio_channels(source); i++)
        samples[i] = (int16_t)(i % 1000);
    return 0;
}

static inline int memory_audio_play(struct audio *a, int rate_hz, double volume,
                                    const int16_t *samples, size_t count, struct error *err)
{
    a->played_count = count;
    a->played_rate_hz = rate_hz;
    memcpy(a->played, samples, (count < 48000 ? count : 48000) * sizeof *samples);
    return 0;
}

static inline int memory_card_status(struct card *c, struct card_status *out, struct error *err)
{
    *out = (struct card_status){.present = !c->absent,
                                .write_protected = c->protected_,
                                .bytes = c->claimed,
                                .block_bytes = 512};
    return 0;
}

static inline int memory_card_read(struct card *c, uint64_t offset, void *data, size_t size,
                                   struct error *err)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)data)[i] =
            c->loses && offset + i >= c->real ? 0 : c->bytes[(offset + i) % c->real];
    return 0;
}

static inline int memory_card_write(struct card *c, uint64_t offset, const void *data, size_t size,
                                    struct error *err)
{
    for (size_t i = 0; i < size; i++)
        if (!c->loses || offset + i < c->real)
            c->bytes[(offset + i) % c->real] = ((const uint8_t *)data)[i];
    return 0;
}

static inline int memory_card_sync(struct card *c, struct error *err)
{
    return 0;
}

static inline int memory_radio_join(struct radio *r, const char *ssid, const char *passphrase,
                                    int timeout_ms, struct error *err)
{
    if (strcmp(ssid, "line") != 0)
        return error_set(err, ERROR_MISSING, "no network %s", ssid);
    r->joined = true;
    return 0;
}

static inline int memory_radio_leave(struct radio *r)
{
    r->joined = false;
    return 0;
}

static inline int memory_radio_link(struct radio *r, struct radio_link *out, struct error *err)
{
    *out = (struct radio_link){r->joined, "line", "02:00:00:00:01:00", 2437, -41.5, 72.2, "CN"};
    return 0;
}

static inline int memory_radio_route(struct radio *r, const char *host, int port,
                                     struct radio_route *out, struct error *err)
{
    *out = (struct radio_route){.port = port};
    snprintf(out->host, sizeof out->host, "%s", host);
    return r->joined ? 0 : error_set(err, ERROR_STATE, "not joined");
}

static inline int memory_gpio_button(struct gpio *g, const char *name, bool *level,
                                     struct error *err)
{
    *level = g->level;
    return 0;
}

static inline int memory_gpio_led(struct gpio *g, const char *name, bool on, struct error *err)
{
    g->led = on;
    return 0;
}

static inline int memory_system_facts(struct system_control *s, struct system_facts *out,
                                      struct error *err)
{
    *out = (struct system_facts){.chip_id = "00112233445566778899aabbccddeeff",
                                 .boot_reason = "power-on",
                                 .temperature_c = 31};
    return 0;
}

static inline int memory_system_health(struct system_control *s, struct system_health *out,
                                       struct error *err)
{
    *out = (struct system_health){1, 2, 3, 4, 5, 6};
    return 0;
}

static inline void memory_camera_progress(struct camera *c, struct camera_progress *out)
{
    *out = (struct camera_progress){.streaming = true,
                                    .frames = 100,
                                    .first_frame_us = 1,
                                    .last_frame_us = clock_mono_ns() / 1000 - 40000,
                                    .interval_us = 50000};
}

static inline int memory_system_load(struct system_control *s, enum system_load load,
                                     struct error *err)
{
    s->load = load;
    return 0;
}

static inline int memory_system_restart(struct system_control *s, struct error *err)
{
    s->restarts++;
    return 0;
}

static const struct camera_ops memory_camera_ops = {memory_camera_configure, memory_camera_settings,
                                                    memory_camera_stream,    memory_camera_capture,
                                                    memory_camera_release,   NULL,
                                                    memory_camera_progress,  NULL};
static const struct motor_ops memory_motor_ops = {memory_motor_home, memory_motor_move,
                                                  memory_motor_stop, memory_motor_status};
static const struct audio_ops memory_audio_ops = {memory_audio_record, memory_audio_play};
static const struct card_ops memory_card_ops = {memory_card_status, memory_card_read,
                                                memory_card_write, memory_card_sync};
static const struct radio_ops memory_radio_ops = {memory_radio_join, memory_radio_leave,
                                                  memory_radio_link, memory_radio_route};
static const struct gpio_ops memory_gpio_ops = {memory_gpio_button, memory_gpio_led};
static const struct system_ops memory_system_ops = {
    memory_system_facts, memory_system_health, memory_system_load, NULL, memory_system_restart};

static inline void memory_hal_make(struct memory_hal *m, const struct board *board)
{
    memset(m, 0, sizeof *m);
    memory_flash_make(&m->flash, board);
    m->card.claimed = m->card.real = 64 << 20;
    m->card.bytes = calloc(1, m->card.claimed);
    m->gpio.level = true;
    m->hal = (struct hal){.camera = &memory_camera_ops,
                          .camera_state = &m->camera,
                          .audio = &memory_audio_ops,
                          .audio_state = &m->audio,
                          .motor = &memory_motor_ops,
                          .motor_state = &m->motor,
                          .flash = &memory_flash_ops,
                          .flash_state = &m->flash,
                          .card = &memory_card_ops,
                          .card_state = &m->card,
                          .radio = &memory_radio_ops,
                          .radio_state = &m->radio,
                          .gpio = &memory_gpio_ops,
                          .gpio_state = &m->gpio,
                          .system = &memory_system_ops,
                          .system_state = &m->system};
}

static inline void memory_hal_free(struct memory_hal *m)
{
    free(m->flash.bytes);
    free(m->card.bytes);
}

#endif
