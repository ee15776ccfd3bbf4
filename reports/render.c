#include "reports/render.h"

#include <string.h>

#include "reports/render_kinds.h"

static const struct renderer *const table[] = {&render_html, &render_json, &render_csv, NULL};

const struct renderer *renderer_find(const char *name)
{
    for (size_t i = 0; table[i]; i++)
        if (!strcmp(table[i]->name, name))
            return table[i];
    return NULL;
}

const struct renderer *const *renderers(void)
{
    return table;
}
