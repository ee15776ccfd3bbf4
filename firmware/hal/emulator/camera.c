/* The camera as the firmware drives it: stream, exposure control, IR-cut and LEDs, and frames at
 * the sensor's pace. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/aging.h"
#include "firmware/hal/emulator/parts.h"
#include "firmware/hal/emulator/picture.h"
#include "firmware/hal/emulator/power.h"
#include "firmware/hal/emulator/sensor.h"
#include "protocol/base/clock.h"

/* Steps that exposure control takes at most before a frame counts as settled: one second. */
enum { AUTO_STEPS_MAX = 20, WAKE_FRAMES = 2 };
static const double gain_max = 32;

struct camera {
    struct unit *unit;
    struct painter *painter;
    struct sensor *sensor;
    struct camera_settings settings;
    double exposure_ms, gain; /* in force: asked for, or found by exposure control */
    bool streaming;
    uint64_t streamed;      /* frames of stretches of the stream before this one */
    int64_t started_ns;     /* this stretch */
    double defocus_px;      /* that the painter's lens has */
    int64_t base_ns;        /* when frame base_sequence began; moved on by the time the physics */
    uint32_t base_sequence; /* takes: the sensor stands still meanwhile */
    int64_t filter_at_ns;   /* the IR-cut filter has arrived */
    bool filter_in;
    int64_t settings_ns;           /* when the last settings were given */
    uint32_t next;                 /* the first sequence number not yet given */
    const struct picture *picture; /* of `painted`; NULL = none yet */
    struct view painted;
    uint8_t *frame;
    size_t frame_bytes;
};

int emulated_camera_open(struct unit *unit, struct camera **out, struct error *err)
{
    struct camera *c = *out = calloc(1, sizeof *c);
    if (!c)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated camera");
    c->unit = unit;
    c->settings = (struct camera_settings){IR_CUT_DAY, 0, true, 10, 1};
    c->exposure_ms = 10;
    c->gain = 1;
    c->filter_in = unit->physics.ir_cut_stuck != 2;
    c->defocus_px = unit->physics.defocus_px;
    c->frame_bytes = (size_t)unit->board.sensor_width_px * unit->board.sensor_height_px * 3 / 2;
    int rc = painter_create(&unit->board, &unit->physics, &c->painter, err);
    if (!rc)
        rc = sensor_create(&unit->board, &unit->physics, &c->sensor, err);
    if (!rc && !(c->frame = malloc(c->frame_bytes)))
        rc = error_set(err, ERROR_MEMORY, "no memory for a frame of %zu bytes", c->frame_bytes);
    if (!rc)
        memset(c->frame, 0, c->frame_bytes);
    if (rc) {
        emulated_camera_close(c);
        *out = NULL;
    }
    return rc;
}

void emulated_camera_close(struct camera *c)
{
    if (!c)
        return;
    painter_free(c->painter);
    sensor_free(c->sensor);
    free(c->frame);
    free(c);
}

size_t emulated_camera_bytes(const struct camera *c)
{
    return painter_bytes(c->painter) + sensor_bytes(c->sensor) + c->frame_bytes;
}

static double life_hours(const struct camera *c)
{
    return atomic_load(&c->unit->world->life_s) / 3600;
}

static double frame_ms(const struct camera *c)
{
    double fastest = 1000 / aging_frame_rate_hz(&c->unit->physics, life_hours(c));
    bool longer = !c->settings.auto_exposure && c->settings.exposure_ms > fastest;
    return longer ? c->settings.exposure_ms : fastest;
}

