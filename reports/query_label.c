#include <string.h>

#include "protocol/base/json.h"
#include "reports/query.h"

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

const char *query_label(const cJSON *unit, const cJSON **run)
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
