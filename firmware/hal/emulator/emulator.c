#include "firmware/hal/emulator/emulator.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/hal/emulator/aging.h"
#include "firmware/hal/emulator/parts.h"
#include "firmware/hal/emulator/power.h"
#include "firmware/hal/emulator/unit.h"
#include "protocol/base/clock.h"
#include "protocol/base/file.h"

struct system_control {
    struct unit unit;
    struct camera *camera;
    struct radio *radio;
    struct bluetooth *bluetooth; /* NULL on a board without */
    char boot_reason[24];
    uint8_t *leak; /* memory that camd does not give back */
    size_t leak_bytes;
};

/* The latch's text becomes the reason of this start, and stands at "watchdog" from now on: only an
 * orderly restart changes it, so any other end with the supply on reads as the watchdog's. */
static int read_latch(struct system_control *s, struct error *err)
{
    struct buffer text = {.limit_bytes = 64};
    int rc = file_read(s->unit.latch_path, &text, NULL);
    const char *cause = rc ? "" : buffer_text(&text);
    bool known = cause && (!strcmp(cause, "reboot") || !strcmp(cause, "watchdog"));
    snprintf(s->boot_reason, sizeof s->boot_reason, "%s", known ? cause : "power-on");
    buffer_free(&text);
    return file_write(s->unit.latch_path, "watchdog", 8, 0600, err);
}

/* Brings every page of the mapping in, so that reserved_bytes counts what is resident. */
static void touch(const void *mapped, size_t size)
{
    const volatile char *at = mapped;
    for (size_t i = 0; i < size; i += 4096)
        (void)at[i];
}

static int facts(struct system_control *s, struct system_facts *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    snprintf(out->chip_id, sizeof out->chip_id, "%s", s->unit.physics.chip_id);
    snprintf(out->boot_reason, sizeof out->boot_reason, "%s", s->boot_reason);
    out->temperature_c = power_temperature_c(s->unit.power);
    out->reserved_bytes = sizeof(struct world) + emulated_camera_bytes(s->camera);
    return 0;
}

static double hours_since(const struct system_control *s, double from_s)
{
    return (atomic_load(&s->unit.world->life_s) - from_s) / 3600;
}

/* What has leaked by now is really there, page for page. */
static int leak(struct system_control *s, struct error *err)
{
    const size_t bytes = aging_leak_bytes(&s->unit.physics, hours_since(s, s->unit.born_s));
    uint8_t *grown = bytes > s->leak_bytes ? realloc(s->leak, bytes) : NULL;
    if (bytes <= s->leak_bytes)
        return 0;
    if (!grown)
        return error_set(err, ERROR_MEMORY, "nothing is left to leak");
    memset(grown + s->leak_bytes, 0xA5, bytes - s->leak_bytes);
    s->leak = grown;
    s->leak_bytes = bytes;
    return 0;
}

static int health(struct system_control *s, struct system_health *out, struct error *err)
{
    *out =
        (struct system_health){.bad_blocks = aging_bad_blocks(&s->unit.physics, hours_since(s, 0))};
    return leak(s, err);
}

static int load(struct system_control *s, enum system_load state, struct error *err)
{
    const struct physics *ph = &s->unit.physics;
    const double watts[] = {[LOAD_STANDBY] = ph->standby_w,
                            [LOAD_IDLE] = ph->idle_w,
                            [LOAD_STREAMING] = ph->streaming_w,
                            [LOAD_FULL] = ph->full_w};
    if ((unsigned)state >= sizeof watts / sizeof watts[0])
        return error_set(err, ERROR_INPUT, "there is no load %d", (int)state);
    power_draw(s->unit.power, POWER_SOC, watts[state]);
    if (state == LOAD_STANDBY) /* sensor off */
        emulated_camera_ops.stream(s->camera, false, err);
    emulated_radio_load(s->radio, state);
    if (state == LOAD_STANDBY)
        emulated_bluetooth_silence(s->bluetooth);
    return 0;
}

static int unit_sleep(struct system_control *s, int ms, struct error *err)
{
    power_asleep(s->unit.power, true);
    clock_sleep_until_ns(clock_mono_ns() + (int64_t)ms * 1000000);
    power_asleep(s->unit.power, false);
    return 0;
}

static int restart(struct system_control *s, struct error *err)
{
    int rc = file_write(s->unit.latch_path, "reboot", 6, 0600, err);
    if (rc)
        return rc;
    atomic_store(&s->unit.world->supply_amps, 0);
    _exit(POWER_EXIT_RESTART);
}

static const struct system_ops emulated_system_ops = {facts, health, load, unit_sleep, restart};

static void emulator_close(struct hal *hal)
{
    struct system_control *s = hal->backend;
    if (!s)
        return;
    emulated_camera_close(hal->camera_state);
    emulated_audio_close(hal->audio_state);
    emulated_flash_close(hal->flash_state);
    emulated_card_close(hal->card_state);
    emulated_radio_close(hal->radio_state);
    emulated_bluetooth_close(hal->bluetooth_state);
    emulated_gpio_close(hal->gpio_state);
    emulated_motor_close(hal->motor_state);
    power_close(s->unit.power);
    world_unmap(s->unit.world);
    free(s->leak);
    free(s);
    memset(hal, 0, sizeof *hal);
}

