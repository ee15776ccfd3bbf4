/* The last units of the station, the newest first, each with what it failed by. */
#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "protocol/base/json.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { TIME_AT = 1, SLOT_AT = 8, SERIAL_AT = 13, VERDICT_AT = 34, WHY_AT = 45 };

/* "Centre sharpness 0.081 (≥ 0.14)", or what the step said. */
static void why(const cJSON *run, char *out, size_t size)
{
    const cJSON *f = cJSON_GetObjectItemCaseSensitive(run, "failures");
    f = f ? f->child : NULL;
    const char *measurement = json_string(f, "measurement", "");
    const cJSON *low = cJSON_GetObjectItemCaseSensitive(f, "low");
    const cJSON *high = cJSON_GetObjectItemCaseSensitive(f, "high");
    const double value = json_number(f, "value", 0);
    char limit[60] = "";
    if (cJSON_IsNumber(low) && value < low->valuedouble)
        snprintf(limit, sizeof limit, " (≥ %.4g)", low->valuedouble);
    else if (cJSON_IsNumber(high))
        snprintf(limit, sizeof limit, " (≤ %.4g)", high->valuedouble);
    if (!f)
        snprintf(out, size, "%s",
                 strcmp(json_string(run, "verdict", ""), "pass") == 0
                     ? ""
                     : json_string(run, "message", ""));
    else if (*measurement)
        snprintf(out, size, "%s: %s %.4g%s", words_name(json_string(f, "step", "")),
                 words_name(measurement), value, limit);
    else
        snprintf(out, size, "%s: %s", words_name(json_string(f, "step", "")),
                 json_string(f, "message", ""));
}

static void draw(struct console *c, const struct area *a)
{
    const char *trouble = "";
    const cJSON *document = readings_get(c->records, READING_RECENT, &trouble), *run;
    int y = a->y;
    attron(A_BOLD);
    pane_put(y, TIME_AT, SLOT_AT - TIME_AT - 1, _("time"));
    pane_put(y, SLOT_AT, SERIAL_AT - SLOT_AT - 1, _("slot"));
    pane_put(y, SERIAL_AT, VERDICT_AT - SERIAL_AT - 1, _("unit"));
    pane_put(y, VERDICT_AT, WHY_AT - VERDICT_AT - 1, _("verdict"));
    pane_put(y, WHY_AT, a->columns - WHY_AT - 1, _("because of"));
    attroff(A_BOLD);
    y++;
    if (trouble[0])
        pane_put(y, 1, a->columns - 2, trouble);
    else if (!document || !cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(document, "runs")))
        pane_put(y, 1, a->columns - 2, _("no unit has been tested yet"));
    cJSON_ArrayForEach(run, cJSON_GetObjectItemCaseSensitive(document, "runs"))
    {
        char text[300], at[16];
        const time_t ended = (time_t)(json_number(run, "ended_ms", 0) / 1000);
        const char *serial = json_string(run, "serial", ""),
                   *verdict = json_string(run, "verdict", "");
        struct tm tm;
        if (y >= a->y + a->lines)
            break;
        localtime_r(&ended, &tm);
        strftime(at, sizeof at, "%H:%M", &tm);
        pane_put(y, TIME_AT, SLOT_AT - TIME_AT - 1, at);
        pane_text(y, SLOT_AT, SERIAL_AT - SLOT_AT - 1, "%d", (int)json_number(run, "slot", 0));
        pane_put(y, SERIAL_AT, VERDICT_AT - SERIAL_AT - 1,
                 *serial ? serial : json_string(run, "chip_id", "–"));
        pane_verdict(y, VERDICT_AT, WHY_AT - VERDICT_AT - 1, verdict);
        why(run, text, sizeof text);
        pane_put(y, WHY_AT, a->columns - WHY_AT - 1, text);
        y++;
    }
}

const struct console_screen screen_last = {
    .name = N_("last"),
    .reads = READING_RECENT,
    .refresh_ms = 5000,
    .draw = draw,
};
