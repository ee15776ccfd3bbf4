#include "tests/rehearsal/rehearsed_unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/throughput.h"
#include "firmware/hal/emulator/emulator.h"
#include "firmware/hal/emulator/relay.h"
#include "fixtures/virtual/unit_kind.h"
#include "protocol/base/clock.h"
#include "protocol/base/version.h"
#include "station/steps/unit_link.h"
#include "tests/rehearsal/direct_call.h"
#include "tests/rehearsal/simulated_clock.h"

enum { REBOOT_MS = 300, PAUSE_MS = 50, STACK_LIVES_MAX = 1000 };

static struct {
    const struct board *board;
    const char *folder;
    struct world *world;
    int life; /* counts up; 0: before the first */
    bool alive, up;
    int64_t restart_ns;
    struct hal hal;
    struct agent agent;
    struct error failure; /* why it did not come up */
} unit;

/* ---- life ---- */

static void ended(int life)
{
    if (life != unit.life || !unit.alive)
        return;
    unit.alive = unit.up = false;
    unit.restart_ns = clock_mono_ns() + (int64_t)REBOOT_MS * 1000000;
    unit_darken(unit.world);
    simulated_wake(&unit);
}

static void *boot(void *context)
{
    const struct hal_config config = {.board = unit.board, .options = unit.folder};
    struct system_facts facts;
    memset(&unit.hal, 0, sizeof unit.hal);
    memset(&unit.agent, 0, sizeof unit.agent);
    int rc = hal_emulator.open(&config, &unit.hal, &unit.failure);
    if (!rc)
        rc = unit.hal.system->facts(unit.hal.system_state, &facts, &unit.failure);
    if (rc)
        _exit(1);
    unit.agent.hal = &unit.hal;
    unit.agent.board = unit.board;
    unit.agent.running = 'a';
    unit.agent.started_ms = clock_mono_ms();
    snprintf(unit.agent.chip_id, sizeof unit.agent.chip_id, "%s", facts.chip_id);
    for (int i = 0; i < PARTS; i++)
        pthread_mutex_init(&unit.agent.parts[i], NULL);
    unit.up = true;
    simulated_wake(&unit);
    return NULL;
}

void rehearsed_unit_begin(const struct board *board, const char *folder, struct world *world)
{
    unit.board = board;
    unit.folder = folder;
    unit.world = world;
    simulated_on_exit(ended);
}

void rehearsed_unit_watch(bool powered)
{
    char latch[320];
    if (unit.alive && !powered) {
        simulated_life_end(unit.life);
        ended(unit.life);
        unit.restart_ns = 0;
    }
    if (!powered) {
        snprintf(latch, sizeof latch, "%s/reset_cause", unit.folder);
        unlink(latch);
    }
    if (powered && !unit.alive && clock_mono_ns() >= unit.restart_ns) {
        pthread_t thread;
        unit.alive = true;
        simulated_life_begin(++unit.life);
        if (pthread_create(&thread, NULL, boot, NULL))
            abort();
        simulated_life_begin(0);
    }
}

/* ---- calls ---- */

static const struct agent_method *find(const char *name)
{
    const struct agent_method *const groups[] = {
        agent_system_methods, agent_camera_methods,   agent_ptz_methods,  agent_microphone_methods,
        agent_card_methods,   agent_speaker_methods,  agent_wifi_methods, agent_gpio_methods,
        agent_health_methods, agent_bluetooth_methods};
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (const struct agent_method *m = groups[g]; m->name; m++)
            if (strcmp(m->name, name) == 0)
                return m;
    return NULL;
}

struct job {
    struct agent_call call;
    struct request request;
    const struct agent_method *method;
    struct error err;
    int rc;
    bool done;
};

static void *serve(void *context)
{
    struct job *j = context;
    j->rc = 0;
    if (j->method->part != PART_NONE)
        j->rc = agent_take(&unit.agent, &j->call, j->method->part, &j->err);
    if (!j->rc) {
        j->rc = j->method->serve(&unit.agent, &j->call, &j->err);
        if (j->method->part != PART_NONE)
            agent_leave(&unit.agent, j->method->part);
    }
    j->done = true;
    simulated_wake(&unit);
    return NULL;
}

