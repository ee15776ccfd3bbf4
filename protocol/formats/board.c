#include "protocol/formats/board.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"

static const uint64_t KIB = 1024, MIB = 1024 * 1024;

/* A name is used in paths, tables and messages: short, and only letters that need no quoting. */
static int name_of(const struct json_document *doc, const cJSON *at, const char *what,
                   const char *text, char out[BOARD_NAME_MAX], struct error *err)
{
    size_t length = strlen(text);
    size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (!length || length >= BOARD_NAME_MAX || plain != length)
        return json_complain(doc, at, err,
                             "%s is '%s', expected 1 to %d letters, digits, '_' or '-'", what, text,
                             BOARD_NAME_MAX - 1);
    memcpy(out, text, length + 1);
    return 0;
}

static int need_name(const struct json_document *doc, const cJSON *object, const char *member,
                     char out[BOARD_NAME_MAX], struct error *err)
{
    const char *text;
    int rc = json_need_string(doc, object, member, &text, err);
    if (rc)
        return rc;
    return name_of(doc, cJSON_GetObjectItemCaseSensitive(object, member), member, text, out, err);
}

static int need_number_in(const struct json_document *doc, const cJSON *object, const char *member,
                          double low, double high, double *out, struct error *err)
{
    int rc = json_need_number(doc, object, member, out, err);
    if (!rc && (*out < low || *out > high))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(object, member), err,
                           "'%s' is %g, expected %g to %g", member, *out, low, high);
    return rc;
}

static int read_partition(const struct json_document *doc, const cJSON *item, struct board *b,
                          struct error *err)
{
    static const char *const members[] = {"name", "offset_kib", "size_kib", "protected", NULL};
    struct board_partition *p = &b->partitions[b->partition_count];
    long long offset_kib, size_kib;
    long long flash_kib = (long long)(b->flash_bytes / KIB);
    int rc = json_only(doc, item, members, err);
    if (!rc)
        rc = need_name(doc, item, "name", p->name, err);
    if (!rc)
        rc = json_need_integer(doc, item, "offset_kib", 0, flash_kib, &offset_kib, err);
    if (!rc)
        rc = json_need_integer(doc, item, "size_kib", 1, flash_kib, &size_kib, err);
    if (rc)
        return rc;
    p->offset_bytes = (uint64_t)offset_kib * KIB;
    p->size_bytes = (uint64_t)size_kib * KIB;

    const cJSON *protected_ = cJSON_GetObjectItemCaseSensitive(item, "protected");
    if (protected_ && !cJSON_IsBool(protected_))
        return json_complain(doc, protected_, err, "'protected' must be true or false");
    p->protected_ = cJSON_IsTrue(protected_);

    if (p->offset_bytes % b->erase_bytes || p->size_bytes % b->erase_bytes)
        return json_complain(doc, item, err,
                             "partition '%s' does not start and end on erase blocks of %u bytes",
                             p->name, b->erase_bytes);
    if (p->offset_bytes + p->size_bytes > b->flash_bytes)
        return json_complain(
            doc, item, err, "partition '%s' ends at %llu KiB, past the flash's %lld KiB", p->name,
            (unsigned long long)((p->offset_bytes + p->size_bytes) / KIB), flash_kib);
    for (size_t i = 0; i < b->partition_count; i++) {
        const struct board_partition *other = &b->partitions[i];
        if (strcmp(other->name, p->name) == 0)
            return json_complain(doc, item, err, "partition '%s' is there twice", p->name);
        if (p->offset_bytes < other->offset_bytes + other->size_bytes &&
            other->offset_bytes < p->offset_bytes + p->size_bytes)
            return json_complain(doc, item, err, "partition '%s' overlaps '%s'", p->name,
                                 other->name);
    }
    b->partition_count++;
    return 0;
}

/* What the firmware cannot do without: two erase blocks each for environment and identity, so that
 * one copy is whole while the other is written, and slots that can take each other's images. */
