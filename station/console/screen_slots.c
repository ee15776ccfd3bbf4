/* The slots: a tile each, with the verdict large, in colour and in words, and what is being done.
 */
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/console/layout.h"
#include "station/console/pane.h"
#include "station/console/screen.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { MARK_LINES = 5, MARK_COLUMNS = 11 };

/* Marks that read from across the hall and by shape alone, for those who see no red or green. */
struct mark {
    const char *verdict;
    enum colour colour;
    const char *lines[MARK_LINES];
};
static const struct mark marks[] = {
    {"pass",
     COLOUR_PASS,
     {"         ##", "        ## ", "##     ##  ", " ##   ##   ", "  ## ##    "}},
    {"fail",
     COLOUR_FAIL,
     {"  ##   ##  ", "   ## ##   ", "    ###    ", "   ## ##   ", "  ##   ##  "}},
    {"error",
     COLOUR_TROUBLE,
     {"    ###    ", "    ###    ", "    ###    ", "           ", "    ###    "}},
    {"timeout",
     COLOUR_TROUBLE,
     {"  #######  ", "   #   #   ", "    ###    ", "   #   #   ", "  #######  "}},
    {"aborted",
     COLOUR_TROUBLE,
     {"           ", "  #######  ", "  #######  ", "  #######  ", "           "}},
};

static const struct mark *mark_of(const char *verdict)
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strcmp(marks[i].verdict, verdict) == 0)
            return &marks[i];
    return NULL;
}

static void limits_text(const struct tile_failure *f, const char *unit, char *out, size_t size)
{
    if (f->has_min && f->has_max)
        snprintf(out, size, "%.4g … %.4g %s", f->min, f->max, unit);
    else if (f->has_min)
        snprintf(out, size, "≥ %.4g %s", f->min, unit);
    else if (f->has_max)
        snprintf(out, size, "≤ %.4g %s", f->max, unit);
    else
        snprintf(out, size, "%s", "–");
}

/* The value and its limit must be seen; step and unit give way where the tile is narrow. */
static void put_failure(int y, int x, int columns, const struct tile_failure *f)
{
    char limits[96], line[400];
    if (!f->has_value) {
        snprintf(line, sizeof line, "%s: %s", words_name(f->step), f->message);
        pane_put(y, x, columns, line);
        return;
    }
    limits_text(f, f->unit, limits, sizeof limits);
    snprintf(line, sizeof line, "%s: %s %.4g (%s)", words_name(f->step), words_name(f->measurement),
             f->value, limits);
    if (words_columns(line) > columns) {
        limits_text(f, "", limits, sizeof limits);
        snprintf(line, sizeof line, "%s %.4g, %s", words_name(f->measurement), f->value, limits);
    }
    pane_put(y, x, columns, line);
}

/* A block in the verdict's colour with the mark, as large as fits, and the word beside it. */
static void draw_verdict(const struct tile *t, const struct mark *mark, int y, int x, int lines,
                         int columns)
{
    const int word_columns = 12; /* the longest verdict and space around it */
    int scale = lines / MARK_LINES, widest = (columns - word_columns) / MARK_COLUMNS;
    if (scale > widest)
        scale = widest;
    attron(COLOR_PAIR(mark->colour) | A_BOLD);
    for (int i = 0; i < lines; i++)
        mvprintw(y + i, x, "%*s", columns, "");
    int top = y + (lines - scale * MARK_LINES) / 2;
    int left = x + (columns - word_columns - scale * MARK_COLUMNS) / 3;
    for (int i = 0; i < scale * MARK_LINES; i++)
        for (int k = 0; k < scale * MARK_COLUMNS; k++)
            if (mark->lines[i / scale][k / scale] == '#')
                mvaddstr(top + i, left + k, "█");
    int used = scale > 0 ? left - x + scale * MARK_COLUMNS : 0;
    pane_centred(y + (lines - 1) / 2, x + used, columns - used, words_verdict(t->verdict));
    attroff(COLOR_PAIR(mark->colour) | A_BOLD);
}

