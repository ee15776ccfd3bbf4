#include "firmware/camd/server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum {
    LOOK_MS = 100,       /* how often a restart asked for is noticed */
    HANG_UP_MS = 1000,   /* for the station to take the answer and hang up before a restart */
    LAST_WORDS_MS = 300, /* for a station that was killed to be noticed, when the next one calls */
    REFUSED_MS = 2000,   /* to tell a second station that it is one too many */
    REOPEN_MS = 500,     /* between tries to open a line that is not there */
    OPEN_TIMEOUT_MS = 2000,
};

struct server {
    const struct server_config *config;
    int listen_fd, closed_fd; /* closed_fd: some session ended */
    struct session *session, *refused;
    int64_t refused_until_ms, reopen_ms;
    bool complained; /* that the line cannot be opened: said once */
};

bool server_listens(const char *port)
{
    return strncmp(port, "tcp:", 4) == 0 || strncmp(port, "unix:", 5) == 0;
}

static void on_closed(void *context, const struct error *why)
{
    struct server *s = context;
    uint64_t one = 1;
    if (write(s->closed_fd, &one, sizeof one) < 0)
        return; /* readable already */
}

static int refuse_second(void *context, struct request *request, const cJSON *params,
                         cJSON **result, struct error *err)
{
    return error_set(err, ERROR_BUSY, "another station is connected to this unit");
}

static const struct method refusal[] = {{"hello", true, refuse_second}, {0}};

static int open_session(struct server *s, struct transport *transport, bool refuse,
                        struct session **out, struct error *err)
{
    const struct session_config config = {
        .server = true,
        .methods = refuse ? refusal : agent_methods(s->config->agent),
        .method_context = s->config->agent,
        .credentials = refuse || agent_locked(s->config->agent) ? NULL : s->config->credentials,
        .require_secure = true,
        .on_closed = on_closed,
        .callback_context = s,
    };
    return session_open(transport, &config, out, err);
}

static void close_dead(struct server *s)
{
    if (s->session && !session_alive(s->session)) {
        session_close(s->session);
        s->session = NULL;
        /* Or the line would still be held when it is opened for the next one. */
        if (s->config->console)
            console_detach(s->config->console);
        s->reopen_ms = 0;
        log_printf(s->config->log, "factory: station gone");
    }
    if (s->refused && (!session_alive(s->refused) || clock_mono_ms() >= s->refused_until_ms)) {
        session_close(s->refused);
        s->refused = NULL;
    }
}

/* Gives the station that long to hang up. */
static void wait_for_hang_up(struct server *s, int ms)
{
    int64_t until = clock_mono_ms() + ms, left = ms;
    while (s->session && session_alive(s->session) && left > 0) {
        struct pollfd p = {.fd = s->closed_fd, .events = POLLIN};
        uint64_t count;
        if (poll(&p, 1, (int)left) > 0 && read(s->closed_fd, &count, sizeof count) < 0)
            break;
        left = until - clock_mono_ms();
    }
}

/* A station that was killed and started again calls before we saw its old session end. */
static bool session_ends_soon(struct server *s)
{
    wait_for_hang_up(s, LAST_WORDS_MS);
    close_dead(s);
    return !s->session;
}

static void take_station(struct server *s)
{
    struct transport *transport;
    struct error err = {0};
    int rc = transport_accept(s->listen_fd, &transport, &err);
    if (rc) {
        log_printf(s->config->log, "factory: %s", err.text);
        return;
    }
    bool free = session_ends_soon(s);
    if (!free && s->refused) {
        session_close(s->refused);
        s->refused = NULL;
    }
    rc = open_session(s, transport, !free, free ? &s->session : &s->refused, &err);
    if (rc) {
        log_printf(s->config->log, "factory: %s", err.text);
    } else if (free) {
        log_printf(s->config->log, "factory: station connected");
    } else {
        s->refused_until_ms = clock_mono_ms() + REFUSED_MS;
        log_printf(s->config->log, "factory: a second station was refused");
    }
}

static void open_line(struct server *s)
{
    struct transport *port;
    struct error err = {0};
    s->reopen_ms = clock_mono_ms() + REOPEN_MS;
    int rc = transport_open(s->config->port, OPEN_TIMEOUT_MS, &port, &err);
    if (!rc && s->config->console)
        rc = console_attach(s->config->console, port, &port, &err);
    if (!rc)
        rc = open_session(s, port, false, &s->session, &err);
    if (rc && !s->complained)
        log_printf(s->config->log, "factory: %s; trying again", err.text);
    s->complained = rc != 0;
}

static int wait_ms(const struct server *s)
{
    int64_t now = clock_mono_ms(), wake = INT64_MAX;
    if (s->refused)
        wake = s->refused_until_ms;
    if (s->session && now + LOOK_MS < wake)
        wake = now + LOOK_MS;
    if (s->listen_fd < 0 && !s->session && s->reopen_ms < wake)
        wake = s->reopen_ms;
    if (wake == INT64_MAX)
        return -1;
    return wake > now ? (int)(wake - now) : 0;
}

static int serve(struct server *s)
{
    for (;;) {
        struct pollfd p[] = {{.fd = s->config->stop_fd, .events = POLLIN},
                             {.fd = s->closed_fd, .events = POLLIN},
                             {.fd = s->listen_fd, .events = POLLIN}}; /* -1: poll() skips it */
        uint64_t count;
        close_dead(s);
        if (agent_restart_wanted(s->config->agent)) {
            wait_for_hang_up(s, HANG_UP_MS); /* it does once it has the answer to unit.restart */
            return 0;
        }
        if (s->listen_fd < 0 && !s->session && clock_mono_ms() >= s->reopen_ms)
            open_line(s);
        if (poll(p, 3, wait_ms(s)) < 0 && errno != EINTR)
            return ERROR_IO;
        if (p[0].revents)
            return 0;
        if (p[1].revents && read(s->closed_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            return ERROR_IO;
        if (p[2].revents)
            take_station(s);
    }
}

int server_run(const struct server_config *config, struct error *err)
{
    struct server s = {.config = config, .listen_fd = -1};
    char bound[160];
    int rc = 0;
    s.closed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s.closed_fd < 0)
        rc = error_errno(err, ERROR_IO, "cannot make an event");
    if (!rc && server_listens(config->port)) {
        rc = transport_listen(config->port, &s.listen_fd, bound, sizeof bound, err);
        if (!rc)
            log_printf(config->log, "factory: listening on %s", bound);
    }
    if (!rc && serve(&s))
        rc = error_errno(err, ERROR_IO, "cannot wait for stations");
    session_close(s.session);
    session_close(s.refused);
    if (s.listen_fd >= 0)
        close(s.listen_fd);
    if (s.closed_fd >= 0)
        close(s.closed_fd);
    return rc;
}
