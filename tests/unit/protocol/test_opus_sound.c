/* Opus packets as an attachment: what goes in comes out at its place and level, at every rate, and
 * bytes that are no packets are refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/formats/opus_sound.h"

enum { COUNT_MAX = 48000 };

static int16_t in[COUNT_MAX], out[COUNT_MAX];

static void tone(double hz, int rate_hz, size_t count)
{
    for (size_t i = 0; i < count; i++)
        in[i] = (int16_t)lrint(12000 * sin(2 * M_PI * hz * (double)i / rate_hz));
}

static void coded(int rate_hz, size_t count, struct buffer *packets)
{
    struct error err = {0};
    if (opus_sound_encode(in, count, rate_hz, OPUS_SOUND_BIT_RATE, packets, &err) ||
        opus_sound_decode(packets->data, packets->size, rate_hz, out, count, &err))
        fail_msg("%s", err.text);
}

/* By least squares on sine and cosine over the part where the coder has settled. */
static void fit(double hz, int rate_hz, size_t count, double *amplitude, double *phase_rad)
{
    double re = 0, im = 0;
    const size_t from = (size_t)rate_hz / 5, n = count - 2 * from;
    for (size_t i = from; i < from + n; i++) {
        re += out[i] * sin(2 * M_PI * hz * (double)i / rate_hz);
        im += out[i] * cos(2 * M_PI * hz * (double)i / rate_hz);
    }
    *amplitude = 2 * hypot(re, im) / (double)n;
    *phase_rad = atan2(im, re);
}

static void test_a_tone_keeps_its_level_and_its_place(void **state)
{
    static const int rates[] = {8000, 16000, 48000};
    for (int i = 0; i < 3; i++) {
        struct buffer packets = {0};
        double amplitude, phase_rad;
        tone(500, rates[i], (size_t)rates[i]);
        coded(rates[i], (size_t)rates[i], &packets);
        fit(500, rates[i], (size_t)rates[i], &amplitude, &phase_rad);
        assert_float_equal(20 * log10(amplitude / 12000), 0, 0.5);
        /* Half a millisecond of 500 Hz is a quarter turn. */
        assert_true(fabs(phase_rad) < M_PI / 2);
        /* 24 kbit/s for a second, and the lengths. */
        assert_in_range(packets.size, 500, 4500);
        buffer_free(&packets);
    }
}

static void test_any_number_of_samples_comes_back(void **state)
{
    static const size_t counts[] = {1, 319, 320, 321, 215, 217, 16000, 4999};
    tone(500, 16000, 16000);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct buffer packets = {0};
        coded(16000, counts[i], &packets);
        assert_true(opus_sound_samples(packets.data, packets.size, 16000) >= counts[i]);
        buffer_free(&packets);
    }
}

static void test_what_is_not_whole_is_refused(void **state)
{
    struct buffer packets = {0};
    struct error err = {0};
    tone(500, 16000, 3200);
    coded(16000, 3200, &packets);
    for (size_t cut = 1; cut < packets.size; cut += 7) {
        const size_t left = packets.size - cut;
        if (opus_sound_samples(packets.data, left, 16000) == 0)
            assert_int_equal(opus_sound_decode(packets.data, left, 16000, out, 3200, &err),
                             ERROR_PROTOCOL);
    }
    assert_int_equal(opus_sound_decode(packets.data, packets.size, 16000, out, 16000, &err),
                     ERROR_PROTOCOL);
    assert_int_equal(opus_sound_decode(packets.data, packets.size, 16000, out, 100, &err),
                     ERROR_PROTOCOL);
    assert_int_equal(opus_sound_decode(packets.data, packets.size, 44100, out, 3200, &err),
                     ERROR_PROTOCOL);
    assert_int_equal(opus_sound_encode(in, 100, 44100, 24000, &packets, &err), ERROR_INPUT);
    buffer_free(&packets);
}

static void test_hostile_bytes_end_in_an_error_or_in_sound(void **state)
{
    struct buffer packets = {0};
    struct error err = {0};
    uint64_t drawn = 88172645463325252;
    tone(500, 16000, 3200);
    coded(16000, 3200, &packets);
    uint8_t *spoilt = malloc(packets.size);
    for (int i = 0; i < 2000; i++) {
        memcpy(spoilt, packets.data, packets.size);
        for (int k = 0; k < 1 + i % 9; k++) {
            drawn ^= drawn << 13;
            drawn ^= drawn >> 7;
            drawn ^= drawn << 17;
            spoilt[drawn % packets.size] = (uint8_t)(drawn >> 32);
        }
        int rc = opus_sound_decode(spoilt, packets.size, 16000, out, 3200, &err);
        assert_true(rc == 0 || rc == ERROR_PROTOCOL);
    }
    free(spoilt);
    buffer_free(&packets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tone_keeps_its_level_and_its_place),
        cmocka_unit_test(test_any_number_of_samples_comes_back),
        cmocka_unit_test(test_what_is_not_whole_is_refused),
        cmocka_unit_test(test_hostile_bytes_end_in_an_error_or_in_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
