/* gauge-streams: what encoder, memory and bus leave of the picture. */
#include <math.h>

#include "protocol/base/json.h"
#include "station/study/study.h"

/* Of a main stream of one second. */
static const double frames_a_second = 20, megabytes_a_second = 0.31;

static double lost_frames(const cJSON *u)
{
    return json_number(u, "dropped_per_1000", 0) / 1000 * frames_a_second;
}

static double spoiled_bytes(const cJSON *u)
{
    return json_number(u, "stream_errors_per_mb", 0) * megabytes_a_second;
}

static double frame_rate_hz(const cJSON *u)
{
    return json_number(u, "frame_rate_hz", 20);
}

/* What happens by chance 6.9 times a second is missed in one second of 1,000 (Poisson). */
#define SURE_OF_ONE 6.9

enum { DROPPED, BROKEN, RATE, MAIN_KEPT, SUB_KEPT, JPEG_KEPT, MAIN_COLOUR, FIGURES };

static const struct study_figure figures[FIGURES] = {
    [DROPPED] = {"stream", "main_dropped_frames", lost_frames, SURE_OF_ONE},
    [BROKEN] = {"stream", "main_broken_frames", spoiled_bytes, SURE_OF_ONE},
    [RATE] = {"stream", "main_frame_rate_hz", frame_rate_hz, 0},
    [MAIN_KEPT] = {"stream", "main_sharpness_kept", NULL, 0},
    [SUB_KEPT] = {"stream", "sub_sharpness_kept", NULL, 0},
    [JPEG_KEPT] = {"stream", "jpeg_sharpness_kept", NULL, 0},
    [MAIN_COLOUR] = {"stream", "main_de2000_mean", NULL, 0},
};

static const struct study_kind kinds[] = {
    {"lost_frames",
     "frames are lost behind the sensor",
     {{"dropped_per_1000", 1, 600, true}},
     false,
     DROPPED,
     0},
    {"broken_stream",
     "memory spoils the coded stream",
     {{"stream_errors_per_mb", 0.1, 400, true}},
     false,
     BROKEN,
     0},
    {"slow_sensor", "frames come late", {{"frame_rate_hz", 20, 17, false}}, false, RATE, 0.17},
};

const struct study study_gauge_streams = {
    .name = "gauge-streams",
    .product = "ptz-indoor-3mp",
    .plan = "streams",
    .kinds = kinds,
    .kind_count = sizeof kinds / sizeof *kinds,
    .figures = figures,
    .figure_count = FIGURES,
};
