#include "station/console/screen.h"

#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/console/next.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

static const struct console_screen *const screens[SCREENS] = {
    &screen_slots,  &screen_unit, &screen_last,   &screen_health, &screen_ports,
    &screen_golden, &screen_qa,   &screen_report, &screen_rack,
};

const struct console_screen *screens_at(int index)
{
    return screens[index];
}

/* ---- the head -------------------------------------------------------------------------------- */

/* "passed 118  failed 5  first pass 95.9 %  58/h of 60/h". */
static void today(const struct console *c, const cJSON *day, char *out, size_t size)
{
    const cJSON *yield = cJSON_GetObjectItemCaseSensitive(day, "first_pass_yield");
    char first_pass[40] = "–", pace[40];
    const int per_hour = (int)json_number(day, "last_hour", 0);
    if (cJSON_IsNumber(yield))
        snprintf(first_pass, sizeof first_pass, "%.1f %%", 100 * yield->valuedouble);
    if (c->codes.units_per_hour)
        snprintf(pace, sizeof pace, _("%d/h of %d/h"), per_hour, c->codes.units_per_hour);
    else
        snprintf(pace, sizeof pace, _("%d/h"), per_hour);
    snprintf(out, size, _("today: passed %d  failed %d  first pass %s  %s"),
             (int)json_number(day, "passed", 0), (int)json_number(day, "failed", 0), first_pass,
             pace);
}

/* The three that fail most, in the words of the trade. */
static void most_failed(const cJSON *day, char *out, size_t size)
{
    const cJSON *failure;
    int told = 0;
    size_t used = 0;
    cJSON_ArrayForEach(failure, cJSON_GetObjectItemCaseSensitive(day, "failures"))
    {
        const char *step = words_name(json_string(failure, "step", ""));
        char measurement[120];
        words_figure(json_string(failure, "measurement", ""), measurement, sizeof measurement);
        if (told++ == 3 || used >= size)
            break;
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s %d", told > 1 ? "  ·  " : "",
                                 step, *measurement ? ": " : "", measurement,
                                 (int)json_number(failure, "count", 0));
    }
    if (!told)
        out[0] = '\0';
}

static void draw_trouble(const struct console *c, const char *most)
{
    char text[240];
    const char *notice = c->client ? c->tiles.notice : _("taktd does not answer; waiting for it");
    if (!notice[0] && c->tiles.pool_low) {
        snprintf(text, sizeof text,
                 c->tiles.pool_free ? _("few identities are left: %d; have more imported")
                                    : _("no identity is left: the line stops; have more imported"),
                 c->tiles.pool_free);
        notice = text;
    }
    if (!notice[0] && (c->tiles.unsent || c->tiles.refused)) {
        snprintf(text, sizeof text, _("not sent on: %d records wait, %d were refused"),
                 c->tiles.unsent, c->tiles.refused);
        notice = text;
    }
    int used = 0;
    if (notice[0]) {
        attron(COLOR_PAIR(COLOUR_TROUBLE) | A_BOLD);
        pane_put(2, 1, COLS - 2, notice);
        attroff(COLOR_PAIR(COLOUR_TROUBLE) | A_BOLD);
        used = words_columns(notice) + 2;
    }
    if (most[0] && COLS - 2 - used > 12)
        pane_text(2, 1 + used, COLS - 2 - used, _("most failed: %s"), most);
}

static void draw_head(const struct console *c)
{
    const cJSON *day = readings_get(c->records, READING_DAY, NULL);
    char who[OPERATOR_NAME_MAX + 40] = "", line[400], most[300] = "";
    if (c->who[0])
        snprintf(who, sizeof who, "%s (%s)", c->who, words_name(operator_role_name(c->role)));
    else if (c->tiles.operators)
        snprintf(who, sizeof who, "%s", _("nobody is signed in"));
    const int used = words_columns(who);
    attron(A_BOLD);
    snprintf(line, sizeof line, "Takt  %s   %s   %s", c->tiles.station, c->config->plan, c->order);
    pane_put(0, 1, COLS - used - 4, line);
    attroff(A_BOLD);
    if (used < COLS - 2)
        pane_put(0, COLS - 1 - used, used, who);
    if (day) {
        today(c, day, line, sizeof line);
        pane_put(1, 1, COLS - 2, line);
        most_failed(day, most, sizeof most);
    }
    draw_trouble(c, most);
}

