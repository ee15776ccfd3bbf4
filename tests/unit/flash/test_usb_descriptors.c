/* Ports as people write them, and stages told from descriptors: of real devices' kinds, and
 * hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/base/splitmix.h"
#include "station/flash/usb/fastboot.h"

static const uint8_t fastboot[] = {
    /* device */ 18,
    1,
    0x00,
    0x02,
    0,
    0,
    0,
    64,
    0x6b,
    0x1d,
    0x04,
    0x01,
    0x23,
    0x01,
    1,
    2,
    3,
    1,
    /* configuration */ 9,
    2,
    32,
    0,
    1,
    1,
    0,
    0x80,
    50,
    /* interface */ 9,
    4,
    0,
    0,
    2,
    0xff,
    0x42,
    0x03,
    4,
    /* endpoints */ 7,
    5,
    0x81,
    2,
    0x00,
    0x02,
    0,
    7,
    5,
    0x02,
    2,
    0x00,
    0x02,
    0};

/* Two partitions as alternates, the functional descriptor behind the last (DFU 1.1, 4.1.3). */
static const uint8_t dfu[] = {
    18, 1,  0x00, 0x02, 0, 0, 0,    64, 0x08, 0xa1, 0x44, 0x4d, 0x00, 0x01, 1,    2,   0, 1, 9,
    2,  36, 0,    1,    1, 0, 0xc0, 1,  9,    4,    0,    0,    0,    0xfe, 1,    2,   4, 9, 4,
    0,  1,  0,    0xfe, 1, 2, 5,    9,  0x21, 0x07, 0xff, 0x00, 0x00, 0x10, 0x10, 0x01};

static void test_a_fastboot_units_interface_and_endpoints_are_found(void **state)
{
    struct usb_descriptors d;
    assert_int_equal(usb_descriptors_parse(fastboot, sizeof fastboot, &d, NULL), 0);
    assert_int_equal(d.vendor, 0x1d6b);
    assert_int_equal(d.product, 0x0104);
    assert_int_equal(d.device_version, 0x0123);
    const struct usb_interface *i = fastboot_interface(&d);
    assert_non_null(i);
    assert_int_equal(usb_find_bulk(i, true)->address, 0x81);
    assert_int_equal(usb_find_bulk(i, false)->address, 0x02);
    assert_int_equal(usb_find_bulk(i, false)->packet_bytes, 512);
    assert_int_equal(i->name_index, 4);
}

static void test_a_dfu_functional_descriptor_is_all_alternates(void **state)
{
    struct usb_descriptors d;
    assert_int_equal(usb_descriptors_parse(dfu, sizeof dfu, &d, NULL), 0);
    assert_null(fastboot_interface(&d));
    assert_int_equal(d.interface_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(d.interfaces[i].has_dfu);
        assert_int_equal(d.interfaces[i].alternate, i);
        assert_int_equal(d.interfaces[i].dfu_transfer_bytes, 4096);
        assert_int_equal(d.interfaces[i].dfu_version, 0x0110);
    }
}

static void test_hostile_descriptors_stay_within_their_bytes(void **state)
{
    struct usb_descriptors d;
    struct error err = {0};
    uint64_t random = 3;
    for (size_t size = 0; size < sizeof dfu; size++) {
        uint8_t *cut = malloc(size ? size : 1);
        memcpy(cut, dfu, size);
        assert_int_equal(usb_descriptors_parse(cut, size, &d, &err), ERROR_PROTOCOL);
        free(cut);
    }
    uint8_t *bad = malloc(sizeof fastboot);
    for (int i = 0; i < 5000; i++) {
        memcpy(bad, fastboot, sizeof fastboot);
        for (int n = 0; n < 3; n++)
            bad[splitmix_next(&random) % sizeof fastboot] = (uint8_t)splitmix_next(&random);
        usb_descriptors_parse(bad, sizeof fastboot, &d, &err);
        assert_true(d.interface_count <= USB_INTERFACES_MAX);
    }
    free(bad);
}

static void test_ports_are_bus_and_path(void **state)
{
    static const char *const right[] = {"usb:1-2", "usb:12-1.2.3", "usb:3-10.4.1.2.7"};
    static const char *const wrong[] = {"1-2",
                                        "usb:",
                                        "usb:1",
                                        "usb:1-",
                                        "usb:1-0",
                                        "usb:1.2",
                                        "usb:1-2.",
                                        "usb:1-2/../3",
                                        "usb:a-1",
                                        "usb:1-2:1.0",
                                        "usb:0-1",
                                        "usb:1-2 ",
                                        "usb:1-1.1.1.1.1.1.1.1"};
    struct usb_port port;
    struct error err = {0};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_int_equal(usb_port_parse(right[i], &port, NULL), 0);
        assert_string_equal(port.name, right[i] + 4);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(usb_port_parse(wrong[i], &port, &err), ERROR_INPUT);
        assert_non_null(strstr(err.text, "usb:1-2.3"));
    }
}

static void test_nothing_at_a_port_is_no_device(void **state)
{
    struct usb_port port;
    struct usb_descriptors d;
    struct error err = {0};
    assert_int_equal(usb_port_parse("usb:250-7", &port, NULL), 0);
    assert_int_equal(usb_look(&port, &d, NULL, &err), ERROR_MISSING);
    assert_string_equal(err.text, "no device: usb:250-7: nothing is connected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fastboot_units_interface_and_endpoints_are_found),
        cmocka_unit_test(test_a_dfu_functional_descriptor_is_all_alternates),
        cmocka_unit_test(test_hostile_descriptors_stay_within_their_bytes),
        cmocka_unit_test(test_ports_are_bus_and_path),
        cmocka_unit_test(test_nothing_at_a_port_is_no_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
