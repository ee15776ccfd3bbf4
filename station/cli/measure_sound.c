/* takt measure: the kinds that listen. */
#include <math.h>
#include <stdlib.h>

#include "station/cli/measure_kinds.h"
#include "station/measure/level.h"
#include "station/measure/sound_file.h"
#include "station/measure/sweep.h"
#include "station/measure/tone.h"

int measure_audio(const struct measure_request *r, cJSON *out, struct error *err)
{
    struct sound_samples s = {0};
    struct tone t;
    double weighted = 0;
    int rc = sound_load(r->files[0], &s, err);
    if (rc == 0)
        rc = level_dba_fs(s.data, s.count, s.rate_hz, &weighted, err);
    if (rc < 0)
        goto out;
    /* Noise and silence have levels but no tone: those figures are null then. */
    bool has_tone = tone_measure(s.data, s.count, s.rate_hz, &t, NULL) == 0;
    cJSON_AddNumberToObject(out, "level_dbfs", level_dbfs(s.data, s.count));
    cJSON_AddNumberToObject(out, "level_dba_fs", weighted);
    cJSON_AddNumberToObject(out, "frequency_hz", has_tone ? t.frequency_hz : NAN);
    cJSON_AddNumberToObject(out, "snr_db", has_tone ? t.snr_db : NAN);
    cJSON_AddNumberToObject(out, "thdn_db", has_tone ? t.thdn_db : NAN);
    cJSON_AddNumberToObject(out, "thd_percent", has_tone ? t.thd_percent : NAN);
    cJSON_AddNumberToObject(out, "clipped_samples", (double)level_clipped(s.data, s.count));
    cJSON_AddNumberToObject(out, "rate_hz", s.rate_hz);
    cJSON_AddNumberToObject(out, "seconds", (double)s.count / s.rate_hz);
out:
    free(s.data);
    return rc;
}

static void add_points(cJSON *out, const char *name, const struct sweep_point *points, size_t count)
{
    cJSON *array = cJSON_AddArrayToObject(out, name);
    for (size_t i = 0; i < count; i++) {
        double pair[2] = {points[i].hz, points[i].value};
        cJSON_AddItemToArray(array, cJSON_CreateDoubleArray(pair, 2));
    }
}

int measure_sweep(const struct measure_request *r, cJSON *out, struct error *err)
{
    struct sound_samples reference = {0}, recording = {0};
    struct signal_sweep spec;
    struct sweep *s = malloc(sizeof *s);
    int rc = s ? 0 : error_set(err, ERROR_MEMORY, "no memory for a sweep");
    if (rc == 0)
        rc = sound_load(r->files[0], &reference, err);
    if (rc == 0)
        rc = sound_load(r->files[1], &recording, err);
    if (rc == 0 && reference.rate_hz != recording.rate_hz)
        rc = error_set(err, ERROR_INPUT, "'%s' has %d Hz and '%s' %d Hz: one rate expected",
                       r->files[0], reference.rate_hz, r->files[1], recording.rate_hz);
    if (rc == 0)
        rc = sweep_recognise(reference.data, reference.count, reference.rate_hz, &spec, err);
    if (rc == 0)
        rc = sweep_measure(&spec, reference.data, reference.count, recording.data, recording.count,
                           s, err);
    if (rc == 0) {
        add_points(out, "response", s->response, s->responses);
        add_points(out, "thd", s->thd, s->thds);
        cJSON_AddNumberToObject(out, "rub_buzz_db", s->rub_buzz_db);
        cJSON_AddNumberToObject(out, "delay_ms", s->delay_ms);
    }
    free(s);
    free(reference.data);
    free(recording.data);
    return rc;
}
