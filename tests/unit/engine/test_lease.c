/* Instruments in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "station/engine/lease.h"

static void nobody_overtakes_and_nobody_waits_for_what_is_free(void **state)
{
    struct leases l = {.capacity = {1, 1, 2}};
    const int a[] = {0}, b[] = {1}, ab[] = {0, 1};
    assert_true(lease_ask(&l, 0, a, 1));
    assert_false(lease_ask(&l, 1, ab, 2)); /* waits for 0, and is first in line for 1 */
    assert_false(lease_ask(&l, 2, b, 1));  /* 1 is free, but promised */
    assert_int_equal(lease_grant(&l), -1);
    lease_end(&l, 0);
    assert_int_equal(lease_grant(&l), 1);
    assert_int_equal(lease_grant(&l), -1);
    lease_end(&l, 1);
    assert_int_equal(lease_grant(&l), 2);
    assert_int_equal(l.used[0], 0);
    assert_int_equal(l.used[1], 1);
}

static void who_gives_up_waiting_holds_nobody_up(void **state)
{
    struct leases l = {.capacity = {1, 1}};
    const int a[] = {0}, ab[] = {0, 1}, b[] = {1};
    assert_true(lease_ask(&l, 5, a, 1));
    assert_false(lease_ask(&l, 6, ab, 2));
    assert_false(lease_ask(&l, 7, b, 1));
    lease_end(&l, 6);
    assert_int_equal(lease_grant(&l), 7);
    assert_int_equal(l.used[0], 1);
}

static void the_same_instrument_twice_is_one(void **state)
{
    struct leases l = {.capacity = {1}};
    const int twice[] = {0, 0};
    assert_true(lease_ask(&l, 0, twice, 2));
    assert_int_equal(l.used[0], 1);
    lease_end(&l, 0);
    assert_int_equal(l.used[0], 0);
}

/* Any order of asking and giving back (a small generator, seed 1). */
static void capacity_is_never_exceeded_and_everyone_gets_a_turn(void **state)
{
    struct leases l = {.capacity = {1, 2, 3, 1}};
    uint32_t seed = 1;
    unsigned long turns[LEASE_SLOTS_MAX] = {0};
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t slot = seed >> 26;
        if (l.of[slot].state == LEASE_NONE) {
            int wants[3];
            size_t n = 1 + (seed >> 8) % 3;
            for (size_t k = 0; k < n; k++)
                wants[k] = (int)(seed >> (10 + 3 * k)) & 3;
            turns[slot] += lease_ask(&l, slot, wants, n);
        } else if (l.of[slot].state == LEASE_HELD) {
            lease_end(&l, slot);
        }
        for (int granted; (granted = lease_grant(&l)) >= 0;)
            turns[granted]++;
        for (int r = 0; r < 4; r++)
            assert_in_range(l.used[r], 0, l.capacity[r]);
    }
    /* Turns are by arrival, so nobody gets much more than another. */
    unsigned long least = turns[0], most = turns[0];
    for (size_t s = 0; s < LEASE_SLOTS_MAX; s++) {
        least = turns[s] < least ? turns[s] : least;
        most = turns[s] > most ? turns[s] : most;
    }
    if (least < 20 || most > 2 * least)
        fail_msg("%lu to %lu turns", least, most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_overtakes_and_nobody_waits_for_what_is_free),
        cmocka_unit_test(who_gives_up_waiting_holds_nobody_up),
        cmocka_unit_test(the_same_instrument_twice_is_one),
        cmocka_unit_test(capacity_is_never_exceeded_and_everyone_gets_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
