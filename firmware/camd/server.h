/* The unit's side of its port: one station at a time, for ever.
 *
 * A listening port (tcp, unix) takes a new station when the one before is gone; while it is alive
 * another one is answered ERROR_BUSY. A line (serial, pty, rfc2217) is opened, served, and opened
 * again when the session on it ended or the port went away. */
#ifndef TAKT_FIRMWARE_CAMD_SERVER_H
#define TAKT_FIRMWARE_CAMD_SERVER_H

#include "firmware/camd/log.h"
#include "firmware/factory/agent.h"

struct server_config {
    const char *port;
    struct agent *agent;
    const struct credentials *credentials; /* NULL: a session can never be made secure */
    struct console *console;               /* NULL: nothing but frames on the line */
    struct log *log;
    int stop_fd; /* readable: end */
};

/* Serves until stop_fd is readable (0), or a restart was asked for (0, agent_restart_wanted()).
 * An error only when the port cannot be opened at all. */
int server_run(const struct server_config *config, struct error *err);

/* Does a port of this kind listen? */
bool server_listens(const char *port);

#endif
