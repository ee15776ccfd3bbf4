/* One unit's steps, as they are committed, and the one under way. */
#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { NAME_AT = 4, VERDICT_AT = 20, TIME_AT = 31, FIGURES_AT = 41 };

/* What was out of its limits, else the first figure, else why it did not pass. */
static void figures_of(const cJSON *attempt, char *out, size_t size)
{
    const cJSON *m, *told = NULL;
    cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(attempt, "measurements"))
    {
        if (!told || (strcmp(json_string(m, "verdict", ""), "fail") == 0 &&
                      strcmp(json_string(told, "verdict", ""), "fail") != 0))
            told = m;
    }
    const cJSON *low = cJSON_GetObjectItemCaseSensitive(told, "low");
    const cJSON *high = cJSON_GetObjectItemCaseSensitive(told, "high");
    char limits[80] = "";
    if (cJSON_IsNumber(low) && cJSON_IsNumber(high))
        snprintf(limits, sizeof limits, " (%.4g … %.4g)", low->valuedouble, high->valuedouble);
    else if (cJSON_IsNumber(low))
        snprintf(limits, sizeof limits, " (≥ %.4g)", low->valuedouble);
    else if (cJSON_IsNumber(high))
        snprintf(limits, sizeof limits, " (≤ %.4g)", high->valuedouble);
    if (told)
        snprintf(out, size, "%s %.4g %s%s", words_name(json_string(told, "name", "")),
                 json_number(told, "value", 0), json_string(told, "unit", ""), limits);
    else
        snprintf(out, size, "%s", json_string(attempt, "message", ""));
}

/* A line an attempt: a step that was tried again shows each. */
static int draw_step(int y, int end, int columns, const cJSON *step)
{
    const cJSON *attempt;
    char text[300];
    cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(step, "attempts"))
    {
        const char *verdict = json_string(attempt, "verdict", "");
        if (y >= end)
            break;
        pane_text(y, 1, NAME_AT - 1, "%2d", (int)json_number(step, "index", 0) + 1);
        pane_put(y, NAME_AT, VERDICT_AT - NAME_AT - 1, words_name(json_string(step, "id", "")));
        pane_verdict(y, VERDICT_AT, TIME_AT - VERDICT_AT - 1, verdict);
        pane_text(y, TIME_AT, FIGURES_AT - TIME_AT - 1, "%6.2f s",
                  json_number(attempt, "duration_ms", 0) / 1000);
        figures_of(attempt, text, sizeof text);
        pane_put(y, FIGURES_AT, columns - FIGURES_AT - 1, text);
        y++;
    }
    return y;
}

static int lines_of(const cJSON *step)
{
    return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(step, "attempts"));
}

/* The slot's own word of its steps: NULL while it has no run. */
static const cJSON *told_steps(const struct console *c, const struct tile *t)
{
    const cJSON *slot;
    cJSON_ArrayForEach(slot, cJSON_GetObjectItemCaseSensitive(c->status, "slots"))
    {
        if ((int)json_number(slot, "slot", 0) == t->slot)
            return cJSON_GetObjectItemCaseSensitive(slot, "steps");
    }
    return NULL;
}

static bool is_in(const cJSON *step, const char *state)
{
    return strcmp(json_string(step, "state", ""), state) == 0;
}

static int count_in(const cJSON *steps, const char *state)
{
    const cJSON *step;
    int count = 0;
    cJSON_ArrayForEach(step, steps) count += is_in(step, state);
    return count;
}

/* Those under way, side by side where the plan lets them: what each does, and how far it is. */
static int draw_running(int y, int end, int columns, const cJSON *steps)
{
    const cJSON *step;
    int index = 0;
    attron(COLOR_PAIR(COLOUR_BUSY) | A_BOLD);
    cJSON_ArrayForEach(step, steps)
    {
        char text[200];
        index++;
        if (!is_in(step, "running") || y >= end)
            continue;
        const double fraction = json_number(step, "fraction", 0);
        words_activity(json_string(step, "text", ""), text, sizeof text);
        pane_text(y, 1, NAME_AT - 1, "%2d", index);
        pane_put(y, NAME_AT, VERDICT_AT - NAME_AT - 1, words_name(json_string(step, "id", "")));
        pane_bar(y, VERDICT_AT, FIGURES_AT - VERDICT_AT - 2, fraction > 1 ? 1 : fraction);
        pane_put(y, FIGURES_AT, columns - FIGURES_AT - 1, text[0] ? text : words_state("running"));
        y++;
    }
    attroff(COLOR_PAIR(COLOUR_BUSY) | A_BOLD);
    return y;
}

static void draw_waiting(int y, int columns, const cJSON *steps)
{
    const cJSON *step;
    char names[400] = "";
    size_t used = 0;
    cJSON_ArrayForEach(step, steps)
    {
        if (is_in(step, "waiting") && used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                                     words_name(json_string(step, "id", "")));
    }
    if (used)
        pane_text(y, NAME_AT, columns - NAME_AT - 1, _("still to come: %s"), names);
}

static void draw(struct console *c, const struct area *a)
{
    const struct tile *t = console_selected(c);
    const char *why = "";
    const cJSON *run = readings_get(c->records, READING_RUN, &why), *step;
    int y = a->y, end = a->y + a->lines, all = 0;
    if (!t)
        return;
    const bool idle = strcmp(t->state, "idle") == 0;
    const bool its_run = run && readings_argument(c->records, READING_RUN) == t->run;
    const cJSON *told = idle ? NULL : told_steps(c, t);
    attron(A_BOLD);
    pane_text(y++, 1, a->columns - 2, _("slot %d   unit %s   %s"), t->slot,
              t->serial[0] ? t->serial : "–",
              idle ? words_verdict(t->verdict) : words_state(t->state));
    attroff(A_BOLD);
    if (!t->run) {
        pane_put(y + 1, 1, a->columns - 2, _("no unit was in this slot yet"));
        return;
    }
    /* The newest lines when there are more than fit: that is where it goes on. */
    const int below = idle ? 0 : count_in(told, "running") + 1;
    const cJSON *steps = its_run ? cJSON_GetObjectItemCaseSensitive(run, "steps") : NULL;
    cJSON_ArrayForEach(step, steps) all += lines_of(step);
    int skip = all > end - below - y ? all - (end - below - y) : 0;
    cJSON_ArrayForEach(step, steps)
    {
        if (skip > 0) {
            skip -= lines_of(step);
            continue;
        }
        y = draw_step(y, end - below, a->columns, step);
    }
    if (!its_run && why[0])
        pane_put(y++, 1, a->columns - 2, why);
    if (idle)
        return;
    y = draw_running(y, end, a->columns, told);
    if (y < end)
        draw_waiting(y, a->columns, told);
}

static bool key(struct console *c, int pressed)
{
    const size_t before = c->selected;
    if ((pressed == KEY_LEFT || pressed == KEY_UP) && c->selected > 0)
        c->selected--;
    else if ((pressed == KEY_RIGHT || pressed == KEY_DOWN) && c->selected + 1 < c->tiles.count)
        c->selected++;
    if (c->selected != before)
        c->screen_due_ms = 0;
    return c->selected != before;
}

const struct console_screen screen_unit = {
    .name = N_("unit"),
    .keys = N_("arrows slot"),
    .reads = READING_RUN,
    .refresh_ms = 500,
    .draw = draw,
    .key = key,
};
