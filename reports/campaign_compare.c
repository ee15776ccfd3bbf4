#include "reports/campaign_compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/campaign.h"
#include "reports/campaign_summary.h"

/* The number of what is meant; 0 when there is none. */
static int find(struct store *reader, const cJSON *document, const char *name, int64_t *id,
                struct error *err)
{
    char *end;
    cJSON *list = NULL;
    const cJSON *each;
    *id = strtoll(name, &end, 10);
    if (*name && !*end)
        return 0;
    *id = 0;
    int rc = campaign_list(reader, &list, err);
    cJSON_ArrayForEach(each, list) /* newest first */
    {
        if (!*id && strcmp(json_string(each, "lot", ""), name) == 0 &&
            strcmp(json_string(each, "name", ""), json_string(document, "name", "")) == 0 &&
            json_number(each, "id", 0) != json_number(document, "id", 0))
            *id = (int64_t)json_number(each, "id", 0);
    }
    cJSON_Delete(list);
    if (!rc && !*id)
        rc = error_set(err, ERROR_MISSING,
                       "'%.60s' is no campaign's number, and no lot has another campaign '%.60s'",
                       name, json_string(document, "name", ""));
    return rc;
}

static void add_row(cJSON *rows, const cJSON *campaign, int failed, double expected)
{
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(campaign, "summary");
    const double bound_h = json_number(summary, "mtbf_bound_h", NAN);
    cJSON *row = cJSON_CreateObject();
    char name[200];
    snprintf(name, sizeof name, "%.80s · %.0f%s%.80s", json_string(campaign, "name", ""),
             json_number(campaign, "id", 0), *json_string(campaign, "lot", "") ? " · " : "",
             json_string(campaign, "lot", ""));
    cJSON_AddStringToObject(row, "name", name);
    cJSON_AddNumberToObject(row, "unit_hours", json_number(summary, "unit_hours", 0));
    if (isfinite(bound_h))
        cJSON_AddNumberToObject(row, "mtbf_bound_h", bound_h);
    cJSON_AddNumberToObject(row, "failed", failed);
    cJSON_AddNumberToObject(row, "expected", expected);
    cJSON_AddItemToArray(rows, row);
}

static int compare(cJSON *document, const cJSON *other, struct error *err)
{
    struct survival_unit *mine = NULL, *theirs = NULL;
    struct survival_comparison c;
    size_t mine_count = 0, theirs_count = 0;
    int rc = campaign_watched(document, &mine, &mine_count, err);
    if (!rc)
        rc = campaign_watched(other, &theirs, &theirs_count, err);
    if (!rc) {
        survival_log_rank(mine, mine_count, theirs, theirs_count, &c);
        cJSON *made = cJSON_AddObjectToObject(document, "comparison");
        cJSON_AddBoolToObject(
            made, "same_file",
            strcmp(json_string(document, "sha256", ""), json_string(other, "sha256", "-")) == 0);
        cJSON *rows = cJSON_AddArrayToObject(made, "rows");
        add_row(rows, document, c.failed[0], c.expected[0]);
        add_row(rows, other, c.failed[1], c.expected[1]);
        if (isfinite(c.p)) {
            cJSON_AddNumberToObject(made, "chi_square", c.chi_square);
            cJSON_AddNumberToObject(made, "p", c.p);
        }
    }
    free(mine);
    free(theirs);
    return rc;
}

int campaign_compare(struct store *reader, cJSON *document, const char *name, struct error *err)
{
    static const char *const kept[] = {"id",     "name",       "lot",        "station", "state",
                                       "sha256", "started_ms", "unit_count", "summary", NULL};
    cJSON *other = NULL, *against;
    char number[24];
    int64_t id;
    int rc = find(reader, document, name, &id, err);
    if (!rc && id == (int64_t)json_number(document, "id", 0))
        rc = error_set(err, ERROR_INPUT, "campaign %lld cannot be compared with itself",
                       (long long)id);
    snprintf(number, sizeof number, "%lld", (long long)id);
    if (!rc)
        rc = campaign_document(reader, number, &other, err);
    if (!rc)
        rc = compare(document, other, err);
    if (!rc) {
        against = cJSON_AddObjectToObject(document, "against");
        const cJSON *samples = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(other, "summary"), "samples");
        cJSON_AddNumberToObject(against, "hours", json_number(samples, "hours", 0));
        for (const char *const *k = kept; *k; k++)
            if (cJSON_GetObjectItemCaseSensitive(other, *k))
                cJSON_AddItemToObject(against, *k,
                                      cJSON_DetachItemFromObjectCaseSensitive(other, *k));
    }
    cJSON_Delete(other);
    return rc;
}
