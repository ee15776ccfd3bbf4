/* The encoded streams: main, sub and JPEG decoded and each judged by the chart in it, beside a
 * frame that was never encoded; and whether video comes at its pace, whole, and moves.
 *
 * The chart stands still, so its time mark counts meanwhile: a frame that shows an earlier moment
 * than its time is frozen, a JPEG that does is late.
 *
 * What differs from the raw frame is the encoder's; what does not is the lens's, sensor's or ISP's
 * and the image step's to say. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixtures/light.h"
#include "station/measure/coded.h"
#include "station/measure/mark.h"
#include "station/steps/camera_view.h"
#include "station/steps/chart_picture.h"
#include "station/steps/exhibit.h"
#include "station/steps/step.h"

static const struct step_param params[] = {
    {"lux", PARAM_NUMBER, "500", 1, 20000, "on the chart, lx"},
    {"seconds", PARAM_NUMBER, "1", 0.2, 10, "of main and of sub stream, s"},
    {"mark_ms", PARAM_NUMBER, "20", 0, LIGHT_MARK_STEP_MS_MAX,
     "the chart's time mark counts every so many ms, less than a frame; 0: the chart has none"},
    CHART_PLACEMENT_PARAMS,
    {0}};

#define VIDEO_MEASUREMENTS(stream)                                                                 \
    {stream "_sharpness_kept", "ratio", "MTF50 in the picture's height over the raw frame's"},     \
        {stream "_de2000_mean", "dE2000", "of the 24 patches"},                                    \
        {stream "_frame_rate_hz", "Hz", "by the frames' own times"},                               \
        {stream "_dropped_frames", "count", "numbers left out"},                                   \
        {stream "_broken_frames", "count", "not decoded, or with errors, or not come at all"},     \
        {stream "_frozen_percent", "%", "frames that show an earlier moment than their time"},     \
        {stream "_frozen_longest_ms", "ms", "the longest time that the picture stood"},            \
    {                                                                                              \
        stream "_kbit_s", "kbit/s", "of the stream"                                                \
    }

static const struct step_measurement measurements[] = {
    {"raw_mtf50", "cycles/px", "centre of the frame that was not encoded"},
    VIDEO_MEASUREMENTS("main"),
    VIDEO_MEASUREMENTS("sub"),
    {"jpeg_sharpness_kept", "ratio", "as for video"},
    {"jpeg_de2000_mean", "dE2000", "as for video"},
    {"jpeg_broken_frames", "count", "as for video"},
    {"jpeg_kbyte", "kB", "of the picture"},
    {"jpeg_late_ms", "ms", "how much older the picture is than its time, by the raw frame's"},
    {0}};

static int report(struct step_context *c, const char *stream, const char *what, double value,
                  struct error *err)
{
    char name[48];
    snprintf(name, sizeof name, "%s_%s", stream, what);
    return step_value(c, name, value, err);
}

/* MTF50 of the centre square in cycles over the picture's height, which does not know how many
 * pixels it has; the chart's colours. */
static int judge_picture(struct step_context *c, const struct nv12 *frame, double *per_height,
                         double *mtf50_cpp, double *de2000_mean, struct chart_picture *p,
                         struct error *err)
{
    struct color colour;
    int rc = chart_picture_find(c, frame, p, err);
    if (rc == 0)
        rc = chart_picture_sharpness(p, 1, err);
    if (rc == 0)
        rc = chart_picture_colour(p, &colour, err);
    if (rc < 0)
        return rc;
    *mtf50_cpp = chart_picture_mtf50(p, 0, CHART_BOTH);
    *per_height = *mtf50_cpp * frame->height_px;
    *de2000_mean = colour.de2000_mean;
    return 0;
}

static int attach(struct step_context *c, const char *stream, const struct chart_picture *p,
                  double kept, double broken, struct error *err)
{
    struct exhibit e;
    char name[48], text[32];
    snprintf(name, sizeof name, "%s_sharpness_kept", stream);
    snprintf(text, sizeof text, "%.2f of the raw", kept);
    int rc = exhibit_begin(c, &p->frame, 768, &e, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < CHART_EDGES; i++) {
        const struct region *r = &p->edges[0][i];
        exhibit_box(&e, r->x_px, r->y_px, r->width_px, r->height_px, exhibit_judge(c, name, kept),
                    i == 3 ? text : "");
    }
    exhibit_figure(&e, c, name, kept);
    snprintf(name, sizeof name, "%s_broken_frames", stream);
    exhibit_figure(&e, c, name, broken);
    rc = exhibit_attach(c, stream, &e, err);
    exhibit_free(&e);
    return rc;
}

