#include "firmware/camd/server.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum {
    GUESTS_MAX = 4,          /* at once on listening ports; 300 KiB each */
    SECURE_WITHIN_MS = 5000, /* from its first byte until TLS: ten times what a slow UART takes */
    ENTER_WITHIN_MS = 15000, /* until its token was accepted: the station may have to fetch it */
    STAYS_MS = 1000,         /* every guest has so long before it may have to make way */
    REFUSALS_MAX = 3,        /* tokens that were not accepted, in one session */
    PAUSE_MS = 500,          /* after an attempt that failed: two in a second, no more */
    LOOK_MS = 100,           /* how often times and a restart asked for are looked at */
    HANG_UP_MS = 1000,       /* for the station to take the answer and hang up before a restart */
    PROOF_MS = 60000,        /* how long a unit just finalized says so in hello */
    REOPEN_MS = 500,         /* between tries to open a line that is not there */
    OPEN_TIMEOUT_MS = 2000,
};

struct server;

struct port {
    const char *text;
    int listen_fd; /* -1: a line, or not listening (any more) */
    bool line;
    struct console *console;
    bool log_only; /* the console is attached without a session */
    int64_t reopen_ms;
    bool complained; /* that the line cannot be opened: said once */
    bool told;       /* that the line is listened on: said once, not after each session */
};

struct guest {
    struct server *server;
    struct port *port;
    struct session *session; /* NULL: the place is free */
    struct agent_session *agent_session;
    int64_t since_ms; /* connected; on a line: first heard, 0 before that */
    bool greeted;     /* it was logged that it came in */
    atomic_int why;   /* error code its session ended with */
};

struct server {
    const struct server_config *config;
    struct port ports[SERVER_PORTS_MAX];
    struct guest guests[GUESTS_MAX + SERVER_PORTS_MAX];
    int closed_fd;     /* some session ended */
    int64_t accept_ms; /* nobody is taken before that */
    int64_t silent_ms; /* from when on nothing is served: the unit is finalized */
};

enum { GUESTS = sizeof((struct server){0}.guests) / sizeof(struct guest) };

bool server_listens(const char *port)
{
    return strncmp(port, "tcp:", 4) == 0 || strncmp(port, "unix:", 5) == 0;
}

/* ---- guests ------------------------------------------------------------------------------------
 */

static void on_closed(void *context, const struct error *why)
{
    struct guest *g = context;
    uint64_t one = 1;
    g->why = why->code;
    agent_session_leave(g->agent_session);
    if (why->code == ERROR_REFUSED || why->code == ERROR_PROTOCOL)
        log_printf(g->server->config->log, "factory: refused: %s", why->text);
    if (write(g->server->closed_fd, &one, sizeof one) < 0)
        return; /* readable already */
}

static struct guest *free_place(struct server *s)
{
    for (int i = 0; i < GUESTS; i++)
        if (!s->guests[i].session)
            return &s->guests[i];
    return NULL;
}

static struct guest *guest_on(struct server *s, const struct port *p)
{
    for (int i = 0; i < GUESTS; i++)
        if (s->guests[i].session && s->guests[i].port == p)
            return &s->guests[i];
    return NULL;
}

static int welcome(struct server *s, struct port *p, struct transport *transport, struct error *err)
{
    struct agent *agent = s->config->agent;
    struct guest *g = free_place(s);
    int rc = g ? agent_session_create(agent, &g->agent_session, err)
               : error_set(err, ERROR_BUSY, "%s: no place for another guest", p->text);
    if (rc) {
        transport_close(transport);
        return rc;
    }
    g->server = s;
    g->port = p;
    g->why = 0;
    g->greeted = false;
    g->since_ms = p->line ? 0 : clock_mono_ms();
    const struct session_config config = {
        .server = true,
        .methods = agent_methods(agent),
        .method_context = g->agent_session,
        .credentials = agent_factory_ca(agent) ? s->config->credentials : NULL,
        .require_secure = true,
        .on_closed = on_closed,
        .callback_context = g,
    };
    rc = session_open(transport, &config, &g->session, err);
    if (rc) {
        agent_session_free(g->agent_session);
        g->agent_session = NULL;
    }
    return rc;
}

