/* What a campaign's record is worth: survival, failures by cause, the bound of the mean time
 * between failures. */
#ifndef TAKT_REPORTS_CAMPAIGN_SUMMARY_H
#define TAKT_REPORTS_CAMPAIGN_SUMMARY_H

#include <cjson/cJSON.h>

#include "protocol/base/error.h"
#include "reports/statistics/survival.h"
#include "reports/store.h"

/* Of campaign_whole()'s document: {"unit_hours", "failures", "confidence", "mtbf_bound_h",
 * "survival": [{"hours", "at_risk", "failed", "good", "deviation"}], "causes": [{"cause",
 * "units"}]}, most frequent cause first (the figure, or the step that fell silent), and, where an
 * Arrhenius factor was asked for and a chamber measured, "stress_c", "factor", "use_hours".
 * "samples": {"hours", how long this one watched the longest; "rows": [{"mtbf_h" or "good",
 * "units": [for none, one and two failures]}]} is how many units another of that length needs to
 * show, at the same confidence, an MTBF (round ones, from the bound on) or that this part of a lot
 * lasts as long. The caller's. */
int campaign_summary(const cJSON *campaign, cJSON **out, struct error *err);

/* The mean of a unit's own start of a figure, NAN while it is not known: out of its "watch",
 * parsed. */
double campaign_own_start(const cJSON *watch, int figure);

/* Its units that were watched, with their hours: what survival is estimated from. The caller's. */
int campaign_watched(const cJSON *campaign, struct survival_unit **out, size_t *count,
                     struct error *err);

/* A document to render, "campaign": campaign_whole()'s with "summary", and with "started" and
 * "last", its times as text. `name` is its number; ERROR_INPUT for what is none, ERROR_MISSING. The
 * caller's. */
int campaign_document(struct store *reader, const char *name, cJSON **out, struct error *err);

#endif