/* ---- the foot -------------------------------------------------------------------------------- */

static void draw_next(const struct console *c, int y)
{
    const struct next_scene scene = {
        .connected = c->client != NULL,
        .paused = c->tiles.notice,
        .accounts = c->tiles.operators > 0,
        .signed_in = c->who[0] != '\0',
        .order = c->order[0] != '\0',
        .tiles = &c->tiles,
        .target = console_target(c),
    };
    char text[300];
    const bool trouble = next_thing(&scene, text, sizeof text);
    const attr_t look = COLOR_PAIR(trouble ? COLOUR_TROUBLE : COLOUR_NEXT) | A_BOLD;
    attron(look);
    pane_fill(y, 0, 1, COLS);
    pane_text(y, 1, COLS - 2, "▶ %s", text);
    attroff(look);
}

/* What was said last, else the keys: as many lists of them as fit. */
static void draw_message(const struct console *c, int y)
{
    static const char *const common[] = {
        N_("b badge  o order  Enter type a code  m sound  l 中文  q quit"),
        N_("b badge  o order  l 中文  q quit"),
        N_("l 中文  q quit"),
        "",
    };
    const char *own = screens_at(c->screen)->keys;
    const int used = words_columns(c->rest);
    char keys[300];
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        snprintf(keys, sizeof keys, "%s%s%s", own ? _(own) : "", own && common[i][0] ? "  " : "",
                 common[i][0] ? _(common[i]) : "");
        if (words_columns(keys) <= COLS - used - 4)
            break;
    }
    /* A reason that is long takes lines of the screen above it. */
    const int lines = COLS > 2 ? words_columns(c->message) / (COLS - 2) + 1 : 1;
    if (c->message[0] && lines > 1 && y - 1 - lines > SCREEN_HEAD) {
        attron(COLOR_PAIR(COLOUR_TROUBLE));
        pane_fill(y - 1 - lines, 0, lines, COLS);
        pane_wrapped(y - 1 - lines, 1, COLS - 2, lines, c->message);
        attroff(COLOR_PAIR(COLOUR_TROUBLE));
        return;
    }
    pane_put(y, 1, COLS - used - 4, c->message[0] ? c->message : keys);
    pane_put(y, COLS - 1 - used, used, c->rest);
}

static void draw_names(const struct console *c, int y)
{
    int x = 1, all = 1;
    for (int i = 0; i < SCREENS; i++)
        all += words_columns(_(screens[i]->name)) + 5;
    const int gap = all <= COLS ? 2 : 1; /* eight of them stand in 80 columns */
    attron(A_REVERSE);
    pane_fill(y, 0, 1, COLS);
    for (int i = 0; i < SCREENS && x < COLS - 1; i++) {
        char name[60];
        snprintf(name, sizeof name, "F%d %s", i + 1, _(screens[i]->name));
        if (i == c->screen)
            attron(A_BOLD | A_UNDERLINE);
        pane_put(y, x, COLS - 1 - x, name);
        attroff(A_BOLD | A_UNDERLINE);
        x += words_columns(name) + gap;
    }
    attroff(A_REVERSE);
}

void screen_draw(struct console *c)
{
    const struct area area = {SCREEN_HEAD, LINES - SCREEN_HEAD - SCREEN_FOOT, COLS};
    erase();
    c->rest[0] = '\0';
    if (area.lines > 0)
        screens_at(c->screen)->draw(c, &area);
    draw_head(c);
    for (int y = LINES - SCREEN_FOOT; y < LINES; y++) {
        move(y, 0);
        clrtoeol();
    }
    draw_next(c, LINES - 3);
    draw_message(c, LINES - 2);
    draw_names(c, LINES - 1);
    if (c->prompt.kind) {
        prompt_draw(&c->prompt);
        /* What went wrong with an answer must be seen beside the question. */
        pane_put(LINES - 2, 1, COLS - 2, c->message);
    }
    refresh();
}
