/* camd: the camera's program. Board and hardware are opened, the agent is made, its ports are
 * served until the unit is switched off. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "firmware/camd/card_watch.h"
#include "firmware/camd/feeder.h"
#include "firmware/camd/options.h"
#include "firmware/camd/reset_watch.h"
#include "firmware/camd/server.h"
#include "firmware/media/pump.h"
#include "protocol/base/file.h"
#include "protocol/base/secrecy.h"
#include "protocol/base/version.h"
#include "protocol/wire/certificate.h"

enum { WRONG_USE = 2, HARDWARE_FAILED = 3, PEM_FILE_MAX = 65536 };

struct camd {
    struct camd_options options;
    struct log log;
    struct board board;
    const struct hal_backend *backend;
    struct hal hal;
    struct buffer bundle_key;
    struct certificate certificate;
    struct credentials credentials;
    struct agent *agent;
    struct console *console;
    struct boot_clock *boot;
    struct pump *pump;
    struct feeder *feeder;
    struct card_watch *card;
    struct reset_watch *reset;
};

static int read_pem(const char *path, struct buffer *out, struct error *err)
{
    out->limit_bytes = PEM_FILE_MAX;
    if (!path)
        return 0;
    int rc = file_read(path, out, err);
    if (!rc && !buffer_text(out))
        rc = error_set(err, ERROR_MEMORY, "no memory for %s", path);
    if (!rc && !strstr((const char *)out->data, "-----BEGIN "))
        rc = error_set(err, ERROR_INPUT, "%s is not PEM text", path);
    return rc;
}

static bool has_line(const struct camd_options *o)
{
    for (size_t i = 0; i < o->port_count; i++)
        if (!server_listens(o->ports[i]))
            return true;
    return false;
}

/* What people gave: board, keys, names. */
static int read_input(struct camd *c, struct error *err)
{
    int rc = board_load(c->options.board, &c->board, err);
    if (!rc)
        rc = read_pem(c->options.bundle_key, &c->bundle_key, err);
    if (!rc && !(c->backend = hal_backend_find(c->options.hal)))
        rc =
            error_set(err, ERROR_INPUT, "--hal %s: this build has no such backend", c->options.hal);
    if (!rc && c->options.console_log && !has_line(&c->options))
        rc =
            error_set(err, ERROR_INPUT, "--console-log needs a line (serial, pty, rfc2217), not %s",
                      c->options.ports[0]);
    if (!rc && c->options.console_log)
        rc = console_create(&c->console, err);
    c->log = (struct log){c->options.name, c->console};
    return rc;
}

static void on_first_frame(void *context, int64_t at_us)
{
    struct camd *c = context;
    boot_clock_frame(c->boot, at_us);
}

/* The watchdog first: it watches over the rest of the start, too. */
static int start_watched(struct camd *c, struct error *err)
{
    const struct pump_config stream = {
        .hal = &c->hal,
        .log = log_line,
        .log_context = &c->log,
        .first_frame = on_first_frame,
        .first_frame_context = c,
    };
    int rc = pump_start(&stream, &c->pump, err);
    const struct feeder_config watch = {
        .hal = &c->hal,
        .pump = c->pump,
        .timeout_s = c->options.watchdog_s,
        .log = &c->log,
    };
    return rc ? rc : feeder_start(&watch, &c->feeder, err);
}

static int start(struct camd *c, struct error *err)
{
    const struct hal_config hardware = {
        .board = &c->board,
        .options = c->options.hal_options,
        .log = log_line,
        .log_context = &c->log,
    };
    int rc = c->backend->open(&hardware, &c->hal, err);
    if (rc)
        return rc;
    rc = start_watched(c, err);
    if (rc)
        return rc;
    const struct agent_config config = {
        .board = &c->board,
        .boot = c->boot,
        .pump = c->pump,
        .hal = &c->hal,
        .bundle_key_pem = c->options.bundle_key ? (const char *)c->bundle_key.data : NULL,
        .log = log_line,
        .log_context = &c->log,
    };
    log_printf(&c->log, "takt %s, board %s, hal %s", takt_version, c->board.name, c->options.hal);
    rc = agent_create(&config, &c->agent, err);
    if (rc)
        return rc;
    /* Made anew at each start: a key that is never stored can not be read out. */
    if (agent_factory_ca(c->agent))
        rc = certificate_make_unit(agent_chip_id(c->agent), &c->certificate, err);
    c->credentials = (struct credentials){
        .certificate_pem = c->certificate.certificate_pem,
        .private_key_pem = c->certificate.private_key_pem,
        .ca_pem = agent_factory_ca(c->agent),
    };
    if (!rc && c->hal.gpio)
        rc = reset_watch_start(&c->board, c->agent, &c->log, &c->reset, err);
    /* Emulated cards are no file systems. */
    if (!rc && *c->board.linux.card && strcmp(c->options.hal, "linux") == 0)
        rc = card_watch_start(c->board.linux.card, c->agent, &c->log, &c->card, err);
    return rc;
}

static void stop(struct camd *c)
{
    card_watch_stop(c->card);
    reset_watch_stop(c->reset);
    feeder_stop(c->feeder, true);
    pump_stop(c->pump);
    agent_free(c->agent);
    certificate_free(&c->certificate);
    if (c->backend && c->hal.backend)
        c->backend->close(&c->hal);
    boot_clock_free(c->boot);
    console_free(c->console);
    buffer_free(&c->bundle_key);
}

int main(int argc, char **argv)
{
    static struct camd c;
    struct error err = {0}, no_proc = {0};
    sigset_t ends;
    int status = 0;
    c.boot = boot_clock_start();
    int rc = camd_options_parse(argc, argv, &c.options, &err);
    if (!rc && c.options.help) {
        fputs(camd_help, stdout);
        return 0;
    }
    if (!rc && c.options.version) {
        printf("camd %s\n", takt_version);
        return 0;
    }
    /* A key passes through; a camera has no swap. Where there is no /proc yet, none writes a core.
     */
    secrecy_no_core(&no_proc);
    /* Before any thread starts: all of them leave these signals to stop_fd. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    int stop_fd = signalfd(-1, &ends, SFD_CLOEXEC);
    if (!rc)
        rc = read_input(&c, &err);
    if (rc) {
        fprintf(stderr, "camd: %s\n", err.text);
        status = WRONG_USE;
        goto out;
    }
    rc = start(&c, &err);
    const struct server_config server = {
        .ports = c.options.ports,
        .port_count = c.options.port_count,
        .agent = c.agent,
        .credentials = c.credentials.ca_pem ? &c.credentials : NULL,
        .console = c.console,
        .log = &c.log,
        .feeder = c.feeder,
        .stop_fd = stop_fd,
    };
    if (!rc)
        rc = server_run(&server, &err);
    if (!rc && agent_restart_wanted(c.agent)) {
        log_printf(&c.log, "reboot: restarting");
        rc = agent_restart(c.agent, &err);
    }
    if (rc) {
        log_printf(&c.log, "%s", err.text);
        status = HARDWARE_FAILED;
    }
out:
    stop(&c);
    close(stop_fd);
    return status;
}
