#include "station/console/prompt.h"

#include <ncurses.h>
#include <openssl/crypto.h>
#include <string.h>

#include "station/console/pane.h"
#include "station/console/words.h"

enum { ESCAPE = 27 };

static void take_back(struct prompt_field *f)
{
    size_t n = strlen(f->text);
    while (n > 0 && ((unsigned char)f->text[n - 1] & 0xc0) == 0x80)
        n--; /* a whole character */
    if (n > 0)
        f->text[n - 1] = '\0';
}

enum prompt_event prompt_key(struct prompt *p, int key)
{
    struct prompt_field *f = &p->fields[p->at];
    const size_t n = strlen(f->text);
    switch (key) {
    case ESCAPE:
        return PROMPT_LEFT;
    case '\r':
    case '\n':
    case KEY_ENTER:
        if (p->at + 1 == p->count)
            return PROMPT_DONE;
        p->at++;
        break;
    case '\t':
    case KEY_DOWN:
        p->at = (p->at + 1) % p->count;
        break;
    case KEY_UP:
    case KEY_BTAB:
        p->at = (p->at + p->count - 1) % p->count;
        break;
    case KEY_BACKSPACE:
    case '\b':
    case 0x7f:
        take_back(f);
        break;
    default:
        if (key >= ' ' && key <= 0xff && n < PROMPT_TEXT_MAX) {
            f->text[n] = (char)key;
            f->text[n + 1] = '\0';
        }
    }
    return PROMPT_OPEN;
}

void prompt_close(struct prompt *p)
{
    OPENSSL_cleanse(p, sizeof *p);
}

void prompt_draw(const struct prompt *p)
{
    const int columns = COLS < 64 ? COLS : 62, lines = 4 + 2 * (int)p->count;
    const int y = LINES > lines ? (LINES - lines) / 2 : 0, x = (COLS - columns) / 2;
    const int inner = columns - 4, at = 22;
    pane_fill(y, x, lines, columns);
    pane_frame(y, x, lines, columns, true);
    attron(A_BOLD);
    pane_put(y + 1, x + 2, inner, _(p->title));
    attroff(A_BOLD);
    for (size_t i = 0; i < p->count; i++) {
        const struct prompt_field *f = &p->fields[i];
        const int line = y + 3 + 2 * (int)i - (p->count > 1);
        char dots[PROMPT_TEXT_MAX + 1];
        const size_t n = strlen(f->text);
        memset(dots, '*', n);
        dots[n] = '\0';
        pane_put(line, x + 2, at, _(f->label));
        if (i == p->at)
            attron(A_REVERSE);
        mvprintw(line, x + at, "%*s", inner - at > 0 ? inner - at + 2 : 1, "");
        pane_put(line, x + at, inner - at, f->hidden ? dots : f->text);
        if (i == p->at)
            attroff(A_REVERSE);
    }
    pane_put(y + lines - 2, x + 2, inner, _(p->advice));
}
