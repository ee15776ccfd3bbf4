#include "firmware/hal/linux/health.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/linux/parts.h"

/* The numbers of all files that match, added up, or the largest of them. */
static uint64_t numbers(const char *sys, const char *pattern, bool largest)
{
    char path[512], line[32];
    uint64_t sum = 0;
    glob_t found;
    if (snprintf(path, sizeof path, "%s/%s", sys, pattern) >= (int)sizeof path ||
        glob(path, 0, NULL, &found))
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (linux_read_line(found.gl_pathv[i], line, sizeof line, NULL))
            continue;
        const uint64_t value = strtoull(line, NULL, 10);
        sum = largest ? (value > sum ? value : sum) : sum + value;
    }
    globfree(&found);
    return sum;
}

void linux_health_read(const char *sys, struct system_health *out)
{
    memset(out, 0, sizeof *out);
    out->throttled = (int)numbers(sys, "class/thermal/cooling_device*/cur_state", true);
    out->bad_blocks = numbers(sys, "class/mtd/mtd*/bad_blocks", false);
    out->corrected_bits = numbers(sys, "class/mtd/mtd*/corrected_bits", false);
    out->ecc_failures = numbers(sys, "class/mtd/mtd*/ecc_failures", false);
    out->erase_count_max = numbers(sys, "class/ubi/ubi*/max_ec", true);
    out->filesystem_errors =
        numbers(sys, "fs/ext4/*/errors_count", false) + numbers(sys, "fs/ubifs/*/errors_*", false);
}
