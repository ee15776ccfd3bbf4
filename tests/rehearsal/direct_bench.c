#include "tests/rehearsal/direct_bench.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/call.h"
#include "fixtures/light.h"
#include "fixtures/line_port.h"
#include "fixtures/sound.h"
#include "fixtures/virtual/bench_parts.h"
#include "protocol/base/clock.h"
#include "tests/rehearsal/direct_call.h"
#include "tests/rehearsal/rehearsed_unit.h"

enum { WATCH_MS = 10, ANSWER_MAX = 1024, DEVICES = 4, OPEN_MS = 2000, BLE_LOOK_MS = 20 };

static const double volts_to_run = 4.2;

static struct {
    const struct board *board;
    struct world *world;
    struct virtual_supply *supply;
    struct scpi_conversation *scpi;
    struct virtual_relays relays;
    struct virtual_led_sensor leds;
    struct led_capture captured;
    struct virtual_sound *sound;
    struct virtual_ble ble;
    struct ble_listener listener;
} bench;

/* ---- a line to an instrument, without a wire ---- */

static void supply_answer(char *command, char answer[ANSWER_MAX])
{
    scpi_answer(bench.scpi, command, answer, ANSWER_MAX);
}

static void relays_answer(char *command, char answer[ANSWER_MAX])
{
    char said[128];
    virtual_relays_answer(&bench.relays, command, said);
    snprintf(answer, ANSWER_MAX, "%s", said);
}

static void leds_answer(char *command, char answer[ANSWER_MAX])
{
    char said[80];
    virtual_led_sensor_answer(&bench.leds, &bench.captured, command, said);
    snprintf(answer, ANSWER_MAX, "%s", said);
}

static struct device {
    const char *address, *end;
    void (*answer)(char *command, char answer[ANSWER_MAX]);
    char command[ANSWER_MAX], said[ANSWER_MAX];
    size_t heard, ready, taken;
} devices[DEVICES] = {
    {.address = "usbtmc:/supply", .end = "\n", .answer = supply_answer},
    {.address = "usbtmc:/relays", .end = "\r", .answer = relays_answer},
    {.address = "usbtmc:/leds", .end = "\r", .answer = leds_answer},
    {.address = "usbtmc:/ble"}, /* packets, not lines */
};

static int line_check(const char *address, struct error *err)
{
    return 0;
}

static int line_open(const char *address, int64_t deadline_ms, struct line_port *out,
                     struct error *err)
{
    for (int i = 0; i < DEVICES; i++)
        if (strcmp(devices[i].address, address) == 0)
            out->fd = i;
    return out->fd >= 0 ? 0 : error_set(err, ERROR_MISSING, "no instrument at %s", address);
}

/* What the receiver heard by now; it goes on hearing while somebody waits for it. */
static void ble_wait(struct device *d, int64_t deadline_ms)
{
    while (d->taken == d->ready) {
        const int64_t now_ms = clock_mono_ms();
        d->taken = 0;
        d->ready = virtual_ble_hear(&bench.ble, &bench.listener, now_ms, (uint8_t *)d->said);
        if (d->ready || now_ms >= deadline_ms)
            return;
        clock_sleep_until_ns((now_ms + BLE_LOOK_MS) * 1000000);
    }
}

static void ble_take(struct device *d, const void *data, size_t size)
{
    const size_t left = d->ready - d->taken;
    int whole;
    size = size < sizeof d->command - d->heard ? size : sizeof d->command - d->heard;
    memcpy(d->command + d->heard, data, size);
    d->heard += size;
    memmove(d->said, d->said + d->taken, left);
    d->taken = 0;
    d->ready = left;
    while ((whole = hci_packet_bytes((const uint8_t *)d->command, d->heard)) > 0 &&
           d->ready + HCI_PACKET_MAX <= sizeof d->said) {
        d->ready += virtual_ble_answer(&bench.ble, &bench.listener, (const uint8_t *)d->command,
                                       (size_t)whole, (uint8_t *)d->said + d->ready);
        d->heard -= (size_t)whole;
        memmove(d->command, d->command + whole, d->heard);
    }
}

