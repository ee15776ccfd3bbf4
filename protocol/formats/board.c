#include "protocol/formats/board.h"

#include <string.h>

#include "protocol/formats/board_parts.h"

static const uint64_t MIB = 1024 * 1024;

static int read_camera(const struct json_document *doc, const cJSON *camera, struct board *b,
                       struct error *err)
{
    static const char *const members[] = {"sensor",   "width_px", "height_px", "pixel_um",
                                          "focal_mm", "f_number", NULL};
    long long width, height;
    int rc = json_only(doc, camera, members, err);
    if (!rc)
        rc = board_need_name(doc, camera, "sensor", b->sensor, err);
    if (!rc)
        rc = json_need_integer(doc, camera, "width_px", 16, 16384, &width, err);
    if (!rc)
        rc = json_need_integer(doc, camera, "height_px", 16, 16384, &height, err);
    if (!rc)
        rc = board_need_number(doc, camera, "pixel_um", 0.3, 50, &b->pixel_um, err);
    if (!rc)
        rc = board_need_number(doc, camera, "focal_mm", 0.5, 500, &b->focal_mm, err);
    if (!rc)
        rc = board_need_number(doc, camera, "f_number", 0.7, 64, &b->f_number, err);
    if (rc)
        return rc;
    /* NV12 halves both sides of the picture for its colour plane. */
    if (width % 2 || height % 2)
        return json_complain(doc, camera, err, "a picture of %lldx%lld, expected even sides", width,
                             height);
    b->sensor_width_px = (uint32_t)width;
    b->sensor_height_px = (uint32_t)height;
    return 0;
}

static int read_axis(const struct json_document *doc, const cJSON *ptz, const char *name,
                     struct board_axis *axis, struct error *err)
{
    static const char *const members[] = {
        "min_deg", "max_deg", "steps_per_turn", "microstepping", "gear", "speed_dps", NULL};
    const cJSON *object;
    long long steps, microstepping;
    double gear;
    int rc = json_need_object(doc, ptz, name, &object, err);
    if (!rc)
        rc = json_only(doc, object, members, err);
    if (!rc)
        rc = board_need_number(doc, object, "min_deg", -360, 360, &axis->min_deg, err);
    if (!rc)
        rc = board_need_number(doc, object, "max_deg", -360, 360, &axis->max_deg, err);
    if (!rc)
        rc = json_need_integer(doc, object, "steps_per_turn", 4, 1000, &steps, err);
    if (!rc)
        rc = json_need_integer(doc, object, "microstepping", 1, 256, &microstepping, err);
    if (!rc)
        rc = board_need_number(doc, object, "gear", 0.1, 10000, &gear, err);
    if (!rc)
        rc = board_need_number(doc, object, "speed_dps", 0.1, 720, &axis->speed_dps, err);
    if (rc)
        return rc;
    if (axis->min_deg >= axis->max_deg)
        return json_complain(doc, object, err, "%s goes from %g to %g degrees, expected min < max",
                             name, axis->min_deg, axis->max_deg);
    axis->microstepping = (int)microstepping;
    axis->microsteps_per_deg = (double)steps * (double)microstepping * gear / 360;
    return 0;
}

static int read_ptz(const struct json_document *doc, const cJSON *ptz, struct board *b,
                    struct error *err)
{
    static const char *const members[] = {"pan", "tilt", NULL};
    int rc = json_only(doc, ptz, members, err);
    if (!rc)
        rc = read_axis(doc, ptz, "pan", &b->pan, err);
    if (!rc)
        rc = read_axis(doc, ptz, "tilt", &b->tilt, err);
    return rc;
}

