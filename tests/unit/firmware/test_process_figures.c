/* What camd says it takes of the machine is what it takes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/factory/process_figures.h"

static void test_a_line_is_found_by_its_whole_name(void **state)
{
    static const char text[] = "VmRSSx:\t  7 kB\nVmHWM:\t  4096 kB\nThreads:\t3\nName: VmRSS: 9\n";
    assert_int_equal(process_figures_line(text, "VmHWM"), 4096);
    assert_int_equal(process_figures_line(text, "Threads"), 3);
    assert_int_equal(process_figures_line(text, "VmRSS"), 0);
    assert_int_equal(process_figures_line("", "VmRSS"), 0);
}

static void test_memory_and_descriptors_taken_are_seen(void **state)
{
    enum { TAKEN = 32 << 20 };
    struct process_figures before, after;
    process_figures_read(&before);
    char *memory = malloc(TAKEN);
    assert_non_null(memory);
    for (size_t i = 0; i < TAKEN; i += 4096)
        ((volatile char *)memory)[i] = 1;
    const int fd = open("/dev/null", O_RDONLY);
    process_figures_read(&after);
    assert_true(after.rss_bytes >= before.rss_bytes + TAKEN);
    assert_true(after.rss_peak_bytes >= after.rss_bytes);
    assert_int_equal(after.descriptors, before.descriptors + 1);
    assert_true(after.threads >= 1);
    assert_true(after.memory_available_bytes > 0);
    assert_true(after.memory_available_bytes < after.memory_total_bytes);
    close(fd);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_found_by_its_whole_name),
        cmocka_unit_test(test_memory_and_descriptors_taken_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
