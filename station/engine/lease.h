/* Who may use which instrument now: pure bookkeeping.
 *
 * A slot asks for all it needs at once and gets all or nothing, so two slots never hold what the
 * other waits for. Turns are first come, first served for each instrument: nobody overtakes an
 * earlier request for the same one, and whoever wants something else is not held up. */
#ifndef TAKT_STATION_ENGINE_LEASE_H
#define TAKT_STATION_ENGINE_LEASE_H

#include <stdbool.h>
#include <stddef.h>

enum { LEASE_RESOURCES_MAX = 512, LEASE_SLOTS_MAX = 64, LEASE_NEEDS_MAX = 8 };

struct lease {
    int resources[LEASE_NEEDS_MAX];
    size_t count;
    enum { LEASE_NONE, LEASE_WAITING, LEASE_HELD } state;
    unsigned long turn;
};

struct leases { /* all zero with capacities filled in is the start */
    int capacity[LEASE_RESOURCES_MAX], used[LEASE_RESOURCES_MAX];
    struct lease of[LEASE_SLOTS_MAX];
    unsigned long turns;
};

/* Asks on behalf of a slot (0-based) that neither waits nor holds. True: it has them now. */
bool lease_ask(struct leases *l, size_t slot, const int *resources, size_t count);
/* Gives back what the slot holds, or takes back what it asked. */
void lease_end(struct leases *l, size_t slot);
/* After lease_end(): one waiting slot whose turn has come, now holding; -1 when there is none. */
int lease_grant(struct leases *l);

#endif
