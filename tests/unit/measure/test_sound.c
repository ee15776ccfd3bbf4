/* Levels, weighting and tones against closed forms and the published table. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "station/measure/fourier.h"
#include "station/measure/level.h"
#include "station/measure/signal.h"
#include "station/measure/tone.h"
#include "station/measure/weighting.h"

enum { RATE = 48000 };
static float x[RATE * 2];

static double noise_uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static double noise_gauss(uint64_t *state)
{
    return sqrt(-2 * log(noise_uniform(state))) * cos(2 * M_PI * noise_uniform(state));
}

static void sine(double hz, double amplitude, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(amplitude * sin(2 * M_PI * hz * (double)i / RATE + 0.3));
}

static void test_a_full_scale_sine_is_0_dbfs_and_a_square_3_01(void **state)
{
    sine(997, 1, RATE);
    assert_true(fabs(level_dbfs(x, RATE)) < 0.001);
    assert_true(fabs(level_peak_dbfs(x, RATE)) < 0.001);
    for (int i = 0; i < RATE; i++)
        x[i] = i % 48 < 24 ? 1 : -1;
    assert_true(fabs(level_dbfs(x, RATE) - 3.0103) < 0.001);
    for (int i = 0; i < RATE; i++)
        x[i] = 0.25f; /* offset is not sound */
    assert_true(isinf(level_dbfs(x, RATE)));
}

static void test_a_weighting_gives_the_check_values(void **state)
{
    static const double table[][2] = {{100, -19.14}, {1000, 0.00},   {2000, 1.20},
                                      {4000, 0.96},  {10000, -2.49}, {20000, -9.35}};
    for (size_t i = 0; i < 6; i++)
        assert_true(fabs(weighting_a_db(table[i][0]) - table[i][1]) < 0.01);
    for (size_t i = 0; i < 5; i++) {
        double level;
        struct error err = {0};
        sine(table[i][0], 0.5, RATE);
        assert_int_equal(level_dba_fs(x, RATE, RATE, &level, &err), 0);
        assert_true(fabs(level - (table[i][1] + 20 * log10(0.5))) < 0.02);
    }
}

static void test_a_fit_finds_frequency_amplitude_and_phase(void **state)
{
    struct tone t;
    struct error err = {0};
    double residual;
    static const double frequencies[] = {50.3, 440, 997, 7919.37, 15000};
    for (size_t i = 0; i < 5; i++) {
        sine(frequencies[i], 0.37, RATE);
        for (int k = 0; k < RATE; k++)
            x[k] += 0.1f;
        assert_int_equal(tone_measure(x, RATE, RATE, &t, &err), 0);
        assert_true(fabs(t.frequency_hz / frequencies[i] - 1) < 1e-7);
        assert_true(fabs(t.amplitude - 0.37) < 1e-5 && fabs(t.offset - 0.1) < 1e-5);
        assert_true(fabs(t.phase_rad - (0.3 - M_PI / 2)) < 1e-4);
        assert_int_equal(tone_fit_at(x, RATE, RATE, frequencies[i], &t, &residual, &err), 0);
        assert_true(residual < 1e-6 && fabs(t.amplitude - 0.37) < 1e-6);
    }
}

static void test_ideal_16_bits_have_98_db(void **state)
{
    struct tone t;
    struct error err = {0};
    int16_t coded[RATE * 2];
    sine(997, 1, RATE * 2);
    for (int i = 0; i < RATE * 2; i++)
        x[i] *= 32767.0f / 32768;
    samples_to_s16(x, RATE * 2, coded);
    samples_from_s16(coded, RATE * 2, x);
    assert_int_equal(tone_measure(x, RATE * 2, RATE, &t, &err), 0);
    assert_true(fabs(t.sinad_db - 98.09) < 0.1);
    assert_true(fabs(t.snr_db - 98.09) < 0.2);
}

static void test_ideal_waves_have_their_distortion(void **state)
{
    enum { PERIOD = 960 };
    struct tone t;
    struct error err = {0};
    for (int shape = 0; shape < 3; shape++) {
        for (int i = 0; i < RATE; i++) {
            double p = (i % PERIOD + 0.5) / PERIOD;
            x[i] = (float)(shape == 0   ? (p < 0.5 ? 0.5 : -0.5)
                           : shape == 1 ? fabs(p - 0.5) - 0.25
                                        : p - 0.5);
        }
        static const double expected[] = {48.343, 12.115, 80.308};
        assert_int_equal(tone_measure(x, RATE, RATE, &t, &err), 0);
        print_message("shape %d: %.6f Hz, THD %.4f %%\n", shape, t.frequency_hz, t.thd_percent);
        assert_true(fabs(t.frequency_hz - 50) < 0.01);
        assert_true(fabs(t.thd_percent - expected[shape]) < 0.05);
    }
    assert_true(fabs(t.harmonic_percent[1] - 50) < 0.01); /* sawtooth: 1 / n */
    assert_true(fabs(t.harmonic_percent[4] - 20) < 0.01);
}

