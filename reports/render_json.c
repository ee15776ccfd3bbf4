#include "reports/render_kinds.h"

static int render(const cJSON *document, const struct render_options *options, struct buffer *out,
                  struct error *err)
{
    (void)options;
    char *text = cJSON_Print(document);
    int rc = text ? buffer_append_text(out, text) : ERROR_MEMORY;
    if (!rc)
        rc = buffer_append_text(out, "\n");
    cJSON_free(text);
    return rc ? error_set(err, rc, "cannot write the document: out of memory") : 0;
}

const struct renderer render_json = {"json", "application/json", render};
