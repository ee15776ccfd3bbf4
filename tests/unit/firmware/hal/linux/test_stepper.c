/* The coils of a four-phase stepper, and when its pulses are due. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "firmware/hal/linux/stepper.h"

/* The 28BYJ-48's own table: A, AB, B, BC, C, CD, D, DA. */
static void test_half_steps_follow_the_motors_table(void **state)
{
    static const unsigned table[8] = {0x1, 0x3, 0x2, 0x6, 0x4, 0xc, 0x8, 0x9};
    for (int32_t i = -16; i < 16; i++)
        assert_int_equal(stepper_phases(i, 2), table[(i + 16) % 8]);
}

static void test_full_steps_have_two_phases(void **state)
{
    for (int32_t i = -8; i < 8; i++) {
        assert_int_equal(__builtin_popcount(stepper_phases(i, 1)), 2);
        assert_int_equal(stepper_phases(i, 1), stepper_phases(i + 4, 1));
    }
}

/* 16 microsteps a step: one half step is 8 of them, and the angle of 16 is one full step's. */
static void test_microsteps_mean_the_same_angle_with_any_driver(void **state)
{
    for (int32_t i = 0; i < 64; i++)
        assert_int_equal(stepper_phases(8 * i, 16), stepper_phases(i, 2));
    assert_int_equal(stepper_phases(-1, 16), stepper_phases(-8, 16));
}

static void test_neighbouring_half_steps_differ_in_one_coil(void **state)
{
    for (int32_t i = -9; i < 9; i++)
        assert_int_equal(__builtin_popcount(stepper_phases(i, 2) ^ stepper_phases(i + 1, 2)), 1);
}

static void test_the_next_change_of_coils_lies_on_the_grid(void **state)
{
    assert_int_equal(stepper_next(0, +1, 16), 8);
    assert_int_equal(stepper_next(0, -1, 16), -8);
    assert_int_equal(stepper_next(5, +1, 16), 8);
    assert_int_equal(stepper_next(5, -1, 16), 0);
    assert_int_equal(stepper_next(-5, +1, 16), 0);
    assert_int_equal(stepper_next(-5, -1, 16), -8);
    assert_int_equal(stepper_next(7, +1, 2), 8);
    assert_int_equal(stepper_next(7, -1, 1), 6);
}

/* 100 to 500 microsteps/s at 1000 microsteps/s^2: by the equations of uniform acceleration the ramp
 * takes 0.4 s and 120 microsteps, so that 1000 take 0.4 + 760/500 + 0.4 s. */
static void test_a_long_move_rises_cruises_and_falls(void **state)
{
    const struct stepper_ramp r = {100, 500, 1000, 1000};
    assert_true(stepper_due(&r, 0) == 0);
    assert_float_equal(stepper_due(&r, 120), 0.4, 1e-9);
    assert_float_equal(stepper_due(&r, 620), 1.4, 1e-9);
    assert_float_equal(stepper_due(&r, 880), 1.92, 1e-9);
    assert_float_equal(stepper_due(&r, 1000), 2.32, 1e-9);
}

/* 100 microsteps: half of them to rise, sqrt(100^2 + 2*1000*50) = 331.66 on top, 0.23166 s each. */
static void test_a_short_move_never_cruises(void **state)
{
    const struct stepper_ramp r = {100, 500, 1000, 100};
    assert_float_equal(stepper_due(&r, 50), 0.2316625, 1e-6);
    assert_float_equal(stepper_due(&r, 100), 0.463325, 1e-6);
}

static void test_every_pulse_is_later_than_the_one_before(void **state)
{
    const struct stepper_ramp ramps[] = {
        {100, 500, 1000, 1}, {100, 100, 1, 50}, {90, 226, 900, 7}, {5, 5000, 1, 3000}};
    for (size_t i = 0; i < sizeof ramps / sizeof ramps[0]; i++) {
        double before = 0, least = 0.9 / ramps[i].cruise;
        for (int32_t s = 1; s <= ramps[i].distance; s++) {
            double due = stepper_due(&ramps[i], s);
            assert_true(due - before > least && isfinite(due));
            before = due;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_steps_follow_the_motors_table),
        cmocka_unit_test(test_full_steps_have_two_phases),
        cmocka_unit_test(test_microsteps_mean_the_same_angle_with_any_driver),
        cmocka_unit_test(test_neighbouring_half_steps_differ_in_one_coil),
        cmocka_unit_test(test_the_next_change_of_coils_lies_on_the_grid),
        cmocka_unit_test(test_a_long_move_rises_cruises_and_falls),
        cmocka_unit_test(test_a_short_move_never_cruises),
        cmocka_unit_test(test_every_pulse_is_later_than_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