/* Frees the place. An attempt that failed makes the next one wait. */
static void part(struct guest *g, bool failed)
{
    struct server *s = g->server;
    const bool entered = agent_session_entered(g->agent_session);
    session_close(g->session);
    failed = failed || g->why == ERROR_REFUSED || g->why == ERROR_PROTOCOL ||
             (!entered && agent_session_refusals(g->agent_session));
    agent_session_free(g->agent_session);
    g->session = NULL;
    g->agent_session = NULL;
    if (failed)
        s->accept_ms = clock_mono_ms() + PAUSE_MS;
    if (g->port->line) {
        /* Or the line would still be held when it is opened for the next one. */
        if (g->port->console)
            console_detach(g->port->console);
        g->port->reopen_ms = failed ? clock_mono_ms() + PAUSE_MS : 0;
    }
    if (entered)
        log_printf(s->config->log, "factory: station gone");
}

/* Why this guest has to go; NULL: it may stay. */
static const char *overdue(const struct guest *g, int64_t now_ms)
{
    if (agent_session_entered(g->agent_session) || !g->since_ms)
        return NULL;
    if (agent_session_refusals(g->agent_session) >= REFUSALS_MAX)
        return "its tokens were not accepted";
    if (now_ms - g->since_ms >= ENTER_WITHIN_MS)
        return "it showed no token in time";
    if (now_ms - g->since_ms >= SECURE_WITHIN_MS && !session_is_secure(g->session))
        return "it did not go secure in time";
    return NULL;
}

static void look_after(struct server *s, struct guest *g)
{
    int64_t now_ms = clock_mono_ms();
    if (!session_alive(g->session)) {
        part(g, false);
        return;
    }
    if (!g->since_ms && session_heard(g->session))
        g->since_ms = now_ms;
    if (!g->greeted && agent_session_entered(g->agent_session)) {
        g->greeted = true;
        log_printf(s->config->log, "factory: station connected on %s", g->port->text);
    }
    const char *why = overdue(g, now_ms);
    if (why) {
        log_printf(s->config->log, "factory: a guest on %s was dropped: %s", g->port->text, why);
        part(g, true);
    }
}

/* A guest that has to make way, when all places are taken: the one that has been there longest
 * without showing a token. *when: from when on it may be asked to. */
static struct guest *longest(struct server *s, int64_t *when_ms)
{
    struct guest *found = NULL;
    int taken = 0;
    for (int i = 0; i < GUESTS; i++) {
        struct guest *g = &s->guests[i];
        if (!g->session || g->port->line)
            continue;
        taken++;
        if (!agent_session_entered(g->agent_session) && (!found || g->since_ms < found->since_ms))
            found = g;
    }
    *when_ms = taken < GUESTS_MAX ? 0 : found ? found->since_ms + STAYS_MS : INT64_MAX;
    return taken < GUESTS_MAX ? NULL : found;
}

static void take_guest(struct server *s, struct port *p)
{
    struct transport *transport;
    struct error err = {0};
    int64_t when_ms;
    struct guest *gives_way = longest(s, &when_ms);
    if (gives_way) {
        log_printf(s->config->log, "factory: a guest on %s made way for another",
                   gives_way->port->text);
        part(gives_way, false);
    }
    int rc = transport_accept(p->listen_fd, &transport, &err);
    if (!rc)
        rc = welcome(s, p, transport, &err);
    if (rc)
        log_printf(s->config->log, "factory: %s", err.text);
}

/* From when on the next guest may be taken. */
static int64_t next_guest_ms(struct server *s)
{
    int64_t when_ms;
    longest(s, &when_ms);
    return when_ms > s->accept_ms ? when_ms : s->accept_ms;
}

