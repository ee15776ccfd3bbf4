/* The units of a campaign, a cell each in the colour of its state; one that is chosen shows its
 * curves against its limits. */
#include <math.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/campaign_summary.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { CELL = 6, NAME_AT = 1, CURVE_AT = 32, POINTS_MAX = 400, ESCAPE = 27 };

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const cJSON *units_of(const struct console *c)
{
    return member(member(readings_get(c->records, READING_RACK, NULL), "campaign"), "units");
}

/* ---- a unit in words ---------------------------------------------------------------------------
 */

static void put_who(int y, int columns, const cJSON *unit)
{
    char place[80];
    int slot;
    if (sscanf(json_string(unit, "place", ""), "slot %d", &slot) == 1)
        snprintf(place, sizeof place, _("slot %d"), slot);
    else
        snprintf(place, sizeof place, "%s", json_string(unit, "place", ""));
    pane_text(y, 1, columns - 2, _("unit %d  %s  %s  %s  %.1f h"),
              (int)json_number(unit, "number", 0), place, json_string(unit, "chip_id", ""),
              words_state(json_string(unit, "state", "")),
              json_number(unit, "watched_ms", 0) / 3600000);
}

static double number(const cJSON *object, const char *name)
{
    return json_number(object, name, NAN);
}

/* What a figure is held against; what may not go back (an uptime) is held against nothing. */
struct limits {
    enum {
        OF_NOTHING,
        OF_PERCENT,
        OF_CHANGE,
        OF_ITSELF
    } of;             /* percent, change: of the own start */
    double low, high; /* NAN where there is none */
};

static struct limits limits_of(const cJSON *figure)
{
    static const char *const names[][2] = {[OF_PERCENT] = {"min_percent", "max_percent"},
                                           [OF_CHANGE] = {"min_change", "max_change"},
                                           [OF_ITSELF] = {"low", "high"}};
    for (int of = OF_PERCENT; of <= OF_ITSELF; of++) {
        const double low = number(figure, names[of][0]), high = number(figure, names[of][1]);
        if (isfinite(low) || isfinite(high))
            return (struct limits){of, low, high};
    }
    return (struct limits){OF_NOTHING, NAN, NAN};
}

/* Why it failed: the figure, what it came to and its limit; or what the campaign says, where no
 * figure went beyond its limits. `one` is the unit with its curves, once that is read. */
static void put_cause(int y, int columns, const cJSON *one, const cJSON *unit)
{
    const cJSON *read = member(one, "unit");
    if (json_number(read, "number", 0) == json_number(unit, "number", -1))
        unit = read;
    cJSON *watch = cJSON_Parse(json_string(unit, "watch", ""));
    double cause[4]; /* figure, value, lower and upper limit; NAN where there is none */
    for (int i = 0; i < 4; i++)
        cause[i] = cJSON_GetNumberValue(cJSON_GetArrayItem(member(watch, "cause"), i));
    const cJSON *figure =
        cause[0] >= 0 ? cJSON_GetArrayItem(member(one, "figures"), (int)cause[0]) : NULL;
    const double value = cause[1], low = cause[2], high = cause[3];
    attron(COLOR_PAIR(COLOUR_FAIL));
    if (limits_of(figure).of && isfinite(value) && (isfinite(low) || isfinite(high))) {
        char name[120], is[48], limit[48];
        const char *unit_of = json_string(figure, "unit", "");
        const bool below = isfinite(low) && value < low;
        words_figure(json_string(figure, "name", ""), name, sizeof name);
        words_quantity(value, unit_of, is, sizeof is);
        words_quantity(below ? low : high, unit_of, limit, sizeof limit);
        pane_text(y, 1, columns - 2, "%s %s (%s %s)", name, is, below ? "≥" : "≤", limit);
    } else {
        pane_put(y, 1, columns - 2, json_string(unit, "cause", ""));
    }
    attroff(COLOR_PAIR(COLOUR_FAIL));
    cJSON_Delete(watch);
}

/* ---- the grid ----------------------------------------------------------------------------------
 */

/* A mark beside the number, so that nobody needs the colour. */
static const struct {
    const char *state, *mark;
    enum colour colour;
} looks[] = {{"watched", "●", COLOUR_PASS},
             {"failed", "✗", COLOUR_FAIL},
             {"left", "–", COLOUR_DIM},
             {"ended", "✓", COLOUR_PLAIN},
             {"joining", "…", COLOUR_BUSY}};

