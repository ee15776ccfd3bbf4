#include "station/console/console.h"

#include <errno.h>
#include <ncurses.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/transport/transport.h"
#include "reports/store.h"
#include "station/console/learning.h"
#include "station/console/pane.h"
#include "station/console/screen.h"
#include "station/console/state.h"
#include "station/console/words.h"
#include "station/engine/launch.h"
#include "station/engine/station_file.h"

enum { CALL_MS = 3000, LAUNCH_MS = 10000, RECONNECT_MS = 500, SCANNER_MS = 2000, DAY_MS = 5000 };

/* ---- taktd ----------------------------------------------------------------------------------- */

static void lost(struct console *c)
{
    client_close(c->client);
    c->client = NULL;
    c->next_try_ms = clock_mono_ms() + RECONNECT_MS;
}

/* Takes it over. */
static void take_status(struct console *c, cJSON *status)
{
    const int ended = c->tiles.passed + c->tiles.failed, failed = c->tiles.failed;
    tiles_update(&c->tiles, status);
    cJSON_Delete(c->status);
    c->status = status;
    if (c->tiles.passed + c->tiles.failed != ended) {
        c->day_due_ms = 0;
        c->screen_due_ms = 0;
    }
    if (c->tiles.failed != failed && !c->muted)
        beep();
}

static int subscribe(struct console *c, struct error *err)
{
    cJSON *status = NULL;
    int rc = client_call(c->client, "subscribe", NULL, CALL_MS, &status, err);
    if (!rc)
        take_status(c, status);
    return rc;
}

/* Finds taktd again after it went; never waits for it. Sessions went with it. */
static void reconnect(struct console *c)
{
    struct error err = {0};
    if (c->client || clock_mono_ms() < c->next_try_ms)
        return;
    if (client_connect(c->socket_path, &c->client, &err) || subscribe(c, &err)) {
        lost(c);
        return;
    }
    client_session(c->client, c->session);
    if (c->who[0] && client_call(c->client, "operator.who", NULL, CALL_MS, NULL, &err)) {
        c->who[0] = '\0';
        client_session(c->client, "");
    }
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
        take_status(c, event);
    }
}

/* ---- keys ------------------------------------------------------------------------------------ */

const struct tile *console_selected(const struct console *c)
{
    return c->selected < c->tiles.count ? &c->tiles.slots[c->selected] : NULL;
}

const struct tile *console_target(const struct console *c)
{
    const struct tile *t = console_selected(c);
    if (t && strcmp(t->state, "idle") == 0)
        return t;
    for (size_t i = 0; i < c->tiles.count; i++)
        if (strcmp(c->tiles.slots[i].state, "idle") == 0)
            return &c->tiles.slots[i];
    return NULL;
}

static void show_screen(struct console *c, int screen)
{
    c->screen = (screen + SCREENS) % SCREENS;
    c->screen_due_ms = 0;
    c->show_failure = false;
}

/* Keys that do the same on every screen. */
static void key(struct console *c, int pressed)
{
    const struct console_screen *screen = screens_at(c->screen);
    c->message[0] = '\0';
    if (pressed >= KEY_F(1) && pressed < KEY_F(1 + SCREENS)) {
        show_screen(c, pressed - KEY_F(1));
        return;
    }
    if (screen->key && screen->key(c, pressed))
        return;
    switch (pressed) {
    case 'q':
        c->quit = true;
        break;
    case 'l':
        words_switch();
        break;
    case 'b':
        if (c->who[0])
            action_sign_out(c);
        action_ask(c, c->tiles.operators ? PROMPT_BADGE : PROMPT_FIRST);
        break;
    case 'o':
        action_ask(c, PROMPT_ORDER);
        break;
    case 'm':
        c->muted = !c->muted;
        say(c, "%s", c->muted ? _("no sound at a failure") : _("a sound at each failure"));
        break;
    case '\n':
    case KEY_ENTER:
        action_ask(c, PROMPT_CODE);
        break;
    case '\t':
        show_screen(c, c->screen + 1);
        break;
    case KEY_BTAB:
        show_screen(c, c->screen - 1);
        break;
    default:
        break;
    }
}

static void prompt_take(struct console *c, int pressed)
{
    switch (prompt_key(&c->prompt, pressed)) {
    case PROMPT_DONE:
        action_answer(c);
        break;
    case PROMPT_LEFT:
        prompt_close(&c->prompt);
        break;
    case PROMPT_OPEN:
        break;
    }
}

static void scanned(struct console *c, const struct scan *s, enum scan_event event)
{
    if (event == SCAN_KEY)
        key(c, scan_key(s));
    else if (event == SCAN_CODE)
        action_code(c, s->text);
    else if (event == SCAN_BROKEN)
        say(c, "%s", _("a code was read only in part: scan it again"));
}

/* What is typed into a question is not taken for a scan: a scanner may answer it all the same. */
static void take_keys(struct console *c)
{
    for (int pressed; !c->quit && (pressed = getch()) != ERR;) {
        const int64_t now_ms = clock_mono_ms();
        if (pressed == KEY_RESIZE)
            continue;
        if (c->prompt.kind)
            prompt_take(c, pressed);
        else if (pressed <= 0xff && pressed != '\t')
            scanned(c, &c->keys, scan_take(&c->keys, pressed, now_ms));
        else
            key(c, pressed);
    }
}

/* ---- a scanner on a port --------------------------------------------------------------------- */

