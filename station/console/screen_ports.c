/* Which port is which slot: as the station file has it, and as it is learned by plugging units in
 * one after another. */
#include <ncurses.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/console/learning.h"
#include "station/console/pane.h"
#include "station/console/state.h"
#include "station/console/words.h"

enum { SLOT_AT = 1, GIVEN_AT = 10, LEARNED_AT = 50 };

static const char *given_port(const struct console *c, int number)
{
    const cJSON *slot;
    cJSON_ArrayForEach(slot, cJSON_GetObjectItemCaseSensitive(json_root(c->station), "slots"))
    {
        if ((int)json_number(slot, "slot", 0) == number)
            return json_string(slot, "port", "");
    }
    return "";
}

static void draw(struct console *c, const struct area *a)
{
    const size_t learned = c->learning ? learning_learned(c->learning) : 0;
    int y = a->y;
    char text[500];
    if (!c->learning)
        snprintf(text, sizeof text, "%s",
                 _("p: learn the ports by plugging units in, slot by slot"));
    else if (learning_trouble(c->learning)[0])
        snprintf(text, sizeof text, "%s", learning_trouble(c->learning));
    else if (learning_over(c->learning))
        snprintf(text, sizeof text, "%s",
                 _("all ports are learned: put them into the station file"));
    else
        snprintf(text, sizeof text, _("plug in the unit of slot %d"),
                 c->tiles.slots[learned < c->tiles.count ? learned : 0].slot);
    attron(A_BOLD | (c->learning ? COLOR_PAIR(COLOUR_BUSY) : 0));
    pane_put(y, 1, a->columns - 2, text);
    attroff(A_BOLD | (c->learning ? COLOR_PAIR(COLOUR_BUSY) : 0));
    y += 2;
    attron(A_BOLD);
    pane_put(y, SLOT_AT, GIVEN_AT - SLOT_AT - 1, _("slot"));
    pane_put(y, GIVEN_AT, LEARNED_AT - GIVEN_AT - 1, _("port in the station file"));
    pane_put(y, LEARNED_AT, a->columns - LEARNED_AT - 1, _("port learned"));
    attroff(A_BOLD);
    y++;
    /* Where more slots are than lines, those around the one that is being learned. */
    const size_t room = a->y + a->lines > y ? (size_t)(a->y + a->lines - y) : 0;
    const size_t first = learned >= room ? learned - room + 1 : 0;
    for (size_t i = first; i < c->tiles.count && i < first + room; i++, y++) {
        const int number = c->tiles.slots[i].slot;
        pane_text(y, SLOT_AT, GIVEN_AT - SLOT_AT - 1, "%d", number);
        pane_put(y, GIVEN_AT, LEARNED_AT - GIVEN_AT - 1, given_port(c, number));
        if (i < learned)
            pane_put(y, LEARNED_AT, a->columns - LEARNED_AT - 1, learning_at(c->learning, i));
    }
}

static bool key(struct console *c, int pressed)
{
    struct error err = {0};
    if (pressed != 'p')
        return false;
    if (!action_may(c, ACT_PORTS))
        return true;
    learning_stop(c->learning);
    c->learning = NULL;
    if (learning_start(c->tiles.count, &c->learning, &err))
        say(c, "%s", err.text);
    return true;
}

const struct console_screen screen_ports = {
    .name = N_("ports"),
    .keys = N_("p learn"),
    .reads = -1,
    .draw = draw,
    .key = key,
};
