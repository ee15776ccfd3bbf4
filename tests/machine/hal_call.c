/* The Linux HAL's functions from a shell script:
 *
 *   hal_call BOARD FUNCTION ARGUMENT... [, FUNCTION ARGUMENT...]...
 *
 * One unit is opened, the functions are called in turn; what each gives is printed as JSON, a line
 * each. Ends with 0, or 1 and "NAME: MESSAGE" on stderr at the first error. What the HAL logs goes
 * to stderr too. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/hal/linux/linux.h"
#include "protocol/base/clock.h"
#include "protocol/base/file.h"

enum { FILE_MAX_BYTES = 64 << 20, PAGE_BYTES = 4096 };

struct call {
    const struct hal *h;
    char **arguments;
    int count;
};

static const char *text(const struct call *c, int i)
{
    return i < c->count ? c->arguments[i] : "";
}

static double number(const struct call *c, int i)
{
    return strtod(text(c, i), NULL);
}

static uint64_t whole(const struct call *c, int i)
{
    return strtoull(text(c, i), NULL, 0);
}

static int absent(const char *part, struct error *err)
{
    return error_set(err, ERROR_MISSING, "this unit has no %s", part);
}

static int read_file(const char *path, struct buffer *out, struct error *err)
{
    out->limit_bytes = FILE_MAX_BYTES;
    return file_read(path, out, err);
}

/* ---- camera -------------------------------------------------------------------------------- */

static int stream(const struct call *c, struct error *err)
{
    return c->h->camera ? c->h->camera->stream(c->h->camera_state, number(c, 0) != 0, err)
                        : absent("camera", err);
}

/* frames COUNT FILE: all of them, one behind the other */
static int frames(const struct call *c, struct error *err)
{
    const struct camera_ops *camera = c->h->camera;
    if (!camera)
        return absent("camera", err);
    FILE *file = fopen(text(c, 1), "wb");
    int rc = file ? 0 : error_errno(err, ERROR_IO, "%s", text(c, 1));
    for (uint64_t i = 0; i < whole(c, 0) && !rc; i++) {
        struct camera_frame f;
        rc = camera->capture(c->h->camera_state, &f, err);
        if (rc)
            break;
        printf("{\"width_px\":%u,\"height_px\":%u,\"timestamp_us\":%" PRIu64
               ",\"sequence\":%u,\"exposure_ms\":%g,\"gain\":%g,\"bytes\":%zu}\n",
               f.width_px, f.height_px, f.timestamp_us, f.sequence, f.exposure_ms, f.gain, f.bytes);
        if (fwrite(f.data, f.bytes, 1, file) != 1)
            rc = error_errno(err, ERROR_IO, "%s", text(c, 1));
        camera->release(c->h->camera_state, &f);
    }
    if (file)
        fclose(file);
    return rc;
}

/* configure day|night LED auto|MS GAIN */
static int configure(const struct call *c, struct error *err)
{
    const struct camera_ops *camera = c->h->camera;
    if (!camera)
        return absent("camera", err);
    struct camera_settings s = {.ir_cut = strcmp(text(c, 0), "night") ? IR_CUT_DAY : IR_CUT_NIGHT,
                                .ir_led = number(c, 1),
                                .auto_exposure = strcmp(text(c, 2), "auto") == 0,
                                .exposure_ms = number(c, 2),
                                .gain = number(c, 3)};
    int rc = camera->configure(c->h->camera_state, &s, err);
    if (!rc)
        rc = camera->settings(c->h->camera_state, &s);
    if (!rc)
        printf("{\"ir_cut\":\"%s\",\"ir_led\":%g,\"auto_exposure\":%s,\"exposure_ms\":%g,"
               "\"gain\":%g}\n",
               s.ir_cut == IR_CUT_DAY ? "day" : "night", s.ir_led,
               s.auto_exposure ? "true" : "false", s.exposure_ms, s.gain);
    return rc;
}

