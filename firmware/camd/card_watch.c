#include "firmware/camd/card_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum {
    LOOK_EVERY_MS = 1000,
    MOUNT_MS = 20000, /* drivers of card and file system load beside camd */
};

static const char mount_point[] = "/run/takt-card";
static const char bundle_path[] = "/run/takt-card/" CARD_BUNDLE;
static const char report_path[] = "/run/takt-card/" CARD_REPORT;

struct card_watch {
    char partition[BOARD_PATH_MAX + 4]; /* /dev/mmcblk0p1, /dev/sda1 */
    struct agent *agent;
    struct log *log;
    pthread_t thread;
    int stop_fd;
    atomic_bool stop;
};

static bool stopped(void *context)
{
    struct card_watch *w = context;
    return w->stop;
}

static void wait_ms(const struct card_watch *w, int ms)
{
    struct pollfd p = {.fd = w->stop_fd, .events = POLLIN};
    poll(&p, 1, ms);
}

static int mount_card(struct card_watch *w, unsigned long flags)
{
    return mount(w->partition, mount_point, "vfat", flags | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL);
}

/* False: there is no file system, or it is pulled out again. */
static bool mount_soon(struct card_watch *w)
{
    const int64_t until_ms = clock_mono_ms() + MOUNT_MS;
    while (mount_card(w, MS_RDONLY)) {
        if (stopped(w) || access(w->partition, F_OK) || clock_mono_ms() > until_ms)
            return false;
        wait_ms(w, LOOK_EVERY_MS);
    }
    return true;
}

static void leave_record(struct card_watch *w, const struct card_record *record)
{
    struct error err = {0};
    int rc = mount_card(w, MS_SYNCHRONOUS)
                 ? error_errno(&err, ERROR_IO, "cannot mount %s for writing", w->partition)
                 : 0;
    if (!rc) {
        rc = card_record_add(report_path, record, &err);
        umount2(mount_point, MNT_DETACH);
    }
    if (rc)
        log_printf(w->log, "card: no record on it: %s", err.text);
    else
        log_printf(w->log, "card: the record is on it");
}

static void update_from_card(struct card_watch *w)
{
    struct card_record record = {0};
    enum card_update_end end = CARD_UPDATE_NOTHING;
    if (!mount_soon(w))
        return;
    if (access(bundle_path, F_OK) == 0) {
        log_printf(w->log, "card: it has a bundle");
        end = agent_card_update(w->agent, bundle_path, stopped, w, &record);
    }
    umount2(mount_point, MNT_DETACH);
    if (end == CARD_UPDATE_ON_TRIAL) {
        log_printf(w->log, "card: %s is written; restarting to try it", record.bundle);
        agent_want_restart(w->agent);
    } else if (end == CARD_UPDATE_RECORD) {
        log_printf(w->log, "card: %s: %s", record.bundle, record.flashed ? "it runs" : record.why);
        leave_record(w, &record);
    } else if (*record.bundle) {
        log_printf(w->log, "card: nothing to do");
    }
}

static void *watch(void *context)
{
    struct card_watch *w = context;
    bool was_there = false;
    while (!stopped(w)) {
        const bool is_there = access(w->partition, F_OK) == 0;
        if (is_there && !was_there)
            update_from_card(w);
        was_there = is_there;
        wait_ms(w, LOOK_EVERY_MS);
    }
    return NULL;
}

int card_watch_start(const char *device, struct agent *agent, struct log *log,
                     struct card_watch **out, struct error *err)
{
    const size_t length = strlen(device);
    const bool ends_in_digit = length && device[length - 1] >= '0' && device[length - 1] <= '9';
    struct card_watch *w = *out = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, ERROR_MEMORY, "no memory for the card's watch");
    w->agent = agent;
    w->log = log;
    snprintf(w->partition, sizeof w->partition, "%s%s1", device, ends_in_digit ? "p" : "");
    w->stop_fd = eventfd(0, EFD_CLOEXEC);
    mkdir(mount_point, 0700);
    if (w->stop_fd >= 0 && pthread_create(&w->thread, NULL, watch, w) == 0)
        return 0;
    if (w->stop_fd >= 0)
        close(w->stop_fd);
    free(w);
    *out = NULL;
    return error_set(err, ERROR_MEMORY, "cannot watch for cards");
}

void card_watch_stop(struct card_watch *w)
{
    const uint64_t one = 1;
    if (!w)
        return;
    w->stop = true;
    if (write(w->stop_fd, &one, sizeof one) < 0)
        w->stop = true; /* it is found within LOOK_EVERY_MS */
    pthread_join(w->thread, NULL);
    close(w->stop_fd);
    free(w);
}
