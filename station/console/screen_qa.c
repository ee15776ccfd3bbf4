/* For QA: which figures of today come close to their limits, and which defects nobody repaired. */
#include <math.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { SHOWN = 10, NAME_AT = 1, N_AT = 36, CPK_AT = 43, MEAN_AT = 51, CPK_SAMPLES_MIN = 5 };

static double cpk_of(const cJSON *figure)
{
    return json_number(figure, "n", 0) >= CPK_SAMPLES_MIN ? json_number(figure, "cpk", NAN) : NAN;
}

static int by_cpk(const void *a, const void *b)
{
    const double x = cpk_of(*(const cJSON *const *)a), y = cpk_of(*(const cJSON *const *)b);
    return (x > y) - (x < y);
}

/* Those with the least room to their limits; how many. */
static size_t worst(const cJSON *figures, const cJSON *out[], size_t max)
{
    size_t count = 0;
    const int all = cJSON_GetArraySize(figures);
    const cJSON **sorted = all > 0 ? calloc((size_t)all, sizeof *sorted) : NULL, *figure;
    cJSON_ArrayForEach(figure, figures)
    {
        if (sorted && isfinite(cpk_of(figure)))
            sorted[count++] = figure;
    }
    if (count)
        qsort(sorted, count, sizeof *sorted, by_cpk);
    count = count < max ? count : max;
    for (size_t i = 0; i < count; i++)
        out[i] = sorted[i];
    free(sorted);
    return count;
}

static int draw_figures(const cJSON *document, const struct area *a, int y)
{
    const cJSON *figures[SHOWN];
    const size_t room = a->lines > 8 ? (size_t)(a->lines - 6) / 2 : 1;
    const size_t count = worst(cJSON_GetObjectItemCaseSensitive(document, "figures"), figures,
                               room < SHOWN ? room : SHOWN);
    attron(A_BOLD);
    pane_put(y, NAME_AT, N_AT - NAME_AT - 1, _("today, closest to the limits"));
    pane_put(y, N_AT, CPK_AT - N_AT - 1, _("units"));
    pane_put(y, CPK_AT, MEAN_AT - CPK_AT - 1, "Cpk");
    pane_put(y, MEAN_AT, a->columns - MEAN_AT - 1, _("mean ± sd (out of control)"));
    attroff(A_BOLD);
    y++;
    if (!count)
        pane_text(y++, NAME_AT, a->columns - 2, _("not yet %d units today to judge by"),
                  CPK_SAMPLES_MIN);
    for (size_t i = 0; i < count; i++, y++) {
        const cJSON *f = figures[i];
        const double cpk = cpk_of(f);
        const int look = cpk < 1 ? COLOUR_FAIL : cpk < 1.33 ? COLOUR_TROUBLE : COLOUR_PASS;
        pane_text(y, NAME_AT, N_AT - NAME_AT - 1, "%s: %s", words_name(json_string(f, "step", "")),
                  words_name(json_string(f, "measurement", "")));
        pane_text(y, N_AT, CPK_AT - N_AT - 1, "%d", (int)json_number(f, "n", 0));
        attron(COLOR_PAIR(look) | A_BOLD);
        pane_text(y, CPK_AT, MEAN_AT - CPK_AT - 1, "%.2f", cpk);
        attroff(COLOR_PAIR(look) | A_BOLD);
        const cJSON *chart = cJSON_GetObjectItemCaseSensitive(f, "chart");
        pane_text(y, MEAN_AT, a->columns - MEAN_AT - 1, "%.4g ± %.2g %s (%d)",
                  json_number(f, "mean", 0), json_number(f, "sd", 0), json_string(f, "unit", ""),
                  cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(chart, "violations")));
    }
    return y;
}

static void draw(struct console *c, const struct area *a)
{
    const char *trouble = "";
    const cJSON *document = readings_get(c->records, READING_QA, &trouble), *d;
    int y = a->y;
    if (!document) {
        pane_put(y, 1, a->columns - 2, trouble[0] ? trouble : _("reading…"));
        return;
    }
    y = draw_figures(document, a, y) + 1;
    const cJSON *defects = cJSON_GetObjectItemCaseSensitive(document, "defects");
    attron(A_BOLD);
    pane_put(y++, 1, a->columns - 2, _("defects that nobody repaired yet"));
    attroff(A_BOLD);
    if (!cJSON_GetArraySize(defects))
        pane_put(y, 1, a->columns - 2, _("none"));
    cJSON_ArrayForEach(d, defects)
    {
        if (y >= a->y + a->lines)
            break;
        pane_text(y++, 1, a->columns - 2, "%d  %s  %s  %s  %s", (int)json_number(d, "defect", 0),
                  json_string(d, "serial", ""), json_string(d, "code", ""),
                  json_string(d, "place", ""), json_string(d, "text", ""));
    }
}

const struct console_screen screen_qa = {
    .name = N_("QA"),
    .reads = READING_QA,
    .refresh_ms = 15000,
    .draw = draw,
};
