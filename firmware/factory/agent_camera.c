/* camera.configure, camera.capture, camera.record. */
#include <stdio.h>
#include <stdlib.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"

enum { FRAMES_MAX = 16, RECORD_MS_MAX = 10000 };

static int configure(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"ir_cut", "ir_led", "auto_exposure", "exposure_ms",
                                          "gain",   "stream", "as_they_come",  NULL};
    static const char *const cuts[] = {"day", "night", NULL};
    const struct camera_ops *camera = a->hal->camera;
    const cJSON *p = call->params;
    struct camera_settings s;
    bool stream = a->streaming;
    int cut;
    int rc = params_only(p, allowed, err);
    if (!rc && camera->settings(a->hal->camera_state, &s))
        rc = error_set(err, ERROR_IO, "the camera does not say its settings");
    if (!rc && params_has(p, "ir_cut") && !(rc = params_choice(p, "ir_cut", cuts, &cut, err)))
        s.ir_cut = cut ? IR_CUT_NIGHT : IR_CUT_DAY;
    if (!rc && params_has(p, "ir_led"))
        rc = params_number(p, "ir_led", 0, 1, &s.ir_led, err);
    if (!rc && params_has(p, "auto_exposure"))
        rc = params_flag(p, "auto_exposure", &s.auto_exposure, err);
    if (!rc && params_has(p, "exposure_ms"))
        rc = params_number(p, "exposure_ms", 0.01, 1000, &s.exposure_ms, err);
    if (!rc && params_has(p, "gain"))
        rc = params_number(p, "gain", 1, 1024, &s.gain, err);
    /* Held for one configuration alone: what is not asked for is the usual. */
    s.as_they_come = false;
    if (!rc && params_has(p, "as_they_come"))
        rc = params_flag(p, "as_they_come", &s.as_they_come, err);
    if (!rc && params_has(p, "stream"))
        rc = params_flag(p, "stream", &stream, err);
    if (!rc)
        rc = camera->configure(a->hal->camera_state, &s, err);
    if (!rc && params_has(p, "stream"))
        rc = camera->stream(a->hal->camera_state, stream, err);
    if (!rc)
        a->streaming = stream;
    if (!rc && camera->settings(a->hal->camera_state, &s))
        rc = error_set(err, ERROR_IO, "the camera does not say its settings");
    if (rc)
        return rc;
    answer_text(call, call->result, "ir_cut", cuts[s.ir_cut == IR_CUT_NIGHT]);
    answer_number(call, call->result, "ir_led", s.ir_led);
    answer_flag(call, call->result, "auto_exposure", s.auto_exposure);
    answer_number(call, call->result, "exposure_ms", s.exposure_ms);
    answer_number(call, call->result, "gain", s.gain);
    answer_flag(call, call->result, "stream", a->streaming);
    answer_number(call, call->result, "applied_us", (double)s.applied_us);
    return 0;
}

/* One frame, sent from the buffer it was captured into. */
static int send_frame(struct agent *a, struct agent_call *call, int index, cJSON *frames,
                      struct error *err)
{
    struct camera_frame f;
    char name[24];
    int rc = a->hal->camera->capture(a->hal->camera_state, &f, err);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "frame%d", index);
    const struct attachment_source source = {
        .name = name, .type = "image/nv12", .bytes = f.bytes, .data = f.data};
    rc = request_send(call->request, &source, err);
    cJSON *about = answer_item(call, frames);
    answer_number(call, about, "width_px", f.width_px);
    answer_number(call, about, "height_px", f.height_px);
    answer_number(call, about, "timestamp_us", (double)f.timestamp_us);
    answer_number(call, about, "sequence", f.sequence);
    answer_number(call, about, "exposure_ms", f.exposure_ms);
    answer_number(call, about, "gain", f.gain);
    a->hal->camera->release(a->hal->camera_state, &f);
    return rc;
}

static int capture(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"frames", NULL};
    long long count;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_integer(call->params, "frames", 1, FRAMES_MAX, &count, err);
    if (rc)
        return rc;
    cJSON *frames = answer_array(call, call->result, "frames");
    for (long long i = 0; i < count && !rc; i++) {
        if (request_cancelled(call->request))
            rc = error_set(err, ERROR_CANCELLED, "taken back at frame %lld", i);
        else
            rc = send_frame(a, call, (int)i, frames, err);
    }
    return rc;
}

static int send_recording(struct agent_call *call, const struct camera_recording *r,
                          struct error *err)
{
    const struct attachment_source source = {
        .name = "stream", .type = r->type, .bytes = r->bytes, .data = r->data};
    answer_number(call, call->result, "width_px", r->width_px);
    answer_number(call, call->result, "height_px", r->height_px);
    answer_number(call, call->result, "frame_rate_hz", r->frame_rate_hz);
    cJSON *frames = answer_array(call, call->result, "frames");
    for (size_t i = 0; i < r->count; i++) {
        cJSON *about = answer_item(call, frames);
        answer_number(call, about, "timestamp_us", (double)r->frames[i].timestamp_us);
        answer_number(call, about, "sequence", r->frames[i].sequence);
    }
    return request_send(call->request, &source, err);
}

static int record(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"stream", "duration_ms", NULL};
    static const char *const streams[] = {"main", "sub", "jpeg", NULL};
    const struct camera_ops *camera = a->hal->camera;
    struct camera_recording r;
    long long duration_ms = 0;
    int which;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_choice(call->params, "stream", streams, &which, err);
    if (!rc && params_has(call->params, "duration_ms"))
        rc = params_integer(call->params, "duration_ms", 0, RECORD_MS_MAX, &duration_ms, err);
    if (!rc && !camera->record)
        rc = error_set(err, ERROR_STATE, "this firmware does not reach the unit's encoder");
    if (!rc)
        rc = camera->record(a->hal->camera_state, (enum camera_stream)which, (int)duration_ms, &r,
                            err);
    if (rc)
        return rc;
    rc = send_recording(call, &r, err);
    free(r.frames);
    free(r.data);
    return rc;
}

const struct agent_method agent_camera_methods[] = {
    {"camera.configure", PART_CAMERA, configure},
    {"camera.capture", PART_CAMERA, capture},
    {"camera.record", PART_CAMERA, record},
    {0},
};
