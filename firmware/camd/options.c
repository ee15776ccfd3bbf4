#include "firmware/camd/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const char camd_help[] =
    "usage: camd --board FILE --hal NAME --port PORT... [options]\n"
    "\n"
    "The camera's program; it serves the factory agent on its ports until the unit is finalized. "
    "Whom\n"
    "it lets in stands in the unit's flash, partition \"factory\".\n"
    "\n"
    "  --board FILE         the board's description (firmware/boards/NAME.json)\n"
    "  --hal NAME           the hardware's backend: emulator, linux\n"
    "  --hal-options TEXT   for the backend; emulator: the unit's folder\n"
    "  --port PORT          tcp://HOST:PORT, unix:PATH (both listen), serial:/dev/...?baud=N,\n"
    "                       pty:/dev/pts/...?baud=N, rfc2217://HOST:PORT?baud=N; up to 4 of them\n"
    "  --bundle-key FILE    the public key whose bundles are taken; without it none is\n"
    "  --console-log        log lines go onto the first line too, between frames (serial, pty,\n"
    "                       rfc2217)\n"
    "  --watchdog-s N       restart the unit after N seconds without progress, 15 unless given\n"
    "  --name NAME          in log lines instead of camd\n"
    "  --version, --help\n"
    "\n"
    "Ends with 0 after SIGTERM, 2 for wrong use or input, 3 when hardware or port fail.\n";

/* Hardware watchdogs count from 1 s to some minutes; under 2 s the feeder itself may come late. */
static int read_seconds(const char *text, int *out, struct error *err)
{
    char *end;
    long seconds = strtol(text, &end, 10);
    if (*end || end == text || seconds < 2 || seconds > 600)
        return error_set(err, ERROR_INPUT, "--watchdog-s %s: expected 2 to 600 seconds", text);
    *out = (int)seconds;
    return 0;
}

int camd_options_parse(int argc, char **argv, struct camd_options *out, struct error *err)
{
    static const struct option known[] = {
        {"board", required_argument, NULL, 'b'},
        {"hal", required_argument, NULL, 'h'},
        {"hal-options", required_argument, NULL, 'o'},
        {"port", required_argument, NULL, 'p'},
        {"bundle-key", required_argument, NULL, 'k'},
        {"name", required_argument, NULL, 'n'},
        {"watchdog-s", required_argument, NULL, 'w'},
        {"console-log", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, '?' + 256},
        {"version", no_argument, NULL, 'v'},
        {0},
    };
    *out = (struct camd_options){.hal_options = "", .name = "camd", .watchdog_s = 15};
    int rc;
    opterr = 0;
    optind = 0; /* starts afresh, as glibc and musl document */
    for (int c; (c = getopt_long(argc, argv, ":", known, NULL)) != -1;) {
        switch (c) {
        case 'b':
            out->board = optarg;
            break;
        case 'h':
            out->hal = optarg;
            break;
        case 'o':
            out->hal_options = optarg;
            break;
        case 'p':
            if (out->port_count == SERVER_PORTS_MAX)
                return error_set(err, ERROR_INPUT, "more than %d --port; see camd --help",
                                 SERVER_PORTS_MAX);
            out->ports[out->port_count++] = optarg;
            break;
        case 'k':
            out->bundle_key = optarg;
            break;
        case 'n':
            out->name = optarg;
            break;
        case 'w':
            rc = read_seconds(optarg, &out->watchdog_s, err);
            if (rc)
                return rc;
            break;
        case 'l':
            out->console_log = true;
            break;
        case 'v':
            out->version = true;
            return 0;
        case '?' + 256:
            out->help = true;
            return 0;
        case ':':
            return error_set(err, ERROR_INPUT, "%s needs a value; see camd --help",
                             argv[optind - 1]);
        default:
            return error_set(err, ERROR_INPUT, "%s is not an option; see camd --help",
                             argv[optind - 1]);
        }
    }
    if (optind < argc)
        return error_set(err, ERROR_INPUT, "'%s' was not expected; see camd --help", argv[optind]);
    if (!out->board || !out->hal || !out->port_count)
        return error_set(err, ERROR_INPUT, "%s is missing; see camd --help",
                         !out->board ? "--board"
                         : !out->hal ? "--hal"
                                     : "--port");
    return 0;
}
