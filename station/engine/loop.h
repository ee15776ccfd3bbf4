/* Waiting for descriptors: epoll, level-triggered. */
#ifndef TAKT_STATION_ENGINE_LOOP_H
#define TAKT_STATION_ENGINE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct watch {
    int fd; /* -1: not watched */
    bool writing;
    void (*ready)(struct watch *w);
    void *context;
};

struct loop {
    int epoll_fd;
};

int loop_open(struct loop *l, struct error *err);
void loop_close(struct loop *l);
/* w->ready is called while fd is readable, or writable where that is asked for. */
int loop_add(struct loop *l, struct watch *w, int fd, struct error *err);
void loop_want_write(struct loop *l, struct watch *w, bool writing);
/* The memory of w may go once loop_wait() has returned. */
void loop_remove(struct loop *l, struct watch *w);
/* One round: calls whatever is ready; timeout_ms < 0 waits for ever. */
int loop_wait(struct loop *l, int timeout_ms, struct error *err);

#endif
