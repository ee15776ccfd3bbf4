/* serial:/dev/ttyUSB0?baud=921600, through libserialport: adapters, any rate they can do */
#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "protocol/transport/kinds.h"

static int explain(enum sp_return code, const char *name, const char *what, struct error *err)
{
    if (code == SP_ERR_FAIL)
        return error_errno(err, errno == EIO || errno == ENODEV ? ERROR_CLOSED : ERROR_IO,
                           "%s: cannot %s", name, what);
    return error_set(err, code == SP_ERR_MEM ? ERROR_MEMORY : ERROR_INPUT, "%s: cannot %s: %s",
                     name, what,
                     code == SP_ERR_SUPP ? "the device does not support it" : "bad value");
}

static int serial_set_baud(struct transport *t, int baud, struct error *err)
{
    char what[48];
    snprintf(what, sizeof what, "set %d baud", baud);
    enum sp_return code = sp_set_baudrate(t->state, baud);
    return code == SP_OK ? 0 : explain(code, t->name, what, err);
}

static int configure(struct sp_port *port, int baud, const char *name, struct error *err)
{
    struct sp_port_config *config = NULL;
    enum sp_return code = sp_new_config(&config);
    if (code == SP_OK)
        code = sp_set_config_baudrate(config, baud);
    if (code == SP_OK)
        code = sp_set_config_bits(config, 8);
    if (code == SP_OK)
        code = sp_set_config_parity(config, SP_PARITY_NONE);
    if (code == SP_OK)
        code = sp_set_config_stopbits(config, 1);
    if (code == SP_OK)
        code = sp_set_config_flowcontrol(config, SP_FLOWCONTROL_NONE);
    if (code == SP_OK)
        code = sp_set_config(port, config);
    char what[48];
    snprintf(what, sizeof what, "set 8N1 at %d baud", baud);
    int rc = code == SP_OK ? 0 : explain(code, name, what, err);
    sp_free_config(config);
    return rc;
}

/* libserialport leaves a terminal with VMIN 0, where a read that finds nothing returns 0: what a
 * terminal that hung up returns too. With VMIN 1 such a read fails with EAGAIN. */
static int tell_idle_from_gone(int fd, const char *name, struct error *err)
{
    struct termios terminal;
    if (tcgetattr(fd, &terminal))
        return error_errno(err, ERROR_IO, "%s: cannot read its settings", name);
    terminal.c_cc[VMIN] = 1;
    terminal.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSANOW, &terminal))
        return error_errno(err, ERROR_IO, "%s: cannot change its settings", name);
    return 0;
}

/* libserialport says only "failed", so what is wrong with the path is looked at first. */
static int look(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return transport_open_error("serial", path, err);
    int rc = isatty(fd) ? 0 : error_set(err, ERROR_INPUT, "serial:%s: it is not a terminal", path);
    close(fd);
    return rc;
}

static int serial_open(const char *address, int timeout_ms, struct transport **out,
                       struct error *err)
{
    (void)timeout_ms;
    struct sp_port *port = NULL;
    char path[128], name[160];
    int baud, fd = -1;
    int rc = transport_split_baud("serial", address, path, sizeof path, &baud, err);
    if (!rc)
        rc = look(path, err);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "serial:%s", path);
    enum sp_return code = sp_get_port_by_name(path, &port);
    if (code != SP_OK) {
        rc = error_set(err, ERROR_INPUT,
                       "%s: libserialport does not know this terminal; a pseudo-terminal is "
                       "opened as pty:%s",
                       name, path);
        goto out;
    }
    code = sp_open(port, SP_MODE_READ_WRITE);
    if (code != SP_OK) {
        rc = errno == EBUSY || errno == EAGAIN || errno == EWOULDBLOCK
                 ? error_set(err, ERROR_BUSY, "%s: another program has it open", name)
                 : transport_open_error("serial", path, err);
        goto out;
    }
    rc = configure(port, baud, name, err);
    if (rc)
        goto out;
    sp_flush(port, SP_BUF_INPUT);
    int own = -1;
    if (sp_get_port_handle(port, &own) != SP_OK || (fd = fcntl(own, F_DUPFD_CLOEXEC, 0)) < 0) {
        rc = error_errno(err, ERROR_IO, "%s: cannot get its descriptor", name);
        goto out;
    }
    rc = tell_idle_from_gone(fd, name, err);
    if (!rc)
        rc = transport_claim(fd, "serial", path, err);
    if (rc) {
        close(fd);
        goto out;
    }
    rc = transport_make(&transport_serial, fd, fd, name, out, err);
    if (!rc)
        (*out)->state = port;
out:
    if (rc && port) {
        sp_close(port);
        sp_free_port(port);
    }
    return rc;
}

static void serial_close(struct transport *t)
{
    if (t->state) {
        sp_close(t->state);
        sp_free_port(t->state);
    }
}

const struct transport_ops transport_serial = {
    .scheme = "serial",
    .open = serial_open,
    .read = transport_fd_read,
    .write = transport_fd_write,
    .set_baud = serial_set_baud,
    .close = serial_close,
};