static int read_radio(const struct json_document *doc, const cJSON *radio, struct board *b,
                      struct error *err)
{
    static const char *const members[] = {"chip", "bands_ghz", "bluetooth", NULL};
    const cJSON *bands, *band;
    int rc = json_only(doc, radio, members, err);
    if (!rc)
        rc = board_need_name(doc, radio, "chip", b->radio, err);
    if (!rc)
        rc = json_need_array(doc, radio, "bands_ghz", &bands, err);
    if (!rc)
        rc = board_may_bool(doc, radio, "bluetooth", &b->bluetooth, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(band, bands)
    {
        bool is_5 = cJSON_IsNumber(band) && band->valuedouble == 5.0;
        if (!is_5 && !(cJSON_IsNumber(band) && band->valuedouble == 2.4))
            return json_complain(doc, band, err, "a band of 'bands_ghz' must be 2.4 or 5");
        b->radio_5ghz = b->radio_5ghz || is_5;
    }
    return 0;
}

static int read_pins(const struct json_document *doc, const cJSON *root, const char *member,
                     char out[][BOARD_NAME_MAX], size_t *count, struct error *err)
{
    const cJSON *list, *item;
    int rc = json_need_array(doc, root, member, &list, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return json_complain(doc, item, err, "'%s' must hold names", member);
        if (*count == BOARD_PINS_MAX)
            return json_complain(doc, item, err, "more than %d '%s'", BOARD_PINS_MAX, member);
        rc = board_name_of(doc, item, member, item->valuestring, out[*count], err);
        if (rc)
            return rc;
        for (size_t i = 0; i < *count; i++)
            if (strcmp(out[i], out[*count]) == 0)
                return json_complain(doc, item, err, "'%s' is there twice", out[i]);
        (*count)++;
    }
    return 0;
}

static int need_section(const struct json_document *doc, const cJSON *root, const char *name,
                        board_section *read, struct board *b, struct error *err)
{
    const cJSON *object;
    int rc = json_need_object(doc, root, name, &object, err);
    return rc ? rc : read(doc, object, b, err);
}

/* A fixed camera has no 'ptz', a wired one no 'radio'. Linux names pins of buttons, LEDs and
 * motors: it is read when these are known. */
static const struct section {
    const char *name;
    board_section *read;
    size_t has; /* where struct board says that it is there */
} sections[] = {
    {"ptz", read_ptz, offsetof(struct board, has_ptz)},
    {"radio", read_radio, 0},
    {"boot", board_read_boot, offsetof(struct board, has_boot)},
    {"network", board_read_network, offsetof(struct board, has_network)},
    {"image", board_read_image, offsetof(struct board, has_image)},
    {"linux", board_read_linux, offsetof(struct board, has_linux)},
};

static int read_sections(const struct json_document *doc, const cJSON *root, struct board *b,
                         struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0] && !rc; i++) {
        const struct section *s = &sections[i];
        if (!board_member(root, s->name))
            continue;
        rc = need_section(doc, root, s->name, s->read, b, err);
        if (s->has)
            *(bool *)((char *)b + s->has) = rc == 0;
    }
    return rc;
}

static int read_board(const struct json_document *doc, struct board *b, struct error *err)
{
    static const char *const members[] = {
        "board",   "soc",  "arch",         "memory_mib", "flash",   "camera", "ptz",   "radio",
        "buttons", "leds", "supply_volts", "boot",       "network", "image",  "linux", NULL};
    static const char *const arches[] = {"armhf", "mipsel", NULL};
    const cJSON *root = json_root(doc);
    long long memory_mib;
    if (!cJSON_IsObject(root))
        return json_complain(doc, root, err, "a board must be an object");
    int rc = json_only(doc, root, members, err);
    if (!rc)
        rc = board_need_name(doc, root, "board", b->name, err);
    if (!rc)
        rc = board_need_name(doc, root, "soc", b->soc, err);
    if (!rc)
        rc = board_need_one_of(doc, root, "arch", arches, b->arch, sizeof b->arch, err);
    if (!rc)
        rc = json_need_integer(doc, root, "memory_mib", 1, 1 << 20, &memory_mib, err);
    if (!rc)
        b->memory_bytes = (uint64_t)memory_mib * MIB;
    if (!rc)
        rc = need_section(doc, root, "flash", board_read_flash, b, err);
    if (!rc)
        rc = need_section(doc, root, "camera", read_camera, b, err);
    if (!rc)
        rc = read_pins(doc, root, "buttons", b->buttons, &b->button_count, err);
    if (!rc)
        rc = read_pins(doc, root, "leds", b->leds, &b->led_count, err);
    if (!rc)
        rc = board_need_number(doc, root, "supply_volts", 1, 60, &b->supply_volts, err);
    return rc ? rc : read_sections(doc, root, b, err);
}

int board_parse(const char *name, const char *text, size_t size, struct board *out,
                struct error *err)
{
    struct json_document *doc = NULL;
    memset(out, 0, sizeof *out);
    int rc = json_parse(name, text, size, &doc, err);
    if (!rc)
        rc = read_board(doc, out, err);
    json_free(doc);
    return rc;
}

int board_load(const char *path, struct board *out, struct error *err)
{
    struct json_document *doc = NULL;
    memset(out, 0, sizeof *out);
    int rc = json_load(path, &doc, err);
    if (!rc)
        rc = read_board(doc, out, err);
    json_free(doc);
    return rc;
}
