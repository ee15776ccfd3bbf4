/* For the files of this folder that read a campaign's file: its members, and who reads which. */
#ifndef TAKT_STATION_CAMPAIGN_CAMPAIGN_MEMBERS_H
#define TAKT_STATION_CAMPAIGN_CAMPAIGN_MEMBERS_H

#include "protocol/base/json.h"
#include "station/campaign/campaign.h"

extern const double campaign_year_s; /* the longest time of any member */

/* The members a time may be: "NAME_s", "NAME_min", "NAME_h" or "NAME_d". */
#define CAMPAIGN_TIMES(name) name "_s", name "_min", name "_h", name "_d"

const cJSON *campaign_member(const cJSON *object, const char *name); /* NULL: none */
/* Each of these leaves *out as it is when the member is not there. A number within a range. */
int campaign_take_number(const struct json_document *doc, const cJSON *object, const char *name,
                         double low, double high, double *out, struct error *err);
int campaign_take_integer(const struct json_document *doc, const cJSON *object, const char *name,
                          long long low, long long high, int *out, struct error *err);
/* A time in one of its units; at most one of them is given. */
int campaign_take_time(const struct json_document *doc, const cJSON *object, const char *name,
                       double low_s, int64_t *out_ms, struct error *err);

/* conditions.c: "conditions", and once figures are known which of them says what the unit is at. */
int campaign_take_conditions(struct campaign *c, struct error *err);
int campaign_find_loads(struct campaign *c, struct error *err);

#endif
