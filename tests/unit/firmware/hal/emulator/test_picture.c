/* The picture before the sensor: edges against the error function, colours, infrared, directions.
 */
#include "firmware/hal/emulator/picture.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

static struct physics plain(void)
{
    struct physics p;
    physics_nominal(&p);
    p.prnu = p.field_blur_px = p.distortion = p.colour_mixing = 0;
    p.corner_light = 1;
    return p;
}

static const struct picture *paint(const struct physics *p, const struct view *v,
                                   struct painter **painter)
{
    struct board b;
    struct error err = {0};
    const struct picture *pic = NULL;
    rig_board(&b);
    assert_int_equal(painter_create(&b, p, painter, &err), 0);
    assert_int_equal(painter_paint(*painter, v, &pic, &err), 0);
    return pic;
}

static double at(const struct picture *pic, int plane, int x, int y)
{
    return pic->plane[plane][(size_t)y * (size_t)pic->width + (size_t)x] * pic->lux_a_count;
}

static double mean(const struct picture *pic, int plane, int x0, int y0, int w, int h)
{
    double sum = 0;
    for (int y = y0; y < y0 + h; y++)
        for (int x = x0; x < x0 + w; x++)
            sum += at(pic, plane, x, y);
    return sum / (w * h);
}

/* Chart units to pixels: 2304 / 16. */
static int px(double unit)
{
    return (int)lround(unit * 144);
}

/* A Gaussian-blurred straight edge is 1/2 [1 + erf(d / (sigma sqrt 2))] at distance d; a pixel is
 * its mean over a square. The left side of the middle square, away from its corners, must be that,
 * whatever way it was drawn. */
static void edge_is_gaussian(double sigma)
{
    struct physics p = plain();
    /* F/2 at 0.55 um on 2.5 um pixels: diffraction of 0.185 px is in every lens */
    p.lens_blur_px = sqrt(sigma * sigma - pow(0.42 * 0.55 * 2.0 / 2.5, 2));
    struct view v = {.scene = WORLD_SCENE_CHART, .illuminance_lux = 500, .ir_filter = true};
    struct painter *painter;
    const struct picture *pic = paint(&p, &v, &painter);
    double dark = mean(pic, 1, px(8) - 20, px(4.5) - 20, 40, 40);
    double light = mean(pic, 1, px(8) - 20, px(6.7) - 20, 40, 40);
    assert_float_equal(dark / light, 0.10 / 0.40, 0.002);

    double c = cos(5 * M_PI / 180), s = sin(5 * M_PI / 180), half = 1.2 * 144 / 2, worst = 0;
    enum { BINS = 160 }; /* eighths of a pixel */
    double off[BINS] = {0}, hits[BINS] = {0};
    enum { SUB = 8 };
    for (int y = px(4.5) - 40; y < px(4.5) + 40; y++) {
        for (int x = px(8) - 110; x < px(8) - 60; x++) {
            double want = 0;
            for (int i = 0; i < SUB * SUB; i++) {
                double dx = x + (i % SUB + 0.5) / SUB - 8 * 144.0,
                       dy = y + (i / SUB + 0.5) / SUB - 4.5 * 144.0;
                double inside = half + (dx * c + dy * s); /* distance right of the left side */
                want += 0.5 * (1 + erf(inside / (sigma * M_SQRT2))) / (SUB * SUB);
            }
            double got = (light - at(pic, 1, x, y)) / (light - dark);
            worst = fmax(worst, fabs(got - want));
            double d = half + (x + 0.5 - 8 * 144.0) * c + (y + 0.5 - 4.5 * 144.0) * s;
            int k = (int)floor(d * 8) + BINS / 2;
            if (k >= 0 && k < BINS) {
                off[k] += got - want;
                hits[k]++;
            }
        }
    }
    painter_free(painter);
    /* Drawn at twice the pitch, a hard edge leaves a ripple at 2 cycles/px. Below 1 cycle/px, where
     * sharpness is measured, the transfer function must be right: it is the spectrum of the edge's
     * derivative, so its error is 2 pi f times that of the profile's. */
    assert_true(worst < 0.010);
    for (double f = 0.05; f < 0.8; f += 0.05) {
        double re = 0, im = 0;
        for (int k = 0; k < BINS; k++) {
            double d = (k + 0.5 - BINS / 2) / 8;
            re += off[k] / fmax(hits[k], 1) * cos(2 * M_PI * f * d) / 8;
            im += off[k] / fmax(hits[k], 1) * sin(2 * M_PI * f * d) / 8;
        }
        assert_true(2 * M_PI * f * hypot(re, im) < 0.006);
    }
}

