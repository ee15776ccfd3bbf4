#include "station/steps/camera_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/steps/unit_link.h"

enum { CALL_MS = 20000 };

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
    cJSON *p = cJSON_CreateObject();
    cJSON_AddStringToObject(p, "ir_cut", s->night ? "night" : "day");
    cJSON_AddNumberToObject(p, "ir_led", s->ir_led);
    cJSON_AddBoolToObject(p, "auto_exposure", s->auto_exposure);
    cJSON_AddBoolToObject(p, "stream", s->stream);
    if (!s->auto_exposure) {
        cJSON_AddNumberToObject(p, "exposure_ms", s->exposure_ms);
        cJSON_AddNumberToObject(p, "gain", s->gain);
    }
    return unit_call(c->unit, "camera.configure", p, CALL_MS, NULL, err);
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