static int open_parts(struct system_control *s, struct hal *hal, struct error *err)
{
    struct unit *u = &s->unit;
    int rc = power_open(u, &u->power, err);
    if (!rc && u->board.has_ptz)
        rc = emulated_motor_open(u, &hal->motor_state, err);
    u->motor = hal->motor_state;
    if (!rc)
        rc = emulated_camera_open(u, &hal->camera_state, err);
    if (!rc)
        rc = emulated_audio_open(u, &hal->audio_state, err);
    if (!rc)
        rc = emulated_flash_open(u, &hal->flash_state, err);
    if (!rc)
        rc = emulated_card_open(u, &hal->card_state, err);
    if (!rc)
        rc = emulated_radio_open(u, &hal->radio_state, err);
    if (!rc && u->board.bluetooth)
        rc = emulated_bluetooth_open(u, &hal->bluetooth_state, err);
    if (!rc)
        rc = emulated_gpio_open(u, &hal->gpio_state, err);
    s->camera = hal->camera_state;
    s->radio = hal->radio_state;
    s->bluetooth = hal->bluetooth_state;
    hal->motor = u->board.has_ptz ? &emulated_motor_ops : NULL;
    hal->camera = &emulated_camera_ops;
    hal->audio = &emulated_audio_ops;
    hal->flash = &emulated_flash_ops;
    hal->card = &emulated_card_ops;
    hal->radio = &emulated_radio_ops;
    hal->bluetooth = u->board.bluetooth ? &emulated_bluetooth_ops : NULL;
    hal->gpio = &emulated_gpio_ops;
    hal->system = &emulated_system_ops;
    return rc;
}

/* The starts of the unit's life, this one included, counted in a file of its own. */
static long count_start(const struct unit *u)
{
    char path[320], text[24];
    struct buffer kept = {.limit_bytes = 64};
    long starts = 1;
    if (file_join(path, sizeof path, u->folder, "starts", NULL))
        return starts;
    if (!file_read(path, &kept, NULL) && buffer_text(&kept))
        starts += strtol(buffer_text(&kept), NULL, 10);
    snprintf(text, sizeof text, "%ld", starts);
    file_write(path, text, strlen(text), 0600, NULL);
    buffer_free(&kept);
    return starts;
}

/* A start that comes to nothing: the SoC stands still, and no watchdog is armed yet. */
static void hang_when_it_must(const struct unit *u)
{
    const double air_c = atomic_load(&u->world->air_c); /* NAN: as warm as it was made for */
    const struct physics *ph = &u->physics;
    const bool too_cold = air_c < ph->start_c_min;
    if (!too_cold && (ph->good_starts < 0 || count_start(u) <= (long)ph->good_starts))
        return;
    for (;;)
        pause();
}

static int emulator_open(const struct hal_config *config, struct hal *out, struct error *err)
{
    const char *options = config->options;
    char path[320];
    int64_t began = clock_mono_ns();
    struct system_control *s = calloc(1, sizeof *s);
    memset(out, 0, sizeof *out);
    if (!s)
        return error_set(err, ERROR_MEMORY, "no memory for an emulated unit");
    out->backend = out->system_state = s;
    s->unit.board = *config->board;
    /* A large block goes back when it is freed, however often: a lens that is made anew is no leak.
     */
    mallopt(M_MMAP_THRESHOLD, 1 << 18);
    int rc = 0;
    if (!options || !*options || strlen(options) >= sizeof s->unit.folder)
        rc = error_set(err, ERROR_INPUT, "the emulator needs a folder, not \"%.80s\"",
                       options ? options : "");
    else
        memcpy(s->unit.folder, options, strlen(options) + 1);
    if (!rc && !(rc = file_join(path, sizeof path, options, "unit.json", err)))
        rc = physics_load(path, &s->unit.physics, err);
    if (!rc && !(rc = file_join(path, sizeof path, options, "world", err)))
        rc = world_map(path, &s->unit.world, err);
    if (!rc)
        hang_when_it_must(&s->unit);
    if (!rc)
        s->unit.born_s = atomic_load(&s->unit.world->life_s);
    if (!rc)
        touch(s->unit.world, sizeof *s->unit.world);
    if (!rc)
        rc = file_join(s->unit.latch_path, sizeof s->unit.latch_path, options, "reset_cause", err);
    if (!rc)
        rc = open_parts(s, out, err);
    if (!rc)
        rc = read_latch(s, err);
    if (rc) {
        emulator_close(out);
        return rc;
    }
    clock_sleep_until_ns(began + (int64_t)(s->unit.physics.boot_ms * 1e6));
    return 0;
}

const struct hal_backend hal_emulator = {"emulator", emulator_open, emulator_close};
