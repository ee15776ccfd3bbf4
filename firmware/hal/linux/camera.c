/* The camera: a V4L2 device for the pictures, GPIO lines for the IR-cut filter and the IR LEDs. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/linux/camera_controls.h"
#include "firmware/hal/linux/parts.h"
#include "firmware/hal/linux/pins.h"
#include "firmware/hal/linux/video_device.h"
#include "protocol/base/clock.h"

enum {
    FRAME_MS = 3000,       /* to wait for a frame that is asked for */
    SETTLE_FRAMES = 2,     /* until a sensor shows what its registers were given */
    WAKE_FRAMES = 2,       /* of a stream that was just started, not looked at */
    IR_CUT_PULSE_MS = 120, /* the filter's coil turns it in some 50 ms and must not stay on */
    GIVE_WAY_NS = 5000000,
};

struct camera {
    struct linux_unit *unit;
    pthread_mutex_t lock;
    atomic_int wanted;           /* callers that wait for the lock: the pump gives way */
    struct video_device *device; /* NULL: closed; open = streaming */
    struct camera_controls controls;
    struct frame_colour colour;
    struct camera_settings settings;
    int64_t settled_us; /* frames before it may still show what was before */
    struct camera_progress progress;
    uint8_t *frame; /* what capture() gave */
    size_t frame_bytes;
};

int linux_camera_open(struct linux_unit *u, struct camera **out, struct error *err)
{
    struct camera *c = *out = calloc(1, sizeof *c);
    if (!c)
        return error_set(err, ERROR_MEMORY, "no memory for the camera");
    c->unit = u;
    c->settings = (struct camera_settings){
        .ir_cut = IR_CUT_DAY, .ir_led = 0, .auto_exposure = true, .exposure_ms = 0, .gain = 1};
    pthread_mutex_init(&c->lock, NULL);
    return 0;
}

void linux_camera_close(struct camera *c)
{
    if (!c)
        return;
    video_close(c->device);
    pthread_mutex_destroy(&c->lock);
    free(c->frame);
    free(c);
}

static void enter(struct camera *c)
{
    atomic_fetch_add(&c->wanted, 1);
    pthread_mutex_lock(&c->lock);
    atomic_fetch_sub(&c->wanted, 1);
}

static void leave(struct camera *c)
{
    pthread_mutex_unlock(&c->lock);
}

/* ---- stream -------------------------------------------------------------------------------- */

static int apply_exposure(struct camera *c, struct error *err)
{
    const struct camera_settings *s = &c->settings;
    return s->auto_exposure ? camera_controls_auto(&c->controls, err)
                            : camera_controls_manual(&c->controls, s->exposure_ms, s->gain, err);
}

/* Lock held. */
static int start(struct camera *c, struct error *err)
{
    if (c->device)
        return 0;
    int rc = video_open(c->unit, c->unit->board->linux.camera, &c->device, err);
    if (rc)
        return rc;
    const struct frame_format *f = video_format(c->device);
    camera_controls_find(video_fd(c->device), f->width_px, (double)video_frame_us(c->device) / 1000,
                         &c->controls);
    frame_colour_make(f, &c->colour);
    rc = apply_exposure(c, err);
    if (!rc)
        rc = video_start(c->device, err);
    if (rc) {
        video_close(c->device);
        c->device = NULL;
    }
    c->progress.streaming = !rc;
    return rc;
}

/* Lock held. */
static void stop(struct camera *c)
{
    video_close(c->device);
    c->device = NULL;
    c->progress.streaming = false;
}

static int stream(struct camera *c, bool on, struct error *err)
{
    int rc = 0;
    enter(c);
    if (on)
        rc = start(c, err);
    else
        stop(c);
    leave(c);
    return rc;
}

/* Lock held. The next frame, counted: 1, 0 when none came, or an error. */
static int take(struct camera *c, int timeout_ms, struct video_frame *out, struct error *err)
{
    int rc = video_take(c->device, timeout_ms, out, err);
    if (rc == 1 && !c->progress.frames++)
        c->progress.first_frame_us = clock_mono_ns() / 1000;
    return rc;
}