static void test_planted_noise_and_harmonics_come_back(void **state)
{
    struct tone t;
    struct error err = {0};
    uint64_t seed = 3;
    for (int i = 0; i < RATE; i++) {
        double a = 2 * M_PI * 1000 * i / RATE;
        x[i] = (float)(0.5 * sin(a) + 0.005 * sin(2 * a) + 0.0025 * sin(3 * a + 1) +
                       0.5 / M_SQRT2 * 0.001 * noise_gauss(&seed));
    }
    assert_int_equal(tone_measure(x, RATE, RATE, &t, &err), 0);
    assert_true(fabs(t.snr_db - 60) < 0.1);
    assert_true(fabs(t.thd_percent - 100 * hypot(0.01, 0.005)) < 0.005);
    assert_true(fabs(t.thdn_db - 10 * log10(1e-6 + 1e-4 + 0.25e-4)) < 0.02);
}

static void test_noise_and_silence_are_no_tone(void **state)
{
    struct tone t;
    struct error err = {0};
    uint64_t seed = 3;
    for (int i = 0; i < RATE; i++)
        x[i] = (float)(0.1 * noise_gauss(&seed));
    assert_int_equal(tone_measure(x, RATE, RATE, &t, &err), ERROR_INPUT);
    for (int i = 0; i < RATE; i++)
        x[i] = 0;
    assert_int_equal(tone_measure(x, RATE, RATE, &t, &err), ERROR_INPUT);
    assert_int_equal(tone_measure(x, 10, RATE, &t, &err), ERROR_INPUT);
    sine(3, 0.5, RATE);
    assert_int_equal(tone_measure(x, RATE, RATE, &t, &err), ERROR_INPUT);
}

static void test_clipping_is_counted(void **state)
{
    sine(997, 0.99, RATE);
    assert_int_equal(level_clipped(x, RATE), 0);
    size_t expected = 0;
    sine(997, 1.5, RATE);
    for (int i = 0; i < RATE; i++) {
        expected += fabsf(x[i]) > 1;
        x[i] = fmaxf(-1, fminf(1, x[i]));
    }
    /* arcsin(2/3) of a quarter period is below the rail: 53.5 % above it. */
    assert_int_equal(level_clipped(x, RATE), expected);
    assert_true(fabs((double)expected / RATE - (1 - asin(1 / 1.5) / (M_PI / 2))) < 0.001);
}

static void test_a_sound_is_found_wherever_it_begins(void **state)
{
    enum { COUNT = 4000, WINDOW = 1000 };
    static float samples[COUNT];
    const size_t begins[] = {0, 1, 777, COUNT - WINDOW};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        for (int k = 0; k < COUNT; k++)
            samples[k] = k % 2 ? 1e-4f : -1e-4f;
        for (size_t k = 0; k < WINDOW; k++)
            samples[begins[i] + k] = k % 2 ? 0.5f : -0.5f;
        assert_int_equal(level_loudest(samples, COUNT, WINDOW), begins[i]);
        /* And a silence in a sound. */
        for (int k = 0; k < COUNT; k++)
            samples[k] = k % 2 ? 0.5f : -0.5f;
        for (size_t k = 0; k < WINDOW; k++)
            samples[begins[i] + k] = 0;
        assert_int_equal(level_quietest(samples, COUNT, WINDOW), begins[i]);
    }
    assert_int_equal(level_loudest(samples, WINDOW, COUNT), 0);
    assert_int_equal(level_loudest(samples, COUNT, 0), 0);
}

static void *transform_in_a_thread(void *out)
{
    struct error err;
    *(int *)out = 0;
    for (size_t size = 64; size <= 4096 && !*(int *)out; size *= 2) {
        struct fourier_bin *line = fourier_alloc(size * sizeof *line);
        line[1].re = 1;
        for (int inverse = 0; inverse < 2 && !*(int *)out; inverse++)
            *(int *)out = fourier_line(line, size, inverse, &err);
        /* There and back again. */
        if (fabs(line[1].re - 1) > 1e-9 || fabs(line[0].re) > 1e-9)
            *(int *)out = -1000;
        fourier_free(line);
    }
    return NULL;
}

static void test_threads_keep_their_own_tables(void **state)
{
    pthread_t threads[4];
    int rc[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, transform_in_a_thread, &rc[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(rc[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_scale_sine_is_0_dbfs_and_a_square_3_01),
        cmocka_unit_test(test_a_weighting_gives_the_check_values),
        cmocka_unit_test(test_a_fit_finds_frequency_amplitude_and_phase),
        cmocka_unit_test(test_ideal_16_bits_have_98_db),
        cmocka_unit_test(test_ideal_waves_have_their_distortion),
        cmocka_unit_test(test_planted_noise_and_harmonics_come_back),
        cmocka_unit_test(test_noise_and_silence_are_no_tone),
        cmocka_unit_test(test_clipping_is_counted),
        cmocka_unit_test(test_a_sound_is_found_wherever_it_begins),
        cmocka_unit_test(test_threads_keep_their_own_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
