/* takt console: the operators' screen. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "station/cli/command.h"
#include "station/console/console.h"

static const char usage[] =
    "takt console --station S [--plan P] [--order O] [--operator NAME] [--language en|zh]";

int cli_console(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"plan", required_argument, NULL, 'p'},
        {"order", required_argument, NULL, 'o'},
        {"operator", required_argument, NULL, 'n'},
        {"language", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct console_config config = {.plan = "ptz-indoor-3mp/line", .operator_name = "operator"};
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            config.station_path = optarg;
            break;
        case 'p':
            config.plan = optarg;
            break;
        case 'o':
            config.order = optarg;
            break;
        case 'n':
            config.operator_name = optarg;
            break;
        case 'l':
            config.language = optarg;
            break;
        case 'h':
            printf(
                "usage: %s\n\n"
                "The operators' screen, worked with a scanner: a badge, an order, then a label a\n"
                "slot; the line at its foot says what is next. Keys stand there as well; l "
                "switches\n"
                "English and Chinese. Quitting stops nothing: the station goes on, and any number "
                "of\n"
                "consoles may watch it. The first start asks for the first engineer's name and "
                "PIN.\n\n"
                "  --station S    the station file; taktd is started for it when none runs\n"
                "  --plan P       what a start runs (default ptz-indoor-3mp/line)\n"
                "  --order O      the work order units are booked on; else it is scanned\n"
                "  --operator N   who aborts while nobody is signed in\n"
                "  --language L   en or zh; else the environment's\n",
                usage);
            return CLI_OK;
        default:
            return cli_bad_option("console", option, argv, options);
        }
    }
    if (optind != argc)
        return cli_usage("takt console: '%s' is not an option, see takt console --help",
                         argv[optind]);
    if (!config.station_path)
        return cli_usage("takt console: --station is needed, see takt console --help");
    if (config.language && strcmp(config.language, "en") != 0 && strcmp(config.language, "zh") != 0)
        return cli_usage("takt console: no language '%s': en or zh", config.language);
    struct error err = {0};
    if (console_run(&config, &err))
        return cli_fail("console", &err);
    return CLI_OK;
}
