#include "station/cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"

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

int cli_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return CLI_USAGE;
}

/* The long option that a word of the command line means, by its value for getopt_long(). */
static const char *name_of(int value, const struct option *options)
{
    for (; options->name; options++)
        if (options->val == value)
            return options->name;
    return NULL;
}

int cli_bad_option(const char *command, int answer, char **argv, const struct option *options)
{
    const char *name = optopt ? name_of(optopt, options) : NULL;
    if (answer == ':' && name)
        return cli_usage("takt %s: --%s needs a value, see takt %s --help", command, name, command);
    if (name && strchr(argv[optind - 1], '='))
        return cli_usage("takt %s: --%s takes no value, not '%s'", command, name, argv[optind - 1]);
    if (optopt)
        return cli_usage("takt %s: unknown option '-%c', see takt %s --help", command, optopt,
                         command);
    const char *names[32], *word = argv[optind - 1] + 2;
    size_t count = 0;
    for (; options[count].name && count < sizeof names / sizeof names[0] - 1; count++)
        names[count] = options[count].name;
    names[count] = NULL;
    const char *nearest = json_nearest(word, names);
    if (nearest)
        return cli_usage("takt %s: unknown option '--%s', did you mean '--%s'?", command, word,
                         nearest);
    return cli_usage("takt %s: unknown option '--%s', see takt %s --help", command, word, command);
}

void cli_print_words(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

const char *cli_operator_name(void)
{
    const char *name = getenv("USER");
    return name && *name ? name : "takt";
}
