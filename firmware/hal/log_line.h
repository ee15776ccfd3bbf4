/* One line for whoever gave the firmware a place for its log. */
#ifndef TAKT_FIRMWARE_HAL_LOG_LINE_H
#define TAKT_FIRMWARE_HAL_LOG_LINE_H

#include <stdarg.h>

/* Formats as vprintf() does and hands the line to log(log_context, line), cut at 599 bytes; nothing
 * when log is NULL. */
void log_line_format(void (*log)(void *context, const char *line), void *log_context,
                     const char *format, va_list args) __attribute__((format(printf, 3, 0)));

#endif