static int check_partitions(const struct json_document *doc, const cJSON *list,
                            const struct board *b, struct error *err)
{
    static const char *const doubled[] = {"env", "identity"};
    for (size_t i = 0; i < sizeof doubled / sizeof doubled[0]; i++) {
        const struct board_partition *p = board_partition(b, doubled[i], 0);
        if (!p)
            return json_complain(doc, list, err, "partition '%s' is missing", doubled[i]);
        if (p->size_bytes < 2 * (uint64_t)b->erase_bytes)
            return json_complain(doc, cJSON_GetArrayItem(list, (int)(p - b->partitions)), err,
                                 "partition '%s' needs two erase blocks, one a copy", p->name);
    }
    for (size_t i = 0; i < b->partition_count; i++) {
        const struct board_partition *p = &b->partitions[i];
        size_t length = strlen(p->name);
        char slot = length > 2 && p->name[length - 2] == '_' ? p->name[length - 1] : 0;
        if (slot != 'a' && slot != 'b')
            continue;
        char stem[BOARD_NAME_MAX];
        snprintf(stem, sizeof stem, "%.*s", (int)(length - 2), p->name);
        const struct board_partition *twin = board_partition(b, stem, slot == 'a' ? 'b' : 'a');
        if (!twin || twin->size_bytes != p->size_bytes)
            return json_complain(doc, cJSON_GetArrayItem(list, (int)i), err,
                                 "partition '%s' needs a '%s_%c' of the same size", p->name, stem,
                                 slot == 'a' ? 'b' : 'a');
    }
    return 0;
}

static int read_flash(const struct json_document *doc, const cJSON *flash, struct board *b,
                      struct error *err)
{
    static const char *const members[] = {"kind",       "size_mib",   "erase_bytes",
                                          "page_bytes", "partitions", NULL};
    static const char *const kinds[] = {"nor", "nand", "emmc", NULL};
    const char *kind;
    const cJSON *list;
    long long size_mib, erase_bytes, page_bytes;
    int rc = json_only(doc, flash, members, err);
    if (!rc)
        rc = json_need_string(doc, flash, "kind", &kind, err);
    if (!rc)
        rc = json_need_integer(doc, flash, "size_mib", 1, 1 << 20, &size_mib, err);
    if (!rc)
        rc = json_need_integer(doc, flash, "erase_bytes", 512, 16 << 20, &erase_bytes, err);
    if (!rc)
        rc = json_need_integer(doc, flash, "page_bytes", 1, 65536, &page_bytes, err);
    if (!rc)
        rc = json_need_array(doc, flash, "partitions", &list, err);
    if (rc)
        return rc;

    bool known = false;
    for (size_t i = 0; kinds[i]; i++)
        known = known || strcmp(kind, kinds[i]) == 0;
    if (!known)
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(flash, "kind"), err,
                             "'kind' is '%s', expected nor, nand or emmc", kind);
    snprintf(b->flash_kind, sizeof b->flash_kind, "%s", kind);
    b->flash_bytes = (uint64_t)size_mib * MIB;
    b->erase_bytes = (uint32_t)erase_bytes;
    b->page_bytes = (uint32_t)page_bytes;
    if (b->erase_bytes % b->page_bytes)
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(flash, "page_bytes"), err,
                             "'page_bytes' is %u, expected a divisor of erase_bytes %u",
                             b->page_bytes, b->erase_bytes);
    if (b->flash_bytes % b->erase_bytes)
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(flash, "erase_bytes"), err,
                             "'erase_bytes' is %u, expected a divisor of the flash's %lld MiB",
                             b->erase_bytes, size_mib);

    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (b->partition_count == BOARD_PARTITIONS_MAX)
            return json_complain(doc, item, err, "more than %d partitions", BOARD_PARTITIONS_MAX);
        if (!cJSON_IsObject(item))
            return json_complain(doc, item, err, "a partition must be an object");
        rc = read_partition(doc, item, b, err);
        if (rc)
            return rc;
    }
    return check_partitions(doc, list, b, err);
}

static int read_camera(const struct json_document *doc, const cJSON *camera, struct board *b,
                       struct error *err)
{
    static const char *const members[] = {"sensor",   "width_px", "height_px", "pixel_um",
                                          "focal_mm", "f_number", NULL};
    long long width, height;
    int rc = json_only(doc, camera, members, err);
    if (!rc)
        rc = need_name(doc, camera, "sensor", b->sensor, err);
    if (!rc)
        rc = json_need_integer(doc, camera, "width_px", 16, 16384, &width, err);
    if (!rc)
        rc = json_need_integer(doc, camera, "height_px", 16, 16384, &height, err);
    if (!rc)
        rc = need_number_in(doc, camera, "pixel_um", 0.3, 50, &b->pixel_um, err);
    if (!rc)
        rc = need_number_in(doc, camera, "focal_mm", 0.5, 500, &b->focal_mm, err);
    if (!rc)
        rc = need_number_in(doc, camera, "f_number", 0.7, 64, &b->f_number, err);
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
        rc = need_number_in(doc, object, "min_deg", -360, 360, &axis->min_deg, err);
    if (!rc)
        rc = need_number_in(doc, object, "max_deg", -360, 360, &axis->max_deg, err);
    if (!rc)
        rc = json_need_integer(doc, object, "steps_per_turn", 4, 1000, &steps, err);
    if (!rc)
        rc = json_need_integer(doc, object, "microstepping", 1, 256, &microstepping, err);
    if (!rc)
        rc = need_number_in(doc, object, "gear", 0.1, 10000, &gear, err);
    if (!rc)
        rc = need_number_in(doc, object, "speed_dps", 0.1, 720, &axis->speed_dps, err);
    if (rc)
        return rc;
    if (axis->min_deg >= axis->max_deg)
        return json_complain(doc, object, err, "%s goes from %g to %g degrees, expected min < max",
                             name, axis->min_deg, axis->max_deg);
    axis->microsteps_per_deg = (double)steps * (double)microstepping * gear / 360;
    return 0;
}