/* Lock held, as the stream may be stopped by who switches loads. */
static int pump_once(struct camera *c, int timeout_ms, struct error *err)
{
    struct video_frame frame;
    int rc = take(c, timeout_ms, &frame, err);
    if (rc == 1)
        rc = video_give_back(c->device, &frame, err);
    return rc;
}

static int pump(struct camera *c, int timeout_ms, struct camera_progress *out, struct error *err)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    int rc = 0;
    for (;;) {
        /* The lock is not fair: whoever wants a frame would wait for ever beside this loop. */
        if (!atomic_load(&c->wanted)) {
            pthread_mutex_lock(&c->lock);
            uint64_t before = c->progress.frames;
            int64_t left = until - clock_mono_ms();
            int slice = (int)(left < 0 ? 0 : left < 50 ? left : 50);
            if (c->device && (rc = pump_once(c, slice, err)) < 0)
                stop(c); /* its driver let go: the next stream() opens it anew */
            *out = c->progress;
            bool idle = !c->device;
            leave(c);
            if (rc < 0 || out->frames != before)
                return rc < 0 ? rc : 0;
            if (!idle && clock_mono_ms() < until)
                continue;
        }
        if (clock_mono_ms() >= until)
            return 0;
        clock_sleep_until_ns(clock_mono_ns() + GIVE_WAY_NS);
    }
}

/* ---- settings ------------------------------------------------------------------------------ */

/* The filter is moved by a coil each way, or held by the level of one line. */
static int move_filter(struct camera *c, enum ir_cut to, struct error *err)
{
    struct pins *pins = c->unit->pins;
    const char *name = to == IR_CUT_DAY ? "ir_cut_day" : "ir_cut_night";
    if (pins_has(pins, "ir_cut_day") && pins_has(pins, "ir_cut_night")) {
        int rc = pins_set(pins, name, true, err);
        clock_sleep_until_ns(clock_mono_ns() + IR_CUT_PULSE_MS * 1000000LL);
        int off = pins_set(pins, name, false, rc ? NULL : err);
        return rc ? rc : off;
    }
    if (pins_has(pins, "ir_cut_day"))
        return pins_set(pins, "ir_cut_day", to == IR_CUT_DAY, err);
    if (pins_has(pins, "ir_cut_night"))
        return pins_set(pins, "ir_cut_night", to == IR_CUT_NIGHT, err);
    return to == IR_CUT_DAY ? 0
                            : error_set(err, ERROR_MISSING, "board %s moves no IR-cut filter",
                                        c->unit->board->name);
}

static int light_up(struct camera *c, double drive, struct error *err)
{
    if (!pins_has(c->unit->pins, "ir_led"))
        return drive == 0
                   ? 0
                   : error_set(err, ERROR_MISSING, "board %s has no IR LEDs", c->unit->board->name);
    return pins_set(c->unit->pins, "ir_led", drive > 0, err);
}

static int check(const struct camera_settings *s, struct error *err)
{
    if (!(s->ir_led >= 0 && s->ir_led <= 1))
        return error_set(err, ERROR_INPUT, "ir_led is %g, expected 0 to 1", s->ir_led);
    if (s->ir_led > 0 && s->ir_led < 1)
        return error_set(err, ERROR_INPUT,
                         "ir_led is %g: the LEDs hang on a GPIO line, expected 0 or 1", s->ir_led);
    if (s->ir_cut != IR_CUT_DAY && s->ir_cut != IR_CUT_NIGHT)
        return error_set(err, ERROR_INPUT, "ir_cut is neither day nor night");
    return 0;
}

/* Lock held. Exposure is the device's: a camera that does not stream is started for it, so that
 * what it cannot do is said now. */
