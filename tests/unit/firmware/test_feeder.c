/* What the watchdog is fed by, and the pump that keeps the stream going. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/camd/feeder.h"
#include "protocol/base/clock.h"

/* ---- the rule ---- */

static void test_frames_and_loop_are_both_owed(void **state)
{
    const struct feeder_view before = {10, {true, 100, 1, 0, 0}};
    struct feeder_view now = {11, {true, 101, 1, 0, 0}};
    assert_true(feeder_progress(&before, &now));
    now = (struct feeder_view){11, {true, 100, 1, 0, 0}};
    assert_false(feeder_progress(&before, &now)); /* the stream died while the loop lives */
    now = (struct feeder_view){10, {true, 101, 1, 0, 0}};
    assert_false(feeder_progress(&before, &now)); /* the loop hangs while frames come */
}

static void test_no_frame_is_owed_before_the_first_or_by_a_stream_switched_off(void **state)
{
    const struct feeder_view never = {10, {true, 0, 0, 0, 0}}, off = {10, {false, 100, 1, 0, 0}};
    struct feeder_view now = {11, {true, 0, 0, 0, 0}};
    assert_true(feeder_progress(&never, &now));
    now = (struct feeder_view){11, {false, 100, 1, 0, 0}};
    assert_true(feeder_progress(&off, &now));
}

static void test_a_loop_that_turned_over_still_counts(void **state)
{
    const struct feeder_view before = {UINT32_MAX, {0}}, now = {0, {0}};
    assert_true(feeder_progress(&before, &now));
}

/* ---- with parts that count ---- */

struct camera {
    atomic_int starts, refusals, frames, breaks;
};

struct watchdog {
    atomic_int feeds, stops, timeout_s;
};

static int count_stream(struct camera *c, bool on, struct error *err)
{
    c->starts++;
    if (atomic_load(&c->refusals) > 0) {
        c->refusals--;
        return error_set(err, ERROR_MISSING, "there is no camera");
    }
    return 0;
}

static int count_pump(struct camera *c, int timeout_ms, struct camera_progress *out,
                      struct error *err)
{
    clock_sleep_until_ns(clock_mono_ns() + 5000000);
    if (atomic_load(&c->breaks) > 0) {
        c->breaks--;
        return error_set(err, ERROR_IO, "the stream broke off");
    }
    *out = (struct camera_progress){true, (uint64_t)atomic_load(&c->frames), 1, 0, 0};
    return 0;
}

static const struct camera_ops counting_camera = {.stream = count_stream, .pump = count_pump};

static int count_start(struct watchdog *w, int timeout_s, int *granted_s, struct error *err)
{
    w->timeout_s = timeout_s;
    *granted_s = 1; /* the part has a time of its own */
    return 0;
}

static int count_feed(struct watchdog *w, struct error *err)
{
    w->feeds++;
    return 0;
}

static int count_stop(struct watchdog *w, struct error *err)
{
    w->stops++;
    return 0;
}

static const struct watchdog_ops counting_watchdog = {count_start, count_feed, count_stop};

static bool reached(atomic_int *counter, int value)
{
    for (int64_t until = clock_mono_ms() + 10000; clock_mono_ms() < until;) {
        if (atomic_load(counter) >= value)
            return true;
        clock_sleep_until_ns(clock_mono_ns() + 1000000);
    }
    return false;
}

static void test_the_watchdog_is_fed_while_frames_come_and_starves_when_they_stop(void **state)
{
    static struct camera camera;
    static struct watchdog dog;
    const struct hal hal = {.camera = &counting_camera,
                            .camera_state = &camera,
                            .watchdog = &counting_watchdog,
                            .watchdog_state = &dog};
    struct log log = {.name = "test"};
    struct error err = {0};
    struct pump *pump;
    struct feeder *feeder;
    const struct pump_config stream = {.hal = &hal};
    assert_int_equal(pump_start(&stream, &pump, &err), 0);
    const struct feeder_config config = {&hal, pump, 7, &log};
    assert_int_equal(feeder_start(&config, &feeder, &err), 0);
    for (int64_t until = clock_mono_ms() + 10000; dog.feeds < 4 && clock_mono_ms() < until;) {
        camera.frames++;
        feeder_beat(feeder);
        clock_sleep_until_ns(clock_mono_ns() + 10000000);
    }
    assert_true(dog.feeds >= 4);
    assert_int_equal(dog.timeout_s, 7);
    /* No more frames; the loop goes on. One feed may be under way. */
    clock_sleep_until_ns(clock_mono_ns() + 300000000);
    int fed = dog.feeds;
    for (int i = 0; i < 60; i++) {
        feeder_beat(feeder);
        clock_sleep_until_ns(clock_mono_ns() + 20000000);
    }
    assert_true(dog.feeds <= fed + 1);
    fed = dog.feeds;
    /* They come again: it is fed again. */
    for (int64_t until = clock_mono_ms() + 10000; dog.feeds == fed && clock_mono_ms() < until;) {
        camera.frames++;
        feeder_beat(feeder);
        clock_sleep_until_ns(clock_mono_ns() + 10000000);
    }
    assert_true(dog.feeds > fed);
    feeder_stop(feeder, true);
    assert_int_equal(dog.stops, 1);
    pump_stop(pump);
}

static void on_first(void *context, int64_t at_us)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static void test_a_camera_that_does_not_start_or_breaks_off_is_started_again(void **state)
{
    static struct camera camera = {.refusals = 1};
    static atomic_int firsts;
    const struct hal hal = {.camera = &counting_camera, .camera_state = &camera};
    const struct pump_config config = {
        .hal = &hal, .first_frame = on_first, .first_frame_context = &firsts};
    struct camera_progress progress;
    struct error err = {0};
    struct pump *pump;
    assert_int_equal(pump_start(&config, &pump, &err), 0);
    assert_true(reached(&camera.starts, 2));
    camera.frames = 5;
    assert_true(reached(&firsts, 1));
    camera.breaks = 1;
    assert_true(reached(&camera.starts, 3));
    pump_progress(pump, &progress);
    pump_stop(pump);
    assert_true(progress.streaming);
    assert_int_equal(firsts, 1);
}

static void test_nothing_to_pump_or_to_feed_is_no_error(void **state)
{
    static const struct camera_ops still = {.stream = count_stream};
    const struct hal hal = {.camera = &still};
    const struct pump_config stream = {.hal = &hal};
    const struct feeder_config watch = {.hal = &hal};
    struct camera_progress progress = {true, 1, 1, 0, 0};
    struct pump *pump;
    struct feeder *feeder;
    assert_int_equal(pump_start(&stream, &pump, NULL), 0);
    assert_null(pump);
    assert_int_equal(feeder_start(&watch, &feeder, NULL), 0);
    assert_null(feeder);
    pump_progress(pump, &progress);
    assert_false(progress.streaming);
    feeder_beat(feeder);
    feeder_stop(feeder, true);
    pump_stop(pump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_and_loop_are_both_owed),
        cmocka_unit_test(test_no_frame_is_owed_before_the_first_or_by_a_stream_switched_off),
        cmocka_unit_test(test_a_loop_that_turned_over_still_counts),
        cmocka_unit_test(test_the_watchdog_is_fed_while_frames_come_and_starves_when_they_stop),
        cmocka_unit_test(test_a_camera_that_does_not_start_or_breaks_off_is_started_again),
        cmocka_unit_test(test_nothing_to_pump_or_to_feed_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