/* A stream of which nothing can be decoded is the unit's fail, with the figures that say so. */
static int report_lost(struct step_context *c, const char *stream, const struct recording *r,
                       const struct error *why, struct error *err)
{
    int rc = step_noted(c, stream, why->text, err);
    if (rc == 0)
        rc = report(c, stream, "sharpness_kept", 0, err);
    if (rc == 0)
        rc = report(c, stream, "de2000_mean", 100, err);
    return rc < 0 ? rc : report(c, stream, "broken_frames", (double)r->count, err);
}

/* The frame that was not encoded, and what the streams are held against of it. */
struct raw {
    double per_height; /* MTF50 */
    struct chart chart;
    int width_px;
    struct mark_seen mark;
    int step_ms; /* of a count of the mark; 0: there is none */
};

/* What each frame of a recording shows of the time mark. */
struct seen {
    const struct raw *raw;
    struct mark_seen *frames;
    size_t count;
};

static void look_at_mark(void *context, size_t number, const struct luma *luma)
{
    struct seen *seen = context;
    if (number < seen->count)
        seen->frames[number].count = mark_read(luma, &seen->raw->chart, seen->raw->width_px);
}

static int judge_mark(struct step_context *c, const char *stream, const struct seen *seen,
                      struct error *err)
{
    const struct raw *raw = seen->raw;
    struct mark_watch watch;
    if (seen->count == 1) {
        /* Not seen, though the raw frame shows it: from before it was lit. */
        const double late_ms = seen->frames[0].count == MARK_UNREAD
                                   ? MARK_COUNTS * raw->step_ms
                                   : mark_late_ms(raw->mark, seen->frames[0], raw->step_ms);
        return report(c, stream, "late_ms", late_ms, err);
    }
    int rc = mark_watch(raw->mark, seen->frames, seen->count, raw->step_ms, &watch, err);
    if (rc < 0)
        return error_context(err, "%s", stream);
    rc = report(c, stream, "frozen_percent", watch.frozen_percent, err);
    return rc < 0 ? rc : report(c, stream, "frozen_longest_ms", watch.frozen_longest_ms, err);
}

static int judge_coded(struct step_context *c, const char *stream, const struct recording *r,
                       const struct raw *raw, const struct coded *coded, struct error *err)
{
    struct chart_picture p = {0};
    struct error why = {0};
    double per_height, mtf50, de2000;
    /* Frames that the unit says it encoded and that did not come out are broken as well. */
    const double broken = fmax((double)coded->broken, (double)r->count - (double)coded->frames);
    const struct nv12 frame = coded_nv12(coded);
    int rc = judge_picture(c, &frame, &per_height, &mtf50, &de2000, &p, &why);
    if (rc < 0) {
        /* The raw frame showed the chart in its place: what hides it here is the encoder. */
        rc = report_lost(c, stream, r, &why, err);
        goto out;
    }
    const double kept = per_height / raw->per_height;
    rc = report(c, stream, "sharpness_kept", kept, err);
    if (rc == 0)
        rc = report(c, stream, "de2000_mean", de2000, err);
    if (rc == 0)
        rc = report(c, stream, "broken_frames", broken, err);
    if (rc == 0)
        rc = attach(c, stream, &p, kept, broken, err);
out:
    chart_picture_free(&p);
    return rc;
}

static int judge_stream(struct step_context *c, const char *stream, const struct recording *r,
                        const struct raw *raw, struct error *err)
{
    struct coded coded = {0};
    struct error why = {0};
    struct seen seen = {raw, calloc(r->count, sizeof *seen.frames), r->count};
    if (!seen.frames)
        return error_set(err, ERROR_MEMORY, "no memory for %zu frames", r->count);
    for (size_t i = 0; i < r->count; i++)
        seen.frames[i] = (struct mark_seen){r->timestamps_us[i] / 1000, MARK_UNREAD};
    const bool marked = raw->step_ms > 0;
    int rc =
        coded_watch(r->type, r->data, r->bytes, marked ? look_at_mark : NULL, &seen, &coded, &why);
    if (rc == ERROR_INPUT)
        rc = report_lost(c, stream, r, &why, err);
    else if (rc < 0)
        rc = error_set(err, rc, "%s: %s", stream, why.text);
    else
        rc = judge_coded(c, stream, r, raw, &coded, err);
    if (rc == 0 && marked)
        rc = judge_mark(c, stream, &seen, err);
    coded_free(&coded);
    free(seen.frames);
    return rc;
}

