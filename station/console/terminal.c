#include "station/console/terminal.h"

/* Apart from the screen, since <term.h> takes words like lines and columns for itself. */
#include <ncurses.h>
#include <term.h>

bool terminal_moves_cursor(void)
{
    const char *move_to = tigetstr("cup");
    return move_to && move_to != (const char *)-1;
}
