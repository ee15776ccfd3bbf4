/* The supply current from its parts, the reset circuit, and the unit's own facts. */
#include <sys/wait.h>

#include "firmware/hal/emulator/physics.h"
#include "firmware/hal/emulator/power.h"
#include "protocol/base/clock.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

static void test_amps_carry_the_power(void **state)
{
    /* whatever the cable: the unit's volts times the converters' amps is the power put in */
    for (double ohms = 0; ohms < 1; ohms += 0.25) {
        double amps = power_amps(3.3, 0.88, 0.05, 5, ohms);
        double volts = 5 - ohms * amps;
        assert_float_equal(volts * (amps - 0.05), 3.3 / 0.88, 1e-9);
    }
    assert_true(power_amps(3.3, 0.88, 0, 4.5, 0.1) > power_amps(3.3, 0.88, 0, 5, 0.1));
    assert_true(power_amps(30, 0.88, 0, 5, 0.5) < 0); /* 12.5 W is the most 0.5 ohm lets through */
}

static double watts(const struct rig *r)
{
    usleep(30000);
    double amps = atomic_load(&r->world->supply_amps);
    return amps * (5 - 0.1 * amps);
}

static void test_the_current_is_the_sum_of_what_runs(void **state)
{
    struct rig r;
    struct error err = {0};
    struct physics p;
    physics_nominal(&p);
    rig_start(&r, "{\"boot_ms\": 0, \"leak_ma\": 20}");
    rig_open(&r);
    struct system_control *s = r.hal.system_state;
    double share = p.converter_efficiency, leak = 0.020 * 4.95;
    assert_int_equal(r.hal.system->load(s, LOAD_STANDBY, &err), 0);
    assert_float_equal(watts(&r), p.standby_w / share + leak, 0.01);
    assert_int_equal(r.hal.system->load(s, LOAD_FULL, &err), 0);
    assert_int_equal(r.hal.camera->stream(r.hal.camera_state, true, &err), 0);
    struct camera_settings c = {
        .ir_cut = IR_CUT_NIGHT, .ir_led = 0.5, .auto_exposure = true, .exposure_ms = 0, .gain = 1};
    assert_int_equal(r.hal.camera->configure(r.hal.camera_state, &c, &err), 0);
    assert_int_equal(r.hal.gpio->led(r.hal.gpio_state, "status_blue", true, &err), 0);
    double sum = p.full_w + p.radio_send_w + p.sensor_w + 4 * 0.5 * p.ir_led_w + p.led_w;
    assert_float_equal(watts(&r), sum / share + leak, 0.02);
    assert_int_equal(r.hal.system->load(s, LOAD_STANDBY, &err), 0); /* sensor and radio go off */
    assert_float_equal(watts(&r), (p.standby_w + 2 * p.ir_led_w + p.led_w) / share + leak, 0.02);
    rig_end(&r);
}

static void test_a_starting_motor_is_a_peak(void **state)
{
    struct rig r;
    struct error err = {0};
    struct physics p;
    physics_nominal(&p);
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    double before = watts(&r);
    atomic_store(&r.world->supply_amps_peak, 0);
    assert_int_equal(r.hal.motor->home(r.hal.motor_state, MOTOR_TILT, &err), 0);
    double amps = atomic_load(&r.world->supply_amps_peak), peak = amps * (5 - 0.1 * amps);
    assert_float_equal(peak - before, (p.motor_w + p.motor_start_w) / p.converter_efficiency, 0.02);
    assert_float_equal(watts(&r), before, 0.01);
    rig_end(&r);
    assert_true(before > 0);
}

static void test_without_supply_there_is_no_unit(void **state)
{
    struct rig r;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 0}");
    atomic_store(&r.world->supply_volts, 0);
    const struct hal_config config = {.board = &r.board, .options = r.folder};
    assert_int_equal(hal_emulator.open(&config, &r.hal, &err), ERROR_STATE);
    assert_null(r.hal.backend);
    rig_end(&r);
}

/* In a child, because the unit takes its process with it. Returns its exit status. */
static int in_a_unit(struct rig *r, void (*does)(struct rig *r))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        rig_open(r);
        does(r);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void sag(struct rig *r)
{
    atomic_store(&r->world->supply_volts, 4.1);
    usleep(500000);
}

static void restart(struct rig *r)
{
    struct error err = {0};
    r->hal.system->restart(r->hal.system_state, &err);
}

static void hang(struct rig *r)
{
    (void)r;
    raise(SIGKILL);
}

static void survives_4_5_volts(struct rig *r)
{
    struct error err = {0};
    atomic_store(&r->world->supply_volts, 4.5);
    r->hal.system->load(r->hal.system_state, LOAD_FULL, &err);
    usleep(50000);
}

static void starts_because(struct rig *r, const char *reason)
{
    struct system_facts f;
    struct error err = {0};
    rig_open(r);
    assert_int_equal(r->hal.system->facts(r->hal.system_state, &f, &err), 0);
    assert_string_equal(f.boot_reason, reason);
    hal_emulator.close(&r->hal);
}

static void test_resets_end_the_process_as_documented(void **state)
{
    struct rig r;
    char latch[128];
    rig_start(&r, "{\"boot_ms\": 0}");
    snprintf(latch, sizeof latch, "%s/reset_cause", r.folder);
    assert_int_equal(in_a_unit(&r, survives_4_5_volts), 0);
    atomic_store(&r.world->supply_volts, 5.0);
    unlink(latch);
    starts_because(&r, "power-on");
    assert_int_equal(in_a_unit(&r, restart), POWER_EXIT_RESTART);
    starts_because(&r, "reboot");
    assert_int_equal(in_a_unit(&r, hang), -SIGKILL);
    starts_because(&r, "watchdog");
    assert_int_equal(in_a_unit(&r, sag), POWER_EXIT_BROWNOUT);
    atomic_store(&r.world->supply_volts, 5.0);
    starts_because(&r, "power-on");
    rig_end(&r);
}

