/* rfc2217://HOST:PORT?baud=115200, a terminal server: Telnet (RFC 854, binary by RFC 856) with the
 * com port option (RFC 2217), which also sets the rate of the line behind it. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/transport/kinds.h"

enum { SE = 240, SB = 250, WILL = 251, WONT, DO, DONT, IAC };
enum { OPTION_BINARY = 0, OPTION_SUPPRESS_GO_AHEAD = 3, OPTION_COM_PORT = 44 };
enum { SET_BAUDRATE = 1, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL, SERVER = 100 };
enum { PARITY_NONE = 1, STOPSIZE_1 = 1, DATASIZE_8 = 8, CONTROL_NO_FLOW = 1 };

struct telnet {
    enum { DATA, COMMAND, OPTION, SUBOPTION, SUBOPTION_COMMAND } state;
    uint8_t verb;
    uint8_t suboption[16];
    size_t suboption_size;
    bool agreed, refused; /* the com port option */
    uint32_t baud_asked, baud_set;
    bool half; /* the first of two IACs that stand for one byte 255 is out */
    uint8_t replies[128];
    size_t reply_size;
};

/* Something for the server itself, between data; kept until the socket takes it. */
static void say(struct transport *t, const uint8_t *bytes, size_t size)
{
    struct telnet *n = t->state;
    struct error ignored;
    if (size > sizeof n->replies - n->reply_size)
        return; /* a server that asks without listening */
    if (size)
        memcpy(n->replies + n->reply_size, bytes, size);
    n->reply_size += size;
    if (n->half || !n->reply_size)
        return;
    int sent = transport_fd_write(t, n->replies, n->reply_size, &ignored);
    if (sent <= 0)
        return;
    n->reply_size -= (size_t)sent;
    memmove(n->replies, n->replies + sent, n->reply_size);
}

static bool ours(uint8_t option)
{
    return option == OPTION_BINARY || option == OPTION_SUPPRESS_GO_AHEAD ||
           option == OPTION_COM_PORT;
}

static void take_option(struct transport *t, uint8_t verb, uint8_t option)
{
    struct telnet *n = t->state;
    if (option == OPTION_COM_PORT && verb == DO)
        n->agreed = true;
    else if (option == OPTION_COM_PORT && verb == DONT)
        n->refused = true;
    /* Ours were asked for at the beginning: an answer to an answer would never end. */
    if (ours(option) || verb == WONT || verb == DONT)
        return;
    say(t, (const uint8_t[]){IAC, verb == WILL ? DONT : WONT, option}, 3);
}

static void take_suboption(struct transport *t)
{
    struct telnet *n = t->state;
    const uint8_t *s = n->suboption;
    if (n->suboption_size == 6 && s[0] == OPTION_COM_PORT && s[1] == SERVER + SET_BAUDRATE)
        n->baud_set =
            (uint32_t)s[2] << 24 | (uint32_t)s[3] << 16 | (uint32_t)s[4] << 8 | (uint32_t)s[5];
}

/* One byte from the server; true when it is one of the line's. */
static bool take_byte(struct transport *t, uint8_t byte)
{
    struct telnet *n = t->state;
    switch (n->state) {
    case DATA:
        if (byte != IAC)
            return true;
        n->state = COMMAND;
        break;
    case COMMAND:
        n->state = DATA;
        if (byte == IAC)
            return true;
        n->verb = byte;
        n->suboption_size = 0;
        if (byte == SB)
            n->state = SUBOPTION;
        else if (byte >= WILL)
            n->state = OPTION;
        break;
    case OPTION:
        take_option(t, n->verb, byte);
        n->state = DATA;
        break;
    case SUBOPTION:
        if (byte == IAC)
            n->state = SUBOPTION_COMMAND;
        else if (n->suboption_size < sizeof n->suboption)
            n->suboption[n->suboption_size++] = byte;
        break;
    case SUBOPTION_COMMAND:
        n->state = byte == IAC ? SUBOPTION : DATA;
        if (byte == IAC && n->suboption_size < sizeof n->suboption)
            n->suboption[n->suboption_size++] = byte;
        else if (byte == SE)
            take_suboption(t);
        break;
    }
    return false;
}

static int rfc2217_read(struct transport *t, void *data, size_t size, struct error *err)
{
    struct telnet *n = t->state;
    uint8_t *bytes = data;
    int kept = 0;
    /* Until there is data or the socket is empty: 0 means that it would block. */
    while (!kept) {
        int got = transport_fd_read(t, bytes, size, err);
        if (got <= 0)
            return got;
        for (int i = 0; i < got; i++)
            if (take_byte(t, bytes[i]))
                bytes[kept++] = bytes[i];
        if (n->baud_set && n->baud_set != n->baud_asked)
            return error_set(err, ERROR_MISMATCH, "%s: asked for %u baud, the server set %u",
                             t->name, n->baud_asked, n->baud_set);
    }
    return kept;
}