/* ---- ports
 * --------------------------------------------------------------------------------------- */

/* No agent, and nobody to tell that there is none. */
static bool closed_for_good(const struct server *s)
{
    return clock_mono_ms() >= s->silent_ms;
}

static void open_line(struct server *s, struct port *p)
{
    struct transport *port;
    struct error err = {0};
    p->reopen_ms = clock_mono_ms() + REOPEN_MS;
    p->log_only = closed_for_good(s);
    int rc = transport_open(p->text, OPEN_TIMEOUT_MS, &port, &err);
    if (!rc && p->console)
        rc = console_attach(p->console, port, p->log_only ? NULL : &port, &err);
    if (!rc && !p->log_only)
        rc = welcome(s, p, port, &err);
    if (rc && !p->complained)
        log_printf(s->config->log, "factory: %s; trying again", err.text);
    p->complained = rc != 0;
    if (!rc && !p->log_only && !p->told)
        log_printf(s->config->log, "factory: listening on %s", p->text);
    p->told = p->told || !rc;
    if (!rc && p->log_only)
        log_printf(s->config->log, "factory: closed for good; %s carries the log alone", p->text);
}

/* Is there something that this line should be opened for? */
static bool wants_line(struct server *s, struct port *p)
{
    if (!p->line || guest_on(s, p))
        return false;
    if (!closed_for_good(s))
        return true;
    return p->console && !(p->log_only && console_alive(p->console));
}

static int listen_on(struct server *s, struct port *p, struct error *err)
{
    char bound[160];
    int rc = transport_listen(p->text, &p->listen_fd, bound, sizeof bound, err);
    if (!rc)
        log_printf(s->config->log, "factory: listening on %s", bound);
    return rc;
}

static void stop_listening(struct port *p)
{
    if (p->listen_fd < 0)
        return;
    close(p->listen_fd);
    p->listen_fd = -1;
    if (strncmp(p->text, "unix:", 5) == 0)
        unlink(p->text + 5);
}

/* The unit was finalized: whoever is there may still hear it said, then all ports are closed. */
static void see_finalized(struct server *s)
{
    if (s->silent_ms == INT64_MAX && agent_finalized(s->config->agent))
        s->silent_ms = clock_mono_ms() + PROOF_MS;
    if (!closed_for_good(s))
        return;
    bool open = false;
    for (int i = 0; i < GUESTS; i++)
        if (s->guests[i].session) {
            open = true;
            part(&s->guests[i], false);
        }
    for (size_t i = 0; i < s->config->port_count; i++) {
        open = open || s->ports[i].listen_fd >= 0;
        stop_listening(&s->ports[i]);
    }
    if (open)
        log_printf(s->config->log, "factory: closed for good; no port is served any more");
}

/* ---- the loop
 * ------------------------------------------------------------------------------------ */

/* Gives the station that long to hang up. */
static void wait_for_hang_up(struct server *s)
{
    int64_t until_ms = clock_mono_ms() + HANG_UP_MS, left_ms = HANG_UP_MS;
    for (int i = 0; i < GUESTS; i++) {
        struct guest *g = &s->guests[i];
        while (g->session && agent_session_entered(g->agent_session) && session_alive(g->session) &&
               left_ms > 0) {
            struct pollfd p = {.fd = s->closed_fd, .events = POLLIN};
            uint64_t count;
            if (poll(&p, 1, (int)left_ms) > 0 && read(s->closed_fd, &count, sizeof count) < 0)
                return;
            left_ms = until_ms - clock_mono_ms();
        }
    }
}

static void soonest(int64_t *wake_ms, int64_t at_ms)
{
    if (at_ms < *wake_ms)
        *wake_ms = at_ms;
}

