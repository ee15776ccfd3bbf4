/* Buttons and indicator LEDs, by the names of the board file ("reset", "status_blue"). */
#ifndef TAKT_FIRMWARE_HAL_GPIO_H
#define TAKT_FIRMWARE_HAL_GPIO_H

#include <stdbool.h>

#include "protocol/base/error.h"

struct gpio;

struct gpio_ops {
    /* The pin's level: true = high. Buttons pull to ground, so pressed = low. */
    int (*button)(struct gpio *g, const char *name, bool *level, struct error *err);
    int (*led)(struct gpio *g, const char *name, bool on, struct error *err);
};

#endif
