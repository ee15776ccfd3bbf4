#include "station/console/pane.h"

#include <ncurses.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "station/console/terminal.h"
#include "station/console/words.h"

int pane_start(struct error *err)
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
        init_pair(COLOUR_NEXT, COLOR_BLACK, COLOR_CYAN);
    }
    return 0;
}

void pane_end(void)
{
    if (stdscr && !isendwin())
        endwin();
}

/* A text cut to a width, with an ellipsis where it was cut. */
void pane_put(int y, int x, int columns, const char *text)
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

int pane_wrapped(int y, int x, int columns, int lines, const char *text)
{
    int used = 0;
    while (*text && used < lines) {
        const int bytes = words_columns(text) > columns ? words_fit(text, columns) : -1;
        mvaddnstr(y + used++, x, text, bytes);
        if (bytes <= 0)
            break;
        text += bytes;
    }
    return used;
}

void pane_centred(int y, int x, int columns, const char *text)
{
    int used = words_columns(text);
    pane_put(y, used < columns ? x + (columns - used) / 2 : x, columns, text);
}

void pane_verdict(int y, int x, int columns, const char *verdict)
{
    const int pair = strcmp(verdict, "pass") == 0                   ? COLOUR_PASS
                     : strcmp(verdict, "fail") == 0                 ? COLOUR_FAIL
                     : strcmp(verdict, "skipped") == 0 || !*verdict ? COLOUR_PLAIN
                                                                    : COLOUR_TROUBLE;
    attron(COLOR_PAIR(pair) | A_BOLD);
    pane_put(y, x, columns, words_verdict(verdict));
    attroff(COLOR_PAIR(pair) | A_BOLD);
}

void pane_bar(int y, int x, int columns, double fraction)
{
    int full = (int)(fraction * columns + 0.5);
    for (int i = 0; i < columns; i++)
        mvaddstr(y, x + i, i < full ? "█" : "░");
}

void pane_text(int y, int x, int columns, const char *format, ...)
{
    char line[600];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pane_put(y, x, columns, line);
}

void pane_fill(int y, int x, int lines, int columns)
{
    for (int i = 0; i < lines; i++)
        mvprintw(y + i, x, "%*s", columns, "");
}

void pane_frame(int y, int x, int lines, int columns, bool selected)
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