static void draw_cell(int y, int x, const cJSON *unit, bool chosen)
{
    const char *state = json_string(unit, "state", "");
    size_t i = 0;
    while (i + 1 < sizeof looks / sizeof *looks && strcmp(looks[i].state, state) != 0)
        i++;
    const attr_t look = COLOR_PAIR(looks[i].colour) | (chosen ? A_REVERSE | A_BOLD : 0);
    attron(look);
    pane_text(y, x, CELL - 1, "%s%3d", looks[i].mark, (int)json_number(unit, "number", 0));
    attroff(look);
}

static void draw_grid(struct console *c, const struct area *a, const cJSON *units, const cJSON *one)
{
    const int across = a->columns > CELL + 2 ? (a->columns - 2) / CELL : 1;
    const int rows = a->lines - 5, count = cJSON_GetArraySize(units);
    const int at = (c->rack_unit - 1) / across, first = at < rows ? 0 : at - rows + 1;
    const cJSON *unit, *chosen = cJSON_GetArrayItem(units, c->rack_unit - 1);
    int i = 0;
    cJSON_ArrayForEach(unit, units)
    {
        const int row = i / across - first;
        if (row >= 0 && row < rows)
            draw_cell(a->y + 2 + row, 1 + i % across * CELL, unit, i == c->rack_unit - 1);
        i++;
    }
    if (count > (first + rows) * across || first)
        snprintf(c->rest, sizeof c->rest, _("%d of %d units are seen"),
                 (count - first * across) < rows * across ? count - first * across : rows * across,
                 count);
    const int y = a->y + a->lines - 2;
    put_who(y, a->columns, chosen);
    put_cause(y + 1, a->columns, one, chosen);
}

/* ---- one unit's curves -------------------------------------------------------------------------
 */

struct curve {
    double values[POINTS_MAX];
    int count;
    double least, most, last;
    struct limits limits;
};

/* Against the unit's own start where the figure may drift from it. */
static bool curve_of(const cJSON *one, const cJSON *watch, const cJSON *figure, struct curve *out)
{
    const int wanted = (int)json_number(figure, "number", -1);
    const double start = campaign_own_start(watch, wanted);
    const struct limits limits = limits_of(figure);
    const bool percent = limits.of == OF_PERCENT, change = limits.of == OF_CHANGE;
    const cJSON *row;
    *out = (struct curve){.limits = limits, .least = NAN, .most = NAN};
    if (!limits.of || ((percent || change) && isnan(start)))
        return false;
    cJSON_ArrayForEach(row, member(one, "rows"))
    {
        double v = number(row, "mean");
        if ((int)json_number(row, "figure", -1) != wanted || isnan(v))
            continue;
        v = percent ? 100 * (v - start) / start : change ? v - start : v;
        if (out->count == POINTS_MAX) /* every second one is enough from then on */
            for (out->count = 0; out->count < POINTS_MAX / 2; out->count++)
                out->values[out->count] = out->values[2 * out->count];
        out->values[out->count++] = out->last = v;
        out->least = fmin(out->least, v);
        out->most = fmax(out->most, v);
    }
    return out->count > 0;
}

static void draw_curve(int y, int columns, const cJSON *figure, const struct curve *v)
{
    static const char *const levels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const int wide = columns - CURVE_AT - 40 > 8 ? columns - CURVE_AT - 40 : 8;
    const double room = v->most > v->least ? v->most - v->least : 1;
    const bool out = v->last < v->limits.low || v->last > v->limits.high;
    char limits[48] = "", name[120], is[48];
    words_figure(json_string(figure, "name", ""), name, sizeof name);
    pane_put(y, NAME_AT, CURVE_AT - NAME_AT - 1, name);
    for (int i = 0; i < wide; i++) {
        const int at = v->count <= wide ? i : (int)((double)i * v->count / wide);
        if (at >= v->count)
            break;
        mvaddstr(y, CURVE_AT + i, levels[(int)((v->values[at] - v->least) / room * 7 + 0.5)]);
    }
    if (isfinite(v->limits.low) && isfinite(v->limits.high))
        snprintf(limits, sizeof limits, "%.4g … %.4g", v->limits.low, v->limits.high);
    else
        snprintf(limits, sizeof limits, isfinite(v->limits.low) ? "≥ %.4g" : "≤ %.4g",
                 isfinite(v->limits.low) ? v->limits.low : v->limits.high);
    attron(out ? COLOR_PAIR(COLOUR_FAIL) | A_BOLD : A_NORMAL);
    words_quantity(v->last, v->limits.of == OF_PERCENT ? "%" : json_string(figure, "unit", ""), is,
                   sizeof is);
    pane_text(y, CURVE_AT + wide + 1, columns - CURVE_AT - wide - 2, "%s (%s)", is, limits);
    attroff(COLOR_PAIR(COLOUR_FAIL) | A_BOLD);
}

