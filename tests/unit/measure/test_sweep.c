/* Sweeps through systems whose response, distortion and delay are known in closed form. */
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

#include "station/measure/sweep.h"

enum { RATE = 48000, SECONDS = 2, TAIL = RATE / 2, TOTAL = RATE * SECONDS + TAIL };
static const struct signal_sweep spec = {20, 20000, SECONDS, 1.0, RATE, 0.005};
static float reference[TOTAL], recorded[TOTAL];
static struct sweep s;
static struct error err;

static double noise_gauss(uint64_t *state)
{
    double u[2];
    for (int i = 0; i < 2; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        u[i] = ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
    }
    return sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1]);
}

static void measure(void)
{
    if (sweep_measure(&spec, reference, RATE * SECONDS, recorded, TOTAL, &s, &err) < 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    memset(reference, 0, sizeof reference);
    signal_sweep(&spec, reference);
    return 0;
}

static void test_a_wire_is_flat_and_a_delay_is_found(void **state)
{
    for (int i = 0; i < TOTAL; i++)
        recorded[i] = i >= 600 ? 0.5f * reference[i - 600] : 0;
    measure();
    assert_true(fabs(s.delay_ms - 12.5) < 0.005);
    assert_true(s.responses > 90 && s.thds > 30);
    for (size_t i = 0; i < s.responses; i++)
        if (s.response[i].hz > 40)
            assert_true(fabs(s.response[i].value + 6.0206) < 0.1);
    for (size_t i = 0; i < s.thds; i++)
        if (s.thd[i].hz > 60)
            assert_true(s.thd[i].value < 0.1);
    assert_true(s.rub_buzz_db < -60);
}

static void test_a_filters_response_is_read_off(void **state)
{
    /* One pole: y = y + k (x - y); |H|^2 = k^2 / (1 - 2 (1 - k) cos w + (1 - k)^2). */
    const double k = 0.3;
    double y = 0;
    uint64_t seed = 3;
    for (int i = 0; i < TOTAL; i++) {
        y += k * (reference[i] - y);
        recorded[i] = (float)(y + 1e-3 * noise_gauss(&seed));
    }
    measure();
    for (size_t i = 0; i < s.responses; i++) {
        double w = 2 * M_PI * s.response[i].hz / RATE, q = 1 - k;
        double expected = 10 * log10(k * k / (1 - 2 * q * cos(w) + q * q));
        if (s.response[i].hz > 60)
            assert_true(fabs(s.response[i].value - expected) < 0.3);
    }
}

static void test_harmonics_of_a_bent_line_are_told_apart(void **state)
{
    /* x + a x^2 + b x^3 of a unit sine: 2nd a / 2, 3rd b / 4, 1st 1 + 3 b / 4. */
    const double a = 0.04, b = 0.08, first = 1 + 0.75 * b;
    double both = 100 * hypot(a / 2, b / 4) / first, second = 100 * a / 2;
    for (int i = 0; i < TOTAL; i++) {
        double x = reference[i], f = 20 * exp(i / (double)RATE / SECONDS * log(1000));
        double cubic = 3 * f < 20000 ? b : 0; /* beyond it would fold back into the band */
        recorded[i] = (float)(x + a * x * x + cubic * x * x * x);
    }
    measure();
    int seen = 0;
    for (size_t i = 0; i < s.thds; i++) {
        double f = s.thd[i].hz;
        if (f > 100 && f < 5500) {
            assert_true(fabs(s.thd[i].value / both - 1) < 0.05);
            seen++;
        } else if (f > 6500 && f < 8500) { /* the third lies beyond the sweep */
            assert_true(fabs(s.thd[i].value / second - 1) < 0.05);
            seen++;
        }
    }
    assert_true(seen > 30);
}

static void test_rub_and_buzz_is_what_lies_at_high_orders(void **state)
{
    /* T12(x), the Chebyshev polynomial: a unit sine's 12th harmonic and nothing else. */
    double level[3];
    static const double amounts[] = {0, 0.003, 0.03};
    for (int k = 0; k < 3; k++) {
        uint64_t seed = 9;
        for (int i = 0; i < TOTAL; i++) {
            double x = reference[i], c = cos(12 * acos(fmax(-1, fmin(1, x))));
            double f = 20 * exp(i / (double)RATE / SECONDS * log(1000));
            double twelfth = i < RATE * SECONDS && 12 * f < 20000 ? c : 0; /* no aliases */
            recorded[i] = (float)(x + amounts[k] * twelfth + 1e-5 * noise_gauss(&seed));
        }
        measure();
        level[k] = s.rub_buzz_db;
    }
    print_message("rub & buzz %.2f %.2f %.2f dB\n", level[0], level[1], level[2]);
    assert_true(level[0] < -65);
    assert_true(fabs(level[2] - level[1] - 20) < 0.5);
    /* The 12th is seen from 240 Hz to the sweep's end: all but 1 % of the band. */
    assert_true(fabs(level[2] - 20 * log10(0.03)) < 0.5);
}

static void test_a_sweep_is_recognised_by_its_samples(void **state)
{
    struct signal_sweep found;
    assert_int_equal(sweep_recognise(reference, TOTAL, RATE, &found, &err), 0);
    print_message("%.2f to %.1f Hz in %.4f s\n", found.start_hz, found.end_hz, found.duration_s);
    assert_true(fabs(found.start_hz / 20 - 1) < 0.03);
    assert_true(fabs(found.end_hz / 20000 - 1) < 0.03);
    assert_true(fabs(found.duration_s / SECONDS - 1) < 0.01);
    uint64_t seed = 2;
    for (int i = 0; i < TOTAL; i++)
        recorded[i] = (float)(0.1 * noise_gauss(&seed));
    assert_int_equal(sweep_recognise(recorded, TOTAL, RATE, &found, &err), ERROR_INPUT);
    signal_sine(1000, 0.5, RATE, 0.01, recorded, TOTAL);
    assert_int_equal(sweep_recognise(recorded, TOTAL, RATE, &found, &err), ERROR_INPUT);
}

static void test_a_recording_without_the_sweep_is_refused(void **state)
{
    uint64_t seed = 2;
    for (int i = 0; i < TOTAL; i++)
        recorded[i] = (float)(0.1 * noise_gauss(&seed));
    assert_int_equal(sweep_measure(&spec, reference, RATE * SECONDS, recorded, TOTAL, &s, &err),
                     ERROR_INPUT);
    assert_int_equal(sweep_measure(&spec, reference, RATE * SECONDS, recorded, 100, &s, &err),
                     ERROR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wire_is_flat_and_a_delay_is_found),
        cmocka_unit_test(test_a_filters_response_is_read_off),
        cmocka_unit_test(test_harmonics_of_a_bent_line_are_told_apart),
        cmocka_unit_test(test_rub_and_buzz_is_what_lies_at_high_orders),
        cmocka_unit_test(test_a_sweep_is_recognised_by_its_samples),
        cmocka_unit_test(test_a_recording_without_the_sweep_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