static void draw_work(const struct tile *t, int y, int x, int lines, int columns)
{
    char line[200];
    pane_bar(y, x, columns - 5, tile_run_progress(t));
    snprintf(line, sizeof line, "%3.0f%%", 100 * tile_run_progress(t));
    pane_put(y, x + columns - 4, 4, line);
    int at = lines >= 5 ? y + 2 : y + 1;
    attron(A_BOLD);
    snprintf(line, sizeof line, "%s  %d/%d", words_name(t->step), t->step_index + 1, t->step_count);
    pane_put(at, x, columns, line);
    attroff(A_BOLD);
    if (lines < 5)
        return;
    if (t->progress >= 0) {
        pane_bar(at + 1, x, columns - 5, t->progress > 1 ? 1 : t->progress);
        snprintf(line, sizeof line, "%3.0f%%", 100 * t->progress);
        pane_put(at + 1, x + columns - 4, 4, line);
    }
    words_activity(t->text, line, sizeof line);
    pane_put(at + 2, x, columns, line);
}

static void draw_title(const struct tile *t, int y, int x, int columns)
{
    char line[80];
    attron(A_BOLD);
    snprintf(line, sizeof line, _("slot %d"), t->slot);
    pane_put(y, x, columns, line);
    attroff(A_BOLD);
    int left = words_columns(line) + 2;
    const char *name = t->serial[0] ? t->serial : words_state(t->state);
    int name_columns = words_columns(name);
    if (name_columns <= columns - left)
        pane_put(y, x + columns - name_columns, name_columns, name);
    else
        pane_put(y, x + left, columns - left, name);
}

/* Title, then the work or the verdict, what to do next, and the first failure: on a small tile
 * the failure is told in the place of what to do. */
static void draw_tile(const struct tile *t, int y, int x, const struct layout *l, bool selected)
{
    const int inner = l->tile_columns - 4, body = l->tile_lines - 3;
    const bool running = strcmp(t->state, "idle") != 0;
    const struct mark *mark = mark_of(t->verdict);
    const int notes = body >= MARK_LINES + 2 ? 2 : body >= 2 ? 1 : 0;
    const int last = y + l->tile_lines - 2;
    pane_frame(y, x, l->tile_lines, l->tile_columns, selected);
    draw_title(t, y + 1, x + 2, inner);
    if (body < 1)
        return;
    if (running) {
        attron(COLOR_PAIR(COLOUR_BUSY));
        draw_work(t, y + 2, x + 2, body - notes + (notes == 1), inner);
        attroff(COLOR_PAIR(COLOUR_BUSY));
        if (notes == 2)
            pane_put(last - 1, x + 2, inner, words_state(t->state));
    } else if (mark) {
        draw_verdict(t, mark, y + 2, x + 2, body - notes, inner);
        if (notes == 2 || (notes == 1 && !t->failed))
            pane_centred(last - (notes == 2), x + 2, inner, words_next(t->verdict));
    } else {
        const char *next = _("insert a unit, then press s");
        pane_centred(y + 1 + (body + 1) / 2, x + 2, inner,
                     words_columns(next) <= inner ? next : _("insert a unit"));
    }
    /* Of an aborted run only a figure is told: a step's last words are the abort's own doing. */
    const bool told = t->failed && (t->failure.has_value || strcmp(t->verdict, "aborted") != 0);
    if (told && notes && (!running || notes == 2)) {
        attron(A_BOLD);
        put_failure(last, x + 2, inner, &t->failure);
        attroff(A_BOLD);
    }
}

/* The file of the picture that belongs to the failure, from the run's record once it was read;
 * false while there is none. */
static bool picture_file(const struct console *c, const struct tile *t, char *out, size_t size)
{
    const cJSON *run = readings_get(c->records, READING_RUN, NULL), *step, *attempt, *a;
    out[0] = '\0';
    if (readings_argument(c->records, READING_RUN) != t->run)
        return false;
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(run, "steps"))
    {
        if (strcmp(json_string(step, "id", ""), t->failure.step) != 0)
            continue;
        cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(step, "attempts"))
            cJSON_ArrayForEach(a, cJSON_GetObjectItemCaseSensitive(attempt, "attachments"))
        {
            const char *hash = json_string(a, "sha256", "");
            if (strncmp(json_string(a, "mime", ""), "image/", 6) == 0 && strlen(hash) == 64)
                snprintf(out, size, "%s/attachments/%.2s/%s", c->state_dir, hash, hash + 2);
        }
    }
    return out[0] != '\0';
}

