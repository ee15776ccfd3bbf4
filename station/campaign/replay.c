#include <string.h>

#include "protocol/base/json.h"
#include "station/campaign/campaign.h"

int campaign_replay(const struct campaign *c, int64_t seed, const char *products_dir,
                    const struct plan_vocabulary *words, struct campaign **out, struct error *err)
{
    static const char *const gone[] = {
        "cycles", "duration_s", "duration_min", "duration_h", "duration_d", "replay", NULL};
    cJSON *one = cJSON_Duplicate(json_root(c->document), true);
    for (const char *const *name = gone; *name; name++)
        cJSON_DeleteItemFromObjectCaseSensitive(one, *name);
    cJSON_AddNumberToObject(one, "duration_s", 1); /* what is due at once is all there is */
    cJSON_AddNumberToObject(one, "replay", (double)seed);
    char *text = cJSON_Print(one);
    int rc = text ? campaign_parse(c->name, text, strlen(text), products_dir, words, out, err)
                  : error_set(err, ERROR_MEMORY, "a campaign to replay: out of memory");
    cJSON_free(text);
    cJSON_Delete(one);
    return rc;
}
