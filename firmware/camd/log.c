#include "firmware/camd/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"

void log_line(void *context, const char *text)
{
    struct log *log = context;
    char line[700];
    int64_t us = clock_mono_ns() / 1000;
    int n = snprintf(line, sizeof line - 2, "[%5lld.%06d] %s: %s", (long long)(us / 1000000),
                     (int)(us % 1000000), log->name, text);
    size_t size = n < (int)sizeof line - 3 ? (size_t)n : sizeof line - 3;
    /* The end as a UART's driver writes it; stderr takes the newline alone. One write a line, so
     * that lines of several threads stay whole; a log that cannot be written is no reason to end.
     */
    memcpy(line + size, "\r\n", 3);
    if (log->console)
        console_write(log->console, line, size + 2);
    line[size] = '\n';
    if (write(STDERR_FILENO, line, size + 1) < 0)
        return;
}

void log_printf(struct log *log, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_line(log, text);
}