/* pump MS */
static int pump(const struct call *c, struct error *err)
{
    struct camera_progress p = {0};
    if (!c->h->camera)
        return absent("camera", err);
    int64_t until = clock_mono_ms() + (int64_t)whole(c, 0), left;
    int rc = 0;
    while (!rc && (left = until - clock_mono_ms()) > 0)
        rc = c->h->camera->pump(c->h->camera_state, (int)left, &p, err);
    if (!rc)
        printf("{\"streaming\":%s,\"frames\":%" PRIu64 "}\n", p.streaming ? "true" : "false",
               p.frames);
    return rc;
}

/* ---- audio --------------------------------------------------------------------------------- */

/* record RATE SECONDS FILE */
static int record(const struct call *c, struct error *err)
{
    size_t count = (size_t)(number(c, 0) * number(c, 1));
    int16_t *samples = calloc(count, sizeof *samples);
    int rc = !samples       ? error_set(err, ERROR_MEMORY, "no memory")
             : !c->h->audio ? absent("audio", err)
                            : c->h->audio->record(c->h->audio_state, (int)number(c, 0),
                                                  AUDIO_MICROPHONE, samples, count, err);
    if (!rc)
        rc = file_write(text(c, 2), samples, count * sizeof *samples, 0644, err);
    free(samples);
    return rc;
}

/* play RATE VOLUME FILE */
static int play(const struct call *c, struct error *err)
{
    struct buffer b = {0};
    int64_t began;
    int rc = read_file(text(c, 2), &b, err);
    if (!rc && !c->h->audio)
        rc = absent("audio", err);
    began = clock_mono_ms();
    if (!rc)
        rc = c->h->audio->play(c->h->audio_state, (int)number(c, 0), number(c, 1),
                               (const int16_t *)(const void *)b.data, b.size / 2, err);
    if (!rc)
        printf("{\"ms\":%lld}\n", (long long)(clock_mono_ms() - began));
    buffer_free(&b);
    return rc;
}

/* ---- flash, card --------------------------------------------------------------------------- */

/* flash read PARTITION OFFSET SIZE FILE | erase PARTITION OFFSET SIZE | program PARTITION OFFSET
 * FILE | sync */
static int flash(const struct call *c, struct error *err)
{
    const struct flash_ops *f = c->h->flash;
    struct flash *state = c->h->flash_state;
    const char *what = text(c, 0), *partition = text(c, 1);
    struct buffer b = {.limit_bytes = FILE_MAX_BYTES};
    if (!f)
        return absent("flash", err);
    int rc = 0;
    if (strcmp(what, "erase") == 0) {
        rc = f->erase(state, partition, whole(c, 2), whole(c, 3), err);
    } else if (strcmp(what, "program") == 0) {
        rc = read_file(text(c, 3), &b, err);
        if (!rc)
            rc = f->program(state, partition, whole(c, 2), b.data, b.size, err);
    } else if (strcmp(what, "read") == 0) {
        rc = buffer_reserve(&b, whole(c, 3));
        if (!rc)
            rc = f->read(state, partition, whole(c, 2), b.data, whole(c, 3), err);
        if (!rc)
            rc = file_write(text(c, 4), b.data, whole(c, 3), 0644, err);
    } else {
        rc = f->sync(state, err);
    }
    buffer_free(&b);
    return rc;
}

/* card status | read OFFSET SIZE FILE | write OFFSET FILE: on pages, as card.speed does. */
static int card(const struct call *c, struct error *err)
{
    const struct card_ops *ops = c->h->card;
    struct card *state = c->h->card_state;
    struct buffer b = {.limit_bytes = FILE_MAX_BYTES};
    uint8_t *pages = NULL;
    struct card_status s;
    if (!ops)
        return absent("card", err);
    int rc = 0;
    if (strcmp(text(c, 0), "status") == 0) {
        rc = ops->status(state, &s, err);
        if (!rc)
            printf("{\"present\":%s,\"write_protected\":%s,\"bytes\":%" PRIu64
                   ",\"block_bytes\":%u}\n",
                   s.present ? "true" : "false", s.write_protected ? "true" : "false", s.bytes,
                   s.block_bytes);
    } else if (strcmp(text(c, 0), "write") == 0) {
        rc = read_file(text(c, 2), &b, err);
        if (!rc &&
            !(pages = aligned_alloc(PAGE_BYTES, b.size / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES)))
            rc = error_set(err, ERROR_MEMORY, "no memory");
        if (!rc)
            memcpy(pages, b.data, b.size);
        if (!rc)
            rc = ops->write(state, whole(c, 1), pages, b.size, err);
        if (!rc)
            rc = ops->sync(state, err);
    } else {
        const size_t size = whole(c, 2);
        if (!(pages = aligned_alloc(PAGE_BYTES, size / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES)))
            rc = error_set(err, ERROR_MEMORY, "no memory");
        if (!rc)
            rc = ops->read(state, whole(c, 1), pages, size, err);
        if (!rc)
            rc = file_write(text(c, 3), pages, size, 0644, err);
    }
    free(pages);
    buffer_free(&b);
    return rc;
}

