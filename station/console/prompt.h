/* A question over the screen: up to three lines to be typed or scanned, some of them hidden. Draws
 * itself and takes keys; what is done with the answer is its owner's. */
#ifndef TAKT_STATION_CONSOLE_PROMPT_H
#define TAKT_STATION_CONSOLE_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

enum { PROMPT_FIELDS_MAX = 3, PROMPT_TEXT_MAX = 127 };

struct prompt_field {
    const char *label; /* N_(): translated where it is shown */
    bool hidden;       /* a PIN: shown as dots, wiped at the end */
    char text[PROMPT_TEXT_MAX + 1];
};

struct prompt {
    int kind; /* its owner's; 0: no question is open */
    const char *title, *advice;
    struct prompt_field fields[PROMPT_FIELDS_MAX];
    size_t count, at;
};

enum prompt_event { PROMPT_OPEN, PROMPT_DONE, PROMPT_LEFT };

/* A key as getch() gives it, text as bytes of UTF-8. DONE: the last field was ended with Enter. */
enum prompt_event prompt_key(struct prompt *p, int key);
void prompt_close(struct prompt *p); /* wipes it */
void prompt_draw(const struct prompt *p);

#endif
