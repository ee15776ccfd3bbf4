/* What a unit is like after the hours it has lived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "firmware/hal/emulator/aging.h"

static void a_healthy_unit_stays_as_it_was_made(void **state)
{
    struct physics p;
    physics_nominal(&p);
    for (double h = 0; h < 1e5; h += 997) {
        assert_int_equal(aging_leak_bytes(&p, h), 0);
        assert_float_equal(aging_defocus_px(&p, h), p.defocus_px, 0);
        assert_float_equal(aging_frame_rate_hz(&p, h), p.frame_rate_hz, 0);
        assert_int_equal(aging_bad_blocks(&p, h), 0);
    }
}

static void what_ages_does_so_with_the_hours(void **state)
{
    struct physics p;
    physics_nominal(&p);
    p.leak_kb_h = 50;
    p.lens_loosening_px_kh = 2;
    p.sensor_slowing_kh = 0.2;
    p.flash_wear_kh = 100;
    assert_int_equal(aging_leak_bytes(&p, 720), 720 * 50 * 1024);
    assert_int_equal(aging_leak_bytes(&p, 1e9), 128 << 20);
    assert_int_equal(aging_leak_bytes(&p, -1), 0);
    assert_float_equal(aging_defocus_px(&p, 720), p.defocus_px + 1.44, 1e-9);
    assert_float_equal(aging_frame_rate_hz(&p, 720), 20 * (1 - 0.144), 1e-9);
    assert_float_equal(aging_frame_rate_hz(&p, 1e6), 0.5, 0);
    assert_int_equal(aging_bad_blocks(&p, 720), 72);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_unit_stays_as_it_was_made),
        cmocka_unit_test(what_ages_does_so_with_the_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
