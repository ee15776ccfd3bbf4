#include "reports/render.h"

#include <string.h>

#include "reports/render_kinds.h"

static const struct renderer *const table[] = {&render_html, &render_pdf,  &render_xlsx,
                                               &render_csv,  &render_json, NULL};

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
