/* The camera as the firmware drives it: stream, exposure control, IR-cut and LEDs, and frames at
 * the sensor's pace. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/aging.h"
#include "firmware/hal/emulator/chance.h"
#include "firmware/hal/emulator/encoder.h"
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
    int64_t stalled_ns;     /* how long it stood still so far: frames' times are without it */
    int64_t filter_at_ns;   /* the IR-cut filter has arrived */
    bool filter_in, filter_was_in; /* then, and until then */
    bool follows;                  /* no frame is passed over for being asked for late */
    int64_t applied_ns;            /* when the last settings were given */
    uint32_t next;                 /* the first sequence number not yet given */
    const struct picture *picture; /* of `painted`; NULL = none yet */
    struct view painted;
    uint8_t *frame;
    bool exposed; /* there is one */
    uint8_t
        *buffer; /* the encoder's input while a fault lets it stand still; NULL: no such fault */
    bool buffer_full; /* it was filled once */
    size_t frame_bytes;
};

int emulated_camera_open(struct unit *unit, struct camera **out, struct error *err)
{
    struct camera *c = *out = calloc(1, sizeof *c);
    if (!c)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated camera");
    c->unit = unit;
    c->settings = (struct camera_settings){
        .ir_cut = IR_CUT_DAY, .ir_led = 0, .auto_exposure = true, .exposure_ms = 10, .gain = 1};
    c->exposure_ms = 10;
    c->gain = 1;
    c->filter_in = c->filter_was_in = unit->physics.ir_cut_stuck != 2;
    c->defocus_px = unit->physics.defocus_px;
    c->frame_bytes = (size_t)unit->board.sensor_width_px * unit->board.sensor_height_px * 3 / 2;
    int rc = painter_create(&unit->board, &unit->physics, &c->painter, err);
    if (!rc)
        rc = sensor_create(&unit->board, &unit->physics, &c->sensor, err);
    if (!rc && (!(c->frame = malloc(c->frame_bytes)) ||
                (unit->physics.encoder_freeze_ms > 0 && !(c->buffer = malloc(c->frame_bytes)))))
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
    free(c->buffer);
    free(c);
}

size_t emulated_camera_bytes(const struct camera *c)
{
    return painter_bytes(c->painter) + sensor_bytes(c->sensor) +
           (c->buffer ? 2 : 1) * c->frame_bytes;
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
        c->filter_was_in = c->filter_in;
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
    c->follows = s->as_they_come;
    c->applied_ns = now - c->stalled_ns;
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
    out->applied_us = (uint64_t)(c->applied_ns / 1000);
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
    now.defocus_px = aging_defocus_px(&c->unit->physics, life_hours(c));
    if (fabs(now.defocus_px - c->defocus_px) < 0.02)
        return 0;
    /* First the old one goes: two at once would be memory that no camera has. */
    painter_free(c->painter);
    c->painter = NULL;
    c->picture = NULL;
    int rc = painter_create(&c->unit->board, &now, &c->painter, err);
    if (rc)
        return rc;
    c->defocus_px = now.defocus_px;
    return 0;
}

static int look(struct camera *c, bool filter_in, struct error *err)
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
    v.ir_filter = filter_in;
    if (v.scene == WORLD_SCENE_DARK_ROOM)
        v.illuminance_lux = 0;
    if (v.scene == WORLD_SCENE_CHART && atomic_load(&u->world->mark_step_s) > 0)
        v.mark_lux = atomic_load(&u->world->mark_lux);
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

/* A draw that belongs to a frame and a cause, 0 to 1. */
static double frame_chance(const struct camera *c, uint32_t sequence, uint64_t cause)
{
    uint64_t h = chance_hash((uint64_t)c->unit->physics.seed, cause, sequence);
    return (double)(h >> 11) / 9007199254740992.0;
}

/* Whether a fault that lets something stand still for so long does at this frame. */
static bool stands_still(const struct camera *c, double freeze_ms, uint32_t sequence)
{
    const double every_ms = c->unit->physics.freeze_every_ms;
    return freeze_ms > 0 && fmod(sequence * frame_ms(c), every_ms) >= every_ms - freeze_ms - 1e-6;
}

/* The mark's LEDs as this frame sees them: the sensor's rows open one after another (sensor.c), and
 * time is the sensor's, which does not pass while this machine works. */
