/* A campaign beside an earlier one, or another lot's: did their units fail alike? */
#ifndef TAKT_REPORTS_CAMPAIGN_COMPARE_H
#define TAKT_REPORTS_CAMPAIGN_COMPARE_H

#include <cjson/cJSON.h>

#include "protocol/base/error.h"
#include "reports/store.h"

/* Adds to campaign_document()'s "against" what it is compared with: "id", "name", "lot", "station",
 * "state", "sha256", "started_ms", "unit_count", "summary" and "hours", as long as its longest unit
 * was watched; and "comparison": {"same_file", "rows": [{"name": "NAME · ID · LOT", "unit_hours",
 * "mtbf_bound_h", "failed", "expected"}], first its own; "chi_square", "p"}, the log-rank test
 * (survival.h); the last two only where there is something to
 * compare. `name` is a campaign's number, or else a lot: its latest campaign of the same name.
 * ERROR_MISSING, and ERROR_INPUT for the campaign itself. */
int campaign_compare(struct store *reader, cJSON *document, const char *name, struct error *err);

#endif
