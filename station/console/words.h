/* The screen's language: gettext's catalogue, switched while running. */
#ifndef TAKT_STATION_CONSOLE_WORDS_H
#define TAKT_STATION_CONSOLE_WORDS_H

#include <libintl.h>
#include <stddef.h>

#define _(text)  gettext(text)
#define N_(text) text /* marks a text that is translated where it is shown */

/* Finds the catalogues and picks the language; NULL = the environment's. */
void words_start(const char *language);
/* Takes turns between English and Chinese. */
void words_switch(void);

/* The word for a verdict or a state of taktd's, in the present language. */
const char *words_verdict(const char *verdict);
const char *words_state(const char *state);
/* What the operator does with a unit of that verdict; "" where there is nothing to do. */
const char *words_next(const char *verdict);
/* A step's, measurement's or activity's name as people say it; itself where nobody does. */
const char *words_name(const char *name);

/* A campaign's figure, as "health.rss_bytes": its step and its measurement in words. */
void words_figure(const char *name, char *out, size_t size);
/* With its unit, to five digits; many bytes as MB. */
void words_quantity(double value, const char *unit, char *out, size_t size);

/* What a step says it does; a time left at its end ("rootfs 1.2 MB/s, 0:08 left") in the present
 * language. */
void words_activity(const char *text, char *out, size_t size);

/* Columns a UTF-8 text takes on the screen, and its longest part within `columns` (in bytes). */
int words_columns(const char *text);
int words_fit(const char *text, int columns);

#endif
