/* What a unit says of itself, for months on end: one cheap call (unit.health). */
#include <math.h>

#include "protocol/base/json.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum { CALL_MS = 5000 };

static const struct step_param params[] = {
    {"timeout_s", PARAM_NUMBER, "10", 1, 300, "how long the unit may take to answer, s"},
    {"load", PARAM_TEXT, "", 0, 0, "put on anew after a restart: idle, streaming, full; \"\" none"},
    {0}};

static const struct step_measurement measurements[] = {
    {"uptime_s", "s", "since camd started; one that falls is a restart"},
    {"soc_c", "degC", "of the SoC"},
    {"throttled", "count", "cooling steps in force"},
    {"cpu_percent", "percent", "of one processor, camd's mean since its start"},
    {"rss_bytes", "B", "of camd"},
    {"threads", "count", "of camd"},
    {"descriptors", "count", "of camd"},
    {"memory_available_bytes", "B", "of the machine"},
    {"boot_ms", "ms", "from power-on to the first hello"},
    {"bad_blocks", "count", "of the flash"},
    {"corrected_bits", "count", "of the flash"},
    {"ecc_failures", "count", "of the flash"},
    {"erase_count_max", "count", "of its most used block"},
    {"filesystem_errors", "count", "that the kernel has counted"},
    {"streaming", "bool",
     "the stream is on; off it is switched on again, unless a condition commands it"},
    {"frame_age_ms", "ms", "since the latest frame"},
    {"frame_rate_hz", "Hz", "of the stream"},
    {"associated", "bool", "Wi-Fi"},
    {"rssi_dbm", "dBm", "Wi-Fi"},
    {0}};

/* Members of the answer that are figures as they are; one that is not there is not reported. */
static const struct {
    const char *member, *name;
    double scale;
} plain[] = {
    {"uptime_ms", "uptime_s", 0.001},
    {"temperature_c", "soc_c", 1},
    {"throttled", "throttled", 1},
    {"rss_bytes", "rss_bytes", 1},
    {"threads", "threads", 1},
    {"descriptors", "descriptors", 1},
    {"memory_available_bytes", "memory_available_bytes", 1},
    {"boot_ms", "boot_ms", 1},
    {"bad_blocks", "bad_blocks", 1},
    {"corrected_bits", "corrected_bits", 1},
    {"ecc_failures", "ecc_failures", 1},
    {"erase_count_max", "erase_count_max", 1},
    {"filesystem_errors", "filesystem_errors", 1},
};

static int value_of(struct step_context *c, const cJSON *object, const char *member,
                    const char *name, double scale, struct error *err)
{
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(object, member);
    if (cJSON_IsBool(at))
        return step_value(c, name, cJSON_IsTrue(at), err);
    return cJSON_IsNumber(at) ? step_value(c, name, at->valuedouble * scale, err) : 0;
}

static int report(struct step_context *c, const cJSON *answer, struct error *err)
{
    const cJSON *stream = cJSON_GetObjectItemCaseSensitive(answer, "streams");
    const cJSON *wifi = cJSON_GetObjectItemCaseSensitive(answer, "wifi");
    const double uptime_ms = json_number(answer, "uptime_ms", 0);
    int rc = 0;
    stream = cJSON_IsArray(stream) ? stream->child : NULL;
    for (size_t i = 0; rc == 0 && i < sizeof plain / sizeof *plain; i++)
        rc = value_of(c, answer, plain[i].member, plain[i].name, plain[i].scale, err);
    if (rc == 0 && uptime_ms > 0)
        rc = step_value(c, "cpu_percent", 100 * json_number(answer, "cpu_ms", 0) / uptime_ms, err);
    if (rc == 0)
        rc = value_of(c, stream, "streaming", "streaming", 1, err);
    if (rc == 0)
        rc = value_of(c, stream, "age_ms", "frame_age_ms", 1, err);
    if (rc == 0)
        rc = value_of(c, stream, "frame_rate_hz", "frame_rate_hz", 1, err);
    if (rc == 0)
        rc = value_of(c, wifi, "associated", "associated", 1, err);
    if (rc == 0)
        rc = value_of(c, wifi, "rssi_dbm", "rssi_dbm", 1, err);
    if (rc == 0)
        rc = step_noted(c, "boot_slot", json_string(answer, "boot_slot", ""), err);
    return rc < 0 ? rc : step_noted(c, "boot_reason", json_string(answer, "boot_reason", ""), err);
}

static int put_load(struct step_context *c, const char *load, struct error *err)
{
    cJSON *p = cJSON_CreateObject();
    cJSON_AddStringToObject(p, "load", load);
    return unit_call(c->unit, "system.load", p, CALL_MS, NULL, err);
}

static int stream_on(struct step_context *c, struct error *err)
{
    cJSON *p = cJSON_CreateObject();
    cJSON_AddBoolToObject(p, "stream", true);
    return unit_call(c->unit, "camera.configure", p, CALL_MS, NULL, err);
}

/* Another step leaves the stream off, a restart takes the load away. Where a condition commands the
 * stream it is the load step's. */
static int keep_going(struct step_context *c, const cJSON *answer, struct error *err)
{
    const cJSON *stream = cJSON_GetObjectItemCaseSensitive(answer, "streams");
    const char *load = step_text(c, "load");
    stream = cJSON_IsArray(stream) ? stream->child : NULL;
    if (!stream || json_bool(stream, "streaming", true) ||
        isfinite(step_commanded(c, "unit_streams")))
        return 0;
    int rc = *load ? put_load(c, load, err) : 0;
    return rc < 0 ? rc : stream_on(c, err);
}

static int run(struct step_context *c, struct error *err)
{
    cJSON *answer = NULL;
    struct session *session;
    int rc = unit_link_session(c->unit, (int)(step_number(c, "timeout_s") * 1000), &session, err);
    if (rc == 0)
        rc = unit_call(c->unit, "unit.health", NULL, CALL_MS, &answer, err);
    if (rc == 0)
        rc = report(c, answer, err);
    if (rc == 0)
        rc = keep_going(c, answer, err);
    cJSON_Delete(answer);
    return rc;
}

const struct step_kind step_health = {
    .name = "health",
    .about = "what the unit says of itself: memory, temperature, flash, stream, link",
    .params = params,
    .measurements = measurements,
    .run = run,
};
