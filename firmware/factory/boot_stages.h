/* When the unit came to which stage of its start, by its own clocks: power-on, kernel, init, camd,
 * first frame, hello served. */
#ifndef TAKT_FIRMWARE_FACTORY_BOOT_STAGES_H
#define TAKT_FIRMWARE_FACTORY_BOOT_STAGES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds, all from the same zero. */
struct boot_stages {
    /* Zero is power-on where a counter runs from then on that user space may read (ARM's generic
     * timer); else the kernel's start. */
    bool from_power_on;
    double kernel_ms;      /* 0 unless from_power_on */
    double init_ms;        /* the first program that init started; 0 = not known */
    double camd_ms;        /* camd's first line */
    double first_frame_ms; /* 0 = none yet */
    double hello_ms;       /* the first hello was answered; 0 = none yet */
};

struct boot_clock; /* opaque: a struct boot_stages that several threads fill */

/* Reads the clocks: to be called when camd starts. NULL without memory. */
struct boot_clock *boot_clock_start(void);
void boot_clock_free(struct boot_clock *c);

/* The first call counts. `at_us` on the monotonic clock. NULL is fine. */
void boot_clock_frame(struct boot_clock *c, int64_t at_us);
/* True when it was the first. */
bool boot_clock_hello(struct boot_clock *c);

void boot_clock_read(struct boot_clock *c, struct boot_stages *out);

/* "power-on 0, kernel 812, init 1630, camd 1711, first frame 1890, hello 2020 ms" */
void boot_stages_format(const struct boot_stages *s, char *out, size_t size);

/* ---- pure ---------------------------------------------------------------------------------- */

/* From the text of /proc/PID/stat: the parent's pid and the start in clock ticks since the kernel's
 * start (proc(5), fields 4 and 22). A program's name, field 2, may hold anything. */
bool boot_read_stat(const char *text, long *parent, unsigned long long *start_ticks);

#endif
