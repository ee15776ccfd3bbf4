/* camd's command line. */
#ifndef TAKT_FIRMWARE_CAMD_OPTIONS_H
#define TAKT_FIRMWARE_CAMD_OPTIONS_H

#include <stdbool.h>

#include "firmware/camd/server.h"
#include "protocol/base/error.h"

struct camd_options {
    const char *board;       /* file */
    const char *hal;         /* backend */
    const char *hal_options; /* the backend's own text; "" when not given */
    const char *ports[SERVER_PORTS_MAX];
    size_t port_count;
    const char *bundle_key; /* file; NULL: no bundle is taken */
    const char *name;       /* in log lines */
    int watchdog_s;         /* without progress for so long the unit restarts */
    bool console_log;
    bool help, version;
};

int camd_options_parse(int argc, char **argv, struct camd_options *out, struct error *err);
extern const char camd_help[];

#endif