static void test_a_slanted_edge_is_the_error_function(void **state)
{
    edge_is_gaussian(0.5);
    edge_is_gaussian(0.7);
    edge_is_gaussian(2.0);
}

static void test_blur_adds_up_where_it_belongs(void **state)
{
    struct physics p = plain();
    struct board b;
    struct lens lens;
    rig_board(&b);
    p.lens_blur_px = 0.6;
    p.defocus_px = 0.8;
    b.f_number = 1e-6; /* no diffraction to speak of */
    lens_make(&lens, &b, &p);
    assert_float_equal(lens_sigma(&lens, 1152, 648), 1.0, 1e-6);
    p.tilt_px = 0.5;
    lens_make(&lens, &b, &p);
    assert_float_equal(lens_sigma(&lens, 2304, 648), hypot(0.6, 1.3), 1e-6);
    assert_float_equal(lens_sigma(&lens, 0, 648), hypot(0.6, 0.3), 1e-6);
}

static void test_the_chart_has_its_colours(void **state)
{
    /* linear values of the published 8-bit sRGB codes, by the IEC 61966-2-1 formula */
    static const struct {
        int patch;
        double rgb[3];
    } known[] = {
        {0, {0.1714, 0.0844, 0.0578}},  /* dark skin 115 82 68 */
        {13, {0.0612, 0.2961, 0.0666}}, /* green 70 148 73 */
        {14, {0.4287, 0.0369, 0.0452}}, /* red 175 54 60 */
        {18, {0.8963, 0.8963, 0.8879}}, /* white 243 243 242 */
    };
    struct physics p = plain();
    p.ir_cut_leak = 0;
    struct view v = {.scene = WORLD_SCENE_CHART, .illuminance_lux = 1000, .ir_filter = true};
    struct painter *painter;
    const struct picture *pic = paint(&p, &v, &painter);
    double factor = p.transmission / (4 * 2.0 * 2.0); /* E = pi L T / 4 N^2, L = R E / pi */
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        int x = px(2.7 + 0.76 * (known[i].patch % 6)), y = px(3.36 + 0.76 * (known[i].patch / 6));
        for (int c = 0; c < 3; c++)
            assert_float_equal(mean(pic, c, x - 20, y - 20, 40, 40) / (1000 * factor),
                               known[i].rgb[c], 0.001);
    }
    painter_free(painter);
}

static void test_without_the_filter_colours_wash_out(void **state)
{
    struct physics p = plain();
    struct view v = {.scene = WORLD_SCENE_CHART, .illuminance_lux = 500, .ir_filter = true};
    struct painter *day, *night;
    const struct picture *pic = paint(&p, &v, &day);
    int x = px(2.7 + 0.76 * 2), y = px(3.36 + 0.76 * 2); /* red */
    double ratio_day = mean(pic, 0, x - 20, y - 20, 40, 40) / mean(pic, 1, x - 20, y - 20, 40, 40);
    v.ir_filter = false;
    pic = paint(&p, &v, &night);
    double ratio_night =
        mean(pic, 0, x - 20, y - 20, 40, 40) / mean(pic, 1, x - 20, y - 20, 40, 40);
    painter_free(day);
    painter_free(night);
    assert_true(ratio_day > 10 && ratio_night < 4);
}

static void test_a_dead_led_darkens_its_corner(void **state)
{
    struct physics p = plain();
    struct view v = {.scene = WORLD_SCENE_DARK_ROOM, .ir_drive = 1, .ir_filter = false};
    struct painter *painter;
    const struct picture *pic = paint(&p, &v, &painter);
    enum { B = 128 };
    double right = mean(pic, 0, 2304 - B, 0, B, B), left = mean(pic, 0, 0, 0, B, B);
    double middle = mean(pic, 0, 1152 - B / 2, 648 - B / 2, B, B);
    assert_float_equal(right / left, 1, 0.01);
    painter_free(painter);
    p.ir_led_1 = 0; /* upper right */
    pic = paint(&p, &v, &painter);
    assert_true(mean(pic, 0, 2304 - B, 0, B, B) < 0.4 * right);
    assert_true(mean(pic, 0, 0, 1296 - B, B, B) > 0.9 * left);
    assert_float_equal(mean(pic, 0, 1152 - B / 2, 648 - B / 2, B, B) / middle, 0.75, 0.01);
    painter_free(painter);
    p.ir_led_1 = 1;
    v.ir_filter = true; /* the filter lets its leak through, and nothing else lights the room */
    pic = paint(&p, &v, &painter);
    assert_float_equal(mean(pic, 0, 0, 0, B, B) / left, p.ir_cut_leak, 1e-4);
    painter_free(painter);
}

