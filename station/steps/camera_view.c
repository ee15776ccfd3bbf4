#include "station/steps/camera_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/steps/unit_link.h"

enum { CALL_MS = 20000, RECORD_MS = 60000 };

void view_free(struct view *views, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(views[i].nv12);
        views[i].nv12 = NULL;
    }
}

struct nv12 view_nv12(const struct view *v)
{
    return (struct nv12){.data = v->nv12,
                         .bytes = (size_t)v->width_px * v->height_px * 3 / 2,
                         .width_px = (int)v->width_px,
                         .height_px = (int)v->height_px};
}

int camera_configure(struct step_context *c, const struct view_settings *s, struct error *err)
{
    double ignored;
    return camera_configure_at(c, s, &ignored, err);
}

int camera_configure_at(struct step_context *c, const struct view_settings *s, double *applied_us,
                        struct error *err)
{
    cJSON *p = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddStringToObject(p, "ir_cut", s->night ? "night" : "day");
    cJSON_AddNumberToObject(p, "ir_led", s->ir_led);
    cJSON_AddBoolToObject(p, "auto_exposure", s->auto_exposure);
    cJSON_AddBoolToObject(p, "stream", s->stream);
    if (!s->auto_exposure) {
        cJSON_AddNumberToObject(p, "exposure_ms", s->exposure_ms);
        cJSON_AddNumberToObject(p, "gain", s->gain);
    }
    if (s->as_they_come)
        cJSON_AddBoolToObject(p, "as_they_come", true);
    int rc = unit_call(c->unit, "camera.configure", p, CALL_MS, &answer, err);
    *applied_us = rc == 0 ? json_number(answer, "applied_us", 0) : 0;
    cJSON_Delete(answer);
    return rc;
}

void camera_restore(struct step_context *c)
{
    const struct view_settings day = {.auto_exposure = true};
    struct error ignored = {0};
    camera_configure(c, &day, &ignored);
}

/* Attachments frame0, frame1, ... as they arrive. */
struct arriving {
    const struct board *board;
    struct view *views;
    size_t wanted, begun;
    size_t frame_bytes, filled;
};

static int frame_begin(void *context, const char *name, const char *type, uint64_t bytes,
                       struct error *err)
{
    struct arriving *a = context;
    char expected[16];
    snprintf(expected, sizeof expected, "frame%zu", a->begun);
    if (a->begun == a->wanted || strcmp(name, expected) != 0)
        return error_set(err, ERROR_PROTOCOL, "camera.capture: attachment \"%s\", expected %s",
                         name, a->begun == a->wanted ? "no more" : expected);
    if (strncmp(type, "image/nv12", 10) != 0 || bytes != a->frame_bytes)
        return error_set(err, ERROR_PROTOCOL,
                         "camera.capture: %s is %s of %llu bytes, expected image/nv12 of %zu", name,
                         type, (unsigned long long)bytes, a->frame_bytes);
    if (a->begun && a->filled != a->frame_bytes)
        return error_set(err, ERROR_PROTOCOL, "camera.capture: the frame before %s was cut short",
                         name);
    uint8_t *data = malloc(a->frame_bytes);
    if (!data)
        return error_set(err, ERROR_MEMORY, "camera.capture: no memory for a frame");
    a->views[a->begun++].nv12 = data;
    a->filled = 0;
    return 0;
}

static int frame_write(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct arriving *a = context;
    if (!a->begun || size > a->frame_bytes - a->filled)
        return error_set(err, ERROR_PROTOCOL, "camera.capture: a frame longer than announced");
    memcpy(a->views[a->begun - 1].nv12 + a->filled, data, size);
    a->filled += size;
    return 0;
}

static int frame_facts(const cJSON *answer, const struct board *board, struct view *views,
                       size_t count, struct error *err)
{
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(answer, "frames");
    for (size_t i = 0; i < count; i++) {
        const cJSON *f = cJSON_GetArrayItem(frames, (int)i);
        const double width = json_number(f, "width_px", 0), height = json_number(f, "height_px", 0);
        if (width != board->sensor_width_px || height != board->sensor_height_px)
            return error_set(err, ERROR_PROTOCOL,
                             "camera.capture: frame %zu is %g x %g, the board's sensor is %u x %u",
                             i, width, height, board->sensor_width_px, board->sensor_height_px);
        views[i].width_px = board->sensor_width_px;
        views[i].height_px = board->sensor_height_px;
        views[i].exposure_ms = json_number(f, "exposure_ms", 0);
        views[i].gain = json_number(f, "gain", 0);
        views[i].timestamp_us = json_number(f, "timestamp_us", 0);
        views[i].sequence = (uint32_t)json_number(f, "sequence", 0);
    }
    return 0;
}