static int line_read(struct line_port *p, void *data, size_t size, int64_t deadline_ms,
                     struct error *err)
{
    struct device *d = &devices[p->fd];
    if (!d->end)
        ble_wait(d, deadline_ms);
    size_t n = d->ready - d->taken;
    if (n == 0)
        return error_set(err, ERROR_TIMEOUT, "%s did not answer in time", p->name);
    n = n < size ? n : size;
    memcpy(data, d->said + d->taken, n);
    d->taken += n;
    return (int)n;
}

static int line_write(struct line_port *p, const void *data, size_t size, int64_t deadline_ms,
                      struct error *err)
{
    struct device *d = &devices[p->fd];
    if (!d->end) {
        ble_take(d, data, size);
        return (int)size;
    }
    for (size_t i = 0; i < size; i++) {
        const char byte = ((const char *)data)[i];
        if (byte != *d->end) {
            if (d->heard + 1 < sizeof d->command)
                d->command[d->heard++] = byte;
            continue;
        }
        char answer[ANSWER_MAX] = "";
        d->command[d->heard] = '\0';
        d->heard = 0;
        d->answer(d->command, answer);
        if (d->taken == d->ready)
            d->taken = d->ready = 0;
        const size_t length = strnlen(answer, sizeof d->said - d->ready);
        memcpy(d->said + d->ready, answer, length);
        d->ready += length;
    }
    return (int)size;
}

static void line_close(struct line_port *p)
{
}

const struct line_port_ops line_port_usbtmc = {
    .scheme = "usbtmc:",
    .form = "usbtmc:/supply",
    .check = line_check,
    .open = line_open,
    .read = line_read,
    .write = line_write,
    .close = line_close,
};

/* ---- sound ---- */

static int nothing_open(const cJSON *instrument, int64_t deadline_ms, void **state,
                        char idn[INSTRUMENT_IDN_MAX], struct error *err)
{
    return 0;
}

static void nothing_close(void *state)
{
}

static int facts(void *state, int channel, struct sound_facts *out, struct error *err)
{
    *out = (struct sound_facts){.play_full_scale_db_spl = virtual_sound_play_db_spl,
                                .record_full_scale_db_spl = virtual_sound_record_db_spl};
    return 0;
}

static int play(void *state, int channel, int16_t *samples, size_t count, int64_t deadline_ms,
                struct error *err)
{
    virtual_sound_play(bench.sound, samples, count);
    free(samples);
    return 0;
}

static int stop(void *state, int channel, struct error *err)
{
    world_air_silence(&bench.world->from_fixture);
    return 0;
}

struct listening {
    struct draws noise;
    int64_t next;
};

static int record_begin(void *state, int channel, int64_t deadline_ms, void **recording,
                        struct error *err)
{
    struct listening *l = malloc(sizeof *l);
    if (!l)
        return error_set(err, ERROR_MEMORY, "out of memory for a recording");
    *l = (struct listening){virtual_sound_listen(bench.sound), world_air_index(clock_mono_ns())};
    *recording = l;
    return 0;
}

static int record_read(void *recording, int16_t *samples, size_t count, int64_t deadline_ms,
                       struct error *err)
{
    struct listening *l = recording;
    const int64_t behind = l->next + (int64_t)count - world_air_index(clock_mono_ns());
    if (behind > 0)
        clock_sleep_until_ns(clock_mono_ns() + (behind + 1) * 1000000000 / WORLD_AIR_RATE_HZ);
    virtual_sound_hear(bench.sound, &l->noise, l->next, samples, count);
    l->next += (int64_t)count;
    return 0;
}

static void record_end(void *recording)
{
    free(recording);
}

const struct sound_ops sound_pcm_tcp = {
    .driver = {.name = "pcm-tcp", .open = nothing_open, .close = nothing_close},
    .facts = facts,
    .play = play,
    .stop = stop,
    .record_begin = record_begin,
    .record_read = record_read,
    .record_end = record_end,
};

/* ---- the chart changer and its lamps ---- */

/* As long as the virtual ones take (virtual_light.c), for a way that is always gone. */
enum { SETTLE_MS = 550 };

