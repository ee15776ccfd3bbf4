/* The line leader's wall screen as HTML. The page loads nothing but its own style and script, which
 * are served beside it, so that its policy can forbid everything else; the script puts a fresh body
 * in the old one's place. */
#ifndef TAKT_REPORTS_DASHBOARD_H
#define TAKT_REPORTS_DASHBOARD_H

#include <cjson/cJSON.h>

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

/* `document` is line_day.h's, with "slots" when taktd answered: taktd's own status of each slot.
 * The page expects "style.css" and "refresh.js" beside it, and fetches "live". Appends to out. */
int dashboard_page(const cJSON *document, const char *language, struct buffer *out,
                   struct error *err);
int dashboard_body(const cJSON *document, const char *language, struct buffer *out,
                   struct error *err);
const char *dashboard_style(void);
const char *dashboard_script(void);

#endif