static int expose_mark(struct camera *c, int64_t begin_ns, struct error *err)
{
    float lit[MARK_LEDS];
    const double step_s = atomic_load(&c->unit->world->mark_step_s);
    const double readout_s = 0.9 / c->unit->physics.frame_rate_hz;
    const double begin_s = (double)(begin_ns - c->stalled_ns) / 1e9;
    if (!(step_s > 0))
        return 0;
    for (int led = 0; led < MARK_LEDS; led++) {
        const double row = painter_mark_row(c->painter, led) / c->unit->board.sensor_height_px;
        lit[led] = (float)mark_lit(led, step_s, begin_s + row * readout_s, c->exposure_ms / 1000);
    }
    return painter_mark(c->painter, &c->painted, lit, err);
}

/* What the sensor saw of the scene in this frame; a frame that freezes is the last one again. */
static int expose(struct camera *c, uint32_t sequence, int64_t end_ns, struct error *err)
{
    const struct physics *ph = &c->unit->physics;
    if (c->exposed && stands_still(c, ph->sensor_freeze_ms, sequence))
        return 0;
    const double open_ms = c->settings.auto_exposure ? c->exposure_ms : c->settings.exposure_ms;
    const int64_t begin_ns = end_ns - (int64_t)(open_ms * 1e6);
    struct chance flicker;
    if (c->exposed && sequence &&
        frame_chance(c, sequence, 0x66726f7a) < ph->frozen_per_1000 / 1000)
        return 0;
    int rc = look(c, begin_ns < c->filter_at_ns ? c->filter_was_in : c->filter_in, err);
    if (rc)
        return rc;
    if (c->settings.auto_exposure) {
        expose_by_itself(c);
    } else {
        c->exposure_ms = c->settings.exposure_ms;
        c->gain = c->settings.gain;
    }
    if (c->painted.mark_lux > 0)
        rc = expose_mark(c, end_ns - (int64_t)(c->exposure_ms * 1e6), err);
    if (rc)
        return rc;
    c->exposed = true;
    chance_start(&flicker, (uint64_t)ph->seed, (uint64_t)sequence << 8 | 0x6a);
    double exposed_ms = c->exposure_ms * fmax(0, 1 + ph->exposure_jitter * chance_normal(&flicker));
    sensor_expose(c->sensor, c->picture, exposed_ms, c->gain, power_temperature_c(c->unit->power),
                  sequence, c->frame);
    return 0;
}

/* This machine took its time, the sensor did not: what is still to come is moved on by as much. */
static void stand_still(struct camera *c, int64_t at_ns, int64_t stood_ns)
{
    c->base_ns += stood_ns;
    c->stalled_ns += stood_ns;
    if (c->filter_at_ns > at_ns)
        c->filter_at_ns += stood_ns;
}

static int64_t frame_end(const struct camera *c, uint32_t sequence)
{
    return c->base_ns + (int64_t)((sequence - c->base_sequence + 1) * frame_ms(c) * 1e6);
}

/* Which frame comes next. */
static uint32_t next_frame(const struct camera *c)
{
    double period_ns = frame_ms(c) * 1e6;
    double under_way = floor((double)(clock_mono_ns() - c->base_ns) / period_ns);
    double filter = ceil((double)(c->filter_at_ns - c->base_ns) / period_ns);
    /* Frames that follow each other wait in the unit's own buffers, however late they are asked
     * for. */
    double from = c->follows ? 0 : fmax(under_way, 0);
    if (!c->settings.as_they_come)
        from = fmax(from, filter);
    uint32_t sequence = c->base_sequence + (uint32_t)fmax(from, 0);
    if (sequence < c->next)
        sequence = c->next;
    for (int lost = 0; lost < 1000; lost++, sequence++)
        if (frame_chance(c, sequence, 0x64726f70) >= c->unit->physics.dropped_per_1000 / 1000)
            break;
    return sequence;
}

/* The first frame not yet given that began after the settings took effect; one under way will do.
 * Its end is waited for in real time, and it shows the world as it is then. */
