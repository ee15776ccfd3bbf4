#include "firmware/hal/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/hal/linux/parts.h"
#include "firmware/hal/linux/pins.h"
#include "firmware/hal/log_line.h"
#include "protocol/base/clock.h"

enum { LOOK_MS = 20 };

void linux_log(const struct linux_unit *u, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line_format(u->config.log, u->config.log_context, format, args);
    va_end(args);
}

bool linux_wait(const struct linux_unit *u)
{
    int64_t now = clock_mono_ns();
    if (now / 1000000 >= u->wait_until_ms)
        return false;
    clock_sleep_until_ns(now + LOOK_MS * 1000000);
    return true;
}

int linux_open_device(const struct linux_unit *u, const char *path, int flags, int *fd,
                      struct error *err)
{
    do
        *fd = open(path, flags | O_CLOEXEC);
    while (*fd < 0 && (errno == EINTR ||
                       ((errno == ENOENT || errno == ENODEV || errno == ENXIO) && linux_wait(u))));
    if (*fd >= 0)
        return 0;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return error_set(err, ERROR_MISSING, "there is no %s", path);
    return error_errno(err, errno == EBUSY ? ERROR_BUSY : ERROR_IO, "cannot open %s", path);
}

int linux_read_line(const char *path, char *out, size_t size, struct error *err)
{
    out[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "cannot open %s", path);
    ssize_t n = read(fd, out, size - 1);
    int failed = errno;
    close(fd);
    if (n < 0) {
        out[0] = '\0';
        errno = failed;
        return error_errno(err, ERROR_IO, "cannot read %s", path);
    }
    out[n] = '\0';
    size_t from = strspn(out, " \t");
    size_t length = 0;
    while ((unsigned char)out[from + length] >= ' ' && out[from + length] != 127)
        length++;
    while (length && out[from + length - 1] == ' ')
        length--;
    memmove(out, out + from, length);
    out[length] = '\0';
    return 0;
}

static void linux_close(struct hal *hal)
{
    struct linux_unit *u = hal->backend;
    if (!u)
        return;
    linux_motor_close(hal->motor_state);
    linux_gpio_close(hal->gpio_state);
    linux_camera_close(hal->camera_state);
    linux_audio_close(hal->audio_state);
    linux_flash_close(hal->flash_state);
    linux_card_close(hal->card_state);
    linux_radio_close(hal->radio_state);
    linux_bluetooth_close(hal->bluetooth_state);
    linux_system_close(hal->system_state);
    linux_watchdog_close(hal->watchdog_state);
    pins_free(u->pins);
    free(u);
    memset(hal, 0, sizeof *hal);
}

/* Opens a part when the board names it; else it is not there, and the log says so. */
#define PART(name, named)                                                                          \
    do {                                                                                           \
        if (rc)                                                                                    \
            break;                                                                                 \
        if (!(named)) {                                                                            \
            linux_log(u, #name ": the board names none");                                          \
            break;                                                                                 \
        }                                                                                          \
        rc = linux_##name##_open(u, &hal->name##_state, err);                                      \
        hal->name = rc ? NULL : &linux_##name##_ops;                                               \
    } while (0)

static int open_parts(struct linux_unit *u, struct hal *hal, struct error *err)
{
    const struct board_linux *l = &u->board->linux;
    int rc = pins_create(u, &u->pins, err);
    PART(watchdog, l->watchdog[0]);
    u->watchdog = hal->watchdog_state;
    PART(camera, l->camera[0]);
    u->camera = hal->camera_state;
    PART(audio, l->microphone[0] || l->speaker[0]);
    PART(motor, l->pan.phase_count && l->tilt.phase_count);
    PART(flash, l->mtd[0] || l->block[0]);
    PART(card, l->card[0]);
    PART(radio, l->radio[0]);
    u->radio = hal->radio_state;
    PART(bluetooth, l->bluetooth[0]);
    u->bluetooth = hal->bluetooth_state;
    PART(gpio, l->gpio_count);
    PART(system, true);
    return rc;
}

static int linux_open(const struct hal_config *config, struct hal *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    if (!config->board->has_linux)
        return error_set(err, ERROR_INPUT, "board %s has no section 'linux': nothing to open",
                         config->board->name);
    if (config->options && config->options[0])
        return error_set(err, ERROR_INPUT, "hal linux takes no options, not \"%.80s\"",
                         config->options);
    struct linux_unit *u = calloc(1, sizeof *u);
    if (!u)
        return error_set(err, ERROR_MEMORY, "no memory for the hardware");
    out->backend = u;
    u->board = config->board;
    u->config = *config;
    u->wait_until_ms = clock_mono_ms() + LINUX_WAIT_MS;
    int rc = open_parts(u, out, err);
    if (rc)
        linux_close(out);
    return rc;
}

const struct hal_backend hal_linux = {"linux", linux_open, linux_close};
