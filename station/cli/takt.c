/* takt: the toolchain's program for people and scripts. */
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "protocol/base/version.h"
#include "station/cli/command.h"

static const struct {
    const char *name;
    cli_command *run;
    const char *about;
} commands[] = {
    {"bench", cli_bench, "virtual fixture and cameras in the foreground"},
    {"board", cli_board, "check a board file, draw its flash, say what it says"},
    {"bundle", cli_bundle, "make, show and verify signed bundles of firmware"},
    {"card", cli_card, "card readers, and what units left on a flashing card"},
    {"console", cli_console, "the operators' screen"},
    {"defect", cli_defect, "what a person found wrong with a unit"},
    {"flash", cli_flash, "one unit by USB, UART, SD card or network"},
    {"identity", cli_identity, "import identities, see the pool, re-walk the audit chain"},
    {"label", cli_label, "a unit's label, as a picture or printed again"},
    {"measure", cli_measure, "the measuring functions, on files"},
    {"operator", cli_operator, "who may work at a station: roles, PINs, badges; signing in"},
    {"outbox", cli_outbox, "what waits to be sent, and what was refused"},
    {"plan", cli_plan, "check a plan, its product and limits"},
    {"qa", cli_qa, "campaigns: burn-in, aging, reliability; studies of what the tests are worth"},
    {"repair", cli_repair, "what was done about a defect"},
    {"report", cli_report, "the record of a unit or an order"},
    {"run", cli_run, "one run on every slot; waits for the verdicts"},
    {"serve", cli_serve, "the dashboard of the day, to be read by browsers"},
    {"station", cli_station, "what taktd is doing; stopping it"},
    {"stats", cli_stats, "statistics of a table: capability, control charts, gage R&R"},
    {"store", cli_store, "check, back up, archive and recover a station's store"},
    {"tftp", cli_tftp, "files for boot loaders, to a rack of units at once"},
    {"trace", cli_trace, "what touched a unit; which units a bad batch touched"},
    {NULL, NULL, NULL},
};

static void print_help(FILE *out)
{
    fputs("usage: takt COMMAND [option...]\n\n", out);
    for (size_t i = 0; commands[i].name; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].about);
    fputs("\n`takt COMMAND --help` says more. Exit status: 0 passed or done, 1 a unit failed or a\n"
          "check did not hold, 2 wrong use or input, 3 the station or an instrument failed.\n",
          out);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return cli_usage("takt: expected a command, see takt --help");
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0) {
        printf("takt %s\n", takt_version);
        return CLI_OK;
    }
    const char *names[sizeof commands / sizeof commands[0]];
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        names[i] = commands[i].name;
        if (names[i] && strcmp(names[i], name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    const char *nearest = json_nearest(name, names);
    if (nearest)
        return cli_usage("takt: unknown command '%s', did you mean '%s'?", name, nearest);
    return cli_usage("takt: unknown command '%s', see takt --help", name);
}
