/* What came of runs, from the store's documents: rows for people, one document for scripts. */
#ifndef TAKT_STATION_CLI_RUN_RESULT_H
#define TAKT_STATION_CLI_RUN_RESULT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "protocol/base/error.h"

/* {"slot","run","serial","chip_id","did","verdict","message","failures":[{"step","measurement",
 * "value","unit","low","high"}]} from the document of query_run(); the caller's. A failure without
 * a measurement has the step's verdict and message. */
cJSON *run_result(const cJSON *run_document);

/* The table of an array of results, slots in order. */
void run_result_table(const cJSON *results, FILE *out);

/* 0 when all passed, 1 when a unit failed or was aborted, 3 when a run ended in error or timeout.
 */
int run_result_status(const cJSON *results);

#endif
