/* The Gantt chart of a simulated line: a row a slot, a bar a step. */
#ifndef TAKT_STATION_CLI_GANTT_H
#define TAKT_STATION_CLI_GANTT_H

#include <stdio.h>

#include "station/engine/simulate.h"

/* 80 columns: the letter of a step, and which letter is which. */
void gantt_print(const struct plan *plan, const struct simulate_line *line,
                 const struct simulate_result *r, FILE *to);
/* ERROR_IO, ERROR_FULL. Texts of the plan are plain names, so nothing has to be escaped. */
int gantt_write_svg(const struct plan *plan, const struct simulate_line *line,
                    const struct simulate_result *r, const char *path, struct error *err);

#endif