static int configure(struct camera *c, const struct camera_settings *s, struct error *err)
{
    const struct physics *ph = &c->unit->physics;
    if (!(s->ir_led >= 0 && s->ir_led <= 1))
        return error_set(err, ERROR_INPUT, "ir_led is %g, expected 0 to 1", s->ir_led);
    if (!s->auto_exposure &&
        !(s->exposure_ms >= 0.01 && s->exposure_ms <= 1000 && s->gain >= 1 && s->gain <= gain_max))
        return error_set(err, ERROR_INPUT,
                         "exposure %g ms at gain %g, expected 0.01 to 1000 ms at 1 to %g",
                         s->exposure_ms, s->gain, gain_max);
    if (s->ir_cut != IR_CUT_DAY && s->ir_cut != IR_CUT_NIGHT)
        return error_set(err, ERROR_INPUT, "ir_cut is neither day nor night");
    int64_t now = clock_mono_ns();
    bool in = s->ir_cut == IR_CUT_DAY;
    if (ph->ir_cut_stuck == 0 && in != c->filter_in) {
        c->filter_in = in;
        c->filter_at_ns = now + (int64_t)(ph->ir_cut_ms * 1e6);
    }
    /* The frame under way is the last of the old settings; a new row of frames begins behind it. */
    if (c->streaming && now >= c->base_ns) {
        double period_ns = frame_ms(c) * 1e6;
        uint32_t frames = (uint32_t)((double)(now - c->base_ns) / period_ns) + 1;
        c->base_sequence += frames;
        c->base_ns += (int64_t)(frames * period_ns);
    }
    c->settings = *s;
    double lit = ph->ir_led_1 + ph->ir_led_2 + ph->ir_led_3 + ph->ir_led_4;
    lit += ph->ir_led_count > 4 ? ph->ir_led_5 : 0;
    lit += ph->ir_led_count > 5 ? ph->ir_led_6 : 0;
    power_draw(c->unit->power, POWER_IR_LED, s->ir_led * lit * ph->ir_led_w);
    return 0;
}

static int settings(struct camera *c, struct camera_settings *out)
{
    *out = c->settings;
    out->exposure_ms = c->settings.auto_exposure ? c->exposure_ms : c->settings.exposure_ms;
    out->gain = c->settings.auto_exposure ? c->gain : c->settings.gain;
    return 0;
}

static int stream(struct camera *c, bool on, struct error *err)
{
    const int64_t now = clock_mono_ns();
    if (on && !c->streaming) {
        c->base_ns = c->started_ns = now;
        c->base_sequence = c->next = 0;
    }
    if (!on && c->streaming)
        c->streamed += (uint64_t)((double)(now - c->started_ns) / 1e6 / frame_ms(c));
    c->streaming = on;
    power_draw(c->unit->power, POWER_SENSOR, on ? c->unit->physics.sensor_w : 0);
    return 0;
}

/* A frame every so long since the stream was started: the sensor makes them whether or not somebody
 * asks. */
static void progress(struct camera *c, struct camera_progress *out)
{
    const double period_us = frame_ms(c) * 1000;
    *out = (struct camera_progress){.streaming = c->streaming, .frames = c->streamed};
    if (!c->streaming)
        return;
    const int64_t started_us = c->started_ns / 1000;
    const double frames = floor((double)(clock_mono_ns() / 1000 - started_us) / period_us);
    out->frames += (uint64_t)frames;
    out->interval_us = frames >= 2 ? period_us : 0;
    out->first_frame_us = frames >= 1 ? started_us + (int64_t)period_us : 0;
    out->last_frame_us = frames >= 1 ? started_us + (int64_t)(frames * period_us) : 0;
}

/* The lens as it is by now: a shift that can be measured makes it anew. */
static int age_lens(struct camera *c, struct error *err)
{
    struct physics now = c->unit->physics;
    struct painter *aged;
    now.defocus_px = aging_defocus_px(&c->unit->physics, life_hours(c));
    if (fabs(now.defocus_px - c->defocus_px) < 0.02)
        return 0;
    int rc = painter_create(&c->unit->board, &now, &aged, err);
    if (rc)
        return rc;
    painter_free(c->painter);
    c->painter = aged;
    c->picture = NULL;
    c->defocus_px = now.defocus_px;
    return 0;
}

