/* Buttons pulled up on the board and pushed by the bench; indicator LEDs the bench looks at. */
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/parts.h"
#include "firmware/hal/emulator/power.h"

struct gpio {
    struct unit *unit;
    unsigned lit;
};

int emulated_gpio_open(struct unit *unit, struct gpio **out, struct error *err)
{
    struct gpio *g = *out = calloc(1, sizeof *g);
    if (!g)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated pins");
    g->unit = unit;
    atomic_store(&unit->world->leds_lit, 0);
    return 0;
}

void emulated_gpio_close(struct gpio *g)
{
    if (!g)
        return;
    atomic_store(&g->unit->world->leds_lit, 0);
    free(g);
}

static int find(const char names[][BOARD_NAME_MAX], size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return (int)i;
    return -1;
}

static int button(struct gpio *g, const char *name, bool *level, struct error *err)
{
    const struct board *b = &g->unit->board;
    const struct physics *ph = &g->unit->physics;
    int i = find(b->buttons, b->button_count, name);
    if (i < 0)
        return error_set(err, ERROR_MISSING, "board %s has no button \"%s\"", b->name, name);
    double stuck = i == 0 ? ph->button_1_stuck : i == 1 ? ph->button_2_stuck : 0;
    bool pushed = atomic_load(&g->unit->world->buttons_pressed) >> i & 1;
    *level = stuck == 1 || (stuck == 0 && !pushed);
    return 0;
}

static int led(struct gpio *g, const char *name, bool on, struct error *err)
{
    const struct board *b = &g->unit->board;
    const struct physics *ph = &g->unit->physics;
    int i = find(b->leds, b->led_count, name);
    if (i < 0)
        return error_set(err, ERROR_MISSING, "board %s has no LED \"%s\"", b->name, name);
    if (on && ((i == 0 && ph->led_1_dead) || (i == 1 && ph->led_2_dead)))
        on = false;
    g->lit = on ? g->lit | 1u << i : g->lit & ~(1u << i);
    atomic_store(&g->unit->world->leds_lit, g->lit);
    power_draw(g->unit->power, POWER_LED, __builtin_popcount(g->lit) * ph->led_w);
    return 0;
}

const struct gpio_ops emulated_gpio_ops = {button, led};
