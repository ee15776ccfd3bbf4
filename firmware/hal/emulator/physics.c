#include "firmware/hal/emulator/physics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "firmware/hal/emulator/chance.h"
#include "protocol/base/json.h"

static const struct physics_parameter parameters[] = {
#define PHYSICS_ROW(name, nominal, low, high, unit, about)                                         \
    {#name, nominal, low, high, unit, about, offsetof(struct physics, name)},
    PHYSICS_PARAMETERS(PHYSICS_ROW)
#undef PHYSICS_ROW
        {NULL, 0, 0, 0, NULL, NULL, 0}};

enum { PARAMETERS = sizeof parameters / sizeof parameters[0] - 1 };

const struct physics_parameter *physics_parameters(void)
{
    return parameters;
}

static double *field(struct physics *p, const struct physics_parameter *row)
{
    return (double *)((char *)p + row->offset);
}

static void name_chip(struct physics *p)
{
    uint64_t high = chance_hash((uint64_t)p->seed, 0x63686970, 0),
             low = chance_hash((uint64_t)p->seed, 0x63686970, 1);
    snprintf(p->chip_id, sizeof p->chip_id, "%016" PRIx64 "%016" PRIx64, high, low);
}

void physics_nominal(struct physics *out)
{
    memset(out, 0, sizeof *out);
    for (const struct physics_parameter *row = parameters; row->name; row++)
        *field(out, row) = row->nominal;
    name_chip(out);
}

static int take_chip_id(const struct json_document *doc, const cJSON *item, struct physics *out,
                        struct error *err)
{
    const char *id = cJSON_GetStringValue(item);
    size_t length = id ? strlen(id) : 0;
    if (!length || length >= sizeof out->chip_id || strspn(id, "0123456789abcdef") != length)
        return json_complain(doc, item, err, "chip_id must be 1 to 32 lower-case hex digits");
    memcpy(out->chip_id, id, length + 1);
    return 0;
}

static int take_number(const struct json_document *doc, const cJSON *item, struct physics *out,
                       struct error *err)
{
    for (const struct physics_parameter *row = parameters; row->name; row++) {
        if (strcmp(row->name, item->string))
            continue;
        double v = item->valuedouble;
        if (!cJSON_IsNumber(item) || !isfinite(v) || v < row->low || v > row->high)
            return json_complain(doc, item, err, "%s must be a number from %g to %g %s", row->name,
                                 row->low, row->high, row->unit);
        *field(out, row) = v;
        return 0;
    }
    return 0; /* json_only() refused unknown names before */
}

int physics_load(const char *path, struct physics *out, struct error *err)
{
    physics_nominal(out);
    struct json_document *doc = NULL;
    const char *names[PARAMETERS + 3];
    size_t count = 0;
    if (access(path, F_OK))
        return 0;
    int rc = json_load(path, &doc, err);
    if (rc)
        return rc;
    for (const struct physics_parameter *row = parameters; row->name; row++)
        names[count++] = row->name;
    names[count++] = "chip_id";
    names[count++] = "comment";
    names[count] = NULL;

    const cJSON *root = json_root(doc), *item;
    if (!cJSON_IsObject(root)) {
        rc = json_complain(doc, root, err, "a unit must be an object of parameters");
        goto out;
    }
    rc = json_only(doc, root, names, err);
    for (item = root->child; item && !rc; item = item->next)
        if (strcmp(item->string, "chip_id") && strcmp(item->string, "comment"))
            rc = take_number(doc, item, out, err);
    if (rc)
        goto out;
    name_chip(out);
    if ((item = cJSON_GetObjectItemCaseSensitive(root, "chip_id")))
        rc = take_chip_id(doc, item, out, err);
out:
    json_free(doc);
    return rc;
}
