#include "station/flash/uart/loader.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/splitmix.h"

enum {
    HEARD_MAX_BYTES = 256 * 1024, /* of one command's answer: more is a unit that has gone wild */
    COMMAND_BYTES = 512,
    OPEN_MS = 5000,
    WRITE_MS = 30000,
    KEY_EVERY_MS = 10,
    PASSWORD_EVERY_MS = 200,
    ROM_SPEAKS_MS = 100,
    QUIET_MS = 60,
    PROMPT_MS = 500,
    PRESS_EVERY_MS = 250,
    ECHO_MS = 1500,
    TYPE_TRIES = 10,
    GIVEN_UP_MS = 2500, /* loady that gave up swallows what comes until nothing did for 2 s */
    ASK_TRIES = 5,
    PROBE_EVERY_MS = 2000,
};

#define INTERRUPT "\x03"

struct loader {
    struct transport *line;
    const struct flash_job *job;
    const struct board_boot *boot;
    struct buffer heard; /* since the last command began */
    uint64_t nonces;
    bool armed, restarted; /* a banner now is a restart; it came */
    char start[16];        /* of the line that is being heard */
    size_t column;
};

/* ---- bytes -------------------------------------------------------------------------------- */

static int open_trouble(int code, struct error *err)
{
    struct error cause = *err;
    switch (code) {
    case ERROR_MISSING:
    case ERROR_TIMEOUT:
        return flash_fail(err, FLASH_NO_DEVICE, "%s", cause.text);
    case ERROR_REFUSED:
        return flash_fail(err, FLASH_PERMISSION,
                          "%s; a udev rule lets the station in: SUBSYSTEM==\"tty\", "
                          "GROUP=\"dialout\", MODE=\"0660\", TAG+=\"uaccess\"",
                          cause.text);
    case ERROR_BUSY:
        return flash_fail(err, FLASH_PORT_BUSY, "%s", cause.text);
    default:
        return code;
    }
}

int loader_open(const struct flash_job *job, struct loader **out, struct error *err)
{
    struct loader *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return error_set(err, ERROR_MEMORY, "console: out of memory");
    *c = (struct loader){.job = job,
                         .boot = &job->board->boot,
                         .heard = {.limit_bytes = HEARD_MAX_BYTES},
                         .nonces = (uint64_t)clock_mono_ns()};
    int rc = transport_open(job->port, OPEN_MS, &c->line, err);
    if (rc) {
        free(c);
        return open_trouble(rc, err);
    }
    if (c->boot->baud && loader_has_baud(c))
        rc = loader_set_baud(c, c->boot->baud, err);
    if (rc) {
        loader_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void loader_close(struct loader *c)
{
    if (!c)
        return;
    transport_close(c->line);
    buffer_free(&c->heard);
    free(c);
}

static bool is_banner(const char *line, size_t size)
{
    static const char *const banners[] = {"U-Boot 1", "U-Boot 2", "U-Boot SPL", "U-Boot TPL"};
    for (size_t i = 0; i < sizeof banners / sizeof banners[0]; i++)
        if (size == strlen(banners[i]) && memcmp(line, banners[i], size) == 0)
            return true;
    return false;
}

/* The loader's first line, again, in the middle of things. */
static void look_for_banner(struct loader *c, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n' || data[i] == '\r') {
            c->column = 0;
            continue;
        }
        if (c->column < sizeof c->start)
            c->start[c->column] = (char)data[i];
        c->column++;
        if (c->armed && c->column <= sizeof c->start && is_banner(c->start, c->column))
            c->restarted = true;
    }
}

static int gone(struct loader *c, int rc, struct error *err)
{
    struct error cause = *err;
    return rc == ERROR_CLOSED ? flash_fail(err, FLASH_GONE, "%s", cause.text) : rc;
}

int loader_read(struct loader *c, void *data, size_t size, int timeout_ms, bool binary,
                struct error *err)
{
    struct pollfd p = {.fd = transport_read_fd(c->line), .events = POLLIN};
    int n = transport_read(c->line, data, size, err);
    if (n == 0 && timeout_ms > 0) {
        if (poll(&p, 1, timeout_ms) < 0 && errno != EINTR)
            return error_errno(err, ERROR_IO, "%s: poll", transport_name(c->line));
        n = transport_read(c->line, data, size, err);
    }
    if (n < 0)
        return gone(c, n, err);
    if (!binary)
        flash_log_heard(c->job->log, data, (size_t)n);
    look_for_banner(c, data, (size_t)n);
    if (c->restarted)
        return flash_fail(err, FLASH_UNIT_FAILED,
                          "the unit restarted: its boot loader's banner came again");
    return n;
}

