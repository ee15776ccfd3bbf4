/* Microphone and speaker: levels by definition, noise by the published A-weighting, aliases gone.
 */
#include <pthread.h>

#include "firmware/hal/emulator/resample.h"
#include "protocol/base/clock.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

enum { AIR = WORLD_AIR_RATE_HZ };

/* Amplitude of one frequency in a whole number of its periods. */
static double amplitude(const double *x, size_t n, double hz, double rate)
{
    double re = 0, im = 0;
    for (size_t i = 0; i < n; i++) {
        re += x[i] * cos(2 * M_PI * hz * (double)i / rate);
        im += x[i] * sin(2 * M_PI * hz * (double)i / rate);
    }
    return 2 * hypot(re, im) / (double)n;
}

/* A tone of so many dB SPL in the fixture's loudspeaker, from now on for 1.5 s. */
static void sound(struct rig *r, double hz, double db_spl)
{
    static float pascal[3 * AIR / 2];
    struct error err = {0};
    double peak = 20e-6 * pow(10, db_spl / 20) * sqrt(2);
    for (int i = 0; i < 3 * AIR / 2; i++)
        pascal[i] = (float)(peak * sin(2 * M_PI * hz * i / AIR));
    int64_t from = world_air_index(clock_mono_ns());
    assert_int_equal(world_air_play(&r->world->from_fixture, from, pascal, 3 * AIR / 2, &err), 0);
}

static size_t listen(struct rig *r, int rate, double *out, size_t count)
{
    struct error err = {0};
    int16_t *pcm = calloc(count, sizeof *pcm);
    if (r->hal.audio->record(r->hal.audio_state, rate, AUDIO_MICROPHONE, pcm, count, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++)
        out[i] = pcm[i] / 32768.0;
    free(pcm);
    return count;
}

static double db(double ratio)
{
    return 20 * log10(ratio);
}

static void test_94_db_is_the_sensitivity(void **state)
{
    static const int rates[] = {8000, 16000, 48000};
    static double x[12000];
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"mic_sensitivity_dbfs\": -26, \"mic_gain_db\": 3}");
    rig_open(&r);
    for (int i = 0; i < 3; i++) {
        sound(&r, 1000, 94);
        size_t n = listen(&r, rates[i], x, (size_t)rates[i] / 4);
        /* 0 dBFS is a sine of amplitude 1 */
        assert_float_equal(db(amplitude(x, n, 1000, rates[i])), -23, 0.05);
    }
    rig_end(&r);
}

static void test_what_is_past_nyquist_does_not_fold(void **state)
{
    static double x[8000];
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"mic_noise_dba\": 0}");
    rig_open(&r);
    sound(&r, 9500, 110); /* would fold to 6500 Hz at -10 dBFS */
    listen(&r, 16000, x, 8000);
    assert_true(db(amplitude(x, 8000, 6500, 16000)) < -85);
    rig_end(&r);
}

/* Own noise: third-octave bands weighted by the table of IEC 61672-1 must come to the parameter,
 * seen through the sensitivity: 40 dBA is 54 dB under 94 dB SPL, so -80 dBFS(A). */
static void test_noise_has_its_weighted_level(void **state)
{
    static const double bands[][2] = {{100, -19.1}, {125, -16.1}, {160, -13.4}, {200, -10.9},
                                      {250, -8.6},  {315, -6.6},  {400, -4.8},  {500, -3.2},
                                      {630, -1.9},  {800, -0.8},  {1000, 0},    {1250, 0.6},
                                      {1600, 1.0},  {2000, 1.2},  {2500, 1.3},  {3150, 1.2},
                                      {4000, 1.0},  {5000, 0.5},  {6300, -0.1}};
    enum { N = 16000 };
    static double x[N];
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"mic_noise_dba\": 40}");
    rig_open(&r);
    listen(&r, 16000, x, N);
    double power = 0;
    for (size_t b = 0; b < sizeof bands / sizeof bands[0]; b++) {
        double low = bands[b][0] / pow(2, 1 / 6.0), high = bands[b][0] * pow(2, 1 / 6.0), sum = 0;
        int count = 0;
        /* every bin is 1 Hz wide; one in 16 stands for its band */
        for (int k = (int)low; k<high; k += high - low> 100 ? 16 : 2, count++) {
            double a = amplitude(x, N, k, 16000);
            sum += a * a; /* a sine of amplitude 1 is 0 dBFS */
        }
        power += sum / count * (high - low) * pow(10, bands[b][1] / 10);
    }
    assert_float_equal(10 * log10(power), -80, 0.8);
    rig_end(&r);
}

static void test_a_blocked_port_and_an_overload(void **state)
{
    static double x[4000];
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"mic_port_db\": -20}");
    rig_open(&r);
    sound(&r, 1000, 94);
    listen(&r, 16000, x, 4000);
    assert_float_equal(db(amplitude(x, 4000, 1000, 16000)), -46, 0.1);
    rig_end(&r);
    rig_start(&r, "{\"boot_ms\": 0, \"mic_gain_db\": 30}");
    rig_open(&r);
    sound(&r, 1000, 94); /* +4 dBFS: clipped */
    listen(&r, 16000, x, 4000);
    double highest = 0;
    for (int i = 0; i < 4000; i++)
        highest = fmax(highest, fabs(x[i]));
    assert_float_equal(highest, 1, 1e-4);
    assert_true(amplitude(x, 4000, 3000, 16000) > 0.05);
    rig_end(&r);
}

