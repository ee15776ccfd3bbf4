/* camd's log: lines as the kernel prints them, "[   12.345678] camd: text", to stderr and, where
 * asked for, onto the console port. */
#ifndef TAKT_FIRMWARE_CAMD_LOG_H
#define TAKT_FIRMWARE_CAMD_LOG_H

#include "firmware/camd/console.h"

struct log {
    const char *name;        /* "camd", or what --name says */
    struct console *console; /* may be NULL */
};

/* From any thread; `text` is one line without its end. Context: a struct log. */
void log_line(void *log, const char *text);
void log_printf(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