/* ---- gpio, motor --------------------------------------------------------------------------- */

static int button(const struct call *c, struct error *err)
{
    bool level = false;
    int rc = c->h->gpio ? c->h->gpio->button(c->h->gpio_state, text(c, 0), &level, err)
                        : absent("gpio", err);
    if (!rc)
        printf("{\"level\":%s}\n", level ? "true" : "false");
    return rc;
}

/* led NAME 0|1 */
static int led(const struct call *c, struct error *err)
{
    return c->h->gpio ? c->h->gpio->led(c->h->gpio_state, text(c, 0), number(c, 1) != 0, err)
                      : absent("gpio", err);
}

static enum motor_axis axis_of(const struct call *c)
{
    return strcmp(text(c, 0), "tilt") == 0 ? MOTOR_TILT : MOTOR_PAN;
}

static int say_motor(const struct call *c, int64_t began_ms, struct error *err)
{
    struct motor_status s;
    int rc = c->h->motor->status(c->h->motor_state, axis_of(c), &s);
    if (rc)
        return error_set(err, rc, "the motor does not say where it is");
    printf("{\"microsteps\":%d,\"homed\":%s,\"home_sensor\":%s,\"ms\":%lld}\n", (int)s.microsteps,
           s.homed ? "true" : "false", s.home_sensor ? "true" : "false",
           (long long)(clock_mono_ms() - began_ms));
    return 0;
}

static int home(const struct call *c, struct error *err)
{
    int64_t began = clock_mono_ms();
    int rc =
        c->h->motor ? c->h->motor->home(c->h->motor_state, axis_of(c), err) : absent("motor", err);
    return rc ? rc : say_motor(c, began, err);
}

/* move AXIS MICROSTEPS [SPEED] */
static int move(const struct call *c, struct error *err)
{
    int64_t began = clock_mono_ms();
    int rc = c->h->motor ? c->h->motor->move_to(c->h->motor_state, axis_of(c), (int)number(c, 1),
                                                number(c, 2), err)
                         : absent("motor", err);
    return rc ? rc : say_motor(c, began, err);
}

/* ---- radio, system ------------------------------------------------------------------------- */

/* join SSID PASSPHRASE TIMEOUT_MS */
static int join(const struct call *c, struct error *err)
{
    return c->h->radio
               ? c->h->radio->join(c->h->radio_state, text(c, 0), text(c, 1), (int)whole(c, 2), err)
               : absent("radio", err);
}

static int leave(const struct call *c, struct error *err)
{
    int rc = c->h->radio ? c->h->radio->leave(c->h->radio_state) : absent("radio", err);
    return rc ? error_set(err, rc, "the radio did not leave") : 0;
}

static int link_facts(const struct call *c, struct error *err)
{
    struct radio_link l;
    int rc = c->h->radio ? c->h->radio->link(c->h->radio_state, &l, err) : absent("radio", err);
    if (!rc)
        printf("{\"associated\":%s,\"ssid\":\"%s\",\"bssid\":\"%s\",\"frequency_mhz\":%d,"
               "\"rssi_dbm\":%g,\"tx_rate_mbps\":%g,\"country\":\"%s\"}\n",
               l.associated ? "true" : "false", l.ssid, l.bssid, l.frequency_mhz, l.rssi_dbm,
               l.tx_rate_mbps, l.country);
    return rc;
}