static int wait_ms(struct server *s, bool taking)
{
    int64_t now_ms = clock_mono_ms(), wake_ms = INT64_MAX;
    for (int i = 0; i < GUESTS; i++)
        if (s->guests[i].session)
            soonest(&wake_ms, now_ms + LOOK_MS);
    for (size_t i = 0; i < s->config->port_count; i++) {
        if (wants_line(s, &s->ports[i]))
            soonest(&wake_ms, s->ports[i].reopen_ms);
        else if (s->ports[i].log_only)
            soonest(&wake_ms, now_ms + REOPEN_MS);
    }
    if (!taking)
        soonest(&wake_ms, next_guest_ms(s));
    if (!closed_for_good(s))
        soonest(&wake_ms, s->silent_ms);
    if (s->config->feeder)
        soonest(&wake_ms, now_ms + FEEDER_BEAT_MS);
    if (wake_ms == INT64_MAX)
        return -1;
    return wake_ms > now_ms ? (int)(wake_ms - now_ms) : 0;
}

static int serve(struct server *s)
{
    const size_t ports = s->config->port_count;
    for (;;) {
        struct pollfd p[2 + SERVER_PORTS_MAX] = {{.fd = s->config->stop_fd, .events = POLLIN},
                                                 {.fd = s->closed_fd, .events = POLLIN}};
        uint64_t count;
        feeder_beat(s->config->feeder);
        for (int i = 0; i < GUESTS; i++)
            if (s->guests[i].session)
                look_after(s, &s->guests[i]);
        if (agent_restart_wanted(s->config->agent)) {
            wait_for_hang_up(s); /* it does once it has the answer to unit.restart */
            return 0;
        }
        see_finalized(s);
        for (size_t i = 0; i < ports; i++)
            if (wants_line(s, &s->ports[i]) && clock_mono_ms() >= s->ports[i].reopen_ms)
                open_line(s, &s->ports[i]);
        bool taking = clock_mono_ms() >= next_guest_ms(s);
        for (size_t i = 0; i < ports; i++) /* -1: poll() skips it */
            p[2 + i] = (struct pollfd){.fd = taking ? s->ports[i].listen_fd : -1, .events = POLLIN};
        if (poll(p, 2 + ports, wait_ms(s, taking)) < 0 && errno != EINTR)
            return ERROR_IO;
        if (p[0].revents)
            return 0;
        if (p[1].revents && read(s->closed_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            return ERROR_IO;
        for (size_t i = 0; i < ports; i++)
            if (p[2 + i].revents && clock_mono_ms() >= next_guest_ms(s))
                take_guest(s, &s->ports[i]);
    }
}

int server_run(const struct server_config *config, struct error *err)
{
    struct server s = {.config = config, .silent_ms = INT64_MAX};
    struct console *console = config->console;
    int rc = 0;
    s.closed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s.closed_fd < 0)
        rc = error_errno(err, ERROR_IO, "cannot make an event");
    for (size_t i = 0; i < config->port_count; i++) {
        struct port *p = &s.ports[i];
        *p = (struct port){
            .text = config->ports[i], .listen_fd = -1, .line = !server_listens(config->ports[i])};
        if (p->line) {
            p->console = console;
            console = NULL; /* it has one line */
        }
    }
    if (agent_finalized(config->agent)) {
        /* In an earlier life: there is nobody who waits to hear it. */
        s.silent_ms = 0;
        log_printf(config->log, "factory: closed for good; no port is served");
    }
    for (size_t i = 0; i < config->port_count && !rc && !closed_for_good(&s); i++)
        if (!s.ports[i].line)
            rc = listen_on(&s, &s.ports[i], err);
    if (!rc && serve(&s))
        rc = error_errno(err, ERROR_IO, "cannot wait for stations");
    for (int i = 0; i < GUESTS; i++)
        if (s.guests[i].session)
            part(&s.guests[i], false);
    for (size_t i = 0; i < config->port_count; i++)
        if (s.ports[i].listen_fd >= 0)
            close(s.ports[i].listen_fd);
    if (s.closed_fd >= 0)
        close(s.closed_fd);
    return rc;
}
