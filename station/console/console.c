#include "station/console/console.h"

#include <errno.h>
#include <limits.h>
#include <ncurses.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "station/console/screen.h"
#include "station/console/tiles.h"
#include "station/console/words.h"
#include "station/engine/client.h"
#include "station/engine/launch.h"
#include "station/engine/station_file.h"

enum { CALL_MS = 3000, LAUNCH_MS = 10000, RECONNECT_MS = 500 };

struct console {
    const struct console_config *config;
    char socket_path[PATH_MAX];
    struct client *client; /* NULL while taktd does not answer */
    int64_t next_try_ms;
    struct tiles tiles;
    struct screen_view view;
    char message[400];
    bool quit;
};

static void say(struct console *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct console *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
}

static void lost(struct console *c)
{
    client_close(c->client);
    c->client = NULL;
    c->next_try_ms = clock_mono_ms() + RECONNECT_MS;
}

static int subscribe(struct console *c, struct error *err)
{
    cJSON *status = NULL;
    int rc = client_call(c->client, "subscribe", NULL, CALL_MS, &status, err);
    if (!rc)
        tiles_update(&c->tiles, status);
    cJSON_Delete(status);
    return rc;
}

/* Finds taktd again after it went; never waits for it. */
static void reconnect(struct console *c)
{
    struct error err = {0};
    if (c->client || clock_mono_ms() < c->next_try_ms)
        return;
    if (client_connect(c->socket_path, &c->client, &err) || subscribe(c, &err))
        lost(c);
}

static void take_events(struct console *c)
{
    struct error err = {0};
    for (cJSON *event; c->client;) {
        int rc = client_event(c->client, 0, &event, &err);
        if (rc == ERROR_TIMEOUT)
            return;
        if (rc) {
            lost(c);
            return;
        }
        tiles_update(&c->tiles, event);
        cJSON_Delete(event);
    }
}

static const struct tile *chosen(const struct console *c)
{
    return c->view.selected < c->tiles.count ? &c->tiles.slots[c->view.selected] : NULL;
}

static int call(struct console *c, const char *method, cJSON *params, struct error *err)
{
    if (!c->client) {
        cJSON_Delete(params);
        return error_set(err, ERROR_CLOSED, "%s", _("taktd does not answer; waiting for it"));
    }
    int rc = client_call(c->client, method, params, CALL_MS, NULL, err);
    if (rc == ERROR_CLOSED)
        lost(c);
    return rc;
}

/* slot 0 starts every idle one. */
static void start(struct console *c, int slot)
{
    struct error err = {0};
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "plan", c->config->plan);
    cJSON_AddStringToObject(params, "order", c->config->order);
    cJSON_AddStringToObject(params, "operator", c->config->operator_name);
    if (slot)
        cJSON_AddItemToArray(cJSON_AddArrayToObject(params, "slots"), cJSON_CreateNumber(slot));
    if (call(c, "run.start", params, &err))
        say(c, _("not started: %s"), err.text);
    else if (slot)
        say(c, _("slot %d started"), slot);
    else
        say(c, "%s", _("all free slots started"));
}

static void abort_run(struct console *c, int slot)
{
    struct error err = {0};
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "slot", slot);
    cJSON_AddStringToObject(params, "operator", c->config->operator_name);
    if (call(c, "run.abort", params, &err))
        say(c, _("not aborted: %s"), err.text);
    else
        say(c, _("slot %d: aborting"), slot);
}

static void choose_by(struct console *c, int by)
{
    long to = (long)c->view.selected + by;
    if (to >= 0 && to < (long)c->tiles.count)
        c->view.selected = (size_t)to;
}

static void key(struct console *c, int pressed)
{
    const struct tile *tile = chosen(c);
    switch (pressed) {
    case 'q':
        c->quit = true;
        break;
    case 's':
        if (tile)
            start(c, tile->slot);
        break;
    case 'S':
        start(c, 0);
        break;
    case 'a':
        if (tile)
            abort_run(c, tile->slot);
        break;
    case 'f':
        c->view.show_failure = !c->view.show_failure;
        break;
    case 'l':
        words_switch();
        c->message[0] = '\0';
        break;
    case KEY_LEFT:
        choose_by(c, -1);
        break;
    case KEY_RIGHT:
        choose_by(c, 1);
        break;
    case KEY_UP:
        choose_by(c, -screen_columns(&c->tiles));
        break;
    case KEY_DOWN:
        choose_by(c, screen_columns(&c->tiles));
        break;
    default:
        break;
    }
}

static void watch(struct console *c)
{
    while (!c->quit) {
        reconnect(c);
        take_events(c);
        c->view.connected = c->client != NULL;
        screen_draw(&c->tiles, &c->view);
        struct pollfd fds[2] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = c->client ? client_fd(c->client) : -1, .events = POLLIN},
        };
        /* A resize interrupts the poll and comes as a key. */
        if (poll(fds, 2, c->client ? -1 : RECONNECT_MS) < 0 && errno != EINTR)
            return;
        if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            return; /* the terminal is gone */
        for (int pressed; !c->quit && (pressed = getch()) != ERR;)
            key(c, pressed);
    }
}

int console_run(const struct console_config *config, struct error *err)
{
    struct console c = {.config = config, .view = {.plan = config->plan, .order = config->order}};
    c.view.message = c.message;
    words_start(config->language);
    int rc = station_file_socket(config->station_path, c.socket_path, err);
    if (!rc)
        rc = launch_connect(config->station_path, LAUNCH_MS, &c.client, err);
    if (!rc)
        rc = subscribe(&c, err);
    if (!rc)
        rc = screen_start(err);
    if (!rc)
        watch(&c);
    screen_end();
    client_close(c.client);
    return rc;
}
