/* The chart is found and measured; shading, noise, defects and tones of fields made by formula. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "station/measure/chart.h"
#include "station/measure/color.h"
#include "station/measure/contrast.h"
#include "station/measure/defects.h"
#include "station/measure/noise.h"
#include "station/measure/shading.h"
#include "station/measure/sharpness.h"

static double noise_uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static double noise_gauss(uint64_t *state)
{
    return sqrt(-2 * log(noise_uniform(state))) * cos(2 * M_PI * noise_uniform(state));
}

/* ---- the chart, drawn from docs/measurements.md --------------------------------------------- */

static double chart_reflectance(double u, double v)
{
    static const double squares[5][2] = {
        {8, 4.5}, {1.6, 1.4}, {14.4, 1.4}, {1.6, 7.6}, {14.4, 7.6}};
    static const double discs[4][2] = {{3.4, 0.8}, {12.6, 0.8}, {3.4, 8.2}, {12.6, 8.2}};
    const double c = 0.99619469809, s = 0.08715574275; /* of 5 degrees */
    for (int i = 0; i < 5; i++) {
        double x = u - squares[i][0], y = v - squares[i][1];
        /* Turned clockwise as seen with v downwards: into the square's own axes by the reverse. */
        if (fabs(x) < 0.9 && fabs(c * x + s * y) < 0.6 && fabs(-s * x + c * y) < 0.6)
            return 0.10;
    }
    for (int i = 0; i < 4; i++) {
        double x = u - discs[i][0], y = v - discs[i][1], d = x * x + y * y;
        if (d < 0.45 * 0.45)
            return d < 0.22 * 0.22 ? 0.03 : 0.85;
    }
    int column = (int)floor((u - 2.7) / 0.76 + 0.5), row = (int)floor((v - 3.36) / 0.76 + 0.5);
    if (column >= 0 && column < 6 && row >= 0 && row < 4 && fabs(u - 2.7 - 0.76 * column) < 0.32 &&
        fabs(v - 3.36 - 0.76 * row) < 0.32) {
        /* A grey of the patch's luminance. */
        double f = (color_references[6 * row + column].lab.l + 16) / 116;
        return f * f * f;
    }
    static const double wedge[10] = {0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.48, 0.64, 0.85};
    column = (int)floor((u - 9.8) / 0.85 + 0.5);
    row = (int)floor((v - 4.1) / 0.85 + 0.5);
    if (column >= 0 && column < 5 && row >= 0 && row < 2 && fabs(u - 9.8 - 0.85 * column) < 0.35 &&
        fabs(v - 4.1 - 0.85 * row) < 0.35)
        return wedge[5 * row + column];
    return 0.40;
}

struct view {
    int width, height;
    double turn_deg, shift_x, shift_y, scale; /* of the chart in the picture */
    double sigma, shading, noise;
};

static float *draw(const struct view *w)
{
    enum { OVER = 4 };
    float *p = malloc((size_t)w->width * w->height * sizeof *p);
    float *line = malloc((size_t)(w->width + w->height) * sizeof *line);
    double unit = w->width / 16.0 * w->scale, c = cos(w->turn_deg * M_PI / 180);
    double s = sin(w->turn_deg * M_PI / 180);
    assert_true(p && line);
    for (int y = 0; y < w->height; y++) {
        for (int x = 0; x < w->width; x++) {
            double sum = 0;
            for (int k = 0; k < OVER * OVER; k++) {
                double px = x + (k % OVER + 0.5) / OVER - w->width / 2.0 - w->shift_x;
                double py = y + (k / OVER + 0.5) / OVER - w->height / 2.0 - w->shift_y;
                sum += chart_reflectance(8 + (c * px + s * py) / unit,
                                         4.5 + (-s * px + c * py) / unit);
            }
            p[(size_t)y * w->width + x] = (float)(sum / (OVER * OVER));
        }
    }
    int reach = (int)ceil(4 * w->sigma);
    for (int pass = 0; pass < 2 && reach > 0; pass++) {
        int n = pass ? w->height : w->width, lines = pass ? w->width : w->height;
        size_t step = pass ? (size_t)w->width : 1, next = pass ? 1 : (size_t)w->width;
        double kernel[200], total = 0;
        assert_true(reach < 100);
        for (int k = -reach; k <= reach; k++)
            total += kernel[k + reach] = exp(-k * k / (2 * w->sigma * w->sigma));
        for (int j = 0; j < lines; j++) {
            float *at = p + next * (size_t)j;
            for (int i = 0; i < n; i++)
                line[i] = at[step * (size_t)i];
            for (int i = 0; i < n; i++) {
                double v = 0;
                for (int k = -reach; k <= reach; k++) {
                    int m = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
                    v += kernel[k + reach] * line[m];
                }
                at[step * (size_t)i] = (float)(v / total);
            }
        }
    }
    uint64_t seed = 99;
    for (int y = 0; y < w->height; y++) {
        for (int x = 0; x < w->width; x++) {
            double dx = (x - w->width / 2.0) / (w->width / 2.0);
            double dy = (y - w->height / 2.0) / (w->width / 2.0);
            float *v = &p[(size_t)y * w->width + x];
            *v = (float)(*v * (1 - w->shading * (dx * dx + dy * dy)));
            if (w->noise > 0)
                *v += (float)(w->noise * noise_gauss(&seed));
        }
    }
    free(line);
    return p;
}

