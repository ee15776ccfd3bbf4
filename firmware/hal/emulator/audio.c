/* Microphone and speaker: between the converters' samples and the world's air at 48 kHz.
 *
 * The microphone hears the fixture's loudspeaker through its port and the unit's own speaker
 * through the case; the speaker puts its pressure where the fixture's microphone stands. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/chance.h"
#include "firmware/hal/emulator/filter.h"
#include "firmware/hal/emulator/parts.h"
#include "firmware/hal/emulator/power.h"
#include "firmware/hal/emulator/resample.h"
#include "protocol/base/clock.h"

enum { AIR = WORLD_AIR_RATE_HZ, BLOCK = AIR / 50, SETTLE = AIR / 20 };
/* The converters start this long after the call, as a DMA ring being filled. */
static const int64_t start_ns = 40000000;
static const double reference_pa = 20e-6;

/* The drive of the sound that the speaker plays or played last, at the air's rate. */
struct reference {
    float *drive;
    size_t count;
    int64_t from; /* air sample of the first */
};

struct audio {
    struct unit *unit;
    pthread_mutex_t air; /* record reads what play writes */
    struct reference reference;
    uint32_t records, plays;
};

int emulated_audio_open(struct unit *unit, struct audio **out, struct error *err)
{
    struct audio *a = *out = calloc(1, sizeof *a);
    if (!a)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated audio");
    a->unit = unit;
    pthread_mutex_init(&a->air, NULL);
    return 0;
}

void emulated_audio_close(struct audio *a)
{
    if (!a)
        return;
    world_air_silence(&a->unit->world->from_unit);
    pthread_mutex_destroy(&a->air);
    free(a->reference.drive);
    free(a);
}

static double pascal_rms(double db_spl)
{
    return reference_pa * pow(10, db_spl / 20);
}

/* ---- microphone ----------------------------------------------------------------------------- */

/* Sigma at the air's rate of white noise whose A-weighted level up to 8 kHz is `dba`: pressure
 * squared a hertz is the level's over the weighting curve's area (IEC 61672-1, annex E). */
static double noise_sigma(double dba)
{
    const double f1 = 20.598997, f2 = 107.65265, f3 = 737.86223, f4 = 12194.217, step = 5;
    double area = 0;
    for (double f = 20; f < 8000; f += step) {
        double q = f * f;
        double gain =
            f4 * f4 * q * q / ((q + f1 * f1) * sqrt((q + f2 * f2) * (q + f3 * f3)) * (q + f4 * f4));
        area += gain * gain * 1.5849 * step; /* + 2.00 dB: 0 dB at 1 kHz */
    }
    double p = pascal_rms(dba);
    return sqrt(p * p / area * AIR / 2);
}

struct microphone {
    struct audio *audio;
    struct filter high_pass, low_pass;
    struct chance chance;
    double port, echo, noise, overload_pa, scale, motor_pa, motor_phase;
    int64_t echo_delay;
};

static void microphone_make(struct microphone *m, struct audio *a)
{
    const struct physics *ph = &a->unit->physics;
    m->audio = a;
    m->high_pass = filter_high_pass(ph->mic_high_pass_hz, AIR);
    m->low_pass = filter_low_pass(ph->mic_low_pass_hz, AIR);
    chance_start(&m->chance, (uint64_t)ph->seed,
                 (uint64_t)ph->power_ups << 32 | (uint64_t)a->records++ << 8 | 0x6d);
    m->port = pow(10, ph->mic_port_db / 20);
    m->echo = pow(10, ph->echo_db / 20);
    m->echo_delay = llround(ph->echo_delay_ms / 1000 * AIR);
    m->noise = noise_sigma(ph->mic_noise_dba);
    m->motor_pa = pascal_rms(ph->motor_noise_db);
    m->motor_phase = 0;
    m->overload_pa = pascal_rms(ph->mic_overload_db) * M_SQRT2;
    /* 94 dB SPL comes out at the sensitivity's level; 0 dBFS is a sine of peak 1 */
    double at_1k = filter_gain(&m->high_pass, 1000, AIR) * filter_gain(&m->low_pass, 1000, AIR);
    double peak = pow(10, (ph->mic_sensitivity_dbfs + ph->mic_gain_db) / 20);
    m->scale = peak / (pascal_rms(94) * M_SQRT2 * at_1k);
}

/* Through the case, past the port: the whine of the steps and the gears' noise, half the power
 * each; a rotor that is held rattles ten decibels louder. */
static void hear_motor(struct microphone *m, float *pascal, int count)
{
    struct motor *motor = m->audio->unit->motor;
    bool held = false;
    double steps_hz = motor ? emulated_motor_steps_hz(motor, &held) : 0;
    if (!(steps_hz > 0))
        return;
    double level = m->motor_pa * (held ? 3.162 : 1), turn = 2 * M_PI * steps_hz / AIR;
    for (int i = 0; i < count; i++) {
        m->motor_phase = fmod(m->motor_phase + turn, 2 * M_PI);
        pascal[i] += (float)(level * (sin(m->motor_phase) + M_SQRT1_2 * chance_normal(&m->chance)));
    }
}

