#include "station/engine/station_console.h"

#include <stdio.h>
#include <string.h>

static int take(const struct json_document *doc, const cJSON *given, const char *name, char *out,
                size_t size, struct error *err)
{
    const char *text;
    if (!cJSON_GetObjectItemCaseSensitive(given, name))
        return 0;
    int rc = json_need_string(doc, given, name, &text, err);
    if (!rc && (!*text || strlen(text) >= size))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(given, name), err,
                           "'%s' must have 1 to %zu bytes", name, size - 1);
    if (!rc)
        strcpy(out, text);
    return rc;
}

int station_console_take(const struct json_document *doc, struct station_console *out,
                         struct error *err)
{
    static const char *const members[] = {"order",   "badge",          "slot",
                                          "scanner", "units_per_hour", NULL};
    const cJSON *given;
    long long per_hour = 0;
    *out = (struct station_console){.order = "ORDER-*", .badge = "BADGE-*", .slot = "SLOT-*"};
    if (!cJSON_GetObjectItemCaseSensitive(json_root(doc), "console"))
        return 0;
    int rc = json_need_object(doc, json_root(doc), "console", &given, err);
    if (!rc)
        rc = json_only(doc, given, members, err);
    if (!rc)
        rc = take(doc, given, "order", out->order, sizeof out->order, err);
    if (!rc)
        rc = take(doc, given, "badge", out->badge, sizeof out->badge, err);
    if (!rc)
        rc = take(doc, given, "slot", out->slot, sizeof out->slot, err);
    if (!rc)
        rc = take(doc, given, "scanner", out->scanner, sizeof out->scanner, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "units_per_hour"))
        rc = json_need_integer(doc, given, "units_per_hour", 1, 100000, &per_hour, err);
    out->units_per_hour = (int)per_hour;
    return rc;
}
