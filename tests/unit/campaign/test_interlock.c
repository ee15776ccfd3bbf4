/* What ends everything at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "station/campaign/interlock.h"

static const struct campaign hot = {.chamber_c_max = 65, .chamber_c_min = -20, .contact_ms = 60000};

static void while_all_is_well_nothing_trips(void **state)
{
    char why[160];
    const struct campaign unlimited = {
        .chamber_c_max = NAN, .chamber_c_min = NAN, .contact_ms = 60000};
    const struct interlock_view v = {.now_ms = 60000, .contact_ms = 0, .chamber_c = 65};
    assert_false(interlock_judge(&hot, &v, why));
    assert_string_equal(why, "");
    const struct interlock_view never = {.now_ms = 1000, .contact_ms = 0, .chamber_c = NAN};
    assert_false(interlock_judge(&hot, &never, why));
    const struct interlock_view any = {.now_ms = 0, .chamber_c = 500};
    assert_false(interlock_judge(&unlimited, &any, why));
}

static void each_trips_by_itself_and_says_why(void **state)
{
    static const struct {
        struct interlock_view v;
        const char *says;
    } cases[] = {
        {{.chamber_c = 65.1}, "at 65.1 degC, above the interlock's 65.0"},
        {{.chamber_c = -20.5}, "below the interlock's -20.0"},
        {{.chamber_c = 50, .door_open = true}, "door is open"},
        {{.chamber_c = 50, .alarm = true}, "own safety circuit"},
        {{.chamber_c = 50, .now_ms = 60001}, "has not answered for 60 s"},
        {{.chamber_c = NAN, .now_ms = 60001}, "has not answered"},
        {{.chamber_c = 90, .door_open = true, .now_ms = 99999}, "above the interlock"},
        {{.chamber_c = 50, .door_open = true, .now_ms = 99999}, "door is open"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[160];
        assert_true(interlock_judge(&hot, &cases[i].v, why));
        if (!strstr(why, cases[i].says))
            fail_msg("case %zu says '%s', expected '%s'", i, why, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_all_is_well_nothing_trips),
        cmocka_unit_test(each_trips_by_itself_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
