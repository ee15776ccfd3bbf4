/* Microphone and speaker through ALSA.
 *
 * libasound converts what the codec cannot do itself (rate, channels, width): its plug-ins are
 * built in, and the definitions they need are given here as text, so that a unit's file system
 * needs none of /usr/share/alsa. The amplifier's gain is what the board's init left it at; `volume`
 * scales the samples. */
#include <alsa/asoundlib.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/linux/parts.h"
#include "protocol/base/clock.h"

enum {
    LATENCY_US = 200000,
    BLOCK = 1024,
    PATIENCE_MS = 1000, /* beyond the sound's own length: then the stream stands still */
};

struct audio {
    struct linux_unit *unit;
    pthread_mutex_t opening; /* record and play may start at once; libasound's setup is one */
};

/* libasound would print its troubles to stderr, between the lines of the log. */
__attribute__((format(printf, 5, 6))) static void
quiet(const char *file, int line, const char *function, int error, const char *format, ...)
{
}

int linux_audio_open(struct linux_unit *u, struct audio **out, struct error *err)
{
    struct audio *a = *out = calloc(1, sizeof *a);
    if (!a)
        return error_set(err, ERROR_MEMORY, "no memory for the audio");
    a->unit = u;
    pthread_mutex_init(&a->opening, NULL);
    snd_lib_error_set_handler(quiet);
    return 0;
}

void linux_audio_close(struct audio *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->opening);
    free(a);
}

/* "hw:0,1" as plug over that hardware. */
static int define(const char *device, snd_config_t **out)
{
    int card, number;
    char text[160], end;
    snd_input_t *input;
    if (sscanf(device, "hw:%d,%d%c", &card, &number, &end) != 2 || card < 0 || number < 0)
        return -EINVAL;
    snprintf(text, sizeof text, "pcm.takt { type plug slave.pcm { type hw card %d device %d } }\n",
             card, number);
    int rc = snd_config_top(out);
    if (rc < 0)
        return rc;
    rc = snd_input_buffer_open(&input, text, (ssize_t)strlen(text));
    if (rc >= 0) {
        rc = snd_config_load(*out, input);
        snd_input_close(input);
    }
    if (rc < 0)
        snd_config_delete(*out);
    return rc;
}

static int failed(int rc, const char *device, const char *what, struct error *err)
{
    int code = rc == -ENOENT || rc == -ENODEV || rc == -ENXIO ? ERROR_MISSING
               : rc == -EBUSY                                 ? ERROR_BUSY
                                                              : ERROR_IO;
    return error_set(err, code, "sound device %s: %s: %s", device, what, snd_strerror(rc));
}

static int open_pcm(struct audio *a, const char *device, snd_pcm_stream_t direction, int rate_hz,
                    unsigned channels, snd_pcm_t **out, struct error *err)
{
    snd_config_t *config;
    *out = NULL;
    if (!device[0])
        return error_set(err, ERROR_MISSING, "board %s has no %s", a->unit->board->name,
                         direction == SND_PCM_STREAM_CAPTURE ? "microphone" : "speaker");
    pthread_mutex_lock(&a->opening);
    int rc = define(device, &config);
    if (rc >= 0) {
        do
            rc = snd_pcm_open_lconf(out, "takt", direction, SND_PCM_NONBLOCK, config);
        while ((rc == -ENOENT || rc == -ENODEV || rc == -ENXIO) && linux_wait(a->unit));
        snd_config_delete(config);
    }
    if (rc >= 0)
        rc = snd_pcm_set_params(*out, SND_PCM_FORMAT_S16_LE, SND_PCM_ACCESS_RW_INTERLEAVED,
                                channels, (unsigned)rate_hz, 1, LATENCY_US);
    pthread_mutex_unlock(&a->opening);
    if (rc < 0) {
        failed(rc, device, "cannot open it", err);
        if (*out)
            snd_pcm_close(*out);
        *out = NULL;
        return err ? err->code : ERROR_IO;
    }
    return 0;
}

/* Waits until samples can be moved. A stream that stands still would else hold its caller for
 * ever. */
