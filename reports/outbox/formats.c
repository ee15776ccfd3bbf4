/* A run as JSON, as it stands in docs/records.md, and as CSV, a line a measurement. */
#include <string.h>

#include "protocol/base/json.h"
#include "reports/outbox/connector.h"
#include "reports/render.h"

static int write_json(const struct outbox_message *m, struct buffer *out, struct error *err)
{
    char *text = cJSON_PrintUnformatted(m->run);
    int rc = text ? buffer_append_text(out, text) : ERROR_MEMORY;
    if (!rc)
        rc = buffer_append_text(out, "\n");
    cJSON_free(text);
    return rc ? error_set(err, rc, "writing a message: out of memory") : 0;
}

/* The renderer's columns are those of `takt report`. */
static int write_csv(const struct outbox_message *m, struct buffer *out, struct error *err)
{
    return renderer_find("csv")->render(m->run, NULL, out, err);
}

const struct outbox_format outbox_format_json = {"json", "json", "application/json", write_json};
const struct outbox_format outbox_format_csv = {"csv", "csv", "text/csv", write_csv};
