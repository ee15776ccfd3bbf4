/* What the Linux HAL of a board opens. */
#include <stdio.h>
#include <string.h>

#include "protocol/formats/board_parts.h"

/* Pins the firmware itself asks for, beside buttons, LEDs and what motors name. */
static const char *const own_pins[] = {"ir_cut_day", "ir_cut_night", "ir_led"};
enum { OWN_PINS = sizeof own_pins / sizeof own_pins[0] };

static int read_module(const struct json_document *doc, const cJSON *item, struct board_linux *out,
                       struct error *err)
{
    static const char *const members[] = {"name", "options", "early", NULL};
    if (out->module_count == BOARD_MODULES_MAX)
        return json_complain(doc, item, err, "more than %d 'modules'", BOARD_MODULES_MAX);
    if (!cJSON_IsObject(item))
        return json_complain(doc, item, err, "a module must be an object");
    struct board_module *m = &out->modules[out->module_count];
    int rc = json_only(doc, item, members, err);
    if (!rc)
        rc = board_need_name(doc, item, "name", m->name, err);
    if (!rc)
        rc = board_may_text(doc, item, "options", BOARD_WORDS, m->options, sizeof m->options, err);
    if (!rc)
        rc = board_may_bool(doc, item, "early", &m->early, err);
    for (size_t i = 0; i < out->module_count && !rc; i++)
        if (strcmp(out->modules[i].name, m->name) == 0)
            rc = json_complain(doc, item, err, "module '%s' is there twice", m->name);
    if (!rc)
        out->module_count++;
    return rc;
}