/* Begins a call in the life that is now; the job is the caller's until it is done, or for good when
 * the unit died under it. */
static struct job *begin_call(const struct call *call, struct error *err)
{
    pthread_t thread;
    const struct agent_method *method = find(call->method);
    if (!method) {
        error_set(err, ERROR_REMOTE, "MISSING: no method %s in a rehearsal", call->method);
        return NULL;
    }
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        abort();
    j->method = method;
    j->request = direct_request(call);
    j->call = (struct agent_call){
        .request = &j->request, .params = call->params, .result = cJSON_CreateObject()};
    simulated_life_begin(unit.life);
    if (pthread_create(&thread, NULL, serve, j))
        abort();
    simulated_life_begin(0);
    return j;
}

static int end_call(struct job *j, int life, cJSON **result, struct error *err)
{
    while (!j->done && unit.alive && unit.life == life)
        simulated_wait(&unit, INT64_MAX);
    if (!j->done)
        return error_set(err, ERROR_CLOSED, "the unit closed the connection");
    int rc = j->rc;
    if (rc)
        rc = error_set(err, ERROR_REMOTE, "%s: %s", error_name(j->rc), j->err.text);
    else if (result)
        *result = j->call.result;
    if (rc || !result)
        cJSON_Delete(j->call.result);
    free(j);
    return rc;
}

/* ---- unit_link.h ---- */

struct unit_link {
    struct unit_facts facts;
    int life; /* of the session; 0: none */
    int sessions;
};

int unit_link_create(const struct unit_link_config *config, struct unit_link **out,
                     struct error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : error_set(err, ERROR_MEMORY, "out of memory");
}

void unit_link_free(struct unit_link *l)
{
    free(l);
}

void unit_link_drop(struct unit_link *l)
{
    l->life = 0;
}

void unit_link_expect(struct unit_link *l, const char *chip_id)
{
    snprintf(l->facts.chip_id, sizeof l->facts.chip_id, "%s", chip_id);
}

const struct unit_facts *unit_link_facts(const struct unit_link *l)
{
    return &l->facts;
}

static int await_unit(struct unit_link *l, int timeout_ms, struct error *err)
{
    const int64_t until = clock_mono_ns() + (int64_t)timeout_ms * 1000000;
    while (!unit.up) {
        if (clock_mono_ns() >= until)
            return error_set(err, ERROR_TIMEOUT, "the unit is not up within %d ms: %s", timeout_ms,
                             unit.failure.text);
        clock_sleep_until_ns(clock_mono_ns() + (int64_t)PAUSE_MS * 1000000);
    }
    l->facts = (struct unit_facts){.factory_mode = true, .boot_slot = "a"};
    snprintf(l->facts.chip_id, sizeof l->facts.chip_id, "%s", unit.agent.chip_id);
    snprintf(l->facts.board, sizeof l->facts.board, "%s", unit.board->name);
    snprintf(l->facts.agent, sizeof l->facts.agent, "%s", takt_version);
    snprintf(l->facts.nonce, sizeof l->facts.nonce, "%d", l->sessions);
    return 0;
}

int unit_link_hello(struct unit_link *l, int timeout_ms, struct unit_facts *out, struct error *err)
{
    unit_link_drop(l);
    int rc = await_unit(l, timeout_ms, err);
    *out = l->facts;
    return rc;
}

int unit_link_session(struct unit_link *l, int timeout_ms, struct session **out, struct error *err)
{
    *out = NULL;
    if (l->life && unit.up && l->life == unit.life)
        return 0;
    l->sessions++;
    int rc = await_unit(l, timeout_ms, err);
    l->life = rc ? 0 : unit.life;
    return rc;
}

