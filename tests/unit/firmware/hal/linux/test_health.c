/* Wear and errors as the kernel counts them, from a sysfs made for the purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/linux/health.h"
#include "protocol/base/file.h"

static char sys[64];

static void put(const char *name, const char *text)
{
    char path[200], folder[200];
    struct error err = {0};
    snprintf(path, sizeof path, "%s/%s", sys, name);
    strcpy(folder, path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(file_make_folders(folder, 0755, &err), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, &err), 0);
}

static void counts_of_all_parts_are_added_up(void **state)
{
    struct system_health h;
    linux_health_read(sys, &h);
    assert_int_equal(h.bad_blocks + h.corrected_bits + h.ecc_failures + h.filesystem_errors, 0);
    put("class/mtd/mtd0/bad_blocks", "2\n");
    put("class/mtd/mtd1/bad_blocks", "3\n");
    put("class/mtd/mtd1/corrected_bits", "41\n");
    put("class/mtd/mtd1/ecc_failures", "1\n");
    put("class/ubi/ubi0/max_ec", "917\n");
    put("class/ubi/ubi1/max_ec", "12\n");
    put("fs/ext4/mmcblk0p3/errors_count", "5\n");
    put("fs/ubifs/ubi0_0/errors_magic", "0\n");
    put("fs/ubifs/ubi0_0/errors_crc", "7\n");
    put("class/thermal/cooling_device0/cur_state", "0\n");
    put("class/thermal/cooling_device1/cur_state", "2\n");
    linux_health_read(sys, &h);
    assert_int_equal(h.bad_blocks, 5);
    assert_int_equal(h.corrected_bits, 41);
    assert_int_equal(h.ecc_failures, 1);
    assert_int_equal(h.erase_count_max, 917);
    assert_int_equal(h.filesystem_errors, 12);
    assert_int_equal(h.throttled, 2);
}

static int begin(void **state)
{
    strcpy(sys, "/tmp/takt-sys-XXXXXX");
    return mkdtemp(sys) ? 0 : -1;
}

static int end(void **state)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", sys);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_all_parts_are_added_up),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
