/* Looks for a card with a bundle at its first partition's root, when camd starts and whenever a
 * card is put in, and has the agent update from it (agent_card_update()). What came of it goes into
 * the card's report. The card is mounted while it is read, and for writing while a record is added;
 * never longer, so that it may be pulled out. */
#ifndef TAKT_FIRMWARE_CAMD_CARD_WATCH_H
#define TAKT_FIRMWARE_CAMD_CARD_WATCH_H

#include "firmware/camd/log.h"
#include "firmware/factory/agent.h"

struct card_watch; /* a thread */

/* `device` is the card's block device; it and the others must outlive the watch. */
int card_watch_start(const char *device, struct agent *agent, struct log *log,
                     struct card_watch **out, struct error *err);
/* Waits for the end of an erase or write. NULL is fine. */
void card_watch_stop(struct card_watch *w);

#endif
