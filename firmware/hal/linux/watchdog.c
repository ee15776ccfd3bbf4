/* /dev/watchdogN. It is not opened before start(): opening is what arms it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "firmware/hal/linux/parts.h"

struct watchdog {
    struct linux_unit *unit;
    pthread_mutex_t lock; /* system asks for the boot status */
    int fd;
    int boot_status; /* WDIOF_...; -1 = not known yet */
};

int linux_watchdog_open(struct linux_unit *u, struct watchdog **out, struct error *err)
{
    struct watchdog *w = *out = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, ERROR_MEMORY, "no memory for the watchdog");
    w->unit = u;
    w->fd = w->boot_status = -1;
    pthread_mutex_init(&w->lock, NULL);
    return 0;
}

void linux_watchdog_close(struct watchdog *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd); /* without the magic byte: it goes on */
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* The same status without arming the part, where the kernel has it (CONFIG_WATCHDOG_SYSFS). */
static int status_of_sysfs(const char *device)
{
    char path[BOARD_PATH_MAX + 40], line[16];
    const char *name = strrchr(device, '/');
    snprintf(path, sizeof path, "/sys/class/watchdog/%s/bootstatus", name ? name + 1 : device);
    return linux_read_line(path, line, sizeof line, NULL) ? -1 : (int)strtol(line, NULL, 0);
}

bool linux_watchdog_bit(const struct linux_unit *u)
{
    struct watchdog *w = u->watchdog;
    if (!w)
        return false;
    pthread_mutex_lock(&w->lock);
    if (w->boot_status < 0)
        w->boot_status = status_of_sysfs(u->board->linux.watchdog);
    bool bit = w->boot_status > 0 && (w->boot_status & WDIOF_CARDRESET);
    pthread_mutex_unlock(&w->lock);
    return bit;
}

static int start(struct watchdog *w, int timeout_s, int *granted_s, struct error *err)
{
    const char *path = w->unit->board->linux.watchdog;
    int status = 0;
    *granted_s = timeout_s;
    if (w->fd >= 0)
        return error_set(err, ERROR_STATE, "the watchdog runs already");
    int rc = linux_open_device(w->unit, path, O_WRONLY, &w->fd, err);
    if (rc)
        return rc;
    /* A part with one fixed time refuses; it says which when asked. */
    if (ioctl(w->fd, WDIOC_SETTIMEOUT, granted_s) && ioctl(w->fd, WDIOC_GETTIMEOUT, granted_s))
        linux_log(w->unit, "watchdog: %s does not say its time, taken for %d s", path, timeout_s);
    pthread_mutex_lock(&w->lock);
    if (w->boot_status < 0 && !ioctl(w->fd, WDIOC_GETBOOTSTATUS, &status))
        w->boot_status = status;
    pthread_mutex_unlock(&w->lock);
    return 0;
}

static int feed(struct watchdog *w, struct error *err)
{
    if (w->fd < 0)
        return error_set(err, ERROR_STATE, "the watchdog does not run");
    return ioctl(w->fd, WDIOC_KEEPALIVE, NULL)
               ? error_errno(err, ERROR_IO, "cannot feed the watchdog")
               : 0;
}

static int stop(struct watchdog *w, struct error *err)
{
    if (w->fd < 0)
        return 0;
    /* "V" just before the close disarms it, unless the driver was told never to (nowayout). */
    int rc = write(w->fd, "V", 1) == 1
                 ? 0
                 : error_errno(err, ERROR_IO, "cannot switch the watchdog off");
    close(w->fd);
    w->fd = -1;
    return rc;
}

const struct watchdog_ops linux_watchdog_ops = {start, feed, stop};
