#include "firmware/hal/log_line.h"

#include <stdio.h>

void log_line_format(void (*log)(void *context, const char *line), void *log_context,
                     const char *format, va_list args)
{
    char line[600];
    if (!log)
        return;
    vsnprintf(line, sizeof line, format, args);
    log(log_context, line);
}