int loader_write(struct loader *c, const void *data, size_t size, struct error *err)
{
    const uint8_t *at = data;
    while (size) {
        const int n = transport_write(c->line, at, size, err);
        if (n < 0)
            return gone(c, n, err);
        at += n;
        size -= (size_t)n;
        struct pollfd p = {.fd = transport_write_fd(c->line), .events = POLLOUT};
        if (size && n == 0 && poll(&p, 1, WRITE_MS) == 0)
            return flash_fail(err, FLASH_SILENT, "%s: takes no more bytes",
                              transport_name(c->line));
    }
    return 0;
}

/* What comes within `timeout_ms` goes behind what was heard. Bytes, or an error. */
static int hear(struct loader *c, int timeout_ms, struct error *err)
{
    uint8_t data[4096];
    const int n = loader_read(c, data, sizeof data, timeout_ms, false, err);
    if (n <= 0)
        return n;
    const int rc = buffer_append(&c->heard, data, (size_t)n);
    return rc ? error_set(err, rc, "the unit prints without end") : n;
}

int loader_drain(struct loader *c, int quiet_ms, struct error *err)
{
    int n;
    do
        n = hear(c, quiet_ms, err);
    while (n > 0);
    buffer_consume(&c->heard, c->heard.size);
    return n;
}

bool loader_restarted(const struct loader *c)
{
    return c->restarted;
}

int loader_await(struct loader *c, const char *text, int timeout_ms, struct error *err)
{
    const int64_t end = clock_mono_ms() + timeout_ms;
    const size_t size = strlen(text);
    for (;;) {
        const uint8_t *found =
            c->heard.size ? memmem(c->heard.data, c->heard.size, text, size) : NULL;
        if (found) {
            buffer_consume(&c->heard, (size_t)(found - c->heard.data) + size);
            return 0;
        }
        const int64_t left = end - clock_mono_ms();
        if (left <= 0)
            return flash_fail(err, FLASH_SILENT, "the loader did not say \"%s\" in %d ms", text,
                              timeout_ms);
        const int n = hear(c, (int)left, err);
        if (n < 0)
            return n;
    }
}

static bool ends_with(const struct loader *c, const char *text)
{
    const size_t size = strlen(text);
    return size && c->heard.size >= size &&
           memcmp(c->heard.data + c->heard.size - size, text, size) == 0;
}

static bool at_prompt(const struct loader *c)
{
    for (size_t i = 0; i < c->boot->prompt_count; i++)
        if (ends_with(c, c->boot->prompts[i]))
            return true;
    return false;
}

static bool has_said(const struct loader *c, const char *text)
{
    return c->heard.size && memmem(c->heard.data, c->heard.size, text, strlen(text));
}

int loader_press(struct loader *c, char key, const char *until, int timeout_ms, struct error *err)
{
    const int64_t end = clock_mono_ms() + timeout_ms;
    int64_t press_ms = clock_mono_ms() + PRESS_EVERY_MS / 2;
    while (until ? !has_said(c, until) : !at_prompt(c)) {
        const int64_t now = clock_mono_ms();
        if (now >= end)
            return flash_fail(err, FLASH_NOT_BACK, "the loader did not go on at its new rate");
        if (now >= press_ms) {
            const int rc = loader_write(c, &key, 1, err);
            if (rc)
                return rc;
            press_ms = now + PRESS_EVERY_MS;
        }
        const int n = hear(c, 20, err);
        if (n < 0)
            return n;
    }
    return 0;
}

bool loader_has_baud(const struct loader *c)
{
    return strncmp(transport_name(c->line), "tcp:", 4) != 0 &&
           strncmp(transport_name(c->line), "unix:", 5) != 0;
}

int loader_set_baud(struct loader *c, uint32_t baud, struct error *err)
{
    flash_log_note(c->job->log, "%u baud", baud);
    return transport_set_baud(c->line, (int)baud, err);
}

/* ---- commands ----------------------------------------------------------------------------- */

/* The echo of what was typed, to the byte. 1 it came, 0 not or another. */
static int echoed(struct loader *c, const char *text, size_t size, int timeout_ms,
                  struct error *err)
{
    const int64_t end = clock_mono_ms() + timeout_ms;
    while (c->heard.size < size) {
        const int64_t left = end - clock_mono_ms();
        const int n = left > 0 ? hear(c, (int)left, err) : 0;
        if (n < 0)
            return n;
        if (n == 0)
            return 0;
    }
    return c->heard.size == size && memcmp(c->heard.data, text, size) == 0;
}