static void draw_unit(struct console *c, const struct area *a)
{
    const cJSON *one = member(readings_get(c->records, READING_RACK, NULL), "one"), *figure;
    const cJSON *unit = member(one, "unit");
    int y = a->y + 2;
    if ((int)json_number(unit, "number", 0) != c->rack_unit) {
        pane_put(y, 1, a->columns - 2, _("reading…"));
        return;
    }
    attron(A_BOLD);
    put_who(y++, a->columns, unit);
    attroff(A_BOLD);
    if (*json_string(unit, "cause", "")) {
        put_cause(y++, a->columns, one, unit);
    }
    cJSON *watch = cJSON_Parse(json_string(unit, "watch", ""));
    cJSON_ArrayForEach(figure, member(one, "figures"))
    {
        struct curve curve;
        if (y >= a->y + a->lines)
            break;
        if (curve_of(one, watch, figure, &curve))
            draw_curve(y++, a->columns, figure, &curve);
    }
    cJSON_Delete(watch);
}

/* ---- the screen --------------------------------------------------------------------------------
 */

static void draw(struct console *c, const struct area *a)
{
    const char *trouble = "";
    const cJSON *document = readings_get(c->records, READING_RACK, &trouble);
    const cJSON *campaign = member(document, "campaign"), *units = member(campaign, "units");
    if (!campaign) {
        pane_put(a->y, 1, a->columns - 2,
                 trouble[0] ? trouble
                 : document ? _("there is no campaign yet: takt qa run")
                            : _("reading…"));
        return;
    }
    attron(A_BOLD);
    pane_text(a->y, 1, a->columns - 2, _("%s %d, lot %s: %s, %.1f h, %d units, %d failed"),
              json_string(campaign, "name", ""), (int)json_number(campaign, "id", 0),
              json_string(campaign, "lot", ""), words_state(json_string(campaign, "state", "")),
              json_number(campaign, "elapsed_ms", 0) / 3600000,
              (int)json_number(campaign, "unit_count", 0), (int)json_number(campaign, "failed", 0));
    attroff(A_BOLD);
    pane_put(a->y + 1, 1, a->columns - 2, words_name(json_string(campaign, "reason", "")));
    if (c->rack_unit < 1)
        c->rack_unit = 1;
    if (c->rack_unit > cJSON_GetArraySize(units))
        c->rack_unit = cJSON_GetArraySize(units);
    if (c->rack_open)
        draw_unit(c, a);
    else if (cJSON_GetArraySize(units))
        draw_grid(c, a, units, member(document, "one"));
}

static bool key(struct console *c, int pressed)
{
    const int count = cJSON_GetArraySize(units_of(c));
    const int across = COLS > CELL + 2 ? (COLS - 2) / CELL : 1;
    int to = c->rack_unit;
    if (pressed == KEY_LEFT)
        to--;
    else if (pressed == KEY_RIGHT)
        to++;
    else if (pressed == KEY_UP)
        to -= c->rack_open ? 1 : across;
    else if (pressed == KEY_DOWN)
        to += c->rack_open ? 1 : across;
    else if ((pressed == '\n' || pressed == '\r' || pressed == KEY_ENTER) && !c->rack_open)
        c->rack_open = count > 0;
    else if ((pressed == ESCAPE || pressed == KEY_BACKSPACE || pressed == '\n' || pressed == '\r' ||
              pressed == KEY_ENTER) &&
             c->rack_open)
        c->rack_open = false;
    else
        return false;
    if (to >= 1 && to <= count)
        c->rack_unit = to;
    c->screen_due_ms = 0;
    return true;
}

static int64_t argument(const struct console *c)
{
    return c->rack_unit;
}

const struct console_screen screen_rack = {
    .name = N_("rack"),
    .keys = N_("arrows unit  Enter its curves and back"),
    .reads = READING_RACK,
    .refresh_ms = 2000,
    .draw = draw,
    .key = key,
    .argument = argument,
};
