/* The camera of a rehearsal: the emulator HAL and the factory agent's methods on simulated time,
 * behind the calls of unit_link.h. It lives while its supply gives it enough volts and is started
 * again when it ends by itself, as on the bench. One a process. */
#ifndef TAKT_TESTS_REHEARSAL_REHEARSED_UNIT_H
#define TAKT_TESTS_REHEARSAL_REHEARSED_UNIT_H

#include <stdbool.h>

#include "protocol/formats/board.h"
#include "protocol/world.h"

/* folder: as the emulator has it. Both must outlive the process. */
void rehearsed_unit_begin(const struct board *board, const char *folder, struct world *world);
/* Every few milliseconds. */
void rehearsed_unit_watch(bool powered);

#endif
