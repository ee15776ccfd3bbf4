/* Ports and what stands at them, on a bus that umockdev makes up: plugged, unplugged, bouncing.
 * What goes over the bus is test_usb_transfers.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <umockdev.h>

#include "protocol/base/clock.h"
#include "station/flash/usb/usb_learn.h"

/* The umockdev library keeps its folder until the process ends. */
static UMockdevTestbed *bus;

static const uint8_t fastboot[] = {
    18,   1,  0, 2, 0, 0, 0, 64,   0x6b, 0x1d, 4, 1, 0, 1,    1, 2, 3, 1, 9, 2, 32, 0, 1, 1, 0,
    0x80, 50, 9, 4, 0, 0, 2, 0xff, 0x42, 3,    0, 7, 5, 0x81, 2, 0, 2, 0, 7, 5, 2,  2, 0, 2, 0};
static const uint8_t hub[] = {18, 1, 0, 2, 9, 0,  1, 64, 0x6b, 0x1d, 2,    0,  0, 1, 1,
                              2,  3, 1, 9, 2, 25, 0, 1,  1,    0,    0x80, 50, 9, 4, 0,
                              0,  1, 9, 0, 0, 0,  7, 5,  0x81, 3,    4,    0,  12};
static const uint8_t keyboard[] = {18, 1, 0, 2, 0, 0,  0, 8, 0x6b, 0x1d, 5,    0,  0, 1, 1,
                                   2,  3, 1, 9, 2, 25, 0, 1, 1,    0,    0xa0, 50, 9, 4, 0,
                                   0,  1, 3, 1, 1, 0,  7, 5, 0x81, 3,    8,    0,  10};

static void plug(const char *name, const char *number, const uint8_t *descriptors, size_t size)
{
    char *path = umockdev_testbed_add_device(bus, "usb", name, NULL, "busnum", "1", "devnum",
                                             number, "bConfigurationValue", "1", NULL, "DEVTYPE",
                                             "usb_device", NULL);
    assert_non_null(path);
    umockdev_testbed_set_attribute_binary(bus, path, "descriptors",
                                          (guint8 *)(uintptr_t)descriptors, (int)size);
    free(path);
}

static void unplug(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/sys/devices/%s", name);
    umockdev_testbed_remove_device(bus, path);
}

static int start(void **state)
{
    bus = umockdev_testbed_new();
    return bus ? 0 : -1;
}

static int end(void **state)
{
    g_object_unref(bus);
    return 0;
}

static void test_what_stands_at_a_port_is_told_from_its_descriptors(void **state)
{
    struct usb_port port;
    struct usb_descriptors d;
    struct error err = {0};
    int number;
    assert_int_equal(usb_port_parse("usb:1-2.3", &port, NULL), 0);
    assert_int_equal(usb_look(&port, &d, &number, &err), ERROR_MISSING);
    plug("1-2.3", "17", fastboot, sizeof fastboot);
    assert_int_equal(usb_look(&port, &d, &number, &err), 0);
    assert_int_equal(number, 17);
    assert_int_equal(d.interfaces[0].subclass, 0x42);
    unplug("1-2.3");
    assert_int_equal(usb_look(&port, &d, &number, &err), ERROR_MISSING);
    /* Not set up yet is not there yet. */
    plug("1-2.3", "18", fastboot, 20);
    assert_int_equal(usb_look(&port, &d, &number, &err), ERROR_MISSING);
    assert_non_null(strstr(err.text, "descriptors"));
}

struct plugging { /* one device after a while, from another thread */
    const char *name;
    const uint8_t *descriptors;
    size_t size;
    bool bounces;
};

static void *plug_later(void *context)
{
    const struct plugging *p = context;
    clock_sleep_until_ns(clock_mono_ns() + 100 * 1000000LL);
    plug(p->name, "20", p->descriptors, p->size);
    if (p->bounces) {
        clock_sleep_until_ns(clock_mono_ns() + 150 * 1000000LL);
        unplug(p->name);
        clock_sleep_until_ns(clock_mono_ns() + 600 * 1000000LL);
        plug(p->name, "21", p->descriptors, p->size);
    }
    return NULL;
}

static int next_of(struct usb_learn *l, const struct plugging *p, int wait_ms,
                   struct usb_port *port, struct error *err)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, plug_later, (void *)(uintptr_t)p), 0);
    const int rc = usb_learn_next(l, wait_ms, NULL, port, err);
    pthread_join(thread, NULL);
    return rc;
}

static void test_slots_are_learned_in_the_order_units_are_plugged_in(void **state)
{
    struct usb_learn l;
    struct usb_port port;
    struct error err = {0};
    plug("1-1", "2", hub, sizeof hub);
    plug("1-1.4", "3", fastboot, sizeof fastboot); /* there before: nobody's */
    assert_int_equal(usb_learn_start(&l, NULL, NULL), 0);
    const struct plugging first = {"1-1.2", fastboot, sizeof fastboot, false};
    assert_int_equal(next_of(&l, &first, 10000, &port, &err), 0);
    assert_string_equal(port.name, "1-1.2");
    const struct plugging second = {"1-1.1", fastboot, sizeof fastboot, true};
    assert_int_equal(next_of(&l, &second, 10000, &port, &err), 0);
    assert_string_equal(port.name, "1-1.1");
    /* A hub is no unit; a unit plugged in again at a known port is no other slot's. */
    unplug("1-1.2");
    plug("1-1.2", "30", fastboot, sizeof fastboot);
    const struct plugging third = {"1-3", hub, sizeof hub, false};
    assert_int_equal(next_of(&l, &third, 500, &port, &err), ERROR_TIMEOUT);
}

static void test_with_a_board_its_units_alone_count(void **state)
{
    struct usb_learn l;
    struct usb_port port;
    struct error err = {0};
    struct board board;
    const bool stop = true;
    assert_int_equal(board_load("firmware/boards/t31-nor16.json", &board, NULL), 0);
    plug("1-3", "2", hub, sizeof hub);
    assert_int_equal(usb_learn_start(&l, &board, NULL), 0);
    const struct plugging other = {"1-2", keyboard, sizeof keyboard, false};
    assert_int_equal(next_of(&l, &other, 800, &port, &err), ERROR_TIMEOUT);
    const struct plugging unit = {"1-1", fastboot, sizeof fastboot, false};
    assert_int_equal(next_of(&l, &unit, 10000, &port, &err), 0);
    assert_string_equal(port.name, "1-1");
    assert_int_equal(usb_learn_next(&l, 10000, &stop, &port, &err), ERROR_CANCELLED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_stands_at_a_port_is_told_from_its_descriptors,
                                        start, end),
        cmocka_unit_test_setup_teardown(test_slots_are_learned_in_the_order_units_are_plugged_in,
                                        start, end),
        cmocka_unit_test_setup_teardown(test_with_a_board_its_units_alone_count, start, end),
    };
    /* The made-up bus is a library in front of libc. */
    const char *preload = getenv("LD_PRELOAD");
    if (!preload || !strstr(preload, "umockdev")) {
        execlp("umockdev-wrapper", "umockdev-wrapper", argv[0], NULL);
        fprintf(stderr, "umockdev-wrapper is not installed\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
