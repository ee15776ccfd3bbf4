#include "station/engine/open_store.h"

#include <stdio.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "provisioning/pool_doubt.h"
#include "reports/maintenance.h"

static int settle_identities(void *context, sqlite3 *db, struct error *err)
{
    return pool_doubt_free(db, "taktd", clock_wall_ms(), context, err);
}

static void tell(struct engine *e, const struct error *why, const cJSON *saved,
                 const struct pool_doubt *doubt)
{
    const cJSON *table;
    double rows = 0;
    cJSON_ArrayForEach(table, cJSON_GetObjectItemCaseSensitive(saved, "tables")) rows +=
        table->valuedouble;
    snprintf(e->recovered, sizeof e->recovered,
             "the store was damaged: it is set aside as %s; %.0f rows were read from it, %.0f "
             "dropped since their run or step is lost, %lld free identities quarantined and %lld "
             "lost",
             json_string(saved, "aside", "?"), rows, json_number(saved, "dropped", 0),
             (long long)doubt->quarantined, (long long)doubt->lost);
    fprintf(stderr, "taktd: %s\ntaktd: %s\n", why->text, e->recovered);
}

int open_store(struct engine *e, struct error *err)
{
    struct pool_doubt doubt = {0};
    cJSON *saved = NULL;
    int rc = store_open(e->store_path, e->attachments_dir, &e->store, err);
    if (rc != ERROR_INPUT)
        return rc;
    const struct error why = *err;
    struct error failed = {0};
    if (maintenance_recover(e->store_path, settle_identities, &doubt, &saved, &failed)) {
        fprintf(stderr, "taktd: it cannot be recovered: %s\n", failed.text);
        *err = why;
        return rc;
    }
    tell(e, &why, saved, &doubt);
    cJSON_Delete(saved);
    return store_open(e->store_path, e->attachments_dir, &e->store, err);
}