/* In one go, or a character after the other's echo where that lost some. */
static int type_once(struct loader *c, const char *text, bool slowly, struct error *err)
{
    const size_t size = strlen(text);
    int rc = loader_drain(c, 0, err);
    if (rc)
        return rc;
    if (!slowly) {
        rc = loader_write(c, text, size, err);
        return rc ? rc : echoed(c, text, size, ECHO_MS, err);
    }
    for (size_t i = 0; i < size; i++) {
        rc = loader_write(c, &text[i], 1, err);
        rc = rc ? rc : echoed(c, text, i + 1, ECHO_MS / 3, err);
        if (rc != 1)
            return rc;
    }
    return 1;
}

static int type(struct loader *c, const char *text, struct error *err)
{
    for (int i = 0; i < TYPE_TRIES; i++) {
        if (i > 0) {
            int rc = c->heard.size ? 0 : loader_drain(c, GIVEN_UP_MS, err);
            rc = rc ? rc : loader_write(c, INTERRUPT, 1, err);
            rc = rc ? rc : loader_drain(c, QUIET_MS, err);
            if (rc)
                return rc;
        }
        const int rc = type_once(c, text, i >= 2, err);
        if (rc < 0)
            return rc;
        if (rc == 1) {
            buffer_consume(&c->heard, c->heard.size);
            return loader_write(c, "\r", 1, err);
        }
    }
    return flash_fail(err, FLASH_UNIT_FAILED, "\"%.80s\" never came back as it was typed", text);
}

/* The answer's end: the nonce's line, whole and with a status. NULL while it is not there. Noise in
 * it makes it none, and the probe below finds that out. */
static char *answer_end(const struct loader *c, const char *nonce)
{
    const size_t size = strlen(nonce);
    char *found = c->heard.size ? memmem(c->heard.data, c->heard.size, nonce, size) : NULL;
    if (!found || !memchr(found, '\n', c->heard.size - (size_t)(found - (char *)c->heard.data)))
        return NULL;
    return found[size] == '$' || isdigit((unsigned char)found[size]) ? found : NULL;
}

static void take_answer(struct loader *c, char *end, size_t nonce_size,
                        struct loader_answer *answer)
{
    char *text = (char *)c->heard.data;
    size_t used = 0;
    answer->status = end[nonce_size] == '$' ? -1 : atoi(end + nonce_size);
    for (const char *from = text; from < end; from++)
        if (*from != '\r' && *from != '\0')
            text[used++] = *from;
    text[used] = '\0';
    for (answer->text = text; *answer->text == '\n'; answer->text++)
        ;
}

/* The prompt behind an answer; what is typed before it came would not be echoed alone. */
static int await_prompt(struct loader *c, struct error *err)
{
    const int64_t end = clock_mono_ms() + PROMPT_MS;
    while (!at_prompt(c) && clock_mono_ms() < end) {
        const int n = hear(c, PROMPT_MS, err);
        if (n < 0)
            return n;
    }
    return 0;
}

/* 1 answered, 0 the loader listens again and the answer was lost, or an error. A blank is echoed by
 * a loader that listens, and means nothing to one that is busy. */
static int await_answer(struct loader *c, const char *nonce, int timeout_ms,
                        struct loader_answer *answer, struct error *err)
{
    const int64_t end = clock_mono_ms() + timeout_ms;
    int64_t quiet_since = clock_mono_ms();
    bool probed = false;
    while (!answer_end(c, nonce)) {
        const int64_t now = clock_mono_ms();
        if (now >= end)
            return flash_fail(err, FLASH_SILENT, "no answer in %d s", timeout_ms / 1000);
        const int n = hear(c, 50, err);
        if (n < 0)
            return n;
        if (n > 0) {
            quiet_since = now;
            if (probed && c->heard.data[c->heard.size - 1] == ' ' && n == 1)
                return 0;
        } else if (now - quiet_since >= PROBE_EVERY_MS) {
            const int rc = loader_write(c, " ", 1, err);
            if (rc)
                return rc;
            probed = true;
            quiet_since = now;
        }
    }
    const int rc = await_prompt(c, err);
    if (rc)
        return rc;
    take_answer(c, answer_end(c, nonce), strlen(nonce), answer);
    return 1;
}

