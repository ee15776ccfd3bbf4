#include "reports/outbox/connector.h"

#include <string.h>

static const struct connector *const connectors[] = {
    &connector_http, &connector_wats, &connector_folder, &connector_postgresql, &connector_cfx};
static const struct outbox_format *const formats[] = {&outbox_format_json, &outbox_format_csv,
                                                      &outbox_format_wsjf};

enum {
    CONNECTORS = sizeof connectors / sizeof connectors[0],
    FORMATS = sizeof formats / sizeof formats[0],
};

const struct connector *connector_find(const char *name, const char **nearest)
{
    const char *names[CONNECTORS + 1] = {NULL};
    for (size_t i = 0; i < CONNECTORS; i++) {
        names[i] = connectors[i]->name;
        if (strcmp(names[i], name) == 0)
            return connectors[i];
    }
    *nearest = json_nearest(name, names);
    return NULL;
}

const struct outbox_format *outbox_format_find(const char *name)
{
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}