/* route HOST PORT */
static int route(const struct call *c, struct error *err)
{
    struct radio_route r;
    int rc = c->h->radio
                 ? c->h->radio->route(c->h->radio_state, text(c, 0), (int)whole(c, 1), &r, err)
                 : absent("radio", err);
    if (!rc)
        printf("{\"host\":\"%s\",\"port\":%d,\"interface\":\"%s\"}\n", r.host, r.port, r.interface);
    return rc;
}

/* advertise NAME */
static int advertise(const struct call *c, struct error *err)
{
    char address[HCI_ADDRESS_TEXT];
    int rc = c->h->bluetooth
                 ? c->h->bluetooth->advertise(c->h->bluetooth_state, text(c, 0), address, err)
                 : absent("Bluetooth", err);
    if (!rc)
        printf("{\"address\":\"%s\"}\n", address);
    return rc;
}

static int silence(const struct call *c, struct error *err)
{
    return c->h->bluetooth ? c->h->bluetooth->silence(c->h->bluetooth_state, err)
                           : absent("Bluetooth", err);
}

static int facts(const struct call *c, struct error *err)
{
    struct system_facts f;
    int rc = c->h->system->facts(c->h->system_state, &f, err);
    if (!rc)
        printf("{\"chip_id\":\"%s\",\"boot_slot\":\"%s\",\"boot_reason\":\"%s\","
               "\"temperature_c\":%g}\n",
               f.chip_id, f.boot_slot, f.boot_reason, f.temperature_c);
    return rc;
}

/* load standby|idle|streaming|full */
static int load(const struct call *c, struct error *err)
{
    static const char *const names[] = {"standby", "idle", "streaming", "full"};
    int state = 0;
    while (state < 4 && strcmp(names[state], text(c, 0)) != 0)
        state++;
    return c->h->system->load(c->h->system_state, (enum system_load)state, err);
}

/* sleep MS */
static int sleep_ms(const struct call *c, struct error *err)
{
    return c->h->system->sleep(c->h->system_state, (int)whole(c, 0), err);
}

static int pause_ms(const struct call *c, struct error *err)
{
    clock_sleep_until_ns(clock_mono_ns() + (int64_t)whole(c, 0) * 1000000);
    return 0;
}

static const struct {
    const char *name;
    int (*call)(const struct call *c, struct error *err);
} functions[] = {
    {"stream", stream},       {"frames", frames},   {"configure", configure}, {"pump", pump},
    {"record", record},       {"play", play},       {"flash", flash},         {"card", card},
    {"button", button},       {"led", led},         {"home", home},           {"move", move},
    {"advertise", advertise}, {"silence", silence}, {"sleep", sleep_ms},      {"join", join},
    {"leave", leave},         {"link", link_facts}, {"route", route},         {"facts", facts},
    {"load", load},           {"pause", pause_ms},
};

static void log_line(void *context, const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static int call_one(const struct hal *h, char **words, int count, struct error *err)
{
    const struct call c = {h, words + 1, count - 1};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (count && strcmp(functions[i].name, words[0]) == 0)
            return functions[i].call(&c, err);
    return error_set(err, ERROR_INPUT, "no function '%s'", count ? words[0] : "");
}

int main(int argc, char **argv)
{
    static struct board board;
    struct hal hal = {0};
    struct error err = {0};
    int rc = argc < 3 ? error_set(&err, ERROR_INPUT, "hal_call BOARD FUNCTION ARGUMENT...")
                      : board_load(argv[1], &board, &err);
    const struct hal_config config = {.board = &board, .options = "", .log = log_line};
    if (!rc)
        rc = hal_linux.open(&config, &hal, &err);
    for (int from = 2, to; !rc && from < argc; from = to + 1) {
        for (to = from; to < argc && strcmp(argv[to], ",") != 0; to++)
            ;
        rc = call_one(&hal, argv + from, to - from, &err);
        fflush(stdout);
    }
    if (rc)
        fprintf(stderr, "%s: %s\n", error_name(rc), err.text);
    if (hal.backend)
        hal_linux.close(&hal);
    return rc ? 1 : 0;
}
