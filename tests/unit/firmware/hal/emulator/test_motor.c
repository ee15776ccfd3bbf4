/* Pan and tilt: where the camera really points, against the pulses that were counted. */
#include <pthread.h>

#include "firmware/hal/emulator/parts.h"
#include "protocol/base/clock.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

static const double per_deg = 181.1454;

static double pan_of(const struct rig *r)
{
    double pan, tilt;
    emulated_motor_angles(r->hal.motor_state, &pan, &tilt);
    return pan;
}

static void home(struct rig *r)
{
    struct error err = {0};
    if (r->hal.motor->home(r->hal.motor_state, MOTOR_PAN, &err))
        fail_msg("%s", err.text);
}

static void move(struct rig *r, double deg, double speed_dps)
{
    struct error err = {0};
    int32_t to = (int32_t)lround(deg * per_deg);
    if (r->hal.motor->move_to(r->hal.motor_state, MOTOR_PAN, to, speed_dps * per_deg, &err))
        fail_msg("%s", err.text);
}

static void test_play_shows_between_the_two_ways_to_a_place(void **state)
{
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"pan_backlash_deg\": 0.8, \"home_repeat_deg\": 0}");
    rig_open(&r);
    home(&r);
    assert_float_equal(pan_of(&r), 0, 1.1 / per_deg);
    move(&r, 20, 800);
    double from_below = pan_of(&r);
    move(&r, 40, 800);
    move(&r, 20, 800);
    double from_above = pan_of(&r);
    assert_float_equal(from_above - from_below, 0.8, 0.005);
    /* homed while moving down: without play left that way, so from above it is true */
    assert_float_equal(from_above, 20, 0.01);
    struct motor_status s;
    r.hal.motor->status(r.hal.motor_state, MOTOR_PAN, &s);
    assert_true(s.homed && !s.moving && !s.home_sensor);
    assert_int_equal(s.microsteps, lround(20 * per_deg));
    rig_end(&r);
}

static void test_a_wrong_gear_scales_every_way(void **state)
{
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"pan_gear_error\": 0.02, \"pan_backlash_deg\": 0}");
    rig_open(&r);
    home(&r);
    double start = pan_of(&r);
    move(&r, 100, 2000);
    assert_float_equal(pan_of(&r) - start, 102, 0.02);
    rig_end(&r);
}

static void test_a_jam_stops_the_camera_and_not_the_count(void **state)
{
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"pan_jam_deg\": 60, \"pan_backlash_deg\": 0}");
    rig_open(&r);
    home(&r);
    move(&r, 90, 2000);
    assert_float_equal(pan_of(&r), 60, 0.02);
    struct motor_status s;
    r.hal.motor->status(r.hal.motor_state, MOTOR_PAN, &s);
    assert_int_equal(s.microsteps, lround(90 * per_deg));
    move(&r, 0, 2000); /* the lost steps show on the way back: the end stop is at -4 */
    assert_float_equal(pan_of(&r), -4, 0.02);
    home(&r);
    assert_float_equal(pan_of(&r), 0, 0.05);
    rig_end(&r);
}

static void test_lost_steps_are_as_many_as_the_parameter_says(void **state)
{
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0, \"pan_lost_per_1000\": 20, \"pan_backlash_deg\": 0}");
    rig_open(&r);
    home(&r);
    double start = pan_of(&r);
    move(&r, 100, 2000);
    /* 18115 steps, 2 % lost: 362 with a sigma of 19 */
    assert_float_equal(pan_of(&r) - start, 98, 4 * 19 / per_deg);
    rig_end(&r);
}

static void test_a_move_takes_its_time(void **state)
{
    struct rig r;
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    home(&r);
    int64_t began = clock_mono_ms();
    move(&r, 50, 100);
    int64_t took = clock_mono_ms() - began;
    assert_in_range(took, 500, 1500);
    rig_end(&r);
}

static void test_what_cannot_be_moved_says_so(void **state)
{
    struct rig r;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 0, \"tilt_home_dead\": 1}");
    rig_open(&r);
    const struct motor_ops *ops = r.hal.motor;
    assert_int_equal(ops->move_to(r.hal.motor_state, MOTOR_PAN, 10, 0, &err), ERROR_STATE);
    assert_int_equal(ops->home(r.hal.motor_state, MOTOR_TILT, &err), ERROR_TIMEOUT);
    home(&r);
    assert_int_equal(ops->move_to(r.hal.motor_state, MOTOR_PAN, 100000, 0, &err), ERROR_INPUT);
    assert_int_equal(ops->move_to(r.hal.motor_state, MOTOR_PAN, -10, 0, &err), ERROR_INPUT);
    rig_end(&r);
}

static void *stop_soon(void *context)
{
    struct rig *r = context;
    usleep(150000);
    r->hal.motor->stop(r->hal.motor_state);
    return NULL;
}

static void test_stop_ends_a_move_where_it_is(void **state)
{
    struct rig r;
    pthread_t thread;
    struct motor_status s;
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    home(&r);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, &r), 0);
    move(&r, 300, 100);
    pthread_join(thread, NULL);
    r.hal.motor->status(r.hal.motor_state, MOTOR_PAN, &s);
    assert_in_range(s.microsteps, 5 * per_deg, 250 * per_deg);
    assert_float_equal(pan_of(&r), s.microsteps / per_deg, 0.5);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_play_shows_between_the_two_ways_to_a_place),
        cmocka_unit_test(test_a_wrong_gear_scales_every_way),
        cmocka_unit_test(test_a_jam_stops_the_camera_and_not_the_count),
        cmocka_unit_test(test_lost_steps_are_as_many_as_the_parameter_says),
        cmocka_unit_test(test_a_move_takes_its_time),
        cmocka_unit_test(test_what_cannot_be_moved_says_so),
        cmocka_unit_test(test_stop_ends_a_move_where_it_is),
    };
    return cmocka_run_group_tests_name("motor", tests, NULL, NULL);
}
