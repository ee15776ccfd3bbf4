/* e-SFR against edges whose contrast is known in closed form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "station/measure/sharpness.h"

enum { SIDE = 120 };

static double noise_uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static double noise_gauss(uint64_t *state)
{
    return sqrt(-2 * log(noise_uniform(state))) * cos(2 * M_PI * noise_uniform(state));
}

/* Integral of the Gaussian's distribution function. */
static double ramp(double x, double sigma)
{
    return x * 0.5 * (1 + erf(x / (sigma * M_SQRT2))) +
           sigma / sqrt(2 * M_PI) * exp(-x * x / (2 * sigma * sigma));
}

/* Edge at `angle` from upright: Gaussian blur, times a box of `box` px along the normal. */
static void draw(float *out, int width, int height, double angle_deg, double sigma, double box,
                 double noise, uint64_t seed, bool level)
{
    double c = cos(angle_deg * M_PI / 180), s = sin(angle_deg * M_PI / 180);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            double u = level ? y - height / 2.0 + 0.27 : x - width / 2.0 + 0.27;
            double v = level ? x - width / 2.0 : y - height / 2.0;
            double d = u * c + v * s;
            double e = box > 0 ? (ramp(d + box / 2, sigma) - ramp(d - box / 2, sigma)) / box
                               : 0.5 * (1 + erf(d / (sigma * M_SQRT2)));
            out[y * width + x] = (float)(0.1 + 0.4 * e + noise * noise_gauss(&seed));
        }
    }
}

static struct sharpness measured(double angle, double sigma, double box, double noise,
                                 uint64_t seed, bool level)
{
    static float pixels[SIDE * SIDE];
    struct plane p = {pixels, SIDE, SIDE, SIDE};
    struct sharpness s;
    struct error err = {0};
    draw(pixels, SIDE, SIDE, angle, sigma, box, noise, seed, level);
    if (sharpness_edge(p, &s, &err) < 0)
        fail_msg("angle %g sigma %g: %s", angle, sigma, err.text);
    return s;
}

static double gauss_contrast(double sigma, double f)
{
    return exp(-2 * M_PI * M_PI * sigma * sigma * f * f);
}

static const double angles[] = {2, 3, 4, 5, 7.3, 10, 14.036, 20, 26.565, 30};

static void test_a_clean_edge_is_within_one_percent(void **state)
{
    static const struct {
        double sigma, box, mtf50;
    } cases[] = {
        {0.3, 0, 0.187391 / 0.3}, {0.5, 0, 0.37478},      {0.7, 0, 0.26770}, {1.0, 0, 0.18739},
        {1.5, 0, 0.187391 / 1.5}, {2.0, 0, 0.187391 / 2}, {0.3, 1, 0.44234}, {0.5, 1, 0.32309},
        {0.7, 1, 0.24711},        {1.0, 1, 0.17996},
    };
    double worst = 0;
    for (size_t a = 0; a < sizeof angles / sizeof *angles; a++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct sharpness s = measured(angles[a], cases[i].sigma, cases[i].box, 0, 1, i % 2);
            double off = s.mtf50_cpp / cases[i].mtf50 - 1;
            worst = fmax(worst, fabs(off));
            if (fabs(off) > 0.01)
                print_message("angle %g sigma %g box %g: %.5f, %.2f %%\n", angles[a],
                              cases[i].sigma, cases[i].box, s.mtf50_cpp, 100 * off);
            assert_true(fabs(s.angle_deg - angles[a]) < 0.05);
        }
    }
    print_message("worst without noise: %.3f %%\n", 100 * worst);
    assert_true(worst < 0.01);
}

static void test_noise_of_40_db_moves_it_less_than_two_percent(void **state)
{
    static const double sigmas[] = {0.3, 0.5, 0.7, 1.0, 1.5, 2.0};
    double worst = 0;
    for (size_t a = 0; a < sizeof angles / sizeof *angles; a++) {
        for (size_t i = 0; i < sizeof sigmas / sizeof *sigmas; i++) {
            for (uint64_t seed = 1; seed <= 10; seed++) {
                /* 40 dB below the edge's height of 0.4. */
                struct sharpness s =
                    measured(angles[a], sigmas[i], 0, 0.004, seed * 7919, seed % 2);
                double off = s.mtf50_cpp * sigmas[i] / 0.187391 - 1;
                if (fabs(off) > 0.02)
                    print_message("angle %g sigma %g seed %d: %.2f %%\n", angles[a], sigmas[i],
                                  (int)seed, 100 * off);
                worst = fmax(worst, fabs(off));
            }
        }
    }
    print_message("worst at 40 dB: %.3f %%\n", 100 * worst);
    assert_true(worst < 0.02);
}

/* What a converter of so many bits makes of it. Dark and bright are levels it has: a level that
 * lies between two codes is another edge once it is rounded, by up to half a code in a hundred. */