static int ask(struct loader *c, int timeout_ms, struct loader_answer *answer, struct error *err,
               const char *command)
{
    char line[COMMAND_BYTES + 48], nonce[24];
    for (int i = 0; i < ASK_TRIES; i++) {
        snprintf(nonce, sizeof nonce, "takt%08x-", (unsigned)splitmix_next(&c->nonces));
        snprintf(line, sizeof line, "%s; echo %s$?", command, nonce);
        int rc = type(c, line, err);
        rc = rc ? rc : await_answer(c, nonce, timeout_ms, answer, err);
        if (rc < 0) {
            error_context(err, "\"%.80s\"", command);
            return err ? err->code : rc;
        }
        if (rc == 1)
            return 0;
        flash_log_note(c->job->log, "its answer was lost, asked again");
    }
    return flash_fail(err, FLASH_SILENT, "\"%.80s\": its answer was lost %d times", command,
                      ASK_TRIES);
}

static int put_together(char command[COMMAND_BYTES], const char *format, va_list args,
                        struct error *err)
{
    const int n = vsnprintf(command, COMMAND_BYTES, format, args);
    return n >= 0 && n < COMMAND_BYTES
               ? 0
               : error_set(err, ERROR_INPUT, "command \"%.60s...\" is too long", command);
}

int loader_ask(struct loader *c, int timeout_ms, struct loader_answer *answer, struct error *err,
               const char *format, ...)
{
    char command[COMMAND_BYTES];
    va_list args;
    va_start(args, format);
    int rc = put_together(command, format, args, err);
    va_end(args);
    return rc ? rc : ask(c, timeout_ms, answer, err, command);
}

int loader_run(struct loader *c, int timeout_ms, struct loader_answer *answer, struct error *err,
               const char *format, ...)
{
    char command[COMMAND_BYTES];
    va_list args;
    va_start(args, format);
    int rc = put_together(command, format, args, err);
    va_end(args);
    rc = rc ? rc : ask(c, timeout_ms, answer, err, command);
    if (rc || answer->status <= 0)
        return rc;
    char said[160];
    snprintf(said, sizeof said, "%s", answer->text);
    for (char *s = said; *s; s++)
        if (!isprint((unsigned char)*s))
            *s = ' ';
    return flash_fail(err, FLASH_UNIT_FAILED, "\"%.80s\" failed with %d: %s", command,
                      answer->status, said);
}

int loader_start(struct loader *c, struct error *err, const char *format, ...)
{
    char command[COMMAND_BYTES];
    va_list args;
    va_start(args, format);
    int rc = put_together(command, format, args, err);
    va_end(args);
    return rc ? rc : type(c, command, err);
}

/* ---- to the prompt ------------------------------------------------------------------------ */

/* The prompt was seen: quiet, then a nonce. 1 it is a loader that listens, 0 not yet. */
static int confirm(struct loader *c, struct error *err)
{
    struct loader_answer answer;
    int rc = loader_drain(c, QUIET_MS, err);
    if (rc)
        return rc;
    c->armed = true;
    rc = ask(c, ECHO_MS * 4, &answer, err, "echo takt");
    if (rc == 0)
        return 1;
    /* It went on past the prompt, or noise hid the answer: keys again, until the time is up. */
    c->armed = c->restarted = false;
    buffer_consume(&c->heard, c->heard.size);
    return rc == ERROR_TIMEOUT || rc == ERROR_REMOTE ? 0 : rc;
}

static int no_prompt(struct loader *c, bool heard_any, int timeout_ms, struct error *err)
{
    char last[161] = "";
    size_t from = c->heard.size > 160 ? c->heard.size - 160 : 0, used = 0;
    for (; from < c->heard.size; from++) {
        const unsigned char byte = c->heard.data[from];
        if (isprint(byte) || (byte == '\n' && used && last[used - 1] != ' '))
            last[used++] = isprint(byte) ? (char)byte : ' ';
    }
    last[used] = '\0';
    if (!heard_any)
        return flash_fail(err, FLASH_SILENT,
                          "%s: not a byte came in %d s; power, wiring and baud rate?",
                          transport_name(c->line), timeout_ms / 1000);
    return flash_fail(err, FLASH_WRONG_STAGE,
                      "%s: no prompt of the boot loader in %d s; the unit's last words: %s",
                      transport_name(c->line), timeout_ms / 1000, last);
}

