/* The unit's side of its ports: any number of lines and listening ports, one station let in at a
 * time over all of them (agent.h says when), for ever.
 *
 * A listening port (tcp, unix) takes several guests at once, each for a short while: whoever does
 * not go secure and show a token in time is dropped, so that nobody keeps a station out by just
 * being there. A line (serial, pty, rfc2217) is opened, served, and opened again when the session
 * on it ended or the port went away.
 *
 * A unit that is finalized has no agent: it listens on nothing, and a line that is the console
 * carries the log alone. In the life in which it was finalized it says so in hello for a minute
 * more, which is a station's proof. */
#ifndef TAKT_FIRMWARE_CAMD_SERVER_H
#define TAKT_FIRMWARE_CAMD_SERVER_H

#include "firmware/camd/feeder.h"
#include "firmware/camd/log.h"
#include "firmware/factory/agent.h"

enum { SERVER_PORTS_MAX = 4 };

struct server_config {
    const char *const *ports;
    size_t port_count; /* at most SERVER_PORTS_MAX */
    struct agent *agent;
    const struct credentials *credentials; /* NULL: a session can never be made secure */
    struct console *console;               /* on the first line; NULL: nothing but frames there */
    struct log *log;
    struct feeder *feeder; /* told that the loop turns; may be NULL */
    int stop_fd;           /* readable: end */
};

/* Serves until stop_fd is readable (0), or a restart was asked for (0, agent_restart_wanted()).
 * An error only when a port cannot be listened on at all. */
int server_run(const struct server_config *config, struct error *err);

/* Does a port of this kind listen? */
bool server_listens(const char *port);

#endif