struct playing {
    struct rig *rig;
    double volume;
    int16_t pcm[16000];
    int64_t took_ms;
};

static void *play(void *context)
{
    struct playing *p = context;
    struct error err = {0};
    for (int i = 0; i < 16000; i++)
        p->pcm[i] = (int16_t)lround(32767 * sin(2 * M_PI * 1000 * i / 16000));
    int64_t began = clock_mono_ms();
    if (p->rig->hal.audio->play(p->rig->hal.audio_state, 16000, p->volume, p->pcm, 16000, &err))
        fail_msg("%s", err.text);
    p->took_ms = clock_mono_ms() - began;
    return NULL;
}

/* The half second in the middle of what the speaker last put into the air. */
static void speaker_air(const struct rig *r, double *out)
{
    int64_t from = atomic_load(&r->world->from_unit.from) + AIR / 4;
    for (int i = 0; i < AIR / 2; i++)
        out[i] = world_air_at(&r->world->from_unit, from + i);
}

static void test_the_speaker_has_its_level_and_distortion(void **state)
{
    static struct playing p;
    static double x[AIR / 2];
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"speaker_db_spl\": 88, \"speaker_second\": 0.1,"
                  " \"speaker_third\": 0, \"speaker_resonance_hz\": 50,"
                  " \"speaker_low_pass_hz\": 24000}");
    rig_open(&r);
    p = (struct playing){.rig = &r, .volume = 1};
    play(&p);
    assert_in_range(p.took_ms, 1000, 2000);
    speaker_air(&r, x);
    double first = amplitude(x, AIR / 2, 1000, AIR), second = amplitude(x, AIR / 2, 2000, AIR);
    assert_float_equal(db(first / sqrt(2) / 20e-6), 88, 0.1);
    /* (sin)^2 is half a cosine of twice the frequency */
    assert_float_equal(second / first, 0.05, 0.001);
    assert_true(amplitude(x, AIR / 2, 3000, AIR) < 1e-3 * first);
    p.volume = 0.5;
    play(&p);
    speaker_air(&r, x);
    assert_float_equal(db(first / amplitude(x, AIR / 2, 1000, AIR)), 6.02, 0.05);
    rig_end(&r);
}

static void test_a_rattle_is_heard_high_above_the_tone(void **state)
{
    static struct playing p;
    static double x[AIR / 2];
    double high[2];
    for (int k = 0; k < 2; k++) {
        struct rig r;
        rig_start(&r, k ? "{\"boot_ms\": 0, \"speaker_rattle_pa\": 0.3}" : "{\"boot_ms\": 0}");
        rig_open(&r);
        p = (struct playing){.rig = &r, .volume = 1};
        play(&p);
        speaker_air(&r, x);
        high[k] = 0;
        for (int h = 10; h < 16; h++)
            high[k] += pow(amplitude(x, AIR / 2, 1000 * h, AIR), 2);
        rig_end(&r);
    }
    assert_true(high[1] > 100 * high[0]);
}

static void test_the_unit_hears_itself(void **state)
{
    static struct playing p;
    static double x[6000];
    struct rig r;
    pthread_t thread;
    rig_start(&r, "{\"boot_ms\": 0, \"speaker_db_spl\": 90, \"echo_db\": -6,"
                  " \"mic_sensitivity_dbfs\": -26, \"speaker_second\": 0, \"speaker_third\": 0}");
    rig_open(&r);
    p = (struct playing){.rig = &r, .volume = 1};
    assert_int_equal(pthread_create(&thread, NULL, play, &p), 0);
    usleep(300000);
    listen(&r, 16000, x, 6000);
    pthread_join(thread, NULL);
    /* 90 - 6 dB SPL is 10 dB under 94, which is -26 dBFS */
    assert_float_equal(db(amplitude(x, 6000, 1000, 16000)), -36, 0.1);
    rig_end(&r);
}

static void test_wrong_rates_and_lengths_are_refused(void **state)
{
    struct rig r;
    struct error err = {0};
    int16_t pcm[16];
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    assert_int_equal(r.hal.audio->record(r.hal.audio_state, 44100, AUDIO_MICROPHONE, pcm, 16, &err),
                     ERROR_INPUT);
    assert_int_equal(
        r.hal.audio->record(r.hal.audio_state, 8000, AUDIO_MICROPHONE, pcm, 8000000, &err),
        ERROR_INPUT);
    assert_int_equal(r.hal.audio->play(r.hal.audio_state, 8000, 1.5, pcm, 16, &err), ERROR_INPUT);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_94_db_is_the_sensitivity),
        cmocka_unit_test(test_what_is_past_nyquist_does_not_fold),
        cmocka_unit_test(test_noise_has_its_weighted_level),
        cmocka_unit_test(test_a_blocked_port_and_an_overload),
        cmocka_unit_test(test_the_speaker_has_its_level_and_distortion),
        cmocka_unit_test(test_a_rattle_is_heard_high_above_the_tone),
        cmocka_unit_test(test_the_unit_hears_itself),
        cmocka_unit_test(test_wrong_rates_and_lengths_are_refused),
    };
    return cmocka_run_group_tests_name("audio", tests, NULL, NULL);
}
