/* The TF card socket with a card in it: speed both ways, wrong blocks, and whether the capacity is
 * real. The unit puts back what it overwrote. */
#include <math.h>
#include <stdlib.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static const struct step_param params[] = {
    {"mib", PARAM_NUMBER, "8", 1, 16, "written and read back for the speed, MiB"},
    {"probes", PARAM_NUMBER, "32", 4, 4096, "blocks probed over the whole capacity"},
    {"timeout_s", PARAM_NUMBER, "60", 5, 600, "for each of the two, s"},
    {0}};

static const struct step_measurement measurements[] = {
    {"present", "bool", "1 when the socket's switch sees a card"},
    {"write_mb_s", "MB/s", "past every cache, sync included: the median of the MiB written"},
    {"read_mb_s", "MB/s", "past every cache: the median of the MiB read"},
    {"slowest_write_mb_s", "MB/s", "the slowest MiB: a card that pauses to put itself in order"},
    {"bad_blocks", "count", "blocks of the speed test that read back otherwise"},
    {"wrong_blocks", "count", "probes over the whole capacity that read back otherwise"},
    {"capacity_gb", "GB", "as the card claims"},
    {"real_fraction", "ratio", "highest good byte over the claimed capacity: below 1 is a fake"},
    {0}};

enum { SEGMENTS_MAX = 64 };

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over the pieces: a pause of the unit's processor in one of them is not the card's. The
 * slowest piece has its own figure. */
static int read_speed(const cJSON *answer, const char *times, double *median, double *slowest,
                      struct error *err)
{
    double ms[SEGMENTS_MAX];
    size_t n = 0;
    const cJSON *time;
    const double bytes =
        fmin(json_number(answer, "segment_bytes", 0), json_number(answer, "bytes", 0));
    cJSON_ArrayForEach(time, cJSON_GetObjectItemCaseSensitive(answer, times))
    {
        if (n < SEGMENTS_MAX && cJSON_IsNumber(time) && time->valuedouble > 0)
            ms[n++] = time->valuedouble;
    }
    if (!n || !(bytes > 0))
        return error_set(err, ERROR_PROTOCOL, "card.speed answered no \"%s\"", times);
    qsort(ms, n, sizeof *ms, by_value);
    *median = bytes / 1e3 / (n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2);
    *slowest = bytes / 1e3 / ms[n - 1];
    return 0;
}

static int speed(struct step_context *c, double seed, struct error *err)
{
    cJSON *ask = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddNumberToObject(ask, "bytes", step_number(c, "mib") * 1048576);
    cJSON_AddNumberToObject(ask, "seed", seed);
    int rc = unit_call(c->unit, "card.speed", ask, (int)(step_number(c, "timeout_s") * 1000),
                       &answer, err);
    double written = 0, read = 0, slowest = 0, unused;
    if (rc == 0)
        rc = read_speed(answer, "segment_write_ms", &written, &slowest, err);
    if (rc == 0)
        rc = read_speed(answer, "segment_read_ms", &read, &unused, err);
    if (rc == 0)
        rc = step_value(c, "write_mb_s", written, err);
    if (rc == 0)
        rc = step_value(c, "read_mb_s", read, err);
    if (rc == 0)
        rc = step_value(c, "slowest_write_mb_s", slowest, err);
    if (rc == 0)
        rc = step_value(c, "bad_blocks", json_number(answer, "bad_blocks", -1), err);
    cJSON_Delete(answer);
    return rc;
}

static int probe(struct step_context *c, double seed, double claimed_bytes, struct error *err)
{
    cJSON *ask = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddNumberToObject(ask, "seed", seed);
    cJSON_AddNumberToObject(ask, "probes", step_number(c, "probes"));
    int rc = unit_call(c->unit, "card.probe", ask, (int)(step_number(c, "timeout_s") * 1000),
                       &answer, err);
    if (rc == 0)
        rc = step_value(c, "wrong_blocks", json_number(answer, "wrong_blocks", -1), err);
    if (rc == 0)
        rc = step_value(c, "real_fraction",
                        json_number(answer, "highest_good_byte", 0) / claimed_bytes, err);
    cJSON_Delete(answer);
    return rc;
}

/* Every figure that a limit may stand for is delivered, or a unit without a card would be an error
 * of the station: nothing was read, so no probe came back right. */
static int no_card(struct step_context *c, struct error *err)
{
    const double probes = step_number(c, "probes");
    int rc = step_value(c, "present", 0, err);
    if (rc == 0)
        rc = step_value(c, "write_mb_s", 0, err);
    if (rc == 0)
        rc = step_value(c, "read_mb_s", 0, err);
    if (rc == 0)
        rc = step_value(c, "wrong_blocks", probes, err);
    if (rc == 0)
        rc = step_value(c, "real_fraction", 0, err);
    return rc;
}

static int run(struct step_context *c, struct error *err)
{
    cJSON *status = NULL;
    /* Another salt every time: what an earlier test left must never pass for this one's data. */
    const double seed = (double)(clock_wall_ms() & 0x7fffffff);
    step_progress(c, 0, "card status");
    int rc = unit_call(c->unit, "card.status", NULL, 5000, &status, err);
    if (rc < 0)
        return rc;
    const bool present = json_bool(status, "present", false);
    const double bytes = json_number(status, "bytes", 0);
    cJSON_Delete(status);
    if (!present)
        return no_card(c, err);
    if (!(bytes > 0))
        return error_set(err, ERROR_PROTOCOL, "card.status: a card of %g bytes", bytes);
    rc = step_value(c, "present", 1, err);
    if (rc == 0)
        rc = step_value(c, "capacity_gb", bytes / 1e9, err);
    if (rc == 0) {
        step_progress(c, 0.1, "speed");
        rc = speed(c, seed, err);
    }
    if (rc == 0) {
        step_progress(c, 0.6, "capacity");
        rc = probe(c, seed + 1, bytes, err);
    }
    return rc;
}

const struct step_kind step_card = {
    .name = "card",
    .about = "TF card: speed, bad blocks, real capacity",
    .params = params,
    .measurements = measurements,
    .run = run,
};
