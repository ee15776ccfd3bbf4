/* The encoded streams: main, sub and JPEG decoded and each judged by the chart in it, beside a
 * frame that was never encoded; and whether video comes at its pace, whole.
 *
 * What differs from the raw frame is the encoder's; what does not is the lens's, sensor's or ISP's
 * and the image step's to say. */
#include <math.h>
#include <stdio.h>

#include "fixtures/light.h"
#include "station/measure/coded.h"
#include "station/steps/camera_view.h"
#include "station/steps/chart_picture.h"
#include "station/steps/exhibit.h"
#include "station/steps/step.h"

static const struct step_param params[] = {
    {"lux", PARAM_NUMBER, "500", 1, 20000, "on the chart, lx"},
    {"seconds", PARAM_NUMBER, "1", 0.2, 10, "of main and of sub stream, s"},
    CHART_PLACEMENT_PARAMS,
    {0}};

#define VIDEO_MEASUREMENTS(stream)                                                                 \
    {stream "_sharpness_kept", "ratio", "MTF50 in the picture's height over the raw frame's"},     \
        {stream "_de2000_mean", "dE2000", "of the 24 patches"},                                    \
        {stream "_frame_rate_hz", "Hz", "by the frames' own times"},                               \
        {stream "_dropped_frames", "count", "numbers left out"},                                   \
        {stream "_broken_frames", "count", "not decoded, or with errors, or not come at all"},     \
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

static int judge_stream(struct step_context *c, const char *stream, const struct recording *r,
                        double raw_per_height, struct error *err)
{
    struct coded coded;
    struct chart_picture p = {0};
    struct error why = {0};
    double per_height, mtf50, de2000;
    int rc = coded_decode(r->type, r->data, r->bytes, &coded, &why);
    if (rc == ERROR_INPUT)
        return report_lost(c, stream, r, &why, err);
    if (rc < 0)
        return error_set(err, rc, "%s: %s", stream, why.text);
    /* Frames that the unit says it encoded and that did not come out are broken as well. */
    const double broken = fmax((double)coded.broken, (double)r->count - (double)coded.frames);
    const struct nv12 frame = coded_nv12(&coded);
    rc = judge_picture(c, &frame, &per_height, &mtf50, &de2000, &p, &why);
    if (rc < 0) {
        /* The raw frame showed the chart in its place: what hides it here is the encoder. */
        rc = report_lost(c, stream, r, &why, err);
        goto out;
    }
    rc = report(c, stream, "sharpness_kept", per_height / raw_per_height, err);
    if (rc == 0)
        rc = report(c, stream, "de2000_mean", de2000, err);
    if (rc == 0)
        rc = report(c, stream, "broken_frames", broken, err);
    if (rc == 0)
        rc = attach(c, stream, &p, per_height / raw_per_height, broken, err);
out:
    chart_picture_free(&p);
    coded_free(&coded);
    return rc;
}

static int measure_video(struct step_context *c, const char *stream, double raw_per_height,
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
        rc = judge_stream(c, stream, &r, raw_per_height, err);
    recording_free(&r);
    return rc;
}

static int measure_jpeg(struct step_context *c, double raw_per_height, struct error *err)
{
    struct recording r;
    int rc = camera_record(c, "jpeg", 0, &r, err);
    if (rc < 0)
        return rc;
    rc = report(c, "jpeg", "kbyte", (double)r.bytes / 1000, err);
    if (rc == 0)
        rc = judge_stream(c, "jpeg", &r, raw_per_height, err);
    recording_free(&r);
    return rc;
}

static int measure_raw(struct step_context *c, double *per_height, struct error *err)
{
    struct view v = {0};
    struct chart_picture p = {0};
    double mtf50, de2000;
    int rc = camera_capture(c, 1, &v, err);
    if (rc < 0)
        return rc;
    const struct nv12 frame = view_nv12(&v);
    rc = judge_picture(c, &frame, per_height, &mtf50, &de2000, &p, err);
    if (rc == 0)
        rc = step_value(c, "raw_mtf50", mtf50, err);
    chart_picture_free(&p);
    view_free(&v, 1);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    const struct view_settings day = {.stream = true, .auto_exposure = true};
    struct error ignored = {0};
    double per_height = 0, nominal_hz = 0;
    step_progress(c, 0, "chart");
    int rc = light_scene(c->fixture, "chart", step_number(c, "lux"), err);
    if (rc == 0)
        rc = camera_configure(c, &day, err);
    if (rc == 0)
        rc = measure_raw(c, &per_height, err);
    if (rc == 0) {
        step_progress(c, 0.2, "main stream");
        rc = measure_video(c, "main", per_height, &nominal_hz, err);
    }
    if (rc == 0) {
        step_progress(c, 0.6, "sub stream");
        rc = measure_video(c, "sub", per_height, &nominal_hz, err);
    }
    if (rc == 0) {
        step_progress(c, 0.85, "JPEG");
        rc = measure_jpeg(c, per_height, err);
    }
    camera_restore(c);
    light_scene(c->fixture, "dark", 0, &ignored);
    return rc;
}

const struct step_kind step_stream = {
    .name = "stream",
    .about = "main, sub and JPEG stream decoded: what the encoder leaves of the picture, its pace",
    .params = params,
    .measurements = measurements,
    .run = run,
};