static void test_facts_and_boot_time(void **state)
{
    struct rig r;
    struct system_facts f;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 300, \"chip_id\": \"0123456789abcdef\", \"ambient_c\": 31}");
    int64_t began = clock_mono_ms();
    rig_open(&r);
    assert_true(clock_mono_ms() - began >= 300);
    assert_int_equal(r.hal.system->facts(r.hal.system_state, &f, &err), 0);
    assert_string_equal(f.chip_id, "0123456789abcdef");
    /* 9 K/W at less than 3 W, 40 s to get there: a slow machine sees the unit already warmer. */
    double seconds = (double)(clock_mono_ms() - began) / 1e3;
    assert_true(f.temperature_c >= 30.5 && f.temperature_c <= 31.5 + 9 * 3 * seconds / 40);
    /* a frame and three planes of light at least */
    assert_true(f.reserved_bytes > 2304 * 1296 * (3 / 2 + 6));
    rig_end(&r);
}

static void test_a_contact_chatters_and_then_rests(void **state)
{
    struct rig r;
    struct error err = {0};
    bool level, first = true;
    int changes = 0;
    rig_start(&r, "{\"boot_ms\": 0, \"button_bounce_ms\": 40}");
    rig_open(&r);
    struct gpio *g = r.hal.gpio_state;
    assert_int_equal(r.hal.gpio->button(g, "reset", &level, &err), 0);
    assert_true(level);
    atomic_store(&r.world->buttons_pressed, 1);
    const int64_t from = clock_mono_ns();
    for (; clock_mono_ns() - from < 60000000; usleep(300)) {
        assert_int_equal(r.hal.gpio->button(g, "reset", &level, &err), 0);
        changes += level != first;
        first = level;
    }
    assert_true(changes % 2 == 1); /* where it was told to be at the end: pressed is low */
    assert_false(level);
    assert_true(changes > 2);
    rig_end(&r);
}

static void test_an_led_is_as_bright_as_it_was_built(void **state)
{
    struct rig r;
    struct error err = {0};
    rig_start(&r, "{\"boot_ms\": 0, \"led_2_light\": 0.25}");
    rig_open(&r);
    assert_int_equal(r.hal.gpio->led(r.hal.gpio_state, "status_orange", true, &err), 0);
    assert_int_equal(atomic_load(&r.world->leds_lit), 2);
    assert_float_equal(atomic_load(&r.world->led_light[1]), 0.25, 1e-9);
    rig_end(&r);
}

static void test_shorted_windings_draw_while_the_motor_turns(void **state)
{
    struct rig r;
    struct error err = {0};
    struct physics p;
    physics_nominal(&p);
    rig_start(&r, "{\"boot_ms\": 0, \"pan_short_w\": 3}");
    rig_open(&r);
    const double before = watts(&r);
    atomic_store(&r.world->supply_amps_peak, 0);
    assert_int_equal(r.hal.motor->home(r.hal.motor_state, MOTOR_PAN, &err), 0);
    const double peak = atomic_load(&r.world->supply_amps_peak);
    assert_float_equal(peak * (5 - 0.1 * peak) - before,
                       (p.motor_w + p.motor_start_w + 3) / p.converter_efficiency, 0.1);
    assert_float_equal(watts(&r), before, 0.02);
    rig_end(&r);
}

static void test_buttons_and_leds(void **state)
{
    struct rig r;
    struct error err = {0};
    bool level;
    rig_start(&r, "{\"boot_ms\": 0, \"led_2_dead\": 1, \"button_bounce_ms\": 0}");
    rig_open(&r);
    const struct gpio_ops *ops = r.hal.gpio;
    struct gpio *g = r.hal.gpio_state;
    assert_int_equal(ops->button(g, "reset", &level, &err), 0);
    assert_true(level);
    atomic_store(&r.world->buttons_pressed, 1);
    assert_int_equal(ops->button(g, "reset", &level, &err), 0);
    assert_false(level);
    assert_int_equal(ops->led(g, "status_blue", true, &err), 0);
    assert_int_equal(ops->led(g, "status_orange", true, &err), 0);
    assert_int_equal(atomic_load(&r.world->leds_lit), 1);
    assert_int_equal(ops->led(g, "status_green", true, &err), ERROR_MISSING);
    assert_int_equal(ops->button(g, "mute", &level, &err), ERROR_MISSING);
    rig_end(&r);
    rig_start(&r, "{\"boot_ms\": 0, \"button_1_stuck\": 1}");
    rig_open(&r);
    atomic_store(&r.world->buttons_pressed, 1);
    assert_int_equal(r.hal.gpio->button(r.hal.gpio_state, "reset", &level, &err), 0);
    assert_true(level);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amps_carry_the_power),
        cmocka_unit_test(test_the_current_is_the_sum_of_what_runs),
        cmocka_unit_test(test_a_starting_motor_is_a_peak),
        cmocka_unit_test(test_without_supply_there_is_no_unit),
        cmocka_unit_test(test_resets_end_the_process_as_documented),
        cmocka_unit_test(test_facts_and_boot_time),
        cmocka_unit_test(test_buttons_and_leds),
        cmocka_unit_test(test_a_contact_chatters_and_then_rests),
        cmocka_unit_test(test_an_led_is_as_bright_as_it_was_built),
        cmocka_unit_test(test_shorted_windings_draw_while_the_motor_turns),
    };
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
