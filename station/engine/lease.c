#include "station/engine/lease.h"

#include <string.h>

/* Its needs are free, and nobody who asked earlier waits for one of them. */
static bool its_turn(const struct leases *l, const struct lease *mine)
{
    for (size_t i = 0; i < mine->count; i++) {
        int r = mine->resources[i];
        if (l->used[r] >= l->capacity[r])
            return false;
        for (size_t s = 0; s < LEASE_SLOTS_MAX; s++) {
            const struct lease *other = &l->of[s];
            if (other->state != LEASE_WAITING || other->turn >= mine->turn)
                continue;
            for (size_t k = 0; k < other->count; k++)
                if (other->resources[k] == r)
                    return false;
        }
    }
    return true;
}

static bool take(struct leases *l, struct lease *mine)
{
    if (!its_turn(l, mine))
        return false;
    for (size_t i = 0; i < mine->count; i++)
        l->used[mine->resources[i]]++;
    mine->state = LEASE_HELD;
    return true;
}

bool lease_ask(struct leases *l, size_t slot, const int *resources, size_t count)
{
    struct lease *mine = &l->of[slot];
    mine->count = 0;
    for (size_t i = 0; i < count; i++) {
        bool again = false;
        for (size_t k = 0; k < mine->count && !again; k++)
            again = mine->resources[k] == resources[i];
        if (!again)
            mine->resources[mine->count++] = resources[i];
    }
    mine->turn = ++l->turns;
    mine->state = LEASE_WAITING;
    return take(l, mine);
}

void lease_end(struct leases *l, size_t slot)
{
    struct lease *mine = &l->of[slot];
    if (mine->state == LEASE_HELD)
        for (size_t i = 0; i < mine->count; i++)
            l->used[mine->resources[i]]--;
    memset(mine, 0, sizeof *mine);
}

int lease_grant(struct leases *l)
{
    for (size_t s = 0; s < LEASE_SLOTS_MAX; s++)
        if (l->of[s].state == LEASE_WAITING && take(l, &l->of[s]))
            return (int)s;
    return -1;
}
