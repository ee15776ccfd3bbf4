#include "protocol/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        err->code = code;
    }
    return code;
}

int error_errno(struct error *err, int code, const char *format, ...)
{
    int saved = errno;
    if (err) {
        va_list args;
        va_start(args, format);
        int n = vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        if (n >= 0 && (size_t)n < sizeof err->text)
            snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", strerror(saved));
        err->code = code;
    }
    return code;
}

int error_context(struct error *err, const char *format, ...)
{
    if (!err)
        return ERROR_STATE;
    char context[sizeof err->text];
    char joined[2 * sizeof err->text + 2];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    snprintf(joined, sizeof joined, "%s: %s", context, err->text);
    memcpy(err->text, joined, sizeof err->text - 1);
    err->text[sizeof err->text - 1] = '\0';
    return err->code;
}

const char *error_name(int code)
{
    static const char *const names[] = {
        "ok",   "memory",  "io",   "timeout",   "closed",   "protocol", "input",  "missing",
        "busy", "refused", "full", "cancelled", "mismatch", "state",    "remote",
    };
    int index = -code;
    if (index < 0 || (size_t)index >= sizeof names / sizeof names[0])
        return "unknown";
    return names[index];
}