/* The boot ROM's own lines, at its rate; what follows them is the loader's. */
static int hear_rom(struct loader *c, int64_t end, struct error *err)
{
    const uint32_t rate = c->boot->rom_baud;
    if (!rate || rate == c->boot->baud || !loader_has_baud(c))
        return 0;
    int rc = loader_set_baud(c, rate, err);
    int64_t until = end - 1000;
    for (bool spoke = false; !rc && clock_mono_ms() < until && !flash_cancelled(c->job);) {
        const int n = hear(c, KEY_EVERY_MS, err);
        rc = n < 0 ? n : 0;
        if (n > 0 && !spoke) {
            spoke = true;
            until = clock_mono_ms() + ROM_SPEAKS_MS;
        }
    }
    return rc ? rc : loader_set_baud(c, c->boot->baud, err);
}

/* What stops autoboot, one after another. */
struct keys {
    const struct board_boot *boot;
    size_t pressed;
    int64_t next_ms;
};

/* Ctrl-C and the board's keys in turn. A loader with a password and no keys is stopped by typing
 * that (U-Boot's CONFIG_AUTOBOOT_KEYED): by nothing else, since all behind the last end of line may
 * be summed up. One that a unit without power, or busy starting, has no room for is not missed. */
static int press_next(struct loader *c, struct keys *k, bool streams, int64_t now,
                      struct error *err)
{
    const char *keys = *k->boot->stop_keys ? k->boot->stop_keys : "\r";
    char typed[sizeof k->boot->password + 2] = INTERRUPT;
    int every_ms = streams ? KEY_EVERY_MS : 50 * KEY_EVERY_MS;
    if (streams && !*k->boot->stop_keys && *k->boot->password) {
        snprintf(typed, sizeof typed, "\r%s\r", k->boot->password);
        every_ms = PASSWORD_EVERY_MS;
    } else if (streams && k->pressed % 2) {
        typed[0] = keys[k->pressed / 2 % strlen(keys)];
    }
    const int wrote = transport_write(c->line, typed, strlen(typed), err);
    k->pressed++;
    k->next_ms = now + every_ms;
    return wrote < 0 ? gone(c, wrote, err) : 0;
}

int loader_capture(struct loader *c, int timeout_ms, struct error *err)
{
    const int64_t end = clock_mono_ms() + timeout_ms;
    struct keys keys = {.boot = c->boot};
    bool heard_any = false;
    /* A loader that counts aloud is sent its key when it does; until then only what a prompt that
     * is there already answers. */
    bool streams = !*c->boot->stop_prompt;
    c->armed = c->restarted = false;
    int rc = hear_rom(c, end, err);
    while (!rc) {
        const int64_t now = clock_mono_ms();
        if (flash_cancelled(c->job))
            return error_set(err, ERROR_CANCELLED, "stopped before anything was written");
        if (now >= end)
            return no_prompt(c, heard_any, timeout_ms, err);
        if (now >= keys.next_ms)
            rc = press_next(c, &keys, streams, now, err);
        if (c->heard.size > HEARD_MAX_BYTES / 2)
            buffer_consume(&c->heard, c->heard.size - 1024);
        const int n = rc ? rc : hear(c, KEY_EVERY_MS, err);
        if (n < 0)
            return n;
        heard_any = heard_any || n > 0;
        if (!streams && has_said(c, c->boot->stop_prompt))
            streams = true;
        if (n > 0 && *c->boot->password && has_said(c, "assword")) {
            flash_log_note(c->job->log, "password");
            buffer_consume(&c->heard, c->heard.size);
            rc = loader_write(c, c->boot->password, strlen(c->boot->password), err);
            rc = rc ? rc : loader_write(c, "\r", 1, err);
        } else if (n > 0 && at_prompt(c)) {
            rc = confirm(c, err);
            if (rc == 1)
                return 0;
        }
    }
    return rc;
}

int loader_recover(struct loader *c, struct error *err)
{
    /* What loady waits for after an error: five CAN, then ESC at the old rate. */
    static const char escape[] = "\x18\x18\x18\x18\x18\x1b";
    int rc = loader_write(c, escape, sizeof escape - 1, err);
    rc = rc ? rc : loader_drain(c, QUIET_MS, err);
    if (!rc && loader_has_baud(c))
        rc = loader_set_baud(c, c->boot->baud, err);
    const int64_t end = clock_mono_ms() + 30000;
    while (!rc && clock_mono_ms() < end) {
        rc = loader_write(c, "\x1b" INTERRUPT, 2, err);
        rc = rc ? rc : loader_drain(c, 500, err);
        if (rc)
            break;
        rc = confirm(c, err);
        if (rc != 0)
            return rc == 1 ? 0 : rc;
    }
    return rc ? rc : flash_fail(err, FLASH_NOT_BACK, "the loader's prompt did not come back");
}