static void scanner_open(struct console *c)
{
    struct error err = {0};
    if (!c->codes.scanner[0] || c->scanner || clock_mono_ms() < c->scanner_next_ms)
        return;
    c->scanner_next_ms = clock_mono_ms() + SCANNER_MS;
    if (transport_open(c->codes.scanner, 500, &c->scanner, &err) == 0)
        c->scanner_missed = false;
    else if (!c->scanner_missed) { /* said once; the station's screen goes on saying it */
        c->scanner_missed = true;
        say(c, _("the scanner is not there: %s"), err.text);
    }
}

/* Its code answers a question that is open, as one that types would. */
static void scanner_code(struct console *c, const char *text)
{
    if (!c->prompt.kind || c->prompt.fields[c->prompt.at].hidden) {
        action_code(c, text);
        return;
    }
    struct prompt_field *f = &c->prompt.fields[c->prompt.at];
    snprintf(f->text, sizeof f->text, "%s", text);
    prompt_take(c, '\n');
}

static void scanner_read(struct console *c)
{
    struct error err = {0};
    unsigned char bytes[256];
    int n = transport_read(c->scanner, bytes, sizeof bytes, &err);
    for (int i = 0; i < n; i++)
        if (scan_take(&c->line, bytes[i], clock_mono_ms()) == SCAN_CODE)
            scanner_code(c, c->line.text);
    if (n < 0) { /* unplugged: its place is tried again */
        transport_close(c->scanner);
        c->scanner = NULL;
        c->scanner_missed = true;
        say(c, _("the scanner is not there: %s"), err.text);
    }
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Asks for what the screen shows of the store, when it is due; ms until the next. */
static int read_records(struct console *c)
{
    const struct console_screen *screen = screens_at(c->screen);
    const int64_t now = clock_mono_ms();
    if (now >= c->day_due_ms) {
        readings_wish(c->records, READING_DAY, 0);
        c->day_due_ms = now + DAY_MS;
    }
    int64_t next = c->day_due_ms;
    if (screen->reads >= 0 && now >= c->screen_due_ms) {
        const struct tile *t = console_selected(c);
        readings_order(c->records, c->report_order ? c->order : "");
        readings_wish(c->records, (enum readings_kind)screen->reads,
                      screen->argument ? screen->argument(c) : t ? t->run : 0);
        c->screen_due_ms = now + screen->refresh_ms;
    }
    if (screen->reads >= 0 && c->screen_due_ms < next)
        next = c->screen_due_ms;
    return (int)(next > now ? next - now : 0);
}

static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void watch(struct console *c)
{
    while (!c->quit) {
        reconnect(c);
        scanner_open(c);
        take_events(c);
        int wait_ms = read_records(c);
        screen_draw(c);
        wait_ms = sooner(wait_ms, scan_wait_ms(&c->keys, clock_mono_ms()));
        if (!c->client)
            wait_ms = sooner(wait_ms, RECONNECT_MS);
        if (c->codes.scanner[0] && !c->scanner)
            wait_ms = sooner(wait_ms, SCANNER_MS);
        struct pollfd fds[5] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = c->client ? client_fd(c->client) : -1, .events = POLLIN},
            {.fd = readings_fd(c->records), .events = POLLIN},
            {.fd = c->scanner ? transport_read_fd(c->scanner) : -1, .events = POLLIN},
            {.fd = learning_fd(c->learning), .events = POLLIN},
        };
        /* A resize interrupts the poll and comes as a key. */
        if (poll(fds, 5, wait_ms) < 0 && errno != EINTR)
            return;
        if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            return; /* the terminal is gone */
        take_keys(c);
        if (!c->prompt.kind)
            scanned(c, &c->keys, scan_tick(&c->keys, clock_mono_ms()));
        if (fds[2].revents)
            readings_take(c->records);
        if (fds[3].revents && c->scanner)
            scanner_read(c);
        if (fds[4].revents)
            learning_take(c->learning);
    }
}

static int open_places(struct console *c, struct error *err)
{
    int rc = station_file_socket(c->config->station_path, c->socket_path, err);
    if (!rc)
        rc = json_load(c->config->station_path, &c->station, err);
    if (!rc)
        rc = station_console_take(c->station, &c->codes, err);
    if (rc)
        return rc;
    memcpy(c->state_dir, c->socket_path, sizeof c->state_dir);
    *strrchr(c->state_dir, '/') = '\0';
    return 0;
}

int console_run(const struct console_config *config, struct error *err)
{
    struct console *c = calloc(1, sizeof *c);
    char store[PATH_MAX + sizeof STORE_FILE];
    if (!c)
        return error_set(err, ERROR_MEMORY, "the console: out of memory");
    c->config = config;
    snprintf(c->order, sizeof c->order, "%s", config->order ? config->order : "");
    words_start(config->language);
    int rc = open_places(c, err);
    if (!rc)
        rc = launch_connect(config->station_path, LAUNCH_MS, &c->client, err);
    if (!rc)
        rc = subscribe(c, err);
    if (!rc) {
        snprintf(store, sizeof store, "%s/" STORE_FILE, c->state_dir);
        rc = readings_start(store, c->tiles.station, &c->records, err);
    }
    if (!rc)
        rc = pane_start(err);
    if (!rc) {
        if (!c->tiles.operators)
            action_ask(c, PROMPT_FIRST);
        watch(c);
    }
    pane_end();
    if (c->who[0] && c->client)
        action_sign_out(c);
    learning_stop(c->learning);
    readings_stop(c->records);
    transport_close(c->scanner);
    client_close(c->client);
    json_free(c->station);
    cJSON_Delete(c->status);
    OPENSSL_cleanse(c, sizeof *c);
    free(c);
    return rc;
}
