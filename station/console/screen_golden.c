/* The golden unit: its last run on each slot, how old that is, and its figures beside the band they
 * must lie in. */
#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { NAME_AT = 4, VALUE_AT = 34, BAND_AT = 52, MARK_COLUMNS = 20 };

/* Where in its band a value lies: a line with a mark. */
static void draw_band(int y, int x, const cJSON *figure)
{
    const cJSON *low = cJSON_GetObjectItemCaseSensitive(figure, "low");
    const cJSON *high = cJSON_GetObjectItemCaseSensitive(figure, "high");
    char text[80];
    if (cJSON_IsNumber(low) && cJSON_IsNumber(high) && high->valuedouble > low->valuedouble) {
        double at = (json_number(figure, "value", 0) - low->valuedouble) /
                    (high->valuedouble - low->valuedouble);
        at = at < 0 ? 0 : at > 1 ? 1 : at;
        for (int i = 0; i < MARK_COLUMNS; i++)
            mvaddstr(y, x + i, "─");
        mvaddstr(y, x + (int)(at * (MARK_COLUMNS - 1) + 0.5), "●");
        return;
    }
    if (cJSON_IsNumber(low))
        snprintf(text, sizeof text, "≥ %.4g", low->valuedouble);
    else
        snprintf(text, sizeof text, "≤ %.4g", cJSON_IsNumber(high) ? high->valuedouble : 0);
    pane_put(y, x, MARK_COLUMNS, text);
}

static const cJSON *of_slot(const cJSON *document, int slot)
{
    const cJSON *run;
    cJSON_ArrayForEach(run, cJSON_GetObjectItemCaseSensitive(document, "golden"))
    {
        if ((int)json_number(run, "slot", 0) == slot)
            return run;
    }
    return NULL;
}

static void age(int64_t ended_ms, char *out, size_t size)
{
    const int64_t minutes = (clock_wall_ms() - ended_ms) / 60000;
    if (minutes < 120)
        snprintf(out, size, _("%d min ago"), (int)(minutes > 0 ? minutes : 0));
    else if (minutes < 48 * 60)
        snprintf(out, size, _("%d h ago"), (int)(minutes / 60));
    else
        snprintf(out, size, _("%d days ago"), (int)(minutes / 60 / 24));
}

static void draw(struct console *c, const struct area *a)
{
    const struct tile *t = console_selected(c);
    const char *trouble = "";
    const cJSON *document = readings_get(c->records, READING_GOLDEN, &trouble), *figure;
    int y = a->y;
    char text[120];
    if (!t)
        return;
    const cJSON *run = of_slot(document, t->slot);
    if (!run) {
        pane_text(y, 1, a->columns - 2, _("slot %d: no golden unit was run here yet"), t->slot);
        if (trouble[0])
            pane_put(y + 1, 1, a->columns - 2, trouble);
        return;
    }
    age((int64_t)json_number(run, "ended_ms", 0), text, sizeof text);
    attron(A_BOLD);
    pane_text(y, 1, a->columns - 14, _("slot %d: golden unit %s, %s"), t->slot,
              json_string(run, "serial", ""), text);
    attroff(A_BOLD);
    pane_verdict(y, a->columns - 12, 11, json_string(run, "verdict", ""));
    y += 2;
    cJSON_ArrayForEach(figure, cJSON_GetObjectItemCaseSensitive(run, "figures"))
    {
        if (y >= a->y + a->lines)
            break;
        const bool out = strcmp(json_string(figure, "verdict", ""), "fail") == 0;
        attron(COLOR_PAIR(out ? COLOUR_FAIL : COLOUR_PLAIN));
        pane_text(y, NAME_AT, VALUE_AT - NAME_AT - 1, "%s: %s",
                  words_name(json_string(figure, "step", "")),
                  words_name(json_string(figure, "measurement", "")));
        pane_text(y, VALUE_AT, BAND_AT - VALUE_AT - 1, "%.4g %s", json_number(figure, "value", 0),
                  json_string(figure, "unit", ""));
        draw_band(y, BAND_AT, figure);
        attroff(COLOR_PAIR(out ? COLOUR_FAIL : COLOUR_PLAIN));
        y++;
    }
}

static bool key(struct console *c, int pressed)
{
    const struct tile *t = console_selected(c);
    if (pressed == 'g' && t) {
        action_golden(c, t->slot);
        return true;
    }
    return screen_unit.key(c, pressed);
}

const struct console_screen screen_golden = {
    .name = N_("golden"),
    .keys = N_("arrows slot  g run the golden unit"),
    .reads = READING_GOLDEN,
    .refresh_ms = 2000,
    .draw = draw,
    .key = key,
};
