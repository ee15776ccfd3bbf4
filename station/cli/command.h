/* The subcommands of `takt`: one file each, rows of one table (takt.c). */
#ifndef TAKT_STATION_CLI_COMMAND_H
#define TAKT_STATION_CLI_COMMAND_H

#include <getopt.h>

#include "protocol/base/error.h"

/* Exit status, as scripts rely on it. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1,  /* a unit failed, or a check did not hold */
    CLI_USAGE = 2,   /* wrong use, configuration or input */
    CLI_STATION = 3, /* the station or an instrument failed */
};

/* Each gets argv from its own name on (argv[0] is "run"), prints its own --help, and returns an
 * exit status. Data go to stdout, everything else to stderr. */
typedef int cli_command(int argc, char **argv);
cli_command cli_run, cli_console, cli_bench, cli_board, cli_bundle, cli_card, cli_defect, cli_flash,
    cli_identity, cli_label, cli_repair, cli_report, cli_measure, cli_operator, cli_outbox,
    cli_plan, cli_qa, cli_serve, cli_station, cli_stats, cli_store, cli_tftp, cli_trace;

/* "takt COMMAND: message" on stderr; the exit status that belongs to the error's code. */
int cli_fail(const char *command, const struct error *err);
/* One line on stderr: what was wrong with the command line and what was expected; CLI_USAGE. */
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for an option that getopt_long() did not take: its answer was '?' or, for a missing
 * value, ':'. Needs an option string that begins with ':'. */
int cli_bad_option(const char *command, int answer, char **argv, const struct option *options);

/* Words of a unit, a server or a person, on stdout: they must not steer the terminal. */
void cli_print_words(const char *text);

/* Who sits there, for records: the account of this machine. */
const char *cli_operator_name(void);

#endif