static int configure_locked(struct camera *c, const struct camera_settings *s, struct error *err)
{
    const struct camera_settings before = c->settings;
    bool once = !c->device;
    int rc = 0;
    if (s->ir_cut != before.ir_cut && !(rc = move_filter(c, s->ir_cut, err)))
        c->settings.ir_cut = s->ir_cut;
    if (!rc && s->ir_led != before.ir_led && !(rc = light_up(c, s->ir_led, err)))
        c->settings.ir_led = s->ir_led;
    bool exposes =
        s->auto_exposure != before.auto_exposure ||
        (!s->auto_exposure && (s->exposure_ms != before.exposure_ms || s->gain != before.gain));
    if (!rc && exposes) {
        c->settings.auto_exposure = s->auto_exposure;
        c->settings.exposure_ms = s->exposure_ms;
        c->settings.gain = s->gain;
        rc = once ? start(c, err) : apply_exposure(c, err);
        if (rc) {
            c->settings.auto_exposure = before.auto_exposure;
            c->settings.exposure_ms = before.exposure_ms;
            c->settings.gain = before.gain;
        }
        if (once)
            stop(c);
    }
    int64_t frame_us = c->device ? video_frame_us(c->device) : 0;
    c->settled_us = clock_mono_ns() / 1000 + SETTLE_FRAMES * frame_us;
    return rc;
}

static int configure(struct camera *c, const struct camera_settings *s, struct error *err)
{
    int rc = check(s, err);
    if (rc)
        return rc;
    enter(c);
    rc = configure_locked(c, s, err);
    c->settings.applied_us = (uint64_t)(clock_mono_ns() / 1000);
    leave(c);
    return rc;
}

static int settings(struct camera *c, struct camera_settings *out)
{
    enter(c);
    *out = c->settings;
    if (c->device)
        camera_controls_read(&c->controls, &out->exposure_ms, &out->gain);
    leave(c);
    return 0;
}

/* ---- capture ------------------------------------------------------------------------------- */

/* Lock held. Copies it out, so that the stream may be stopped while the frame is sent. */
static int keep(struct camera *c, const struct video_frame *v, struct camera_frame *out,
                struct error *err)
{
    const struct frame_format *f = video_format(c->device);
    size_t bytes = (size_t)f->width_px * f->height_px * 3 / 2;
    if (c->frame_bytes != bytes) {
        free(c->frame);
        c->frame = malloc(bytes);
        c->frame_bytes = c->frame ? bytes : 0;
        if (!c->frame)
            return error_set(err, ERROR_MEMORY, "no memory for a frame of %zu bytes", bytes);
    }
    frame_convert(f, &c->colour, v->data, c->frame);
    *out = (struct camera_frame){.width_px = f->width_px,
                                 .height_px = f->height_px,
                                 .sequence = v->sequence,
                                 .data = c->frame,
                                 .bytes = bytes};
    camera_controls_read(&c->controls, &out->exposure_ms, &out->gain);
    int64_t half_us = (int64_t)(out->exposure_ms * 500);
    out->timestamp_us =
        (uint64_t)(v->start_of_frame ? v->timestamp_us + half_us : v->timestamp_us - half_us);
    return 0;
}

/* Lock held. Frames from before the call or the settings are let go. */
static int capture_locked(struct camera *c, int skip, struct camera_frame *out, struct error *err)
{
    const int64_t frame_us = video_frame_us(c->device);
    const int64_t called_us = clock_mono_ns() / 1000, until_ms = clock_mono_ms() + FRAME_MS;
    for (;;) {
        struct video_frame v;
        int64_t left = until_ms - clock_mono_ms();
        int rc = take(c, left > 0 ? (int)left : 0, &v, err);
        if (rc == 0)
            return error_set(err, ERROR_TIMEOUT, "no frame within %d ms", FRAME_MS);
        if (rc < 0)
            return rc;
        bool fresh = v.timestamp_us >= c->settled_us &&
                     v.timestamp_us + frame_us * 3 / 2 >= called_us && skip-- <= 0;
        rc = fresh ? keep(c, &v, out, err) : 0;
        int back = video_give_back(c->device, &v, rc ? NULL : err);
        if (rc || back || fresh)
            return rc ? rc : back;
    }
}

static int capture(struct camera *c, struct camera_frame *out, struct error *err)
{
    enter(c);
    /* Without a stream the sensor wakes for one frame. */
    bool once = !c->device;
    int rc = start(c, err);
    if (!rc)
        rc = capture_locked(c, once ? WAKE_FRAMES : 0, out, err);
    if (once)
        stop(c);
    leave(c);
    return rc;
}

static void release(struct camera *c, struct camera_frame *frame)
{
    frame->data = NULL;
    frame->bytes = 0;
}

const struct camera_ops linux_camera_ops = {configure, settings, stream, capture,
                                            release,   pump,     NULL,   NULL};