static struct plane plane_of(const float *p, const struct view *w)
{
    return (struct plane){p, w->width, w->height, (size_t)w->width};
}

static void test_the_chart_is_found_where_it_was_drawn(void **state)
{
    static const struct view views[] = {
        {1152, 648, 0, 0, 0, 1, 0.8, 0, 0},
        {1152, 648, 0.7, 11.3, -7.6, 1, 0.8, 0.3, 0.01},
        {1152, 648, -2, -20, 9, 0.96, 2.5, 0.3, 0.02},
        {1152, 648, 0, 5, 5, 1, 7, 0.2, 0.01},
        {768, 432, 1.5, 6, -3, 0.97, 0.6, 0.4, 0.04},
    };
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        const struct view *w = &views[i];
        float *p = draw(w);
        struct chart c;
        struct error err = {0};
        if (chart_find(plane_of(p, w), &c, &err) < 0)
            fail_msg("view %zu: %s", i, err.text);
        double unit = w->width / 16.0 * w->scale, t = w->turn_deg * M_PI / 180;
        print_message("turn %.3f of %.3f, unit %.3f of %.3f\n", c.rotation_deg, w->turn_deg,
                      c.unit_px, unit);
        assert_true(fabs(c.rotation_deg - w->turn_deg) < 0.05);
        assert_true(fabs(c.unit_px / unit - 1) < 0.003);
        for (double u = 1.6; u < 16; u += 6.4) {
            struct point at = chart_pixel(&c, u, 3);
            double x = (u - 8) * unit, y = (3 - 4.5) * unit;
            double ex = w->width / 2.0 - 0.5 + w->shift_x + cos(t) * x - sin(t) * y;
            double ey = w->height / 2.0 - 0.5 + w->shift_y + sin(t) * x + cos(t) * y;
            assert_true(hypot(at.x - ex, at.y - ey) < 0.5);
        }
        free(p);
    }
}

/* MTF of a Gaussian and a square pixel, seen across an edge 5 degrees off the axis. */
static double expected_mtf50(double sigma)
{
    double low = 1e-4, high = 1, c = cos(5 * M_PI / 180), s = sin(5 * M_PI / 180);
    while (high - low > 1e-9) {
        double f = (low + high) / 2, x = M_PI * f * c, z = M_PI * f * s;
        double m = exp(-2 * M_PI * M_PI * sigma * sigma * f * f) * sin(x) / x * sin(z) / z;
        *(m > 0.5 ? &low : &high) = f;
    }
    return low;
}

static void test_every_edge_of_the_chart_gives_the_drawn_blur(void **state)
{
    static const double sigmas[] = {0.8, 1.5, 3.0};
    for (size_t k = 0; k < 3; k++) {
        struct view w = {1152, 648, 0, 3.4, -2.2, 1, sigmas[k], 0.2, 0.002};
        float *p = draw(&w);
        struct chart c;
        struct error err = {0};
        assert_int_equal(chart_find(plane_of(p, &w), &c, &err), 0);
        double expected = expected_mtf50(sigmas[k]), worst = 0, angle = 0;
        for (int s = 0; s < CHART_SQUARES; s++) {
            for (int e = 0; e < CHART_EDGES; e++) {
                struct region r;
                struct plane part;
                struct sharpness m;
                assert_int_equal(chart_edge(&c, plane_of(p, &w), s, e, &r, &err), 0);
                assert_int_equal(plane_crop(plane_of(p, &w), r, &part, &err), 0);
                if (sharpness_edge(part, &m, &err) < 0)
                    fail_msg("square %d edge %d: %s", s, e, err.text);
                worst = fmax(worst, fabs(m.mtf50_cpp / expected - 1));
                angle = fmax(angle, fabs(m.angle_deg - 5));
            }
        }
        print_message("sigma %.1f: worst of 20 edges %.2f %% off, angle %.2f\n", sigmas[k],
                      100 * worst, angle);
        assert_true(worst < 0.03);
        free(p);
    }
}