static int read_modules(const struct json_document *doc, const cJSON *object,
                        struct board_linux *out, struct error *err)
{
    const cJSON *list, *item;
    if (!board_member(object, "modules"))
        return 0;
    int rc = json_need_array(doc, object, "modules", &list, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(item, list)
    {
        rc = read_module(doc, item, out, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int read_motor(const struct json_document *doc, const cJSON *motors, const char *name,
                      struct board_motor *out, struct error *err)
{
    static const char *const members[] = {"phases", "home", NULL};
    const cJSON *object, *list, *item;
    if (!board_member(motors, name))
        return 0;
    int rc = json_need_object(doc, motors, name, &object, err);
    if (!rc)
        rc = json_only(doc, object, members, err);
    if (!rc)
        rc = json_need_array(doc, object, "phases", &list, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return json_complain(doc, item, err, "'phases' must hold names of gpios");
        if (out->phase_count == BOARD_PHASES_MAX)
            return json_complain(doc, item, err, "more than %d 'phases'", BOARD_PHASES_MAX);
        rc = board_name_of(doc, item, "phases", item->valuestring, out->phases[out->phase_count],
                           err);
        if (rc)
            return rc;
        out->phase_count++;
    }
    if (out->phase_count != BOARD_PHASES_MAX)
        return json_complain(doc, list, err, "%zu 'phases', expected %d", out->phase_count,
                             BOARD_PHASES_MAX);
    return board_need_name(doc, object, "home", out->home, err);
}

static int read_motors(const struct json_document *doc, const cJSON *object, struct board *b,
                       struct error *err)
{
    static const char *const members[] = {"pan", "tilt", NULL};
    const cJSON *motors;
    if (!board_member(object, "motors"))
        return 0;
    int rc = json_need_object(doc, object, "motors", &motors, err);
    if (!rc && !b->has_ptz)
        rc = json_complain(doc, motors, err, "'motors' on a board without 'ptz'");
    if (!rc)
        rc = json_only(doc, motors, members, err);
    if (!rc)
        rc = read_motor(doc, motors, "pan", &b->linux.pan, err);
    if (!rc)
        rc = read_motor(doc, motors, "tilt", &b->linux.tilt, err);
    return rc;
}

/* The names a gpio may have on this board; NULL-terminated. */
static void pin_names(const struct board *b, const char **names)
{
    const struct board_motor *const motors[] = {&b->linux.pan, &b->linux.tilt};
    for (size_t i = 0; i < OWN_PINS; i++)
        *names++ = own_pins[i];
    for (size_t i = 0; i < b->button_count; i++)
        *names++ = b->buttons[i];
    for (size_t i = 0; i < b->led_count; i++)
        *names++ = b->leds[i];
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < motors[m]->phase_count; i++)
            *names++ = motors[m]->phases[i];
        if (motors[m]->phase_count)
            *names++ = motors[m]->home;
    }
    *names = NULL;
}

static int read_pin(const struct json_document *doc, const cJSON *item, const char *const *names,
                    struct board_linux *out, struct error *err)
{
    static const char *const members[] = {"chip", "line", "active_low", "pressed_high", NULL};
    if (out->gpio_count == BOARD_GPIOS_MAX)
        return json_complain(doc, item, err, "more than %d gpios", BOARD_GPIOS_MAX);
    struct board_gpio *g = &out->gpio[out->gpio_count];
    long long line;
    int rc = board_one_of(doc, item, "a gpio", names, item->string, err);
    if (!rc)
        rc = board_name_of(doc, item, "gpio", item->string, g->name, err);
    if (!rc && !cJSON_IsObject(item))
        rc = json_complain(doc, item, err, "gpio '%s' must be an object", item->string);
    if (!rc)
        rc = json_only(doc, item, members, err);
    if (!rc)
        rc = board_need_text(doc, item, "chip", BOARD_WORD, g->chip, sizeof g->chip, err);
    if (!rc)
        rc = json_need_integer(doc, item, "line", 0, 1023, &line, err);
    if (!rc)
        rc = board_may_bool(doc, item, "active_low", &g->active_low, err);
    if (!rc)
        rc = board_may_bool(doc, item, "pressed_high", &g->pressed_high, err);
    if (rc)
        return rc;
    g->line = (uint32_t)line;
    for (size_t i = 0; i < out->gpio_count; i++) {
        const struct board_gpio *other = &out->gpio[i];
        if (strcmp(other->name, g->name) == 0)
            return json_complain(doc, item, err, "gpio '%s' is there twice", g->name);
        if (strcmp(other->chip, g->chip) == 0 && other->line == g->line)
            return json_complain(doc, item, err, "gpio '%s' has the line of '%s'", g->name,
                                 other->name);
    }
    out->gpio_count++;
    return 0;
}

static int read_gpio(const struct json_document *doc, const cJSON *object, struct board *b,
                     struct error *err)
{
    const char *names[OWN_PINS + 2 * BOARD_PINS_MAX + 2 * (BOARD_PHASES_MAX + 1) + 1];
    const cJSON *pins, *item;
    if (!board_member(object, "gpio"))
        return 0;
    int rc = json_need_object(doc, object, "gpio", &pins, err);
    if (rc)
        return rc;
    pin_names(b, names);
    cJSON_ArrayForEach(item, pins)
    {
        rc = read_pin(doc, item, names, &b->linux, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* A motor's coils and sensor must be wired, or it cannot be driven. */
static int check_motors(const struct json_document *doc, const cJSON *object, const struct board *b,
                        struct error *err)
{
    const struct board_motor *const motors[] = {&b->linux.pan, &b->linux.tilt};
    const cJSON *at = board_member(object, "motors");
    for (size_t m = 0; m < 2; m++) {
        if (!motors[m]->phase_count)
            continue;
        for (size_t i = 0; i <= BOARD_PHASES_MAX; i++) {
            const char *name = i < BOARD_PHASES_MAX ? motors[m]->phases[i] : motors[m]->home;
            if (!board_gpio(b, name))
                return json_complain(doc, board_member(at, m ? "tilt" : "pan"), err,
                                     "no gpio '%s', which this motor names", name);
        }
    }
    return 0;
}

/* The whole flash: a name in /proc/mtd, or the block device of an eMMC. */
static int read_flash_device(const struct json_document *doc, const cJSON *object, struct board *b,
                             struct error *err)
{
    struct board_linux *out = &b->linux;
    bool managed = strcmp(b->flash_kind, "emmc") == 0;
    const cJSON *wrong = board_member(object, managed ? "mtd" : "block");
    if (wrong)
        return json_complain(doc, wrong, err, "'%s' for flash of kind %s, expected '%s'",
                             wrong->string, b->flash_kind, managed ? "block" : "mtd");
    return managed
               ? board_may_text(doc, object, "block", BOARD_PATH, out->block, sizeof out->block,
                                err)
               : board_may_text(doc, object, "mtd", BOARD_WORDS, out->mtd, sizeof out->mtd, err);
}

/* "hci0": the kernel's sockets know controllers by their number. */
static int check_bluetooth(const struct json_document *doc, const cJSON *object,
                           const struct board *b, struct error *err)
{
    const char *name = b->linux.bluetooth;
    const size_t digits = strncmp(name, "hci", 3) == 0 ? strspn(name + 3, "0123456789") : 0;
    if (!name[0] || (digits > 0 && digits < 4 && !name[3 + digits]))
        return 0;
    return json_complain(doc, board_member(object, "bluetooth"), err,
                         "'bluetooth' is '%s', expected hci0 or another number", name);
}

int board_read_linux(const struct json_document *doc, const cJSON *object, struct board *b,
                     struct error *err)
{
    static const char *const members[] = {
        "arguments", "modules", "camera",   "microphone",  "speaker", "mtd",  "block",  "radio",
        "bluetooth", "card",    "watchdog", "temperature", "chip_id", "gpio", "motors", NULL};
    struct board_linux *out = &b->linux;
    const struct {
        const char *name;
        enum board_text kind;
        char *to;
        size_t size;
    } texts[] = {
        {"arguments", BOARD_WORDS, out->arguments, sizeof out->arguments},
        {"camera", BOARD_PATH, out->camera, sizeof out->camera},
        {"microphone", BOARD_WORD, out->microphone, sizeof out->microphone},
        {"speaker", BOARD_WORD, out->speaker, sizeof out->speaker},
        {"radio", BOARD_WORD, out->radio, sizeof out->radio},
        {"bluetooth", BOARD_WORD, out->bluetooth, sizeof out->bluetooth},
        {"card", BOARD_PATH, out->card, sizeof out->card},
        {"watchdog", BOARD_PATH, out->watchdog, sizeof out->watchdog},
        {"temperature", BOARD_PATH, out->temperature, sizeof out->temperature},
        {"chip_id", BOARD_PATH, out->chip_id, sizeof out->chip_id},
    };
    int rc = json_only(doc, object, members, err);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !rc; i++)
        rc = board_may_text(doc, object, texts[i].name, texts[i].kind, texts[i].to, texts[i].size,
                            err);
    if (!rc)
        rc = check_bluetooth(doc, object, b, err);
    if (!rc)
        rc = read_flash_device(doc, object, b, err);
    if (!rc)
        rc = read_modules(doc, object, out, err);
    if (!rc)
        rc = read_motors(doc, object, b, err);
    if (!rc)
        rc = read_gpio(doc, object, b, err);
    return rc ? rc : check_motors(doc, object, b, err);
}

const struct board_gpio *board_gpio(const struct board *b, const char *name)
{
    for (size_t i = 0; i < b->linux.gpio_count; i++)
        if (strcmp(b->linux.gpio[i].name, name) == 0)
            return &b->linux.gpio[i];
    return NULL;
}