static int scene(void *state, int channel, const char *name, double lux, int64_t deadline_ms,
                 struct error *err)
{
    static const struct {
        const char *name;
        enum world_scene scene;
    } scenes[] = {{"dark", WORLD_SCENE_DARK_ROOM},
                  {"chart", WORLD_SCENE_CHART},
                  {"panorama", WORLD_SCENE_PANORAMA},
                  {"flat", WORLD_SCENE_FLAT}};
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        if (strcmp(scenes[i].name, name) == 0) {
            clock_sleep_until_ns(clock_mono_ns() + (int64_t)SETTLE_MS * 1000000);
            atomic_store(&bench.world->scene, scenes[i].scene);
            atomic_store(&bench.world->illuminance_lux, lux);
            if (lux == 0)
                atomic_store(&bench.world->mark_step_s, 0);
            return 0;
        }
    return error_set(err, ERROR_INPUT, "a rehearsal has no scene %s", name);
}

static int mark(void *state, int channel, int step_ms, int64_t deadline_ms, struct error *err)
{
    atomic_store(&bench.world->mark_lux, 250);
    atomic_store(&bench.world->mark_step_s, step_ms / 1000.0);
    return 0;
}

static const struct light_ops direct_light = {
    .driver = {.name = "direct", .open = nothing_open, .close = nothing_close},
    .scene = scene,
    .mark = mark};

/* ---- the slot's instruments, as the rack hands them out ---- */

static struct place {
    const char *class_name;
    const struct driver *driver;
    void *state;
    bool open;
} places[] = {
    {.class_name = "power_supply", .driver = &power_supply_scpi.driver},
    {.class_name = "sound", .driver = &sound_pcm_tcp.driver},
    {.class_name = "access_point", .driver = &access_point_hostapd_static.driver},
    {.class_name = "led_sensor", .driver = &led_sensor_feasa.driver},
    {.class_name = "ble_receiver", .driver = &ble_receiver_hci.driver},
    {.class_name = "actuator", .driver = &actuator_relay.driver},
    {.class_name = "light", .driver = &direct_light.driver},
};

static cJSON *settings_of(const struct place *p)
{
    cJSON *s = cJSON_CreateObject(), *list = NULL;
    size_t count = 0;
    if (strcmp(p->class_name, "power_supply") == 0) {
        cJSON_AddStringToObject(s, "address", "usbtmc:/supply");
    } else if (strcmp(p->class_name, "access_point") == 0) {
        const double golden = atomic_load(&bench.world->access_point_dbm);
        const double port = 5201;
        cJSON_AddStringToObject(s, "ssid", bench.world->ssid);
        cJSON_AddStringToObject(s, "passphrase", bench.world->passphrase);
        cJSON_AddStringToObject(s, "iperf3_host", "127.0.0.1");
        cJSON_AddItemToObject(s, "iperf3_ports", cJSON_CreateDoubleArray(&port, 1));
        cJSON_AddNumberToObject(s, "frequency_mhz", atomic_load(&bench.world->access_point_mhz));
        cJSON_AddItemToObject(s, "golden_rssi_dbm", cJSON_CreateDoubleArray(&golden, 1));
    } else if (strcmp(p->class_name, "ble_receiver") == 0) {
        const double golden = -48; /* bluetooth_dbm, nominal */
        cJSON_AddStringToObject(s, "address", "usbtmc:/ble");
        cJSON_AddItemToObject(s, "golden_rssi_dbm", cJSON_CreateDoubleArray(&golden, 1));
    } else if (strcmp(p->class_name, "led_sensor") == 0) {
        cJSON_AddStringToObject(s, "address", "usbtmc:/leds");
        list = cJSON_AddObjectToObject(s, "leds");
        count = bench.board->led_count;
    } else if (strcmp(p->class_name, "actuator") == 0) {
        cJSON_AddStringToObject(s, "address", "usbtmc:/relays");
        list = cJSON_AddObjectToObject(s, "buttons");
        count = bench.board->button_count;
    }
    const bool buttons = strcmp(p->class_name, "actuator") == 0;
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(
            cJSON_AddArrayToObject(list, buttons ? bench.board->buttons[i] : bench.board->leds[i]),
            cJSON_CreateNumber((double)i + !buttons));
    return s;
}