static int look(struct camera *c, struct error *err)
{
    int aged = age_lens(c, err);
    if (aged)
        return aged;
    const struct unit *u = c->unit;
    struct view v;
    memset(&v, 0, sizeof v); /* compared as bytes below, padding included */
    v.scene = atomic_load(&u->world->scene);
    v.illuminance_lux = atomic_load(&u->world->illuminance_lux);
    v.ir_drive = c->settings.ir_led;
    v.ir_filter = c->filter_in;
    if (v.scene == WORLD_SCENE_DARK_ROOM)
        v.illuminance_lux = 0;
    if (v.scene == WORLD_SCENE_PANORAMA && u->motor) {
        emulated_motor_angles(u->motor, &v.pan_deg, &v.tilt_deg);
        v.pan_deg -= u->physics.pan_straight_ahead_deg;
        v.tilt_deg -= u->physics.tilt_straight_ahead_deg;
    }
    if (c->picture && !memcmp(&v, &c->painted, sizeof v))
        return 0;
    c->picture = NULL;
    int rc = painter_paint(c->painter, &v, &c->picture, err);
    if (!rc)
        c->painted = v;
    return rc;
}

/* Exposure control: longer exposure first, then gain. One step a frame closes most of the gap, as
 * far as saturation lets it see. */
static void expose_by_itself(struct camera *c)
{
    double longest = 1000 / c->unit->physics.frame_rate_hz, least = 0.02;
    double target = c->unit->physics.auto_exposure_target, product = c->exposure_ms * c->gain;
    for (int i = 0; i < AUTO_STEPS_MAX; i++) {
        double mean = sensor_meter(c->sensor, c->picture, product);
        double factor = mean > 0 ? target / mean : 8;
        if (fabs(factor - 1) < 0.005)
            break;
        product *= factor < 0.125 ? 0.125 : factor > 8 ? 8 : factor;
        product = product < least                ? least
                  : product > longest * gain_max ? longest * gain_max
                                                 : product;
    }
    c->exposure_ms = product < longest ? product : longest;
    c->gain = product / c->exposure_ms;
}

/* The first frame not yet given that began after the settings took effect; one under way will do.
 * Its end is waited for in real time, and it shows the world as it is then. */
static int take(struct camera *c, struct camera_frame *out, struct error *err)
{
    double period_ns = frame_ms(c) * 1e6;
    double under_way = floor((double)(clock_mono_ns() - c->base_ns) / period_ns);
    double filter = ceil((double)(c->filter_at_ns - c->base_ns) / period_ns);
    uint32_t sequence = c->base_sequence + (uint32_t)fmax(fmax(under_way, filter), 0);
    if (sequence < c->next)
        sequence = c->next;
    int64_t end = c->base_ns + (int64_t)((sequence - c->base_sequence + 1) * period_ns);
    clock_sleep_until_ns(end);

    int64_t began = clock_mono_ns();
    int rc = look(c, err);
    if (rc)
        return rc;
    if (c->settings.auto_exposure) {
        expose_by_itself(c);
    } else {
        c->exposure_ms = c->settings.exposure_ms;
        c->gain = c->settings.gain;
    }
    sensor_expose(c->sensor, c->picture, c->exposure_ms, c->gain,
                  power_temperature_c(c->unit->power), sequence, c->frame);
    c->base_ns += clock_mono_ns() - began;
    c->next = sequence + 1;
    *out = (struct camera_frame){
        .width_px = c->unit->board.sensor_width_px,
        .height_px = c->unit->board.sensor_height_px,
        .timestamp_us = (uint64_t)(end / 1000 - (int64_t)(c->exposure_ms * 500)),
        .sequence = sequence,
        .exposure_ms = c->exposure_ms,
        .gain = c->gain,
        .data = c->frame,
        .bytes = c->frame_bytes,
    };
    return 0;
}

static int capture(struct camera *c, struct camera_frame *out, struct error *err)
{
    /* Without a stream the sensor wakes for one frame. */
    bool once = !c->streaming;
    int rc = once ? stream(c, true, err) : 0;
    if (!rc && once)
        c->next = WAKE_FRAMES;
    if (!rc)
        rc = take(c, out, err);
    if (once)
        stream(c, false, NULL);
    return rc;
}

static void release(struct camera *c, struct camera_frame *frame)
{
    frame->data = NULL;
    frame->bytes = 0;
}

const struct camera_ops emulated_camera_ops = {configure, settings, stream,  capture,
                                               release,   NULL,     progress};
