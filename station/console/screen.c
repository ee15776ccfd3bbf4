#include "station/console/screen.h"

#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "station/console/words.h"

enum { TILE_MIN_COLUMNS = 38, TILE_LINES = 10, HEAD_LINES = 2, FOOT_LINES = 2 };
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

static void limits_text(const struct tile_failure *f, char *out, size_t size)
{
    if (f->has_min && f->has_max)
        snprintf(out, size, "%.4g … %.4g %s", f->min, f->max, f->unit);
    else if (f->has_min)
        snprintf(out, size, "≥ %.4g %s", f->min, f->unit);
    else if (f->has_max)
        snprintf(out, size, "≤ %.4g %s", f->max, f->unit);
    else
        snprintf(out, size, "%s", "–");
}

static void failure_text(const struct tile_failure *f, char *out, size_t size)
{
    char limits[96];
    limits_text(f, limits, sizeof limits);
    if (f->has_value)
        snprintf(out, size, "%s: %s %.4g (%s)", f->step, f->measurement, f->value, limits);
    else
        snprintf(out, size, "%s: %s", f->step, f->message);
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

static void draw_verdict(const struct tile *t, const struct mark *mark, int y, int x, int columns)
{
    attron(COLOR_PAIR(mark->colour) | A_BOLD);
    for (int i = 0; i < MARK_LINES; i++)
        mvprintw(y + i, x, "%*s", columns, "");
    int word_columns = columns - MARK_COLUMNS - 3;
    for (int i = 0; i < MARK_LINES; i++)
        for (int k = 0; k < MARK_COLUMNS; k++)
            if (mark->lines[i][k] == '#')
                mvaddstr(y + i, x + 2 + k, "█");
    put_centred(y + 2, x + MARK_COLUMNS + 2, word_columns, words_verdict(t->verdict));
    attroff(COLOR_PAIR(mark->colour) | A_BOLD);
}

static void draw_work(const struct tile *t, int y, int x, int columns)
{
    char line[200];
    put_bar(y, x, columns - 5, tile_run_progress(t));
    snprintf(line, sizeof line, "%3.0f%%", 100 * tile_run_progress(t));
    put(y, x + columns - 4, 4, line);
    attron(A_BOLD);
    snprintf(line, sizeof line, "%s  %d/%d", t->step, t->step_index + 1, t->step_count);
    put(y + 2, x, columns, line);
    attroff(A_BOLD);
    if (t->progress >= 0) {
        put_bar(y + 3, x, columns - 5, t->progress > 1 ? 1 : t->progress);
        snprintf(line, sizeof line, "%3.0f%%", 100 * t->progress);
        put(y + 3, x + columns - 4, 4, line);
    }
    put(y + 4, x, columns, t->text);
}

static void draw_tile(const struct tile *t, int y, int x, int columns, bool selected)
{
    char line[400];
    draw_frame(y, x, TILE_LINES, columns, selected);
    int inner = columns - 4;
    attron(A_BOLD);
    snprintf(line, sizeof line, _("slot %d"), t->slot);
    put(y + 1, x + 2, inner, line);
    attroff(A_BOLD);
    int left = words_columns(line) + 2;
    const char *name = t->serial[0] ? t->serial : words_state(t->state);
    int name_columns = words_columns(name);
    if (name_columns <= inner - left)
        put(y + 1, x + 2 + inner - name_columns, name_columns, name);
    else
        put(y + 1, x + 2 + left, inner - left, name);

    bool running = strcmp(t->state, "idle") != 0;
    const struct mark *mark = mark_of(t->verdict);
    if (running) {
        attron(COLOR_PAIR(COLOUR_BUSY));
        draw_work(t, y + 2, x + 2, inner);
        attroff(COLOR_PAIR(COLOUR_BUSY));
        put(y + 7, x + 2, inner, words_state(t->state));
    } else if (mark) {
        draw_verdict(t, mark, y + 2, x + 2, inner);
    } else {
        put_centred(y + 4, x + 2, inner, _("insert a unit, then press s"));
    }
    if (t->failed) {
        failure_text(&t->failure, line, sizeof line);
        put(y + TILE_LINES - 2, x + 2, inner, line);
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
        put(y + 3, x + at, inner - at, f->step);
        put(y + 4, x + 2, at, _("measurement"));
        put(y + 4, x + at, inner - at, f->measurement[0] ? f->measurement : "–");
        put(y + 5, x + 2, at, _("value"));
        if (f->has_value) {
            snprintf(line, sizeof line, "%.5g %s", f->value, f->unit);
            put(y + 5, x + at, inner - at, line);
        } else {
            put(y + 5, x + at, inner - at, "–");
        }
        put(y + 6, x + 2, at, _("limit"));
        limits_text(f, line, sizeof line);
        put(y + 6, x + at, inner - at, line);
        put(y + 7, x + 2, at, _("reason"));
        put(y + 7, x + at, inner - at, f->message);
    }
    put(y + lines - 2, x + 2, inner, _("f closes this"));
}

int screen_columns(const struct tiles *t)
{
    int columns = COLS / TILE_MIN_COLUMNS;
    if (columns < 1)
        columns = 1;
    return (size_t)columns > t->count && t->count ? (int)t->count : columns;
}

static void draw_head(const struct tiles *t, const struct screen_view *v)
{
    char line[400];
    attron(A_BOLD);
    snprintf(line, sizeof line, "Takt  %s   %s   %s", t->station, v->plan, v->order);
    put(0, 1, COLS - 2, line);
    attroff(A_BOLD);
    snprintf(line, sizeof line, _("passed %d   failed %d"), t->passed, t->failed);
    int used = words_columns(line);
    if (used < COLS - 2)
        put(0, COLS - 1 - used, used, line);
    const char *notice = v->connected ? t->notice : _("taktd does not answer; waiting for it");
    if (notice[0]) {
        attron(COLOR_PAIR(COLOUR_TROUBLE) | A_BOLD);
        put(1, 1, COLS - 2, notice);
        attroff(COLOR_PAIR(COLOUR_TROUBLE) | A_BOLD);
    }
}

void screen_draw(const struct tiles *t, const struct screen_view *v)
{
    erase();
    draw_head(t, v);
    int across = screen_columns(t);
    int width = COLS / across;
    int rows_visible = (LINES - HEAD_LINES - FOOT_LINES) / TILE_LINES;
    if (rows_visible < 1)
        rows_visible = 1;
    int selected_row = (int)v->selected / across;
    int first_row = selected_row < rows_visible ? 0 : selected_row - rows_visible + 1;
    for (size_t i = 0; i < t->count; i++) {
        int row = (int)i / across - first_row, column = (int)i % across;
        if (row >= 0 && row < rows_visible)
            draw_tile(&t->slots[i], HEAD_LINES + row * TILE_LINES, column * width, width,
                      i == v->selected);
    }
    if (v->show_failure && v->selected < t->count)
        draw_failure(&t->slots[v->selected]);
    if (v->message)
        put(LINES - 2, 1, COLS - 2, v->message);
    attron(A_REVERSE);
    mvprintw(LINES - 1, 0, "%*s", COLS, "");
    put(LINES - 1, 1, COLS - 2,
        _("s start  S start all  a abort  f failure  arrows choose  l 中文  q quit"));
    attroff(A_REVERSE);
    refresh();
}