static void draw_failure(const struct console *c, const struct tile *t, const struct area *area)
{
    const int columns = COLS < 76 ? COLS - 2 : 74, lines = 14;
    const int x = (COLS - columns) / 2, inner = columns - 4, at = 16;
    int y = area->y + (area->lines - lines) / 2;
    char line[PATH_MAX + 100];
    y = y > 0 ? y : 0;
    pane_fill(y, x, lines, columns);
    pane_frame(y, x, lines, columns, true);
    attron(A_BOLD);
    pane_text(y + 1, x + 2, inner, _("slot %d: last failure"), t->slot);
    attroff(A_BOLD);
    if (!t->failed) {
        pane_put(y + 3, x + 2, inner, _("nothing has failed on this slot"));
    } else {
        const struct tile_failure *f = &t->failure;
        pane_put(y + 3, x + 2, at, _("step"));
        pane_put(y + 3, x + at, inner - at, words_name(f->step));
        pane_put(y + 4, x + 2, at, _("measurement"));
        pane_put(y + 4, x + at, inner - at, f->measurement[0] ? words_name(f->measurement) : "–");
        pane_put(y + 5, x + 2, at, _("value"));
        if (f->has_value)
            pane_text(y + 5, x + at, inner - at, "%.5g %s", f->value, f->unit);
        else
            pane_put(y + 5, x + at, inner - at, "–");
        pane_put(y + 6, x + 2, at, _("limit"));
        limits_text(f, f->unit, line, sizeof line);
        pane_put(y + 6, x + at, inner - at, line);
        int used = 0;
        if (!f->has_value) { /* with one, the reason says the same again */
            pane_put(y + 7, x + 2, at, _("reason"));
            used = pane_wrapped(y + 7, x + at, inner - at, 2, f->message);
            used = used > 0 ? used : 1;
        }
        pane_put(y + 7 + used, x + 2, at, _("picture"));
        if (picture_file(c, t, line, sizeof line))
            pane_wrapped(y + 7 + used, x + at, inner - at, 5 - used, line);
        else
            pane_put(y + 7 + used, x + at, inner - at, "–");
    }
    pane_put(y + lines - 2, x + 2, inner, _("f closes this"));
}

static struct layout present_layout(const struct console *c, int lines)
{
    return layout_of(c->tiles.count, COLS, lines);
}

static void draw(struct console *c, const struct area *area)
{
    const struct tiles *t = &c->tiles;
    const struct layout l = present_layout(c, area->lines);
    const int selected_row = (int)c->selected / l.across;
    const int first_row = selected_row < l.rows ? 0 : selected_row - l.rows + 1;
    const size_t first = (size_t)(first_row * l.across), shown = (size_t)(l.rows * l.across);
    const size_t end = first + shown < t->count ? first + shown : t->count;
    for (size_t i = first; i < end; i++) {
        const int row = (int)(i - first) / l.across, column = (int)(i - first) % l.across;
        draw_tile(&t->slots[i], area->y + row * l.tile_lines, column * l.tile_columns, &l,
                  i == c->selected);
    }
    if (end - first < t->count)
        snprintf(c->rest, sizeof c->rest, _("slots %d to %d of %d"), t->slots[first].slot,
                 t->slots[end - 1].slot, (int)t->count);
    const struct tile *chosen = console_selected(c);
    if (c->show_failure && chosen)
        draw_failure(c, chosen, area);
}

static void choose_by(struct console *c, int by)
{
    const long to = (long)c->selected + by;
    if (to >= 0 && to < (long)c->tiles.count) {
        c->selected = (size_t)to;
        c->screen_due_ms = 0;
    }
}

static bool key(struct console *c, int pressed)
{
    const struct tile *tile = console_selected(c);
    const int across = present_layout(c, LINES - SCREEN_HEAD - SCREEN_FOOT).across;
    if (!tile)
        return false;
    switch (pressed) {
    case 's':
        action_start(c, tile->slot, NULL);
        return true;
    case 'S':
        action_start(c, 0, NULL);
        return true;
    case 'a':
        action_abort(c, tile->slot);
        return true;
    case 'f':
        c->show_failure = !c->show_failure;
        c->screen_due_ms = 0;
        return true;
    case KEY_LEFT:
        choose_by(c, -1);
        return true;
    case KEY_RIGHT:
        choose_by(c, 1);
        return true;
    case KEY_UP:
        choose_by(c, -across);
        return true;
    case KEY_DOWN:
        choose_by(c, across);
        return true;
    default:
        return false;
    }
}

const struct console_screen screen_slots = {
    .name = N_("slots"),
    .keys = N_("s start  S start all  a abort  f failure"),
    .reads = READING_RUN,
    .refresh_ms = 60000,
    .draw = draw,
    .key = key,
};
