/* The kinds of `takt stats`: rows of one table (stats.c). */
#ifndef TAKT_STATION_CLI_STATS_KINDS_H
#define TAKT_STATION_CLI_STATS_KINDS_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "protocol/base/error.h"
#include "station/cli/table_file.h"

struct stats_request {
    const struct table_file *table;
    const char *column; /* NULL: the one that holds the values */
    double lsl, usl;    /* NAN: not given, likewise below */
    double lambda, start, sigma, pool_above;
};

/* Fills `out`, and draws what a person wants to see on `plain` unless that is NULL. */
typedef int stats_kind(const struct stats_request *r, cJSON *out, FILE *plain, struct error *err);
stats_kind stats_describe, stats_capability, stats_imr, stats_ewma, stats_gage;

/* A small chart of values in their order between lines at `lcl`, `centre` and `ucl`. */
void stats_draw_chart(FILE *f, const double *values, size_t count, double lcl, double centre,
                      double ucl);
/* How the values are spread, with marks at limits that are not NAN. */
void stats_draw_spread(FILE *f, const double *values, size_t count, double lsl, double usl);

#endif
