/* Which port is which slot, learned by plugging units in, in a thread of its own (usb_learn.h). */
#ifndef TAKT_STATION_CONSOLE_LEARNING_H
#define TAKT_STATION_CONSOLE_LEARNING_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/base/error.h"

struct learning;

int learning_start(size_t slots, struct learning **out, struct error *err);
void learning_stop(struct learning *p); /* NULL is fine */
int learning_fd(struct learning *p);    /* readable when something came; -1 of NULL */
void learning_take(struct learning *p); /* of the main thread, as all below */
size_t learning_learned(struct learning *p);
const char *learning_at(struct learning *p, size_t index); /* "usb:1-4.2" */
bool learning_over(struct learning *p);                    /* all learned, or failed */
const char *learning_trouble(struct learning *p);          /* "" while there is none */

#endif
