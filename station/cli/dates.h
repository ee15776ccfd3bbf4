/* Dates on the command line. */
#ifndef TAKT_STATION_CLI_DATES_H
#define TAKT_STATION_CLI_DATES_H

#include <stdbool.h>
#include <stdint.h>

#define CLI_DATE_FORM "2026-11-28 or 2026-11-28T16:30 (UTC)"

/* A date, or a date and a time, of UTC, as milliseconds since 1970; false when it is neither. */
bool cli_read_date(const char *text, int64_t *wall_ms);

#endif