static void test_patches_wedge_and_background_are_read_from_the_chart(void **state)
{
    struct view w = {1152, 648, 1.2, -8, 6, 0.98, 1.0, 0, 0};
    float *p = draw(&w);
    struct plane picture = plane_of(p, &w), part;
    struct chart c;
    struct error err = {0};
    struct region r;
    double sigma;
    assert_int_equal(chart_find(picture, &c, &err), 0);
    for (int i = 0; i < CHART_PATCHES; i++) {
        double f = (color_references[i].lab.l + 16) / 116;
        assert_int_equal(chart_patch(&c, picture, i, &r, &err), 0);
        plane_crop(picture, r, &part, &err);
        assert_true(fabs(plane_mean(part, &sigma) - f * f * f) < 1e-4 && sigma < 1e-3);
    }
    struct contrast_step steps[CHART_WEDGE];
    for (int i = 0; i < CHART_WEDGE; i++) {
        assert_int_equal(chart_wedge(&c, picture, i, &r, &err), 0);
        plane_crop(picture, r, &part, &err);
        steps[i] = (struct contrast_step){chart_wedge_reflectance[i], plane_mean(part, NULL), 1e-3};
    }
    struct contrast tones;
    assert_int_equal(contrast_wedge(steps, CHART_WEDGE, &tones, &err), 0);
    assert_true(fabs(tones.gamma - 1) < 1e-3 && fabs(tones.ratio / (0.85 / 0.03) - 1) < 1e-3);
    assert_true(fabs(tones.black_level) < 1e-4 && fabs(tones.dynamic_range_db - 60) < 1e-9);
    assert_int_equal(chart_band(&c, picture, &r, &err), 0);
    plane_crop(picture, r, &part, &err);
    assert_true(fabs(plane_mean(part, &sigma) - 0.4) < 1e-4 && sigma < 1e-3);
    assert_true((double)r.width_px * r.height_px > 1000);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(chart_background(&c, picture, i, &r, &err), 0);
        plane_crop(picture, r, &part, &err);
        assert_true(fabs(plane_mean(part, &sigma) - 0.4) < 1e-4 && sigma < 1e-3);
    }
    free(p);
}

static void test_a_chart_that_is_not_there_or_stands_badly_is_named_so(void **state)
{
    struct view w = {1152, 648, 0, 0, 0, 1, 1, 0, 0};
    float *p = draw(&w);
    struct chart c;
    struct error err = {0};
    struct plane picture = plane_of(p, &w);

    /* One fiducial covered. */
    for (int y = 0; y < 110; y++)
        for (int x = 190; x < 300; x++)
            p[y * 1152 + x] = 0.4f;
    assert_int_equal(chart_find(picture, &c, &err), ERROR_MISSING);
    assert_non_null(strstr(err.text, "3 of its 4"));
    free(p);

    w.shift_x = 90; /* the right squares leave the picture */
    p = draw(&w);
    assert_int_equal(chart_find(plane_of(p, &w), &c, &err), ERROR_MISSING);
    assert_non_null(strstr(err.text, "badly placed"));

    uint64_t seed = 5;
    for (int i = 0; i < 1152 * 648; i++)
        p[i] = (float)noise_uniform(&seed);
    assert_int_equal(chart_find(plane_of(p, &w), &c, &err), ERROR_MISSING);
    for (int i = 0; i < 1152 * 648; i++)
        p[i] = 0;
    assert_int_equal(chart_find(plane_of(p, &w), &c, &err), ERROR_MISSING);
    free(p);
}

/* ---- fields --------------------------------------------------------------------------------- */

enum { W = 640, H = 360 };
static float field[W * H], second[W * H];
static const struct plane whole = {field, W, H, W};

