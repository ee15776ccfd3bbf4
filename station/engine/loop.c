#include "station/engine/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ROUND_EVENTS = 256 };

int loop_open(struct loop *l, struct error *err)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return l->epoll_fd < 0 ? error_errno(err, ERROR_IO, "epoll") : 0;
}

void loop_close(struct loop *l)
{
    if (l->epoll_fd > 0)
        close(l->epoll_fd);
    l->epoll_fd = -1;
}

int loop_add(struct loop *l, struct watch *w, int fd, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event))
        return error_errno(err, ERROR_IO, "watching a descriptor");
    w->fd = fd;
    w->writing = false;
    return 0;
}

void loop_want_write(struct loop *l, struct watch *w, bool writing)
{
    if (w->fd < 0 || w->writing == writing)
        return;
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &event) == 0)
        w->writing = writing;
}

void loop_remove(struct loop *l, struct watch *w)
{
    if (w->fd >= 0)
        epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
}

int loop_wait(struct loop *l, int timeout_ms, struct error *err)
{
    struct epoll_event events[ROUND_EVENTS];
    int n = epoll_wait(l->epoll_fd, events, ROUND_EVENTS, timeout_ms);
    if (n < 0 && errno != EINTR)
        return error_errno(err, ERROR_IO, "epoll_wait");
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;
        if (w->fd >= 0) /* an earlier one of this round may have removed it */
            w->ready(w);
    }
    return 0;
}
