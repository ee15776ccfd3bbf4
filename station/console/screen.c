#include "station/console/screen.h"

#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "station/console/layout.h"
#include "station/console/terminal.h"
#include "station/console/words.h"

enum { HEAD_LINES = 2, FOOT_LINES = 2 };
enum { MARK_LINES = 5, MARK_COLUMNS = 11 };

enum colour { COLOUR_PLAIN = 1, COLOUR_PASS, COLOUR_FAIL, COLOUR_TROUBLE, COLOUR_BUSY, COLOUR_DIM };

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

int screen_start(struct error *err)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return error_set(err, ERROR_INPUT, "the console needs a terminal on input and output");
    const char *term = getenv("TERM");
    /* newterm() reports an unknown terminal; initscr() would end the program. */
    SCREEN *screen = term && *term ? newterm(NULL, stdout, stdin) : NULL;
    if (!screen)
        return error_set(err, ERROR_INPUT, "the terminal type '%s' is not known, try TERM=xterm",
                         term ? term : "");
    if (!terminal_moves_cursor()) {
        endwin();
        return error_set(err, ERROR_INPUT,
                         "the terminal type '%s' cannot move the cursor, try TERM=xterm", term);
    }
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(COLOUR_PLAIN, -1, -1);
        init_pair(COLOUR_PASS, COLOR_BLACK, COLOR_GREEN);
        init_pair(COLOUR_FAIL, COLOR_WHITE, COLOR_RED);
        init_pair(COLOUR_TROUBLE, COLOR_BLACK, COLOR_YELLOW);
        init_pair(COLOUR_BUSY, COLOR_CYAN, -1);
        init_pair(COLOUR_DIM, COLOR_BLUE, -1);
    }
    return 0;
}

void screen_end(void)
{
    if (stdscr && !isendwin())
        endwin();
}

/* A text cut to a width, with an ellipsis where it was cut. */
static void put(int y, int x, int columns, const char *text)
{
    if (columns <= 0)
        return;
    if (words_columns(text) <= columns) {
        mvaddstr(y, x, text);
        return;
    }
    mvaddnstr(y, x, text, words_fit(text, columns - 1));
    addstr("…");
}

static void put_centred(int y, int x, int columns, const char *text)
{
    int used = words_columns(text);
    put(y, used < columns ? x + (columns - used) / 2 : x, columns, text);
}

static void put_bar(int y, int x, int columns, double fraction)
{
    int full = (int)(fraction * columns + 0.5);
    for (int i = 0; i < columns; i++)
        mvaddstr(y, x + i, i < full ? "█" : "░");
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
        put(y, x, columns, line);
        return;
    }
    limits_text(f, f->unit, limits, sizeof limits);
    snprintf(line, sizeof line, "%s: %s %.4g (%s)", words_name(f->step), words_name(f->measurement),
             f->value, limits);
    if (words_columns(line) > columns) {
        limits_text(f, "", limits, sizeof limits);
        snprintf(line, sizeof line, "%s %.4g, %s", words_name(f->measurement), f->value, limits);
    }
    put(y, x, columns, line);
}

static void draw_frame(int y, int x, int lines, int columns, bool selected)
{
    attr_t attribute = selected ? A_BOLD : 0;
    attron(attribute | COLOR_PAIR(selected ? COLOUR_BUSY : COLOUR_DIM));
    mvaddstr(y, x, selected ? "┏" : "┌");
    mvaddstr(y, x + columns - 1, selected ? "┓" : "┐");
    mvaddstr(y + lines - 1, x, selected ? "┗" : "└");
    mvaddstr(y + lines - 1, x + columns - 1, selected ? "┛" : "┘");
    for (int i = 1; i < columns - 1; i++) {
        mvaddstr(y, x + i, selected ? "━" : "─");
        mvaddstr(y + lines - 1, x + i, selected ? "━" : "─");
    }
    for (int i = 1; i < lines - 1; i++) {
        mvaddstr(y + i, x, selected ? "┃" : "│");
        mvaddstr(y + i, x + columns - 1, selected ? "┃" : "│");
    }
    attroff(attribute | COLOR_PAIR(selected ? COLOUR_BUSY : COLOUR_DIM));
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
    put_centred(y + (lines - 1) / 2, x + used, columns - used, words_verdict(t->verdict));
    attroff(COLOR_PAIR(mark->colour) | A_BOLD);
}