static void test_shading_and_its_middle_are_those_of_the_field(void **state)
{
    /* cos^4 fall-off of a 90 degree lens whose axis is 3 % right and 2 % below the middle. */
    struct shading s;
    struct error err = {0};
    const double focal = W / 2.0, cx = 0.03 * W, cy = 0.02 * W;
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            double dx = x + 0.5 - W / 2.0 - cx, dy = y + 0.5 - H / 2.0 - cy;
            double c = focal * focal / (focal * focal + dx * dx + dy * dy);
            field[y * W + x] = (float)(0.8 * c * c);
        }
    }
    assert_int_equal(shading_field(whole, &s, &err), 0);
    assert_true(fabs(s.center_offset_percent - 100 * hypot(0.03, 0.02)) < 0.2);
    /* Corner block's middle against the centre block's, both by the same formula. */
    double dx = -0.45 * W - cx, dy = -0.45 * H - cy;
    double corner = pow(focal * focal / (focal * focal + dx * dx + dy * dy), 2);
    double middle = pow(focal * focal / (focal * focal + cx * cx + cy * cy), 2);
    assert_true(fabs(s.corner_ratio[0] / (corner / middle) - 1) < 0.02);
    assert_true(s.darkest_corner_ratio == s.corner_ratio[0]);

    for (int i = 0; i < W * H; i++)
        field[i] = 0.25f;
    assert_int_equal(shading_field(whole, &s, &err), 0);
    assert_true(s.center_offset_percent == 0 && fabs(s.darkest_corner_ratio - 1) < 1e-6);
    for (int i = 0; i < W * H; i++)
        field[i] = 0;
    assert_int_equal(shading_field(whole, &s, &err), ERROR_INPUT);
}

static void test_noise_is_split_into_what_changes_and_what_stays(void **state)
{
    uint64_t seed = 17;
    struct noise n;
    struct error err = {0};
    const struct plane frames[2] = {whole, {second, W, H, W}};
    for (int i = 0; i < W * H; i++) {
        double still =
            0.5 + 0.1 * (i % W) / W + 0.004 * noise_gauss(&seed); /* a slope is no noise */
        field[i] = (float)(still + 0.01 * noise_gauss(&seed));
        second[i] = (float)(still + 0.002 + 0.01 * noise_gauss(&seed)); /* nor is drifting light */
    }
    assert_int_equal(noise_measure(frames, 2, &n, &err), 0);
    assert_true(fabs(n.temporal_sigma / 0.01 - 1) < 0.01);
    assert_true(fabs(n.fixed_pattern_sigma / 0.004 - 1) < 0.03);
    assert_true(fabs(n.snr_db - 20 * log10(0.551 / 0.01)) < 0.1);
    assert_int_equal(noise_measure(frames, 1, &n, &err), ERROR_INPUT);
    assert_int_equal(noise_measure((struct plane[]){whole, whole}, 2, &n, &err), 0);
    assert_true(isinf(n.snr_db) && n.temporal_sigma == 0);
}

static void test_planted_defects_are_found_and_no_others(void **state)
{
    uint64_t seed = 23;
    struct defects d;
    struct error err = {0};
    for (int i = 0; i < W * H; i++)
        field[i] = (float)((0.5 - 0.2 * pow((i % W - W / 2.0) / (W / 2.0), 2)) *
                           (1 + 0.02 * noise_gauss(&seed)));
    static const int dead[][2] = {{0, 0},     {100, 50},  {300, 200},
                                  {301, 200}, {302, 201}, {639, 359}};
    for (size_t i = 0; i < 6; i++)
        field[dead[i][1] * W + dead[i][0]] *= 0.3f;
    field[20 * W + 20] = 1;
    assert_int_equal(defects_find(whole, NULL, &d, &err), 0);
    assert_int_equal(d.total, 7);
    assert_int_equal(d.dead, 6);
    assert_int_equal(d.bright, 1);
    assert_int_equal(d.clusters, 1);
    assert_int_equal(d.largest_px, 3);
    assert_true(d.points[0].x == 0 && d.points[0].y == 0);
    assert_true(d.points[1].x == 20 && d.points[1].y == 20 && d.points[1].kind == DEFECT_BRIGHT);
    defects_free(&d);

    /* Dark: a saturated pixel must not hide a weak one beside it. */
    for (int i = 0; i < W * H; i++)
        field[i] = 0.001f;
    field[100 * W + 100] = 1;
    field[100 * W + 104] = 0.03f;
    field[200 * W + 100] = 0.005f; /* only five times */
    assert_int_equal(defects_find(whole, NULL, &d, &err), 0);
    assert_int_equal(d.hot, 2);
    assert_int_equal(d.total, 2);
    assert_int_equal(d.clusters, 0);
    defects_free(&d);
}

/* Graded strength, singles and clusters, on a shaded and noisy field: every pixel that is worse
 * than its limit by 4 sigma of the noise is to be found, and nothing that is better by as much. */