int served_take(void *context, const char *class_name, int budget_ms, struct instrument_use *use,
                struct error *err)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct place *p = &places[i];
        char idn[INSTRUMENT_IDN_MAX] = "";
        if (strcmp(p->class_name, class_name) != 0)
            continue;
        /* The settings live as long as the instrument: drivers keep pointers into them. */
        int rc = p->open ? 0
                         : p->driver->open(settings_of(p), clock_mono_ms() + OPEN_MS, &p->state,
                                           idn, err);
        p->open = rc == 0;
        *use = (struct instrument_use){.driver = p->driver,
                                       .state = p->state,
                                       .channel = 1,
                                       .deadline_ms = clock_mono_ms() + budget_ms};
        return rc;
    }
    return error_set(err, ERROR_MISSING, "a rehearsal has no %s", class_name);
}

int instrument_give(struct instrument_use *use, int rc, struct error *err)
{
    return rc;
}

/* ---- as steps call them ---- */

struct fixture {
    struct served_slot served;
};

static struct fixture fixture;

struct fixture *direct_bench_fixture(void)
{
    return &fixture;
}

int fixture_call_with(struct fixture *f, struct call *call, int budget_ms, cJSON **result,
                      struct error *err)
{
    call->timeout_ms = budget_ms + ANSWER_MARGIN_MS;
    struct request request = direct_request(call);
    cJSON *answer = NULL;
    for (const struct instrument_class *const *c = instrument_classes; *c; c++)
        for (const struct method *m = (*c)->methods; m->name; m++)
            if (strcmp(m->name, call->method) == 0) {
                struct error why = {0};
                int rc = m->serve(&f->served, &request, call->params, &answer, &why);
                if (rc)
                    rc = error_set(err, ERROR_REMOTE, "%s: %s", error_name(rc), why.text);
                if (!rc && result)
                    *result = answer;
                else
                    cJSON_Delete(answer);
                return rc;
            }
    return error_set(err, ERROR_MISSING, "a rehearsal has no %s", call->method);
}

int fixture_call(struct fixture *f, const char *method, cJSON *params, int budget_ms,
                 cJSON **result, struct error *err)
{
    struct call call = {.method = method, .params = params};
    int rc = fixture_call_with(f, &call, budget_ms, result, err);
    cJSON_Delete(params);
    return rc;
}

int fixture_safe(struct fixture *f, struct error *err)
{
    return 0;
}

/* ---- mains ---- */

static void *mains(void *context)
{
    for (;;) {
        virtual_supply_watch(bench.supply, clock_mono_ms());
        rehearsed_unit_watch(virtual_supply_volts(bench.supply, 1) >= volts_to_run);
        clock_sleep_until_ns(clock_mono_ns() + (int64_t)WATCH_MS * 1000000);
    }
    return NULL;
}

int direct_bench_begin(const struct board *board, struct world *world, uint64_t seed,
                       struct error *err)
{
    static struct world *worlds[1];
    pthread_t thread;
    worlds[0] = world;
    bench.board = board;
    bench.world = world;
    bench.supply = virtual_supply_create(worlds, 1);
    bench.scpi = bench.supply ? scpi_converse(&virtual_supply_device, bench.supply) : NULL;
    bench.sound = virtual_sound_create(world, seed);
    if (bench.supply)
        virtual_supply_seed(bench.supply, seed);
    bench.relays = (struct virtual_relays){.world = world, .count = (int)board->button_count};
    bench.leds = (struct virtual_led_sensor){.world = world, .board = board};
    bench.captured.noise = draws_start(seed, 0x6c6564);
    bench.ble = (struct virtual_ble){.worlds = worlds, .count = 1};
    bench.listener.noise = draws_start(seed, 0x626c65);
    if (!bench.scpi || !bench.sound || pthread_create(&thread, NULL, mains, NULL))
        return error_set(err, ERROR_MEMORY, "out of memory for the instruments");
    return 0;
}
