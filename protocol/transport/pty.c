/* pty:/dev/pts/N, or any terminal by plain termios */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "protocol/transport/kinds.h"

static const struct {
    int baud;
    speed_t speed;
} speeds[] = {
    {9600, B9600},       {19200, B19200},     {38400, B38400},     {57600, B57600},
    {115200, B115200},   {230400, B230400},   {460800, B460800},   {500000, B500000},
    {921600, B921600},   {1000000, B1000000}, {1152000, B1152000}, {1500000, B1500000},
    {2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000}, {3500000, B3500000},
    {4000000, B4000000},
};

static int pty_set_baud(struct transport *t, int baud, struct error *err)
{
    struct termios settings;
    if (tcgetattr(t->read_fd, &settings))
        return error_errno(err, errno == EIO ? ERROR_CLOSED : ERROR_IO,
                           "%s: cannot read the terminal's settings", t->name);
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        if (speeds[i].baud != baud)
            continue;
        cfmakeraw(&settings);
        settings.c_cflag |= CLOCAL | CREAD;
        settings.c_cflag &= ~(tcflag_t)(CRTSCTS | CSTOPB);
        settings.c_cc[VMIN] = 1;
        settings.c_cc[VTIME] = 0;
        cfsetspeed(&settings, speeds[i].speed);
        if (tcsetattr(t->read_fd, TCSANOW, &settings))
            return error_errno(err, ERROR_IO, "%s: cannot set %d baud", t->name, baud);
        /* tcsetattr() is content when any part of it could be set. */
        if (tcgetattr(t->read_fd, &settings) || cfgetospeed(&settings) != speeds[i].speed)
            return error_set(err, ERROR_IO, "%s: it did not take %d baud", t->name, baud);
        return 0;
    }
    return error_set(err, ERROR_INPUT, "%s: %d is not a rate of a terminal", t->name, baud);
}

static int pty_open(const char *address, int timeout_ms, struct transport **out, struct error *err)
{
    (void)timeout_ms;
    char path[128], name[160];
    int baud;
    int rc = transport_split_baud("pty", address, path, sizeof path, &baud, err);
    if (rc)
        return rc;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return transport_open_error("pty", path, err);
    if (!isatty(fd)) {
        close(fd);
        return error_set(err, ERROR_INPUT, "pty:%s: it is not a terminal", path);
    }
    rc = transport_claim(fd, "pty", path, err);
    if (rc) {
        close(fd);
        return rc;
    }
    snprintf(name, sizeof name, "pty:%s", path);
    rc = transport_make(&transport_pty, fd, fd, name, out, err);
    if (!rc)
        rc = pty_set_baud(*out, baud, err);
    if (rc) {
        transport_close(*out);
        *out = NULL;
    }
    return rc;
}

const struct transport_ops transport_pty = {
    .scheme = "pty",
    .open = pty_open,
    .read = transport_fd_read,
    .write = transport_fd_write,
    .set_baud = pty_set_baud,
};