static void test_defects_are_found_with_recall_and_precision_of_99_percent(void **state)
{
    enum { PLANTED = 600 };
    static char truth[W * H]; /* 1 must be found, 2 must not, 3 either way */
    uint64_t seed = 97;
    struct defects d;
    struct error err = {0};
    const double sigma = 0.02;
    size_t must = 0, found = 0, wrong = 0;
    memset(truth, 0, sizeof truth);
    for (int i = 0; i < W * H; i++)
        field[i] = (float)((0.5 - 0.2 * pow((i % W - W / 2.0) / (W / 2.0), 2)) *
                           (1 + sigma * noise_gauss(&seed)));
    for (int n = 0; n < PLANTED; n++) {
        /* Every tenth is the corner of a cluster of four. */
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int x = (int)(seed >> 33) % (W - 1), y = (int)(seed >> 13 & 0xffff) % (H - 1);
        for (int k = 0; k < (n % 10 ? 1 : 4); k++) {
            int at = (y + k / 2) * W + x + k % 2;
            if (truth[at])
                continue;
            double left = n % 2 ? 1.9 * n / PLANTED : 1 + 1.9 * n / PLANTED;
            field[at] *= (float)left;
            truth[at] = left < 0.5 - 4 * sigma || left > 1.5 + 8 * sigma   ? 1
                        : left > 0.5 + 4 * sigma && left < 1.5 - 8 * sigma ? 2
                                                                           : 3;
            must += truth[at] == 1;
        }
    }
    assert_int_equal(defects_find(whole, NULL, &d, &err), 0);
    for (size_t i = 0; i < d.count; i++) {
        char t = truth[d.points[i].y * W + d.points[i].x];
        found += t == 1;
        wrong += t == 0 || t == 2;
    }
    print_message("%zu to be found: recall %.4f, precision %.4f\n", must, (double)found / must,
                  (double)(d.total - wrong) / d.total);
    assert_true(found >= 0.99 * must && wrong <= 0.01 * d.total);
    defects_free(&d);
}

static void test_nv12_is_decoded_as_the_standards_say(void **state)
{
    /* sRGB (200, 100, 50) in full-range BT.709, by H.273's equations. */
    double r = 200, g = 100, b = 50, y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    uint8_t data[16 * 16 * 3 / 2];
    memset(data, (int)(y + 0.5), 256);
    for (int i = 256; i < 384; i += 2) {
        data[i] = (uint8_t)((b - y) / 1.8556 + 128.5);
        data[i + 1] = (uint8_t)((r - y) / 1.5748 + 128.5);
    }
    struct nv12 f = {data, sizeof data, 16, 16};
    struct error err = {0};
    double rgb[3];
    float luma[4];
    assert_int_equal(nv12_mean_rgb(&f, (struct region){2, 2, 9, 9}, rgb, &err), 0);
    const double expected[3] = {r, g, b};
    for (int i = 0; i < 3; i++)
        assert_true(fabs(255 * srgb_encode(rgb[i]) - expected[i]) < 1.5);
    assert_int_equal(nv12_luma(&f, (struct region){3, 3, 2, 2}, luma, &err), 0);
    assert_true(fabs(255 * srgb_encode(luma[3]) - y) < 0.5);
    /* IEC 61966-2-1: half coded is 0.21404 linear. */
    assert_true(fabs(srgb_decode(0.5) - 0.21404) < 1e-5);
    f.bytes--;
    assert_int_equal(nv12_luma(&f, (struct region){3, 3, 2, 2}, luma, &err), ERROR_INPUT);
    f.bytes++;
    assert_int_equal(nv12_luma(&f, (struct region){15, 0, 2, 2}, luma, &err), ERROR_INPUT);
    assert_int_equal(nv12_luma(&f, (struct region){-1, 0, 2, 2}, luma, &err), ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_chart_is_found_where_it_was_drawn),
        cmocka_unit_test(test_every_edge_of_the_chart_gives_the_drawn_blur),
        cmocka_unit_test(test_patches_wedge_and_background_are_read_from_the_chart),
        cmocka_unit_test(test_a_chart_that_is_not_there_or_stands_badly_is_named_so),
        cmocka_unit_test(test_shading_and_its_middle_are_those_of_the_field),
        cmocka_unit_test(test_noise_is_split_into_what_changes_and_what_stays),
        cmocka_unit_test(test_planted_defects_are_found_and_no_others),
        cmocka_unit_test(test_defects_are_found_with_recall_and_precision_of_99_percent),
        cmocka_unit_test(test_nv12_is_decoded_as_the_standards_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