static int rfc2217_write(struct transport *t, const void *data, size_t size, struct error *err)
{
    struct telnet *n = t->state;
    const uint8_t *bytes = data;
    uint8_t escaped[2048];
    size_t used = 0;
    if (n->half && size) { /* the caller offers that byte again, since it was not counted */
        int sent = transport_fd_write(t, &(uint8_t){IAC}, 1, err);
        n->half = sent <= 0;
        return sent;
    }
    say(t, NULL, 0);
    for (size_t i = 0; i < size && used + 2 <= sizeof escaped; i++) {
        if (bytes[i] == IAC)
            escaped[used++] = IAC;
        escaped[used++] = bytes[i];
    }
    int sent = transport_fd_write(t, escaped, used, err);
    if (sent <= 0)
        return sent;
    int whole = 0;
    for (int at = 0; at < sent && !n->half; whole += !n->half) {
        at += bytes[whole] == IAC ? 2 : 1;
        n->half = at > sent;
    }
    return whole;
}

static int rfc2217_set_baud(struct transport *t, int baud, struct error *err)
{
    struct telnet *n = t->state;
    uint8_t message[16] = {IAC, SB, OPTION_COM_PORT, SET_BAUDRATE};
    size_t size = 4;
    (void)err;
    n->baud_asked = (uint32_t)baud;
    n->baud_set = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint8_t byte = (uint8_t)(n->baud_asked >> shift);
        message[size++] = byte;
        if (byte == IAC)
            message[size++] = IAC;
    }
    message[size++] = IAC;
    message[size++] = SE;
    say(t, message, size);
    return 0;
}

static int negotiate(struct transport *t, int baud, int64_t until_ms, struct error *err)
{
    struct telnet *n = t->state;
    static const uint8_t wishes[] = {
        IAC, WILL, OPTION_COM_PORT,
        IAC, WILL, OPTION_BINARY,
        IAC, DO,   OPTION_BINARY,
        IAC, WILL, OPTION_SUPPRESS_GO_AHEAD,
        IAC, DO,   OPTION_SUPPRESS_GO_AHEAD,
    };
    static const uint8_t line[] = {
        IAC, SB, OPTION_COM_PORT, SET_DATASIZE, DATASIZE_8,      IAC, SE,
        IAC, SB, OPTION_COM_PORT, SET_PARITY,   PARITY_NONE,     IAC, SE,
        IAC, SB, OPTION_COM_PORT, SET_STOPSIZE, STOPSIZE_1,      IAC, SE,
        IAC, SB, OPTION_COM_PORT, SET_CONTROL,  CONTROL_NO_FLOW, IAC, SE,
    };
    bool asked = false;
    say(t, wishes, sizeof wishes);
    while (!n->baud_set) {
        uint8_t early[256]; /* of the line, from before anybody spoke to it */
        int64_t left = until_ms - clock_mono_ms();
        struct pollfd p = {.fd = t->read_fd, .events = POLLIN};
        if (left <= 0)
            return error_set(err, ERROR_TIMEOUT,
                             "%s: the server did not %s in time; does it speak RFC 2217?", t->name,
                             n->agreed ? "set the rate" : "agree to the com port option");
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return error_errno(err, ERROR_IO, "%s: poll failed", t->name);
        int rc = rfc2217_read(t, early, sizeof early, err);
        if (rc < 0)
            return rc;
        if (n->refused)
            return error_set(err, ERROR_STATE,
                             "%s: the server has no com port option; a raw port is opened as "
                             "tcp://HOST:PORT",
                             t->name);
        if (n->agreed && !asked) {
            asked = true;
            say(t, line, sizeof line);
            rfc2217_set_baud(t, baud, err);
        }
    }
    return 0;
}

static void rfc2217_close(struct transport *t)
{
    free(t->state);
}

static int rfc2217_open(const char *address, int timeout_ms, struct transport **out,
                        struct error *err)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    char host[128], name[160];
    int baud, fd;
    *out = NULL;
    int rc = transport_split_baud("rfc2217", address, host, sizeof host, &baud, err);
    if (!rc)
        rc = transport_tcp_connect("rfc2217", host, timeout_ms, &fd, err);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "rfc2217://%s", host);
    struct telnet *state = calloc(1, sizeof *state);
    if (!state) {
        close(fd);
        return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
    }
    rc = transport_make(&transport_rfc2217, fd, fd, name, out, err);
    if (rc) {
        free(state);
        return rc;
    }
    (*out)->state = state;
    rc = negotiate(*out, baud, until_ms, err);
    if (rc) {
        transport_close(*out);
        *out = NULL;
    }
    return rc;
}

const struct transport_ops transport_rfc2217 = {
    .scheme = "rfc2217",
    .open = rfc2217_open,
    .read = rfc2217_read,
    .write = rfc2217_write,
    .set_baud = rfc2217_set_baud,
    .close = rfc2217_close,
};
