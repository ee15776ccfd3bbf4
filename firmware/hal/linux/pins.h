/* The board's GPIO lines by name, through the character device (linux/gpio.h, uAPI v2, kernel 5.10
 * on): three ioctls, which take less code than a library around them would take to link.
 *
 * A line is requested when it is first used and held from then on, so that an output keeps its
 * level. From any thread. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_PINS_H
#define TAKT_FIRMWARE_HAL_LINUX_PINS_H

#include <stdbool.h>

#include "firmware/hal/linux/parts.h"

int pins_create(const struct linux_unit *u, struct pins **out, struct error *err);
/* Gives every line back; the driver decides what becomes of outputs. NULL is fine. */
void pins_free(struct pins *p);

/* Does the board name such a line? */
bool pins_has(const struct pins *p, const char *name);

/* The electrical level: true = high, whatever active_low says. */
int pins_level(struct pins *p, const char *name, bool *high, struct error *err);
/* In the board's sense: low is active where the board says so. */
int pins_active(struct pins *p, const char *name, bool *active, struct error *err);
int pins_set(struct pins *p, const char *name, bool active, struct error *err);

#endif