static int read_ptz(const struct json_document *doc, const cJSON *ptz, struct board *b,
                    struct error *err)
{
    static const char *const members[] = {"pan", "tilt", NULL};
    if (!cJSON_IsObject(ptz))
        return json_complain(doc, ptz, err, "'ptz' must be an object");
    int rc = json_only(doc, ptz, members, err);
    if (!rc)
        rc = read_axis(doc, ptz, "pan", &b->pan, err);
    if (!rc)
        rc = read_axis(doc, ptz, "tilt", &b->tilt, err);
    b->has_ptz = !rc;
    return rc;
}

static int read_radio(const struct json_document *doc, const cJSON *radio, struct board *b,
                      struct error *err)
{
    static const char *const members[] = {"chip", "bands_ghz", NULL};
    const cJSON *bands, *band;
    if (!cJSON_IsObject(radio))
        return json_complain(doc, radio, err, "'radio' must be an object");
    int rc = json_only(doc, radio, members, err);
    if (!rc)
        rc = need_name(doc, radio, "chip", b->radio, err);
    if (!rc)
        rc = json_need_array(doc, radio, "bands_ghz", &bands, err);
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
        rc = name_of(doc, item, member, item->valuestring, out[*count], err);
        if (rc)
            return rc;
        for (size_t i = 0; i < *count; i++)
            if (strcmp(out[i], out[*count]) == 0)
                return json_complain(doc, item, err, "'%s' is there twice", out[i]);
        (*count)++;
    }
    return 0;
}

static int read_board(const struct json_document *doc, struct board *b, struct error *err)
{
    static const char *const members[] = {"board",  "soc",          "memory_mib", "flash",
                                          "camera", "ptz",          "radio",      "buttons",
                                          "leds",   "supply_volts", NULL};
    const cJSON *root = json_root(doc), *flash, *camera;
    long long memory_mib;
    if (!cJSON_IsObject(root))
        return json_complain(doc, root, err, "a board must be an object");
    int rc = json_only(doc, root, members, err);
    if (!rc)
        rc = need_name(doc, root, "board", b->name, err);
    if (!rc)
        rc = need_name(doc, root, "soc", b->soc, err);
    if (!rc)
        rc = json_need_integer(doc, root, "memory_mib", 1, 1 << 20, &memory_mib, err);
    if (!rc)
        b->memory_bytes = (uint64_t)memory_mib * MIB;
    if (!rc)
        rc = json_need_object(doc, root, "flash", &flash, err);
    if (!rc)
        rc = read_flash(doc, flash, b, err);
    if (!rc)
        rc = json_need_object(doc, root, "camera", &camera, err);
    if (!rc)
        rc = read_camera(doc, camera, b, err);
    /* A fixed camera has no 'ptz', a wired one no 'radio'. */
    const cJSON *ptz = cJSON_GetObjectItemCaseSensitive(root, "ptz");
    if (!rc && ptz)
        rc = read_ptz(doc, ptz, b, err);
    const cJSON *radio = cJSON_GetObjectItemCaseSensitive(root, "radio");
    if (!rc && radio)
        rc = read_radio(doc, radio, b, err);
    if (!rc)
        rc = read_pins(doc, root, "buttons", b->buttons, &b->button_count, err);
    if (!rc)
        rc = read_pins(doc, root, "leds", b->leds, &b->led_count, err);
    if (!rc)
        rc = need_number_in(doc, root, "supply_volts", 1, 60, &b->supply_volts, err);
    return rc;
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

const struct board_partition *board_partition(const struct board *b, const char *name, char slot)
{
    char full[BOARD_NAME_MAX + 2];
    snprintf(full, sizeof full, slot ? "%.*s_%c" : "%.*s", BOARD_NAME_MAX - 1, name, slot);
    for (size_t i = 0; i < b->partition_count; i++)
        if (strcmp(b->partitions[i].name, full) == 0)
            return &b->partitions[i];
    return NULL;
}
