/* Codes of a scanner that types, told from keys that fingers press. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "station/console/scan.h"

/* Bytes that come `gap_ms` apart, from *now on; the last event that was one. */
static enum scan_event type(struct scan *s, const char *bytes, int gap_ms, int64_t *now)
{
    enum scan_event last = SCAN_NOTHING;
    for (; *bytes; bytes++) {
        enum scan_event e = scan_tick(s, *now);
        last = e ? e : last;
        e = scan_take(s, (unsigned char)*bytes, *now);
        last = e ? e : last;
        *now += gap_ms;
    }
    return last;
}

static void test_a_burst_is_a_code_whatever_it_begins_with(void **state)
{
    static const char *const codes[] = {"S1", "a-0042", "q", "TK2452040101", "工单7"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        for (int gap_ms = 0; gap_ms < SCAN_KEY_MS; gap_ms += 7) {
            struct scan s = {0};
            int64_t now = 1000;
            assert_int_equal(type(&s, codes[i], gap_ms, &now), SCAN_NOTHING);
            assert_int_equal(type(&s, "\r", 0, &now), SCAN_CODE);
            assert_string_equal(s.text, codes[i]);
            assert_int_equal(scan_wait_ms(&s, now), -1);
        }
}

static void test_a_finger_is_a_key_after_a_moment(void **state)
{
    struct scan s = {0};
    assert_int_equal(scan_take(&s, 'S', 1000), SCAN_NOTHING);
    assert_int_equal(scan_wait_ms(&s, 1010), SCAN_KEY_MS - 10);
    assert_int_equal(scan_tick(&s, 1000 + SCAN_KEY_MS - 1), SCAN_NOTHING);
    assert_int_equal(scan_tick(&s, 1000 + SCAN_KEY_MS), SCAN_KEY);
    assert_int_equal(scan_key(&s), 'S');
    assert_int_equal(scan_tick(&s, 5000), SCAN_NOTHING);
    assert_int_equal(scan_take(&s, '\n', 6000), SCAN_KEY); /* Enter alone */
    assert_int_equal(scan_key(&s), '\n');
}

static void test_a_code_that_is_cut_or_endless_is_dropped_whole(void **state)
{
    struct scan s = {0};
    int64_t now = 0;
    type(&s, "SN-0", 5, &now);
    assert_int_equal(scan_tick(&s, now + SCAN_END_MS), SCAN_BROKEN);
    assert_int_equal(scan_tick(&s, now + 2 * SCAN_END_MS), SCAN_NOTHING);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(scan_take(&s, 'x', now), SCAN_NOTHING);
    assert_int_equal(scan_take(&s, '\r', now), SCAN_BROKEN);
    /* The next one is whole again. */
    assert_int_equal(type(&s, "SN-1\r", 1, &now), SCAN_CODE);
    assert_string_equal(s.text, "SN-1");
}

static void test_stx_makes_a_code_of_slow_bytes(void **state)
{
    struct scan s = {0};
    int64_t now = 0;
    assert_int_equal(type(&s, "\002S", SCAN_KEY_MS * 2, &now), SCAN_NOTHING);
    assert_int_equal(type(&s, "7\003", SCAN_KEY_MS * 2, &now), SCAN_CODE);
    assert_string_equal(s.text, "S7");
    assert_int_equal(type(&s, "\002\r", 0, &now), SCAN_BROKEN); /* an empty one */
    assert_int_equal(type(&s, "AB\002", 0, &now), SCAN_BROKEN); /* one in the middle of another */
    assert_int_equal(type(&s, "CD\r", 0, &now), SCAN_CODE);
    assert_string_equal(s.text, "CD");
}

static void test_patterns_say_what_a_code_is(void **state)
{
    const struct station_console codes = {.order = "WO*", .badge = "EMP-[0-9]*", .slot = "SLOT*"};
    assert_int_equal(scan_kind(&codes, "WO-7"), SCAN_ORDER);
    assert_int_equal(scan_kind(&codes, "EMP-12"), SCAN_BADGE);
    assert_int_equal(scan_kind(&codes, "EMP-x"), SCAN_SERIAL);
    assert_int_equal(scan_kind(&codes, "SLOT-3"), SCAN_SLOT);
    assert_int_equal(scan_kind(&codes, "TK2452040101"), SCAN_SERIAL);
    assert_int_equal(scan_slot("SLOT-3"), 3);
    assert_int_equal(scan_slot("SLOT-064"), 64);
    assert_int_equal(scan_slot("SLOT-65"), 0);
    assert_int_equal(scan_slot("SLOT-"), 0);
    assert_int_equal(scan_slot("SLOT-99999999999999999999"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_is_a_code_whatever_it_begins_with),
        cmocka_unit_test(test_a_finger_is_a_key_after_a_moment),
        cmocka_unit_test(test_a_code_that_is_cut_or_endless_is_dropped_whole),
        cmocka_unit_test(test_stx_makes_a_code_of_slow_bytes),
        cmocka_unit_test(test_patterns_say_what_a_code_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