static struct sharpness measured_in_codes(double angle, double sigma, double noise, int bits,
                                          uint64_t seed)
{
    static float pixels[SIDE * SIDE];
    const float full = (float)((1 << bits) - 1);
    struct plane p = {pixels, SIDE, SIDE, SIDE};
    struct sharpness s;
    struct error err = {0};
    draw(pixels, SIDE, SIDE, angle, sigma, 0, noise, seed, seed % 2);
    const float low = roundf(0.1f * full), high = roundf(0.5f * full);
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = roundf(low + (pixels[i] - 0.1f) / 0.4f * (high - low)) / full;
    if (sharpness_edge(p, &s, &err) < 0)
        fail_msg("%d bits, angle %g sigma %g: %s", bits, angle, sigma, err.text);
    return s;
}

static void test_8_10_and_12_bits_are_within_the_same_bars(void **state)
{
    static const double sigmas[] = {0.3, 0.5, 0.7, 1.0, 1.5, 2.0};
    for (int bits = 8; bits <= 12; bits += 2) {
        double clean = 0, noisy = 0;
        for (size_t a = 0; a < sizeof angles / sizeof *angles; a++) {
            for (size_t i = 0; i < sizeof sigmas / sizeof *sigmas; i++) {
                for (uint64_t seed = 1; seed <= 3; seed++) {
                    const double truth = 0.187391 / sigmas[i], noise = seed == 1 ? 0 : 0.004;
                    struct sharpness s =
                        measured_in_codes(angles[a], sigmas[i], noise, bits, seed * 104729);
                    double off = fabs(s.mtf50_cpp / truth - 1),
                           *worst = noise > 0 ? &noisy : &clean;
                    if (off > (noise > 0 ? 0.02 : 0.01))
                        print_message("%d bits, angle %g sigma %g: %.2f %%\n", bits, angles[a],
                                      sigmas[i], 100 * off);
                    *worst = fmax(*worst, off);
                }
            }
        }
        print_message("%d bits: worst %.3f %% without noise, %.3f %% at 40 dB\n", bits, 100 * clean,
                      100 * noisy);
        assert_true(clean < 0.01 && noisy < 0.02);
    }
}

static void test_the_whole_curve_is_the_blurs_transform(void **state)
{
    struct sharpness s = measured(5, 0.7, 0, 0, 1, false);
    for (int i = 0; i < SHARPNESS_POINTS; i++)
        assert_true(fabs(s.curve[i] - gauss_contrast(0.7, i / 100.0)) < 0.006);
    assert_true(fabs(s.mtf_nyquist4 - gauss_contrast(0.7, 0.25)) < 0.003);
    assert_true(fabs(s.edge_contrast - 0.4 / 0.6) < 1e-3);
}

/* Square pixels: the box seen along a slanted normal is the convolution of two. */
static void test_square_pixels_under_an_angle(void **state)
{
    static float pixels[SIDE * SIDE];
    for (double angle = 5; angle <= 30; angle += 12.5) {
        double c = cos(angle * M_PI / 180), s = sin(angle * M_PI / 180), sigma = 0.4;
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                double e = 0; /* over the pixel's height by the midpoint rule, exact across it */
                for (int k = 0; k < 16; k++) {
                    double d = (x - 60.3) * c + (y - 60 + (k - 7.5) / 16) * s;
                    e += (ramp(d + c / 2, sigma) - ramp(d - c / 2, sigma)) / c / 16;
                }
                pixels[y * SIDE + x] = (float)(0.1 + 0.4 * e);
            }
        }
        double low = 0, high = 1;
        while (high - low > 1e-9) {
            double f = (low + high) / 2, x = M_PI * f * c, z = M_PI * f * s;
            double m = gauss_contrast(sigma, f) * sin(x) / x * sin(z) / z;
            *(m > 0.5 ? &low : &high) = f;
        }
        struct sharpness r;
        struct error err = {0};
        struct plane p = {pixels, SIDE, SIDE, SIDE};
        assert_int_equal(sharpness_edge(p, &r, &err), 0);
        assert_true(fabs(r.mtf50_cpp / low - 1) < 0.01);
    }
}

static void test_what_is_no_edge_is_said(void **state)
{
    static float pixels[SIDE * SIDE];
    struct plane p = {pixels, SIDE, SIDE, SIDE};
    struct sharpness s;
    struct error err = {0};
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = 0.4f;
    assert_int_equal(sharpness_edge(p, &s, &err), ERROR_INPUT);
    uint64_t seed = 4;
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = (float)noise_uniform(&seed);
    assert_int_equal(sharpness_edge(p, &s, &err), ERROR_INPUT);
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = (i % SIDE + i / SIDE) & 16 ? 0.1f : 0.5f;
    assert_int_equal(sharpness_edge(p, &s, &err), ERROR_INPUT);
    draw(pixels, SIDE, SIDE, 0, 0.7, 0, 0, 1, false);
    assert_int_equal(sharpness_edge(p, &s, &err), ERROR_INPUT);
    p.width_px = 8;
    assert_int_equal(sharpness_edge(p, &s, &err), ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_edge_is_within_one_percent),
        cmocka_unit_test(test_noise_of_40_db_moves_it_less_than_two_percent),
        cmocka_unit_test(test_8_10_and_12_bits_are_within_the_same_bars),
        cmocka_unit_test(test_the_whole_curve_is_the_blurs_transform),
        cmocka_unit_test(test_square_pixels_under_an_angle),
        cmocka_unit_test(test_what_is_no_edge_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
