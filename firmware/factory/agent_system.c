/* hello, unit.info, unit.restart, system.load, system.sleep. */
#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "firmware/factory/process_figures.h"
#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/base/version.h"

enum { PROTOCOL_VERSION = 1 };

static const char *const no_params[] = {NULL};

static int check_versions(const cJSON *params, struct error *err)
{
    const cJSON *versions = cJSON_GetObjectItemCaseSensitive(params, "versions"), *version;
    if (!cJSON_IsArray(versions))
        return error_set(err, ERROR_INPUT, "param 'versions' is %s, expected an array of numbers",
                         versions ? "not an array" : "missing");
    cJSON_ArrayForEach(version, versions) if (cJSON_IsNumber(version) &&
                                              version->valuedouble == PROTOCOL_VERSION) return 0;
    return error_set(err, ERROR_PROTOCOL, "none of the station's versions is %d, the one spoken",
                     PROTOCOL_VERSION);
}

/* Told when the first station is answered: the last stage of the start. */
static void hello_served(struct agent *a)
{
    struct boot_stages stages;
    char line[200];
    if (!boot_clock_hello(a->config.boot))
        return;
    boot_clock_read(a->config.boot, &stages);
    boot_stages_format(&stages, line, sizeof line);
    agent_log(a, "boot: %s", line);
}

static int hello(struct agent *a, struct agent_call *call, struct error *err)
{
    char slot[2] = {a->running, '\0'};
    const char *closed = agent_closed(a);
    int rc = check_versions(call->params, err);
    if (!rc)
        rc = agent_need_place(call, json_string(call->params, "station", ""), err);
    if (rc)
        return rc;
    answer_number(call, call->result, "version", PROTOCOL_VERSION);
    answer_text(call, call->result, "agent", takt_version);
    answer_text(call, call->result, "board", a->board->name);
    answer_text(call, call->result, "chip_id", a->chip_id);
    answer_text(call, call->result, "boot_slot", slot);
    answer_flag(call, call->result, "factory_mode", !closed);
    answer_flag(call, call->result, "locked", a->locked);
    if (closed)
        answer_text(call, call->result, "closed", closed);
    else
        answer_text(call, call->result, "nonce", call->session->nonce);
    answer_number(call, call->result, "uptime_ms", (double)(clock_mono_ms() - a->started_ms));
    cJSON *capabilities = answer_array(call, call->result, "capabilities");
    for (const struct method *m = a->methods; m->name; m++) {
        cJSON *name = cJSON_CreateString(m->name);
        if (closed && !m->open)
            cJSON_Delete(name);
        else
            call->no_memory |= !cJSON_AddItemToArray(capabilities, name);
    }
    hello_served(a);
    return 0;
}

static void answer_figures(struct agent_call *call)
{
    struct process_figures f;
    process_figures_read(&f);
    answer_number(call, call->result, "rss_bytes", (double)f.rss_bytes);
    answer_number(call, call->result, "rss_peak_bytes", (double)f.rss_peak_bytes);
    answer_number(call, call->result, "threads", f.threads);
    answer_number(call, call->result, "descriptors", f.descriptors);
    answer_number(call, call->result, "memory_total_bytes", (double)f.memory_total_bytes);
    answer_number(call, call->result, "memory_available_bytes", (double)f.memory_available_bytes);
}

static void answer_boot_stages(struct agent *a, struct agent_call *call)
{
    struct boot_stages s;
    if (!a->config.boot)
        return;
    boot_clock_read(a->config.boot, &s);
    const struct {
        const char *name;
        double ms;
    } stages[] = {{"kernel_ms", s.kernel_ms},
                  {"init_ms", s.init_ms},
                  {"camd_ms", s.camd_ms},
                  {"first_frame_ms", s.first_frame_ms},
                  {"hello_ms", s.hello_ms}};
    cJSON *object = answer_object(call, call->result, "boot_stages");
    answer_text(call, object, "from", s.from_power_on ? "power-on" : "kernel");
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
        if (stages[i].ms > 0)
            answer_number(call, object, stages[i].name, stages[i].ms);
}

static int info(struct agent *a, struct agent_call *call, struct error *err)
{
    struct system_facts facts;
    char slot[2] = {a->running, '\0'};
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = agent_take(a, call, PART_FLASH, err); /* the slots are the flash's */
    if (rc)
        return rc;
    answer_text(call, call->result, "firmware", slots_at(&a->slots, a->running)->version);
    answer_flag(call, call->result, "on_trial", a->slots.trial && a->slots.active == a->running);
    answer_text(call, call->result, "fallback", a->slots.fallback);
    agent_leave(a, PART_FLASH);
    rc = a->hal->system->facts(a->hal->system_state, &facts, err);
    if (rc)
        return rc;
    answer_text(call, call->result, "chip_id", a->chip_id);
    answer_text(call, call->result, "board", a->board->name);
    answer_text(call, call->result, "agent", takt_version);
    answer_text(call, call->result, "boot_slot", slot);
    answer_text(call, call->result, "boot_reason", facts.boot_reason);
    answer_number(call, call->result, "uptime_ms", (double)(clock_mono_ms() - a->started_ms));
    answer_number(call, call->result, "temperature_c", facts.temperature_c);
    answer_figures(call);
    answer_number(call, call->result, "reserved_bytes", (double)facts.reserved_bytes);
    answer_boot_stages(a, call);
    return 0;
}

static int restart(struct agent *a, struct agent_call *call, struct error *err)
{
    int rc = params_only(call->params, no_params, err);
    /* A restart must not fall into an erase that somebody else asked for. */
    if (!rc)
        rc = agent_take(a, call, PART_FLASH, err);
    if (rc)
        return rc;
    rc = a->hal->flash->sync(a->hal->flash_state, err);
    agent_leave(a, PART_FLASH);
    if (!rc) {
        agent_log(a, "factory: restart asked for");
        a->restart_wanted = true;
    }
    return rc;
}

static int load(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"load", NULL};
    static const char *const loads[] = {"standby", "idle", "streaming", "full", NULL};
    int choice;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_choice(call->params, "load", loads, &choice, err);
    if (!rc)
        rc = a->hal->system->load(a->hal->system_state, (enum system_load)choice, err);
    if (!rc)
        answer_text(call, call->result, "load", loads[choice]);
    return rc;
}

/* The answer is there once it is awake again. */
static int sleep_for(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"ms", NULL};
    long long ms;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_integer(call->params, "ms", 100, 60000, &ms, err);
    if (!rc && !a->hal->system->sleep)
        rc = error_set(err, ERROR_MISSING, "board %s cannot sleep", a->board->name);
    if (rc)
        return rc;
    const int64_t began = clock_boot_ms();
    rc = a->hal->system->sleep(a->hal->system_state, (int)ms, err);
    if (!rc)
        answer_number(call, call->result, "slept_ms", (double)(clock_boot_ms() - began));
    return rc;
}

const struct agent_method agent_system_methods[] = {
    {"hello", PART_NONE, hello},
    {"unit.info", PART_SYSTEM, info},
    {"unit.restart", PART_SYSTEM, restart},
    {"system.load", PART_SYSTEM, load},
    {"system.sleep", PART_SYSTEM, sleep_for},
    {0},
};