static void test_corners_get_the_light_the_lens_leaves_them(void **state)
{
    struct physics p = plain();
    p.corner_light = 0.6;
    p.dust_depth = 0.5;
    p.dust_x = 0.25;
    p.dust_y = 0.5;
    p.dust_radius_px = 20;
    struct board b;
    struct lens lens;
    rig_board(&b);
    lens_make(&lens, &b, &p);
    assert_float_equal(lens_shading(&lens, 1152, 648), 1, 1e-9);
    assert_float_equal(lens_shading(&lens, 0, 0), 0.6, 1e-9);
    assert_float_equal(lens_shading(&lens, 576, 648) / lens_shading(&lens, 1728, 648), 0.5, 1e-9);
}

static void test_placing_and_unplacing_undo_each_other(void **state)
{
    struct physics p = plain();
    struct board b;
    struct lens lens;
    rig_board(&b);
    p.distortion = -0.05;
    p.roll_deg = 2;
    p.decentre_x_px = 30;
    lens_make(&lens, &b, &p);
    for (int i = 0; i < 50; i++) {
        double x, y, back_x, back_y, ix = -1200 + 48 * i, iy = 600 - 24 * i;
        lens_place(&lens, ix, iy, &x, &y);
        lens_unplace(&lens, x, y, &back_x, &back_y);
        assert_float_equal(back_x, ix, 1e-6);
        assert_float_equal(back_y, iy, 1e-6);
    }
    /* the corner moves by the distortion, and the axis by the decentring */
    double x, y;
    lens_place(&lens, 0, 0, &x, &y);
    assert_float_equal(x, 1182, 1e-9);
    p.roll_deg = p.decentre_x_px = 0;
    lens_make(&lens, &b, &p);
    lens_place(&lens, -1152, -648, &x, &y);
    assert_float_equal(1152 - x, 1152 * 0.95, 1e-6);
}

/* Seen from the pan angle atan(d / f), what stood d pixels right of the axis stands on it. */
static void test_pan_and_tilt_move_the_view_by_their_angle(void **state)
{
    struct physics p = plain();
    struct painter *painter;
    struct error err = {0};
    struct view v = {.scene = WORLD_SCENE_PANORAMA, .illuminance_lux = 500, .ir_filter = true};
    const struct picture *pic = paint(&p, &v, &painter);
    const double focal_px = 3600 / 2.5;
    enum { D = 150, N = 9 };
    double right[N], up[N];
    for (int i = 0; i < N; i++) {
        right[i] = at(pic, 0, 1152 + D, 648 - N / 2 + i);
        up[i] = at(pic, 0, 1152 - N / 2 + i, 648 - D);
    }
    /* pixel 1152 has its middle half a pixel right of the axis */
    double turn = (atan((D + 0.5) / focal_px) - atan(0.5 / focal_px)) * 180 / M_PI;
    v.pan_deg = turn;
    assert_int_equal(painter_paint(painter, &v, &pic, &err), 0);
    double worst = 0, contrast = 0;
    for (int i = 0; i < N; i++) {
        worst = fmax(worst, fabs(at(pic, 0, 1152, 648 - N / 2 + i) - right[i]));
        contrast = fmax(contrast, fabs(at(pic, 0, 1156, 648 - N / 2 + i) - right[i]));
    }
    assert_true(worst < 0.1 * contrast);
    v.pan_deg = 0;
    v.tilt_deg = (atan((D - 0.5) / focal_px) + atan(0.5 / focal_px)) * 180 / M_PI;
    assert_int_equal(painter_paint(painter, &v, &pic, &err), 0);
    worst = contrast = 0;
    for (int i = 0; i < N; i++) {
        worst = fmax(worst, fabs(at(pic, 0, 1152 - N / 2 + i, 648) - up[i]));
        contrast = fmax(contrast, fabs(at(pic, 0, 1152 - N / 2 + i, 652) - up[i]));
    }
    assert_true(worst < 0.1 * contrast);
    painter_free(painter);
}

