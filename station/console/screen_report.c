/* The report of the day or of the order, as it grows: yields, what failed most, runs by time, and
 * which slots or instruments stand off from the others of their kind. */
#include <ncurses.h>
#include <stdio.h>
#include <time.h>

#include "protocol/base/json.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { NAME_AT = 1, BAR_AT = 38, BAR_COLUMNS = 22, COUNT_AT = BAR_AT + BAR_COLUMNS + 1 };

static const char *share(const cJSON *document, const char *name, char out[16])
{
    const cJSON *yield = cJSON_GetObjectItemCaseSensitive(document, name);
    if (cJSON_IsNumber(yield))
        snprintf(out, 16, "%.1f %%", 100 * yield->valuedouble);
    else
        snprintf(out, 16, "–");
    return out;
}

static double largest(const cJSON *list, const char *member)
{
    const cJSON *row;
    double most = 1;
    cJSON_ArrayForEach(row, list)
    {
        const double n = json_number(row, member, 0);
        most = n > most ? n : most;
    }
    return most;
}

static int heading(int y, int columns, const char *text)
{
    attron(A_BOLD);
    pane_put(y, NAME_AT, columns - 2, text);
    attroff(A_BOLD);
    return y + 1;
}

static int draw_totals(const cJSON *d, const struct area *a, int y)
{
    char first[16], last[16], rolled[16];
    pane_text(y++, NAME_AT, a->columns - 2, _("units %d  passed %d  failed %d  under way %d"),
              (int)json_number(d, "unit_count", 0), (int)json_number(d, "passed", 0),
              (int)json_number(d, "failed", 0), (int)json_number(d, "open", 0));
    pane_text(y++, NAME_AT, a->columns - 2, _("first pass %s  last pass %s  rolled %s"),
              share(d, "first_pass_yield", first), share(d, "last_pass_yield", last),
              share(d, "rolled_throughput_yield", rolled));
    return y;
}

static int draw_failures(const cJSON *list, const struct area *a, int y, int rows)
{
    const cJSON *f;
    const double most = largest(list, "count");
    y = heading(y, a->columns, _("what failed most"));
    if (!cJSON_GetArraySize(list))
        pane_put(y++, NAME_AT, a->columns - 2, _("nothing failed"));
    cJSON_ArrayForEach(f, list)
    {
        char measurement[120];
        words_figure(json_string(f, "measurement", ""), measurement, sizeof measurement);
        if (rows-- <= 0)
            break;
        pane_text(y, NAME_AT, BAR_AT - NAME_AT - 1, "%s%s%s",
                  words_name(json_string(f, "step", "")), *measurement ? ": " : "", measurement);
        pane_bar(y, BAR_AT, BAR_COLUMNS, json_number(f, "count", 0) / most);
        pane_text(y++, COUNT_AT, a->columns - COUNT_AT - 1, "%d  %.0f %%",
                  (int)json_number(f, "count", 0), 100 * json_number(f, "cumulative", 0));
    }
    return y;
}

static int draw_times(const cJSON *list, const struct area *a, int y, int rows)
{
    const double most = largest(list, "runs");
    const int all = cJSON_GetArraySize(list);
    y = heading(y, a->columns, _("runs by time, passed of them"));
    for (int i = all > rows ? all - rows : 0; i < all; i++, y++) { /* the latest */
        const cJSON *b = cJSON_GetArrayItem(list, i);
        const time_t began = (time_t)(json_number(b, "started_ms", 0) / 1000);
        char when[32];
        struct tm tm;
        localtime_r(&began, &tm);
        strftime(when, sizeof when, "%m-%d %H:%M", &tm);
        pane_put(y, NAME_AT, BAR_AT - NAME_AT - 1, when);
        pane_bar(y, BAR_AT, BAR_COLUMNS, json_number(b, "runs", 0) / most);
        pane_text(y, COUNT_AT, a->columns - COUNT_AT - 1, "%d  %d", (int)json_number(b, "runs", 0),
                  (int)json_number(b, "passed", 0));
    }
    return y;
}

static void draw_drift(const cJSON *list, const struct area *a, int y)
{
    const cJSON *d;
    y = heading(y, a->columns, _("stands off from the others of its kind"));
    if (!cJSON_GetArraySize(list))
        pane_put(y, NAME_AT, a->columns - 2, _("none"));
    attron(COLOR_PAIR(COLOUR_TROUBLE));
    cJSON_ArrayForEach(d, list)
    {
        char place[120];
        if (y >= a->y + a->lines)
            break;
        if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(d, "instrument")))
            snprintf(place, sizeof place, "%.60s %.50s", json_string(d, "instrument", ""),
                     json_string(d, "serial", ""));
        else if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(d, "slot")))
            snprintf(place, sizeof place, "%.80s %s%d", json_string(d, "station", ""), "#",
                     (int)json_number(d, "slot", 0));
        else
            snprintf(place, sizeof place, "%.100s", json_string(d, "station", ""));
        pane_text(y++, NAME_AT, a->columns - 2, "%s: %s: %s  %.4g ≠ %.4g %s  (%+.1f σ)", place,
                  words_name(json_string(d, "step", "")),
                  words_name(json_string(d, "measurement", "")), json_number(d, "mean", 0),
                  json_number(d, "others_mean", 0), json_string(d, "unit", ""),
                  json_number(d, "sigmas", 0));
    }
    attroff(COLOR_PAIR(COLOUR_TROUBLE));
}

static void draw(struct console *c, const struct area *a)
{
    const char *trouble = "";
    const cJSON *d = readings_get(c->records, READING_REPORT, &trouble);
    char title[120];
    if (d ? cJSON_HasObjectItem(d, "order") : c->report_order)
        snprintf(title, sizeof title, _("order %s"), d ? json_string(d, "order", "") : c->order);
    else
        snprintf(title, sizeof title, "%s", _("today at this station"));
    int y = heading(a->y, a->columns, title);
    if (!d) {
        pane_put(y, NAME_AT, a->columns - 2, trouble[0] ? trouble : _("reading…"));
        return;
    }
    /* Of what the totals and three headings leave, two lines are drift's. */
    const int room = a->lines - 6 - 2, rows = room / 2 > 1 ? room / 2 : 1;
    const cJSON *times = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(d, "throughput"), "buckets");
    y = draw_totals(d, a, y);
    y = draw_failures(cJSON_GetObjectItemCaseSensitive(d, "failures"), a, y, rows);
    y = draw_times(times, a, y, rows);
    draw_drift(cJSON_GetObjectItemCaseSensitive(d, "drift"), a, y);
}

static bool key(struct console *c, int pressed)
{
    if (pressed != 't')
        return false;
    c->report_order = !c->report_order && c->order[0];
    if (!c->order[0])
        say(c, "%s", _("no order was scanned yet"));
    c->screen_due_ms = 0;
    return true;
}

const struct console_screen screen_report = {
    .name = N_("report"),
    .keys = N_("t today or the order"),
    .reads = READING_REPORT,
    .refresh_ms = 10000,
    .draw = draw,
    .key = key,
};