/* The membrane's swing in full scales for air samples from `first` on. */
static void microphone_hear(struct microphone *m, int64_t first, float *out, int count)
{
    struct world *w = m->audio->unit->world;
    pthread_mutex_lock(&m->audio->air);
    for (int i = 0; i < count; i++)
        out[i] =
            (float)(m->port * (world_air_at(&w->from_fixture, first + i) +
                               m->echo * world_air_at(&w->from_unit, first + i - m->echo_delay)));
    pthread_mutex_unlock(&m->audio->air);
    hear_motor(m, out, count);
    for (int i = 0; i < count; i++) {
        double p = out[i];
        p = p > m->overload_pa ? m->overload_pa : p < -m->overload_pa ? -m->overload_pa : p;
        p = filter_step(&m->low_pass, filter_step(&m->high_pass, p));
        out[i] = (float)((p + m->noise * chance_normal(&m->chance)) * m->scale);
    }
}

static int16_t to_s16(double full_scales)
{
    double v = nearbyint(full_scales * 32768);
    return (int16_t)(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
}

/* The second channel beside the microphone's. The select pin decides which of the frame's two slots
 * its samples come in; the other one is pulled to zero. */
static void fill_slots(const struct audio *a, int16_t *samples, size_t count)
{
    const double slot = a->unit->physics.mic_slot;
    for (size_t n = 0; n < count; n++) {
        const int16_t heard = samples[2 * n];
        samples[2 * n] = slot == 0 ? heard : 0;
        samples[2 * n + 1] = slot == 1 ? heard : 0;
    }
}

static void fill_reference(struct audio *a, const struct resample *kernel, int64_t zero,
                           double step, int16_t *samples, size_t count)
{
    pthread_mutex_lock(&a->air);
    const struct reference *r = &a->reference;
    for (size_t n = 0; n < count; n++) {
        const double at = (double)(zero - r->from) + (double)n * step;
        samples[2 * n + 1] = r->count ? to_s16(resample_at(kernel, r->drive, r->count, at)) : 0;
    }
    pthread_mutex_unlock(&a->air);
}

static int audio_record(struct audio *a, int rate_hz, enum audio_source source, int16_t *samples,
                        size_t count, struct error *err)
{
    const size_t channels = audio_channels(source);
    /* What is taken for the microphone is the left slot. */
    const bool silent = source != AUDIO_SLOTS && a->unit->physics.mic_slot != 0;
    struct microphone mic;
    struct resample *kernel = NULL;
    float *heard = NULL;
    int rc = audio_check(rate_hz, count, err);
    if (!rc)
        rc = resample_create(AIR, rate_hz, &kernel, err);
    if (rc)
        return rc;
    int reach = resample_reach(kernel);
    size_t room = (size_t)(2 * reach + BLOCK + 4);
    if (!(heard = malloc((room + SETTLE) * sizeof *heard))) {
        rc = error_set(err, ERROR_MEMORY, "no memory to record");
        goto out;
    }
    microphone_make(&mic, a);
    int64_t zero_ns = clock_mono_ns() + start_ns, zero = world_air_index(zero_ns);
    double step = (double)AIR / rate_hz / (1 + a->unit->physics.audio_clock_ppm * 1e-6);
    /* `heard` holds air samples from `first` on; the ones before only settle the filters. */
    int64_t first = zero - reach - SETTLE;
    clock_sleep_until_ns(zero_ns);
    microphone_hear(&mic, first, heard, SETTLE);
    first += SETTLE;
    size_t held = 0;
    for (size_t n = 0; n < count;) {
        int64_t until = first + (int64_t)held + BLOCK;
        clock_sleep_until_ns(zero_ns + (until - zero) * 1000000000 / AIR);
        microphone_hear(&mic, first + (int64_t)held, heard + held, BLOCK);
        held += BLOCK;
        for (; n < count; n++) {
            double position = (double)n * step + (double)(zero - first);
            if (position + reach >= (double)held)
                break;
            samples[channels * n] = silent ? 0 : to_s16(resample_at(kernel, heard, held, position));
        }
        /* what the next sample no longer reaches back to */
        double next = floor((double)n * step) + (double)(zero - first) - reach;
        size_t done = next > 0 ? (size_t)next : 0;
        done = done < held ? done : held;
        memmove(heard, heard + done, (held - done) * sizeof *heard);
        held -= done;
        first += (int64_t)done;
    }
    if (source == AUDIO_SLOTS)
        fill_slots(a, samples, count);
    if (source == AUDIO_WITH_REFERENCE)
        fill_reference(a, kernel, zero, step, samples, count);
out:
    free(heard);
    resample_free(kernel);
    return rc;
}

/* ---- speaker -------------------------------------------------------------------------------- */

struct speaker {
    struct filter resonance, roll_off, cone;
    struct chance chance;
    double second, third, pascal, rattle_pa, rattle_level;
    double tick, tick_phase; /* a loose part ringing: envelope and place in its swing */
    bool struck;
};

static void speaker_make(struct speaker *s, struct audio *a)
{
    const struct physics *ph = &a->unit->physics;
    memset(s, 0, sizeof *s);
    s->resonance = filter_resonant_high_pass(ph->speaker_resonance_hz, ph->speaker_q, AIR);
    s->roll_off = filter_resonant_low_pass(ph->speaker_low_pass_hz, M_SQRT1_2, AIR);
    s->cone = filter_low_pass(700, AIR);
    chance_start(&s->chance, (uint64_t)ph->seed,
                 (uint64_t)ph->power_ups << 32 | (uint64_t)a->plays++ << 8 | 0x73);
    s->second = ph->speaker_second;
    s->third = ph->speaker_third;
    s->rattle_pa = ph->speaker_rattle_pa;
    s->rattle_level = ph->speaker_rattle_level;
    s->pascal = pascal_rms(ph->speaker_db_spl) * M_SQRT2 /
                (filter_gain(&s->resonance, 1000, AIR) * filter_gain(&s->roll_off, 1000, AIR));
}

static double speaker_step(struct speaker *s, double drive)
{
    double bent = drive + s->second * drive * drive - s->third * drive * drive * drive;
    double p = filter_step(&s->roll_off, filter_step(&s->resonance, bent)) * s->pascal;
    /* The cone's swing follows the low end of the drive; past a point it strikes the loose part,
     * which rings near 5.5 kHz for a fraction of a millisecond. */
    double swing = filter_step(&s->cone, drive);
    if (swing > s->rattle_level && !s->struck) {
        s->tick = s->rattle_pa * (0.6 + 0.8 * chance_uniform(&s->chance));
        s->tick_phase = 0;
    }
    s->struck = swing > s->rattle_level;
    if (s->tick > 1e-7) {
        p += s->tick * sin(s->tick_phase);
        s->tick_phase += 2 * M_PI * 5500 / AIR;
        s->tick *= exp(-1 / (0.0004 * AIR));
    }
    return p;
}

static int audio_play(struct audio *a, int rate_hz, double volume, const int16_t *samples,
                      size_t count, struct error *err)
{
    struct resample *kernel = NULL;
    float *drive = NULL, *pressure = NULL, *reference = NULL;
    int rc = audio_check(rate_hz, count, err);
    if (!rc && !(volume >= 0 && volume <= 1))
        rc = error_set(err, ERROR_INPUT, "a volume of %g, expected 0 to 1", volume);
    if (rc || !count)
        return rc;
    double step = (double)rate_hz / AIR * (1 + a->unit->physics.audio_clock_ppm * 1e-6);
    size_t air = (size_t)((double)count / step);
    size_t longest = (size_t)AIR * AUDIO_SECONDS_MAX;
    air = air < longest ? air : longest;
    drive = malloc(count * sizeof *drive);
    pressure = malloc(air * sizeof *pressure);
    reference = malloc(air * sizeof *reference);
    if (!drive || !pressure || !reference)
        rc = error_set(err, ERROR_MEMORY, "no memory to play %zu samples", count);
    if (!rc)
        rc = resample_create(rate_hz, AIR, &kernel, err);
    if (rc)
        goto out;

    struct speaker s;
    speaker_make(&s, a);
    double square = 0;
    for (size_t i = 0; i < count; i++) {
        drive[i] = (float)(samples[i] / 32768.0 * volume);
        square += (double)drive[i] * drive[i];
    }
    for (size_t i = 0; i < air; i++) {
        reference[i] = (float)resample_at(kernel, drive, count, (double)i * step);
        pressure[i] = (float)speaker_step(&s, reference[i]);
    }

    int64_t zero_ns = clock_mono_ns() + start_ns;
    pthread_mutex_lock(&a->air);
    rc = world_air_play(&a->unit->world->from_unit, world_air_index(zero_ns), pressure,
                        (int64_t)air, err);
    if (!rc) {
        free(a->reference.drive);
        a->reference = (struct reference){reference, air, world_air_index(zero_ns)};
        reference = NULL;
    }
    pthread_mutex_unlock(&a->air);
    if (rc)
        goto out;
    clock_sleep_until_ns(zero_ns);
    power_draw(a->unit->power, POWER_SPEAKER,
               a->unit->physics.speaker_watts * 2 * square / (double)count);
    clock_sleep_until_ns(zero_ns + (int64_t)air * 1000000000 / AIR);
    power_draw(a->unit->power, POWER_SPEAKER, 0);
out:
    resample_free(kernel);
    free(reference);
    free(pressure);
    free(drive);
    return rc;
}

const struct audio_ops emulated_audio_ops = {audio_record, audio_play};