static int take(struct camera *c, struct camera_frame *out, struct error *err)
{
    uint32_t sequence = next_frame(c);
    int64_t end = frame_end(c, sequence), late = clock_mono_ns() - end;
    if (c->follows && late > 0) {
        stand_still(c, end, late);
        end += late;
    }
    clock_sleep_until_ns(end);

    int64_t began = clock_mono_ns();
    int rc = expose(c, sequence, end, err);
    if (rc)
        return rc;
    *out = (struct camera_frame){
        .width_px = c->unit->board.sensor_width_px,
        .height_px = c->unit->board.sensor_height_px,
        .timestamp_us = (uint64_t)((end - c->stalled_ns) / 1000 - (int64_t)(c->exposure_ms * 500)),
        .sequence = sequence,
        .exposure_ms = c->exposure_ms,
        .gain = c->gain,
        .data = c->frame,
        .bytes = c->frame_bytes,
    };
    stand_still(c, end, clock_mono_ns() - began);
    c->next = sequence + 1;
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

/* ---- encoded streams ------------------------------------------------------------------------ */

/* What the encoder is given for a frame: it, or what its buffer still holds. */
static const uint8_t *encoder_input(struct camera *c, const struct camera_frame *f)
{
    if (!c->buffer)
        return f->data;
    if (!c->buffer_full || !stands_still(c, c->unit->physics.encoder_freeze_ms, f->sequence))
        memcpy(c->buffer, f->data, f->bytes);
    c->buffer_full = true;
    return c->buffer;
}

/* A frame into the encoder, on record in *out. */
static int encode_frame(struct camera *c, struct encoder *encoder, size_t room,
                        struct camera_recording *out, struct error *err)
{
    struct camera_frame f;
    int rc = take(c, &f, err);
    if (rc)
        return rc;
    if (out->count == room)
        return error_set(err, ERROR_STATE, "more than %zu frames came", room);
    out->frames[out->count++] = (struct camera_coded){f.sequence, f.timestamp_us};
    return encoder_frame(encoder, encoder_input(c, &f), f.bytes, err);
}

/* A bus that spoils what the encoder wrote, beyond the headers that come first. */
static void spoil(const struct camera *c, struct camera_recording *out)
{
    enum { HEADERS = 512 };
    struct chance errors;
    double rate = c->unit->physics.stream_errors_per_mb / 1e6;
    chance_start(&errors, (uint64_t)c->unit->physics.seed, 0x627573);
    for (size_t i = HEADERS; rate > 0 && i < out->bytes; i++)
        if (chance_uniform(&errors) < rate)
            out->data[i] ^= (uint8_t)(1 << (chance_next(&errors) & 7));
}

static int record(struct camera *c, enum camera_stream which, int duration_ms,
                  struct camera_recording *out, struct error *err)
{
    struct encoder_form form;
    struct encoder *encoder = NULL;
    struct camera_frame woken;
    bool once = !c->streaming;
    encoder_form(which, &c->unit->board, c->unit->physics.frame_rate_hz, &form);
    form.kbit_s = (int)lround(form.kbit_s * c->unit->physics.encoder_rate);
    *out = (struct camera_recording){.type = form.type,
                                     .width_px = form.width_px,
                                     .height_px = form.height_px,
                                     .frame_rate_hz = form.nominal_hz};
    size_t room = 2 + (size_t)(duration_ms * 60 / 1000);
    double every = form.nominal_hz > 0 ? c->unit->physics.frame_rate_hz / form.rate_hz : 1, due = 0;
    if (!(out->frames = calloc(room, sizeof *out->frames)))
        return error_set(err, ERROR_MEMORY, "no memory for a recording of %d ms", duration_ms);
    int rc = once ? stream(c, true, err) : 0;
    if (!rc && once)
        c->next = WAKE_FRAMES;
    /* Exposure control has settled before an encoder starts. */
    if (!rc)
        rc = take(c, &woken, err);
    if (!rc)
        rc = encoder_start(&form, &c->unit->board, c->unit->folder, &encoder, err);
    c->follows = true;
    const uint32_t first = c->next;
    const double frames = duration_ms / 1000.0 * c->unit->physics.frame_rate_hz;
    while (!rc && (out->count == 0 || c->next - first < frames)) {
        /* A slower stream takes every so many frames of the sensor. */
        if (c->next - first < due)
            c->next = first + (uint32_t)ceil(due - 1e-9);
        due += every;
        rc = encode_frame(c, encoder, room, out, err);
        if (form.nominal_hz <= 0)
            break;
    }
    c->follows = c->settings.as_they_come;
    if (!rc)
        rc = encoder_finish(encoder, &out->data, &out->bytes, err);
    encoder_free(encoder);
    if (once)
        stream(c, false, NULL);
    if (!rc)
        spoil(c, out);
    if (rc) {
        free(out->frames);
        free(out->data);
        *out = (struct camera_recording){0};
    }
    return rc;
}

const struct camera_ops emulated_camera_ops = {configure, settings, stream,   capture,
                                               release,   NULL,     progress, record};
