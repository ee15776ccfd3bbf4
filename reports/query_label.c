#include <string.h>

#include "protocol/base/json.h"
#include "reports/query.h"

enum { LABEL_BYTES_MAX = 1 << 16 };

/* The hash of the label that this run printed; NULL when it printed none. */
static const char *label_of(const cJSON *run)
{
    const cJSON *step, *attempt, *a;
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(run, "steps"))
    {
        cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(step, "attempts"))
        {
            cJSON_ArrayForEach(a, cJSON_GetObjectItemCaseSensitive(attempt, "attachments"))
            {
                if (strcmp(json_string(a, "name", ""), "label") == 0)
                    return json_string(a, "sha256", "");
            }
        }
    }
    return NULL;
}

static const char *last_label(const cJSON *unit, const cJSON **run)
{
    const cJSON *r;
    cJSON_ArrayForEach(r, cJSON_GetObjectItemCaseSensitive(unit, "runs"))
    {
        const char *hash = label_of(r);
        *run = r;
        if (hash)
            return hash;
    }
    return NULL;
}

int query_label(struct store *s, const char *attachments_dir, const char *name, cJSON **unit,
                const cJSON **run, struct buffer *zpl, struct error *err)
{
    *unit = NULL;
    zpl->limit_bytes = LABEL_BYTES_MAX;
    int rc = query_unit(s, name, unit, err);
    if (rc)
        return rc;
    const char *hash = last_label(*unit, run);
    if (!hash)
        return error_set(err, ERROR_MISSING, "unit %s never had a label", name);
    rc = store_attachment_read(attachments_dir, hash, zpl, err);
    if (!rc && !buffer_text(zpl))
        rc = error_set(err, ERROR_MEMORY, "a label: out of memory");
    return rc;
}
