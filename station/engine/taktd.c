/* taktd: the station's daemon. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "protocol/base/secrecy.h"
#include "protocol/base/version.h"
#include "station/engine/engine.h"

static const char usage[] =
    "usage: taktd --station FILE [--foreground] [--ready-fd N]\n"
    "\n"
    "Runs plans on the slots of a station and records them. Listens on STATE/taktd.sock.\n"
    "\n"
    "  --station FILE   the station file (docs/architecture.md)\n"
    "  --foreground     stay in the foreground: always so; takt starts it in the background\n"
    "  --ready-fd N     write \"ready\" to this descriptor once clients are served, or why not\n"
    "  --version        the version of this build\n"
    "  --help           this text\n"
    "\n"
    "SIGTERM or SIGINT stops it with every output off; open runs go on at the next start.\n"
    "Exit status: 0 stopped, 2 wrong use or configuration, 3 the station failed.\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},  {"foreground", no_argument, NULL, 'f'},
        {"ready-fd", required_argument, NULL, 'r'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},           {0}};
    struct engine_config config = {.stop_fd = -1, .ready_fd = -1};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 's':
            config.station_path = optarg;
            break;
        case 'f':
            break;
        case 'r':
            config.ready_fd = atoi(optarg);
            break;
        case 'v':
            puts(takt_version);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (!config.station_path || optind < argc) {
        fputs(usage, stderr);
        return 2;
    }
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
    config.stop_fd = signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);

    struct error err = {0};
    /* Keys pass through. A station that cannot keep them from swap runs all the same, and says so.
     */
    if (secrecy_no_core(&err) || secrecy_lock_memory(&err))
        fprintf(stderr, "taktd: %s\n", err.text);
    memset(&err, 0, sizeof err);
    int rc = engine_run(&config, &err);
    if (rc) {
        fprintf(stderr, "taktd: %s\n", err.text);
        if (config.ready_fd >= 0)
            dprintf(config.ready_fd, "%d %s\n", rc, err.text);
    }
    if (!rc)
        return 0;
    return rc == ERROR_INPUT || rc == ERROR_MISSING || rc == ERROR_BUSY ? 2 : 3;
}