static int measure_video(struct step_context *c, const char *stream, const struct raw *raw,
                         double *nominal_hz, struct error *err)
{
    struct recording r;
    struct pace pace;
    int rc = camera_record(c, stream, (int)(step_number(c, "seconds") * 1000), &r, err);
    if (rc < 0)
        return rc;
    /* A slower stream takes every so many frames of the one that has them all. */
    const double every = *nominal_hz > 0 && r.frame_rate_hz > 0 ? *nominal_hz / r.frame_rate_hz : 1;
    *nominal_hz = *nominal_hz > 0 ? *nominal_hz : r.frame_rate_hz;
    rc = pace_of(r.timestamps_us, r.sequences, r.count, every, &pace, err);
    if (rc == 0)
        rc = report(c, stream, "frame_rate_hz", pace.frame_rate_hz, err);
    if (rc == 0)
        rc = report(c, stream, "dropped_frames", pace.dropped, err);
    if (rc == 0)
        rc = report(c, stream, "kbit_s",
                    8.0 * (double)r.bytes / (double)r.count * pace.frame_rate_hz / 1000, err);
    if (rc == 0)
        rc = judge_stream(c, stream, &r, raw, err);
    recording_free(&r);
    return rc;
}

static int measure_jpeg(struct step_context *c, const struct raw *raw, struct error *err)
{
    struct recording r;
    int rc = camera_record(c, "jpeg", 0, &r, err);
    if (rc < 0)
        return rc;
    rc = report(c, "jpeg", "kbyte", (double)r.bytes / 1000, err);
    if (rc == 0)
        rc = judge_stream(c, "jpeg", &r, raw, err);
    recording_free(&r);
    return rc;
}

static int measure_raw(struct step_context *c, struct raw *raw, struct error *err)
{
    struct view v = {0};
    struct chart_picture p = {0};
    double mtf50, de2000;
    int rc = camera_capture(c, 1, &v, err);
    if (rc < 0)
        return rc;
    const struct nv12 frame = view_nv12(&v);
    const struct luma luma = {frame.data, (size_t)frame.width_px, frame.width_px, frame.height_px};
    rc = judge_picture(c, &frame, &raw->per_height, &mtf50, &de2000, &p, err);
    if (rc == 0)
        rc = step_value(c, "raw_mtf50", mtf50, err);
    raw->chart = p.chart;
    raw->width_px = frame.width_px;
    if (rc == 0 && raw->step_ms > 0) {
        raw->mark.time_ms = v.timestamp_us / 1000;
        raw->mark.count = mark_read(&luma, &raw->chart, raw->width_px);
        if (raw->mark.count == MARK_UNREAD)
            rc = error_set(err, ERROR_MISSING,
                           "fixture: the chart's time mark is not seen in a frame that was not "
                           "encoded; no unit is judged by it");
    }
    chart_picture_free(&p);
    view_free(&v, 1);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    const struct view_settings day = {.stream = true, .auto_exposure = true};
    struct error ignored = {0};
    struct raw raw = {.step_ms = (int)step_number(c, "mark_ms")};
    double nominal_hz = 0;
    step_progress(c, 0, "chart");
    int rc = light_scene(c->fixture, "chart", step_number(c, "lux"), err);
    if (rc == 0 && raw.step_ms > 0)
        rc = light_mark(c->fixture, raw.step_ms, err);
    if (rc == 0)
        rc = camera_configure(c, &day, err);
    if (rc == 0)
        rc = measure_raw(c, &raw, err);
    if (rc == 0) {
        step_progress(c, 0.2, "main stream");
        rc = measure_video(c, "main", &raw, &nominal_hz, err);
    }
    if (rc == 0) {
        step_progress(c, 0.6, "sub stream");
        rc = measure_video(c, "sub", &raw, &nominal_hz, err);
    }
    if (rc == 0) {
        step_progress(c, 0.85, "JPEG");
        rc = measure_jpeg(c, &raw, err);
    }
    camera_restore(c);
    light_scene(c->fixture, "dark", 0, &ignored); /* the mark goes out with the lamps */
    return rc;
}

const struct step_kind step_stream = {
    .name = "stream",
    .about = "main, sub and JPEG stream decoded: what the encoder leaves of the picture, its pace",
    .params = params,
    .measurements = measurements,
    .run = run,
};