int camera_capture(struct step_context *c, size_t count, struct view *out, struct error *err)
{
    cJSON *answer = NULL, *params = NULL;
    memset(out, 0, count * sizeof *out);
    struct arriving a = {.board = c->board,
                         .views = out,
                         .wanted = count,
                         .frame_bytes = (size_t)c->board->sensor_width_px *
                                        c->board->sensor_height_px * 3 / 2};
    const struct attachment_sink sink = {frame_begin, frame_write, &a};
    params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "frames", (double)count);
    const struct call call = {
        .method = "camera.capture", .params = params, .timeout_ms = CALL_MS, .sink = &sink};
    int rc = unit_exchange(c->unit, &call, &answer, err);
    if (rc == 0 && (a.begun != count || a.filled != a.frame_bytes))
        rc = error_set(err, ERROR_PROTOCOL, "camera.capture: %zu whole frames came, expected %zu",
                       a.begun, count);
    if (rc == 0)
        rc = frame_facts(answer, c->board, out, count, err);
    if (rc < 0)
        view_free(out, count);
    cJSON_Delete(answer);
    cJSON_Delete(params);
    return rc;
}

/* ---- encoded streams ------------------------------------------------------------------------ */

enum { CODED_MAX = 64 << 20, CODED_FRAMES_MAX = 4096 };

struct coded_arriving {
    struct recording *recording;
    size_t announced;
};

static int coded_begin(void *context, const char *name, const char *type, uint64_t bytes,
                       struct error *err)
{
    struct coded_arriving *a = context;
    struct recording *r = a->recording;
    if (r->data || strcmp(name, "stream") != 0 || !bytes || bytes > CODED_MAX)
        return error_set(err, ERROR_PROTOCOL,
                         "camera.record: attachment \"%s\" of %llu bytes, expected one stream of 1 "
                         "to %d",
                         name, (unsigned long long)bytes, CODED_MAX);
    snprintf(r->type, sizeof r->type, "%s", type);
    if (!(r->data = malloc(bytes)))
        return error_set(err, ERROR_MEMORY, "camera.record: no memory for a stream");
    a->announced = bytes;
    return 0;
}

static int coded_write(void *context, const uint8_t *data, size_t size, struct error *err)
{
    const struct coded_arriving *a = context;
    struct recording *r = a->recording;
    if (size > a->announced - r->bytes)
        return error_set(err, ERROR_PROTOCOL, "camera.record: a stream longer than announced");
    memcpy(r->data + r->bytes, data, size);
    r->bytes += size;
    return 0;
}

static int coded_facts(const cJSON *answer, struct recording *r, struct error *err)
{
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(answer, "frames"), *f;
    const int count = cJSON_GetArraySize(frames);
    r->frame_rate_hz = json_number(answer, "frame_rate_hz", 0);
    if (count < 1 || count > CODED_FRAMES_MAX)
        return error_set(err, ERROR_PROTOCOL, "camera.record: %d frames in a stream", count);
    r->timestamps_us = malloc((size_t)count * sizeof *r->timestamps_us);
    r->sequences = malloc((size_t)count * sizeof *r->sequences);
    if (!r->timestamps_us || !r->sequences)
        return error_set(err, ERROR_MEMORY, "camera.record: no memory for %d frames", count);
    cJSON_ArrayForEach(f, frames)
    {
        r->timestamps_us[r->count] = json_number(f, "timestamp_us", 0);
        r->sequences[r->count++] = json_number(f, "sequence", 0);
    }
    return 0;
}

void recording_free(struct recording *r)
{
    free(r->data);
    free(r->timestamps_us);
    free(r->sequences);
    *r = (struct recording){0};
}

int camera_record(struct step_context *c, const char *stream, int duration_ms,
                  struct recording *out, struct error *err)
{
    cJSON *params = cJSON_CreateObject(), *answer = NULL;
    struct coded_arriving arriving = {.recording = out};
    const struct attachment_sink sink = {coded_begin, coded_write, &arriving};
    *out = (struct recording){0};
    cJSON_AddStringToObject(params, "stream", stream);
    cJSON_AddNumberToObject(params, "duration_ms", duration_ms);
    const struct call call = {.method = "camera.record",
                              .params = params,
                              .timeout_ms = RECORD_MS + 20 * duration_ms,
                              .sink = &sink};
    int rc = unit_exchange(c->unit, &call, &answer, err);
    if (rc == 0 && (!out->data || out->bytes != arriving.announced))
        rc = error_set(err, ERROR_PROTOCOL, "camera.record: no whole stream came");
    if (rc == 0)
        rc = coded_facts(answer, out, err);
    if (rc < 0)
        recording_free(out);
    cJSON_Delete(answer);
    cJSON_Delete(params);
    return rc;
}

int pace_of(const double *timestamps_us, const double *sequences, size_t count, double every,
            struct pace *out, struct error *err)
{
    if (count < 2)
        return error_set(err, ERROR_STATE, "a frame rate of %zu frames: two or more are needed",
                         count);
    const double span_us = timestamps_us[count - 1] - timestamps_us[0];
    const double numbers = sequences[count - 1] - sequences[0];
    if (!(span_us > 0) || !(numbers > 0))
        return error_set(err, ERROR_PROTOCOL,
                         "the unit's frames do not follow each other: %.0f us, "
                         "%.0f numbers from first to last",
                         span_us, numbers);
    out->frame_rate_hz = numbers / every / span_us * 1e6;
    out->dropped = fmax(0, floor(numbers / every + 1e-6) - (double)(count - 1));
    return 0;
}
