/* The talkback path's filters on sounds whose parts are known: what is echo, noise or talk is added
 * up here, so what came out of it can be told apart. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/media/voice.h"

enum { RATE = 16000, SECONDS = 5, COUNT = RATE * SECONDS, LAST = RATE };

static uint64_t drawn;

static double uniform(void)
{
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    return (double)(drawn >> 11) / 4503599627370496.0 - 1;
}

/* Low-passed noise that swells four times a second. */
static void talk(uint64_t seed, double peak, double *out)
{
    double low = 0;
    drawn = seed;
    for (int i = 0; i < COUNT; i++) {
        low = 0.82 * low + 0.18 * uniform();
        out[i] = peak * 3 * low * (0.5 - 0.5 * cos(2 * M_PI * 4 * i / RATE));
    }
}

static void to_pcm(const double *in, int16_t *out)
{
    for (int i = 0; i < COUNT; i++)
        out[i] = (int16_t)fmax(-32767, fmin(32767, round(in[i] * 32768)));
}

static double last_dbfs(const int16_t *x)
{
    double power = 1e-12;
    for (int i = COUNT - LAST; i < COUNT; i++)
        power += (double)x[i] * x[i] / 32768 / 32768;
    return 10 * log10(2 * power / LAST);
}

static void run(struct voice_config config, const int16_t *played, int16_t *heard)
{
    struct error err = {0};
    config.rate_hz = RATE;
    if (voice_process(&config, played, heard, COUNT, &err))
        fail_msg("%s", err.text);
}

static double far_end[COUNT], mixed[COUNT];
static int16_t played[COUNT], heard[COUNT], before[COUNT];

/* A speaker 6 ms away at a third of its level, a wall after 30 ms, the microphone's own noise. */
static void make_echo(void)
{
    talk(11, 0.3, far_end);
    to_pcm(far_end, played);
    drawn = 5;
    for (int i = 0; i < COUNT; i++)
        mixed[i] = (i >= 96 ? 0.33 * far_end[i - 96] : 0) +
                   (i >= 480 ? 0.1 * far_end[i - 480] : 0) + 0.0003 * uniform();
}

static void test_the_own_speaker_is_taken_out(void **state)
{
    make_echo();
    to_pcm(mixed, heard);
    memcpy(before, heard, sizeof heard);
    run((struct voice_config){.echo_cancel = true}, played, heard);
    assert_true(last_dbfs(before) - last_dbfs(heard) > 25);
}

static void test_a_talker_over_the_echo_stays(void **state)
{
    static double near[COUNT];
    static int16_t alone[COUNT];
    make_echo();
    talk(77, 0.3, near);
    to_pcm(near, alone);
    /* After three seconds of echo alone. */
    for (int i = 3 * RATE; i < COUNT; i++)
        mixed[i] += near[i];
    to_pcm(mixed, heard);
    run((struct voice_config){.echo_cancel = true}, played, heard);
    assert_float_equal(last_dbfs(heard), last_dbfs(alone), 3);
}

static void test_a_silent_speaker_leaves_the_microphone_as_it_is(void **state)
{
    talk(77, 0.3, mixed);
    to_pcm(mixed, heard);
    memcpy(before, heard, sizeof heard);
    memset(played, 0, sizeof played);
    run((struct voice_config){.echo_cancel = true}, played, heard);
    assert_float_equal(last_dbfs(heard), last_dbfs(before), 1);
}

static void test_steady_noise_is_taken_down_and_talk_is_not(void **state)
{
    drawn = 9;
    for (int i = 0; i < COUNT; i++)
        mixed[i] = 0.01 * uniform();
    to_pcm(mixed, heard);
    memcpy(before, heard, sizeof heard);
    run((struct voice_config){.noise_reduction = true}, NULL, heard);
    assert_true(last_dbfs(before) - last_dbfs(heard) > 10);
    talk(77, 0.3, mixed);
    to_pcm(mixed, heard);
    memcpy(before, heard, sizeof heard);
    run((struct voice_config){.noise_reduction = true}, NULL, heard);
    assert_float_equal(last_dbfs(heard), last_dbfs(before), 3);
}

static double with_gain_control(double peak)
{
    talk(77, peak, mixed);
    to_pcm(mixed, heard);
    run((struct voice_config){.gain_control = true}, NULL, heard);
    return last_dbfs(heard);
}

static void test_near_and_far_talkers_come_together(void **state)
{
    assert_true(fabs(with_gain_control(0.4) - with_gain_control(0.04)) < 10);
}

static void test_with_everything_off_not_a_bit_changes(void **state)
{
    make_echo();
    to_pcm(mixed, heard);
    memcpy(before, heard, sizeof heard);
    run((struct voice_config){0}, NULL, heard);
    assert_memory_equal(heard, before, sizeof heard);
}

static void test_every_rate_and_a_rest_of_less_than_a_frame(void **state)
{
    static const int rates[] = {8000, 16000, 48000};
    struct error err = {0};
    for (int i = 0; i < 3; i++) {
        const struct voice_config all = {rates[i], true, true, true};
        const size_t frame = (size_t)rates[i] / 50;
        make_echo();
        to_pcm(mixed, heard);
        memcpy(before, heard, sizeof heard);
        assert_int_equal(voice_process(&all, played, heard, 2 * frame + 7, &err), 0);
        assert_memory_equal(heard + 2 * frame, before + 2 * frame, 7 * sizeof *heard);
        assert_int_equal(voice_process(&all, played, heard, frame - 1, &err), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_own_speaker_is_taken_out),
        cmocka_unit_test(test_a_talker_over_the_echo_stays),
        cmocka_unit_test(test_a_silent_speaker_leaves_the_microphone_as_it_is),
        cmocka_unit_test(test_steady_noise_is_taken_down_and_talk_is_not),
        cmocka_unit_test(test_near_and_far_talkers_come_together),
        cmocka_unit_test(test_with_everything_off_not_a_bit_changes),
        cmocka_unit_test(test_every_rate_and_a_rest_of_less_than_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