/* The time mark, all of whose light is in place or none; what is not lit leaves no trace. */
static void test_the_mark_shines_where_it_hangs_and_leaves_no_trace(void **state)
{
    struct physics p = plain();
    struct view dark = {.scene = WORLD_SCENE_CHART, .illuminance_lux = 500, .ir_filter = true};
    struct view lit = dark;
    struct painter *painter;
    struct error err = {0};
    float shining[MARK_LEDS] = {0};
    p.ir_cut_leak = 0; /* the lamps' infrared is no part of their lux */
    lit.mark_lux = 250;
    const struct picture *pic = paint(&p, &dark, &painter);
    const size_t bytes = (size_t)pic->width * (size_t)pic->height * sizeof(uint16_t);
    const double paper = mean(pic, 1, px(8) - 20, px(6.7) - 20, 40, 40);
    uint16_t *before = malloc(3 * bytes);
    for (int c = 0; c < 3; c++)
        memcpy((uint8_t *)before + (size_t)c * bytes, pic->plane[c], bytes);
    /* No mark in a view that has none. */
    assert_int_equal(painter_mark(painter, &dark, shining, &err), ERROR_STATE);

    /* The upper LED of the first pair shines all the time, the lower of the last for a half: 250
     * lm/m2 stand beside the 200 of a paper of 0.40 under 500 lx. */
    shining[0] = 1;
    shining[19] = 0.5f;
    assert_int_equal(painter_paint(painter, &lit, &pic, &err), 0);
    assert_int_equal(painter_mark(painter, &lit, shining, &err), 0);
    assert_float_equal(mean(pic, 1, px(4.85) - 5, px(0.55) - 5, 10, 10) / paper, 2.25, 0.002);
    assert_float_equal(mean(pic, 1, px(11.15) - 5, px(1.05) - 5, 10, 10) / paper, 1.625, 0.002);
    assert_float_equal(mean(pic, 1, px(4.85) - 5, px(1.05) - 5, 10, 10) / paper, 1, 0.002);
    /* All the light that blur spreads is still there: a disc of 0.16 units. */
    const double more = mean(pic, 2, px(4.85) - 48, px(0.55) - 34, 96, 68) / paper - 1;
    assert_float_equal(more * 96 * 68, 1.25 * M_PI * pow(0.16 * 144, 2), 10);

    /* Dark again: to the last count what it was. */
    assert_int_equal(painter_paint(painter, &dark, &pic, &err), 0);
    for (int c = 0; c < 3; c++)
        assert_memory_equal((uint8_t *)before + (size_t)c * bytes, pic->plane[c], bytes);
    free(before);
    painter_free(painter);
}

/* Counts in the reflected binary code, and what an exposure over a change gathers. */
static void test_the_mark_counts(void **state)
{
    static const char *const codes[] = {"000", "001", "011", "010", "110", "111", "101", "100"};
    for (int count = 0; count < 1024; count++) {
        const double middle_s = (count + 0.25) * 0.02;
        for (int bit = 0; bit < 3; bit++) {
            const double one = codes[count < 8 ? count : 0][2 - bit] == '1';
            const double upper = mark_lit(2 * bit, 0.02, middle_s, 0.01);
            assert_float_equal(upper + mark_lit(2 * bit + 1, 0.02, middle_s, 0.01), 1, 1e-9);
            if (count < 8)
                assert_float_equal(upper, one, 1e-9);
        }
    }
    /* From 3 to 4 (010 to 110) a quarter of the way through 8 ms. */
    assert_float_equal(mark_lit(4, 0.02, 4 * 0.02 - 0.002, 0.008), 0.75, 1e-9);
    assert_float_equal(mark_lit(5, 0.02, 4 * 0.02 - 0.002, 0.008), 0.25, 1e-9);
    assert_float_equal(mark_lit(2, 0.02, 4 * 0.02 - 0.002, 0.008), 1, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_mark_shines_where_it_hangs_and_leaves_no_trace),
        cmocka_unit_test(test_the_mark_counts),
        cmocka_unit_test(test_a_slanted_edge_is_the_error_function),
        cmocka_unit_test(test_blur_adds_up_where_it_belongs),
        cmocka_unit_test(test_the_chart_has_its_colours),
        cmocka_unit_test(test_without_the_filter_colours_wash_out),
        cmocka_unit_test(test_a_dead_led_darkens_its_corner),
        cmocka_unit_test(test_corners_get_the_light_the_lens_leaves_them),
        cmocka_unit_test(test_placing_and_unplacing_undo_each_other),
        cmocka_unit_test(test_pan_and_tilt_move_the_view_by_their_angle),
    };
    return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
