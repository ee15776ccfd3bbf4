/* Buttons pulled up on the board and pushed by the bench; indicator LEDs the bench looks at. */
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/chance.h"
#include "firmware/hal/emulator/parts.h"
#include "firmware/hal/emulator/power.h"
#include "protocol/base/clock.h"

/* A contact between press and rest. */
struct contact {
    bool pushed;
    int64_t since_ns; /* it was pushed, or let go */
};

struct gpio {
    struct unit *unit;
    unsigned lit;
    struct contact contacts[WORLD_BUTTONS_MAX];
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

/* Is the contact closed? It chatters for a while after each change: opens and closes again, from
 * millisecond to millisecond as it likes, and is where it was told to be at the end. */
static bool contact(struct gpio *g, int i)
{
    struct contact *c = &g->contacts[i];
    const bool pushed = atomic_load(&g->unit->world->buttons_pressed) >> i & 1;
    const int64_t now = clock_mono_ns();
    if (pushed != c->pushed)
        *c = (struct contact){pushed, now};
    const double ms = (double)(now - c->since_ns) / 1e6;
    if (c->since_ns == 0 || ms >= g->unit->physics.button_bounce_ms)
        return pushed;
    const uint64_t chatter = chance_hash((uint64_t)g->unit->physics.seed, 0x626f756e6365,
                                         (uint64_t)(c->since_ns / 1000000 + (int64_t)ms));
    return (chatter & 1) ? pushed : !pushed;
}

static int button(struct gpio *g, const char *name, bool *level, struct error *err)
{
    const struct board *b = &g->unit->board;
    const struct physics *ph = &g->unit->physics;
    int i = find(b->buttons, b->button_count, name);
    if (i < 0)
        return error_set(err, ERROR_MISSING, "board %s has no button \"%s\"", b->name, name);
    double stuck = i == 0 ? ph->button_1_stuck : i == 1 ? ph->button_2_stuck : 0;
    *level = stuck == 1 || (stuck == 0 && !contact(g, i));
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
    const double light = i == 0 ? ph->led_1_light : i == 1 ? ph->led_2_light : 1;
    if (i < WORLD_LEDS_MAX)
        atomic_store(&g->unit->world->led_light[i], light);
    g->lit = on ? g->lit | 1u << i : g->lit & ~(1u << i);
    atomic_store(&g->unit->world->leds_lit, g->lit);
    power_draw(g->unit->power, POWER_LED, __builtin_popcount(g->lit) * ph->led_w);
    return 0;
}

const struct gpio_ops emulated_gpio_ops = {button, led};
