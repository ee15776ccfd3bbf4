#include "station/console/learning.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "station/flash/usb/usb_learn.h"

enum { SLOTS_MAX = 64, UNIT_WAIT_MS = 120000 };

struct learning {
    pthread_t thread;
    pthread_mutex_t mutex;
    int fd;
    size_t slots;
    bool cancel; /* read by usb_learn_next() */
    char learned[SLOTS_MAX][sizeof((struct usb_port *)0)->name + 8];
    size_t learned_count;
    bool over;
    struct error trouble;
    struct usb_learn learn;
};

static void tell(struct learning *p, const struct usb_port *port, int rc, const struct error *err)
{
    pthread_mutex_lock(&p->mutex);
    if (port)
        snprintf(p->learned[p->learned_count++], sizeof p->learned[0], "usb:%s", port->name);
    if (rc)
        p->trouble = *err;
    p->over = rc || p->learned_count == p->slots;
    pthread_mutex_unlock(&p->mutex);
    eventfd_write(p->fd, 1);
}

static void *learn(void *context)
{
    struct learning *p = context;
    struct usb_port port;
    struct error err = {0};
    int rc = usb_learn_start(&p->learn, NULL, &err);
    for (size_t i = 0; !rc && i < p->slots; i++) {
        rc = usb_learn_next(&p->learn, UNIT_WAIT_MS, &p->cancel, &port, &err);
        if (!rc)
            tell(p, &port, 0, &err);
    }
    if (rc)
        tell(p, NULL, rc, &err);
    return NULL;
}

int learning_start(size_t slots, struct learning **out, struct error *err)
{
    sigset_t all, before;
    *out = NULL;
    struct learning *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "learning ports: out of memory");
    p->slots = slots < SLOTS_MAX ? slots : SLOTS_MAX;
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&p->mutex, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool failed = p->fd < 0 || pthread_create(&p->thread, NULL, learn, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        if (p->fd >= 0)
            close(p->fd);
        free(p);
        return error_set(err, ERROR_MEMORY, "learning ports: no thread");
    }
    *out = p;
    return 0;
}

void learning_stop(struct learning *p)
{
    if (!p)
        return;
    __atomic_store_n(&p->cancel, true, __ATOMIC_RELAXED);
    pthread_join(p->thread, NULL);
    pthread_mutex_destroy(&p->mutex);
    close(p->fd);
    free(p);
}

int learning_fd(struct learning *p)
{
    return p ? p->fd : -1;
}

void learning_take(struct learning *p)
{
    eventfd_t count;
    eventfd_read(p->fd, &count);
}

size_t learning_learned(struct learning *p)
{
    pthread_mutex_lock(&p->mutex);
    const size_t n = p->learned_count;
    pthread_mutex_unlock(&p->mutex);
    return n;
}

/* Rows below the count are not written any more. */
const char *learning_at(struct learning *p, size_t index)
{
    return p->learned[index];
}

bool learning_over(struct learning *p)
{
    pthread_mutex_lock(&p->mutex);
    const bool over = p->over;
    pthread_mutex_unlock(&p->mutex);
    return over;
}

const char *learning_trouble(struct learning *p)
{
    return learning_over(p) ? p->trouble.text : "";
}