int unit_exchange(struct unit_link *l, const struct call *call, cJSON **result, struct error *err)
{
    struct session *unused;
    int rc = unit_link_session(l, call->timeout_ms, &unused, err);
    if (rc)
        return rc;
    struct job *j = begin_call(call, err);
    rc = j ? end_call(j, l->life, result, err) : ERROR_REMOTE;
    if (rc == ERROR_CLOSED)
        unit_link_drop(l);
    return rc;
}

int unit_call(struct unit_link *l, const char *method, cJSON *params, int timeout_ms,
              cJSON **result, struct error *err)
{
    const struct call call = {.method = method, .params = params, .timeout_ms = timeout_ms};
    int rc = unit_exchange(l, &call, result, err);
    if (rc != ERROR_CLOSED) /* a dead unit's thread may hold them */
        cJSON_Delete(params);
    return rc;
}

struct unit_errand {
    struct unit_link *link;
    struct call call;
    struct job *job;
    int life;
};

int unit_errand_start(struct unit_link *l, const struct call *call, struct unit_errand **out,
                      struct error *err)
{
    struct session *unused;
    int rc = unit_link_session(l, call->timeout_ms, &unused, err);
    struct unit_errand *e = rc ? NULL : calloc(1, sizeof *e);
    if (!e)
        return rc ? rc : error_set(err, ERROR_MEMORY, "out of memory");
    *e = (struct unit_errand){.link = l, .call = *call, .life = l->life};
    e->job = begin_call(&e->call, err);
    if (!e->job) {
        free(e);
        return ERROR_REMOTE;
    }
    *out = e;
    return 0;
}

int unit_errand_end(struct unit_errand *e, cJSON **result, struct error *err)
{
    struct error why = {0};
    if (!e)
        return 0;
    int rc = end_call(e->job, e->life, result, &why);
    if (rc)
        error_set(err, rc, "%s: %s", e->call.method, why.text);
    if (rc == ERROR_CLOSED)
        unit_link_drop(e->link);
    else
        free(e);
    return rc;
}

/* ---- the air's traffic ----
 * Programs that send it run on the machine's clock, not on this one: what the channel would carry
 * stands for what came through it. */

static struct relay_channel air;

int relay_create(const struct relay_channel *channel, struct relay **out, struct error *err)
{
    air = *channel;
    *out = NULL;
    return 0;
}

void relay_free(struct relay *r)
{
}

void relay_break(struct relay *r)
{
}

int relay_route(struct relay *r, const char *host, int port, int *local_port, struct error *err)
{
    *local_port = port;
    return 0;
}

/* Loss and RFC 3550's jitter of datagrams that are sent evenly. */
static void datagrams(const struct throughput_config *config, struct throughput *out)
{
    enum { DATAGRAM_BITS = 8 * THROUGHPUT_DATAGRAM_BYTES };
    const int count = (int)(config->datagrams_mbit_s * 1e6 / DATAGRAM_BITS * config->seconds);
    double before_ms = -1;
    int lost = 0;
    for (int i = 0; i < count; i++) {
        const int64_t held_ns = air.datagram_ns(air.context);
        const double held_ms = (double)held_ns / 1e6;
        lost += held_ns < 0;
        if (held_ns >= 0 && before_ms >= 0)
            out->jitter_ms += (fabs(held_ms - before_ms) - out->jitter_ms) / 16;
        before_ms = held_ns >= 0 ? held_ms : before_ms;
    }
    out->loss_percent = count ? 100.0 * lost / count : 100;
}

int throughput_measure(const struct throughput_config *config, struct throughput *out,
                       struct error *err)
{
    enum { LOOKS = 10 };
    double bytes = 0;
    for (int i = 0; i < config->seconds * LOOKS; i++) {
        bytes += air.bytes_per_second(air.context, 1) / LOOKS;
        clock_sleep_until_ns(clock_mono_ns() + 1000000000 / LOOKS);
    }
    *out = (struct throughput){
        .bits_per_second = 8 * bytes / config->seconds, .bytes = bytes, .seconds = config->seconds};
    if (config->datagrams_mbit_s > 0)
        datagrams(config, out);
    return 0;
}