static void draw_work(const struct tile *t, int y, int x, int lines, int columns)
{
    char line[200];
    put_bar(y, x, columns - 5, tile_run_progress(t));
    snprintf(line, sizeof line, "%3.0f%%", 100 * tile_run_progress(t));
    put(y, x + columns - 4, 4, line);
    int at = lines >= 5 ? y + 2 : y + 1;
    attron(A_BOLD);
    snprintf(line, sizeof line, "%s  %d/%d", words_name(t->step), t->step_index + 1, t->step_count);
    put(at, x, columns, line);
    attroff(A_BOLD);
    if (lines < 5)
        return;
    if (t->progress >= 0) {
        put_bar(at + 1, x, columns - 5, t->progress > 1 ? 1 : t->progress);
        snprintf(line, sizeof line, "%3.0f%%", 100 * t->progress);
        put(at + 1, x + columns - 4, 4, line);
    }
    put(at + 2, x, columns, words_name(t->text));
}

static void draw_title(const struct tile *t, int y, int x, int columns)
{
    char line[80];
    attron(A_BOLD);
    snprintf(line, sizeof line, _("slot %d"), t->slot);
    put(y, x, columns, line);
    attroff(A_BOLD);
    int left = words_columns(line) + 2;
    const char *name = t->serial[0] ? t->serial : words_state(t->state);
    int name_columns = words_columns(name);
    if (name_columns <= columns - left)
        put(y, x + columns - name_columns, name_columns, name);
    else
        put(y, x + left, columns - left, name);
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
    draw_frame(y, x, l->tile_lines, l->tile_columns, selected);
    draw_title(t, y + 1, x + 2, inner);
    if (body < 1)
        return;
    if (running) {
        attron(COLOR_PAIR(COLOUR_BUSY));
        draw_work(t, y + 2, x + 2, body - notes + (notes == 1), inner);
        attroff(COLOR_PAIR(COLOUR_BUSY));
        if (notes == 2)
            put(last - 1, x + 2, inner, words_state(t->state));
    } else if (mark) {
        draw_verdict(t, mark, y + 2, x + 2, body - notes, inner);
        if (notes == 2 || (notes == 1 && !t->failed))
            put_centred(last - (notes == 2), x + 2, inner, words_next(t->verdict));
    } else {
        const char *next = _("insert a unit, then press s");
        put_centred(y + 1 + (body + 1) / 2, x + 2, inner,
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

static void draw_failure(const struct tile *t)
{
    int columns = COLS < 76 ? COLS - 2 : 74;
    int lines = 11, y = (LINES - lines) / 2, x = (COLS - columns) / 2;
    if (y < 0)
        y = 0;
    for (int i = 0; i < lines; i++)
        mvprintw(y + i, x, "%*s", columns, "");
    draw_frame(y, x, lines, columns, true);
    char line[320];
    int inner = columns - 4;
    attron(A_BOLD);
    snprintf(line, sizeof line, _("slot %d: last failure"), t->slot);
    put(y + 1, x + 2, inner, line);
    attroff(A_BOLD);
    if (!t->failed) {
        put(y + 3, x + 2, inner, _("nothing has failed on this slot"));
    } else {
        const struct tile_failure *f = &t->failure;
        const int at = 16;
        put(y + 3, x + 2, at, _("step"));
        put(y + 3, x + at, inner - at, words_name(f->step));
        put(y + 4, x + 2, at, _("measurement"));
        put(y + 4, x + at, inner - at, f->measurement[0] ? words_name(f->measurement) : "–");
        put(y + 5, x + 2, at, _("value"));
        if (f->has_value) {
            snprintf(line, sizeof line, "%.5g %s", f->value, f->unit);
            put(y + 5, x + at, inner - at, line);
        } else {
            put(y + 5, x + at, inner - at, "–");
        }
        put(y + 6, x + 2, at, _("limit"));
        limits_text(f, f->unit, line, sizeof line);
        put(y + 6, x + at, inner - at, line);
        put(y + 7, x + 2, at, _("reason"));
        const int on_first =
            words_columns(f->message) > inner - at ? words_fit(f->message, inner - at) : -1;
        mvaddnstr(y + 7, x + at, f->message, on_first);
        if (on_first >= 0)
            put(y + 8, x + at, inner - at, f->message + on_first);
    }
    put(y + lines - 2, x + 2, inner, _("f closes this"));
}

static struct layout present_layout(const struct tiles *t)
{
    return layout_of(t->count, COLS, LINES - HEAD_LINES - FOOT_LINES);
}

int screen_columns(const struct tiles *t)
{
    return present_layout(t).across;
}

static void draw_head(const struct tiles *t, const struct screen_view *v)
{
    char line[400];
    attron(A_BOLD);
    snprintf(line, sizeof line, "Takt  %s   %s   %s", t->station, v->plan, v->order);
    char counts[80];
    snprintf(counts, sizeof counts, _("passed %d   failed %d"), t->passed, t->failed);
    int used = words_columns(counts);
    put(0, 1, COLS - used - 4, line);
    attroff(A_BOLD);
    if (used < COLS - 2)
        put(0, COLS - 1 - used, used, counts);
    const char *notice = v->connected ? t->notice : _("taktd does not answer; waiting for it");
    char unsent[160], low[160];
    if (!notice[0] && t->pool_low) {
        snprintf(low, sizeof low,
                 t->pool_free ? _("few identities are left: %d; have more imported")
                              : _("no identity is left: the line stops; have more imported"),
                 t->pool_free);
        notice = low;
    }
    if (!notice[0] && (t->unsent || t->refused)) {
        snprintf(unsent, sizeof unsent, _("not sent on: %d records wait, %d were refused"),
                 t->unsent, t->refused);
        notice = unsent;
    }
    if (notice[0]) {
        attron(COLOR_PAIR(COLOUR_TROUBLE) | A_BOLD);
        put(1, 1, COLS - 2, notice);
        attroff(COLOR_PAIR(COLOUR_TROUBLE) | A_BOLD);
    }
}

/* The longest list of keys that fits. */
static void draw_keys(void)
{
    static const char *const lists[] = {
        N_("s start  S start all  a abort  f failure  arrows choose  l 中文  q quit"),
        N_("s start  a abort  f failure  l 中文"),
        N_("s start  a abort"),
    };
    const size_t count = sizeof lists / sizeof lists[0];
    size_t i = 0;
    while (i + 1 < count && words_columns(_(lists[i])) > COLS - 2)
        i++;
    attron(A_REVERSE);
    mvprintw(LINES - 1, 0, "%*s", COLS, "");
    put(LINES - 1, 1, COLS - 2, _(lists[i]));
    attroff(A_REVERSE);
}

void screen_draw(const struct tiles *t, const struct screen_view *v)
{
    erase();
    const struct layout l = present_layout(t);
    const int selected_row = (int)v->selected / l.across;
    const int first_row = selected_row < l.rows ? 0 : selected_row - l.rows + 1;
    const size_t first = (size_t)(first_row * l.across), shown = (size_t)(l.rows * l.across);
    const size_t end = first + shown < t->count ? first + shown : t->count;
    for (size_t i = first; i < end; i++) {
        const int row = (int)(i - first) / l.across, column = (int)(i - first) % l.across;
        draw_tile(&t->slots[i], HEAD_LINES + row * l.tile_lines, column * l.tile_columns, &l,
                  i == v->selected);
    }
    draw_head(t, v);
    if (v->show_failure && v->selected < t->count)
        draw_failure(&t->slots[v->selected]);
    char rest[80] = "";
    if (end - first < t->count)
        snprintf(rest, sizeof rest, _("slots %d to %d of %d"), t->slots[first].slot,
                 t->slots[end - 1].slot, (int)t->count);
    int used = words_columns(rest);
    move(LINES - 2, 0);
    clrtoeol();
    put(LINES - 2, 1, COLS - used - 4, v->message ? v->message : "");
    put(LINES - 2, COLS - 1 - used, used, rest);
    draw_keys();
    refresh();
}
