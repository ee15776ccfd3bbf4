/* unit.health: what is watched of a unit for months, in one cheap call. */
#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "firmware/factory/process_figures.h"
#include "firmware/media/pump.h"
#include "protocol/base/clock.h"

static const char *const no_params[] = {NULL};

static int add_stream(struct agent *a, struct agent_call *call, cJSON *streams, struct error *err)
{
    const struct camera_ops *camera = a->hal->camera;
    struct camera_progress p = {0};
    int rc = 0;
    if (a->config.pump) {
        pump_progress(a->config.pump, &p);
    } else if (camera && camera->progress) {
        rc = agent_take(a, call, PART_CAMERA, err);
        if (rc)
            return rc;
        camera->progress(a->hal->camera_state, &p);
        agent_leave(a, PART_CAMERA);
    } else {
        return 0;
    }
    cJSON *stream = answer_item(call, streams);
    answer_text(call, stream, "name", "main");
    answer_flag(call, stream, "streaming", p.streaming);
    answer_number(call, stream, "frames", (double)p.frames);
    if (p.last_frame_us)
        answer_number(call, stream, "age_ms",
                      (double)(clock_mono_ns() / 1000 - p.last_frame_us) / 1000);
    if (p.interval_us > 0)
        answer_number(call, stream, "frame_rate_hz", 1e6 / p.interval_us);
    return rc;
}

static int add_link(struct agent *a, struct agent_call *call, struct error *err)
{
    struct radio_link link = {0};
    if (!a->hal->radio)
        return 0;
    int rc = agent_take(a, call, PART_RADIO, err);
    if (rc)
        return rc;
    rc = a->hal->radio->link(a->hal->radio_state, &link, err);
    agent_leave(a, PART_RADIO);
    if (rc)
        return rc;
    cJSON *wifi = answer_object(call, call->result, "wifi");
    answer_flag(call, wifi, "associated", link.associated);
    if (!link.associated)
        return 0;
    answer_text(call, wifi, "bssid", link.bssid);
    answer_number(call, wifi, "rssi_dbm", link.rssi_dbm);
    answer_number(call, wifi, "tx_rate_mbps", link.tx_rate_mbps);
    return 0;
}

/* `reserved`: memory that stands for hardware, an emulator's. */
static void add_process(struct agent_call *call, uint64_t reserved)
{
    struct process_figures f;
    process_figures_read(&f);
    answer_number(call, call->result, "cpu_ms", f.cpu_ms);
    answer_number(call, call->result, "rss_bytes",
                  (double)(f.rss_bytes > reserved ? f.rss_bytes - reserved : 0));
    answer_number(call, call->result, "threads", f.threads);
    answer_number(call, call->result, "descriptors", f.descriptors);
    answer_number(call, call->result, "memory_available_bytes", (double)f.memory_available_bytes);
}

static void add_boot(struct agent *a, struct agent_call *call)
{
    struct boot_stages s = {0};
    if (!a->config.boot)
        return;
    boot_clock_read(a->config.boot, &s);
    if (s.hello_ms > 0)
        answer_number(call, call->result, "boot_ms", s.hello_ms);
}

static int health(struct agent *a, struct agent_call *call, struct error *err)
{
    const struct system_ops *system = a->hal->system;
    struct system_health h = {0};
    struct system_facts facts;
    char slot[2] = {a->running, '\0'};
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = system->facts(a->hal->system_state, &facts, err);
    if (!rc && system->health)
        rc = system->health(a->hal->system_state, &h, err);
    if (rc)
        return rc;
    answer_text(call, call->result, "boot_slot", slot);
    answer_text(call, call->result, "boot_reason", facts.boot_reason);
    answer_number(call, call->result, "uptime_ms", (double)(clock_mono_ms() - a->started_ms));
    answer_number(call, call->result, "temperature_c", facts.temperature_c);
    answer_number(call, call->result, "throttled", h.throttled);
    add_process(call, facts.reserved_bytes);
    add_boot(a, call);
    answer_number(call, call->result, "bad_blocks", (double)h.bad_blocks);
    answer_number(call, call->result, "corrected_bits", (double)h.corrected_bits);
    answer_number(call, call->result, "ecc_failures", (double)h.ecc_failures);
    answer_number(call, call->result, "erase_count_max", (double)h.erase_count_max);
    answer_number(call, call->result, "filesystem_errors", (double)h.filesystem_errors);
    rc = add_stream(a, call, answer_array(call, call->result, "streams"), err);
    return rc ? rc : add_link(a, call, err);
}

const struct agent_method agent_health_methods[] = {{"unit.health", PART_SYSTEM, health}, {0}};
