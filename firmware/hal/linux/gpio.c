/* Buttons and indicator LEDs. */
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/linux/parts.h"
#include "firmware/hal/linux/pins.h"

struct gpio {
    struct linux_unit *unit;
};

int linux_gpio_open(struct linux_unit *u, struct gpio **out, struct error *err)
{
    struct gpio *g = *out = calloc(1, sizeof *g);
    if (!g)
        return error_set(err, ERROR_MEMORY, "no memory for the pins");
    g->unit = u;
    return 0;
}

void linux_gpio_close(struct gpio *g)
{
    free(g);
}

static bool named(const char names[][BOARD_NAME_MAX], size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static int button(struct gpio *g, const char *name, bool *level, struct error *err)
{
    const struct board *b = g->unit->board;
    if (!named(b->buttons, b->button_count, name))
        return error_set(err, ERROR_MISSING, "board %s has no button \"%s\"", b->name, name);
    return pins_level(g->unit->pins, name, level, err);
}

static int led(struct gpio *g, const char *name, bool on, struct error *err)
{
    const struct board *b = g->unit->board;
    if (!named(b->leds, b->led_count, name))
        return error_set(err, ERROR_MISSING, "board %s has no LED \"%s\"", b->name, name);
    return pins_set(g->unit->pins, name, on, err);
}

const struct gpio_ops linux_gpio_ops = {button, led};