static int wait_for(snd_pcm_t *pcm, const char *device, int64_t until_ms, struct error *err)
{
    int64_t left = until_ms - clock_mono_ms();
    int rc = left > 0 ? snd_pcm_wait(pcm, (int)left) : 0;
    if (rc == 0)
        return error_set(err, ERROR_TIMEOUT, "sound device %s: the stream stands still", device);
    return rc < 0 ? failed(rc, device, "waiting", err) : 0;
}

/* ALSA's capture says nothing of what a playback sends at the same instant. */
static int audio_record(struct audio *a, int rate_hz, enum audio_source source, int16_t *samples,
                        size_t count, struct error *err)
{
    const char *device = a->unit->board->linux.microphone;
    const size_t channels = audio_channels(source);
    snd_pcm_t *pcm;
    int rc = audio_check(rate_hz, count, err);
    if (!rc && source == AUDIO_WITH_REFERENCE)
        rc = error_set(err, ERROR_MISSING, "sound device %s gives no reference of the speaker",
                       device);
    if (!rc)
        rc = open_pcm(a, device, SND_PCM_STREAM_CAPTURE, rate_hz, (unsigned)channels, &pcm, err);
    if (rc)
        return rc;
    int64_t until = clock_mono_ms() + (int64_t)(count * 1000 / (size_t)rate_hz) + PATIENCE_MS;
    int started = snd_pcm_start(pcm);
    if (started < 0)
        rc = failed(started, device, "cannot start it", err);
    for (size_t done = 0; done < count && !rc;) {
        snd_pcm_sframes_t n = snd_pcm_readi(pcm, samples + done * channels, count - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || n == -EAGAIN)
            rc = wait_for(pcm, device, until, err);
        else /* an overrun is a gap, which a measurement takes for distortion */
            rc = failed((int)n, device, n == -EPIPE ? "samples were lost" : "reading", err);
    }
    snd_pcm_close(pcm);
    return rc;
}

static int audio_play(struct audio *a, int rate_hz, double volume, const int16_t *samples,
                      size_t count, struct error *err)
{
    const char *device = a->unit->board->linux.speaker;
    int16_t block[BLOCK];
    snd_pcm_t *pcm;
    int rc = audio_check(rate_hz, count, err);
    if (!rc && !(volume >= 0 && volume <= 1))
        rc = error_set(err, ERROR_INPUT, "a volume of %g, expected 0 to 1", volume);
    if (!rc)
        rc = open_pcm(a, device, SND_PCM_STREAM_PLAYBACK, rate_hz, 1, &pcm, err);
    if (rc)
        return rc;
    int64_t until = clock_mono_ms() + (int64_t)(count * 1000 / (size_t)rate_hz) + PATIENCE_MS;
    for (size_t done = 0; done < count && !rc;) {
        size_t piece = count - done < BLOCK ? count - done : BLOCK;
        for (size_t i = 0; i < piece; i++)
            block[i] = (int16_t)(samples[done + i] * volume);
        snd_pcm_sframes_t n = snd_pcm_writei(pcm, block, piece);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || n == -EAGAIN)
            rc = wait_for(pcm, device, until, err);
        else
            rc = failed((int)n, device, n == -EPIPE ? "the sound was torn" : "writing", err);
    }
    /* Blocking now: until the last sample is out. A sound too short to fill the buffer starts here.
     */
    if (!rc && snd_pcm_state(pcm) == SND_PCM_STATE_PREPARED)
        snd_pcm_start(pcm);
    while (!rc && snd_pcm_state(pcm) == SND_PCM_STATE_RUNNING) {
        snd_pcm_sframes_t left;
        if (snd_pcm_delay(pcm, &left) < 0 || left <= 0)
            break;
        if (clock_mono_ms() >= until)
            rc = error_set(err, ERROR_TIMEOUT, "sound device %s: the stream stands still", device);
        clock_sleep_until_ns(clock_mono_ns() + 5000000);
    }
    snd_pcm_drop(pcm);
    snd_pcm_close(pcm);
    return rc;
}

const struct audio_ops linux_audio_ops = {audio_record, audio_play};
