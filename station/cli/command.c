#include "station/cli/command.h"

#include <stdarg.h>
#include <stdio.h>

/* What someone at this machine got wrong is 2; what the station could not do is 3. */
static int status_of(int code)
{
    switch (code) {
    case 0:
        return CLI_OK;
    case ERROR_INPUT:
    case ERROR_MISSING:
        return CLI_USAGE;
    case ERROR_MISMATCH:
        return CLI_FAILED;
    default:
        return CLI_STATION;
    }
}

int cli_fail(const char *command, const struct error *err)
{
    fprintf(stderr, "takt %s: %s\n", command, err->text[0] ? err->text : error_name(err->code));
    return status_of(err->code);
}

int cli_usage(const char *usage, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: %s\n", usage);
    return CLI_USAGE;
}
