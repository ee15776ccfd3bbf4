/* What camd takes of the machine, and what the machine has left: from /proc (proc(5)). A figure
 * that could not be read is 0. */
#ifndef TAKT_FIRMWARE_FACTORY_PROCESS_FIGURES_H
#define TAKT_FIRMWARE_FACTORY_PROCESS_FIGURES_H

#include <stdint.h>

struct process_figures {
    uint64_t rss_bytes, rss_peak_bytes; /* of this process */
    double cpu_ms;                      /* of this process: processor time it has used */
    unsigned threads, descriptors;      /* of this process */
    uint64_t memory_total_bytes;     /* of the machine, without what the kernel took at its start */
    uint64_t memory_available_bytes; /* could be had without swapping */
};

void process_figures_read(struct process_figures *out);

/* ---- pure ---------------------------------------------------------------------------------- */

/* The number of "NAME:  123 kB" or "NAME:  123" in a file of such lines (/proc/self/status,
 * /proc/meminfo); 0 when it is not there. */
uint64_t process_figures_line(const char *text, const char *name);

#endif
