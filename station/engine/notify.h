/* Telling the service manager how taktd is: ready, alive, stopping (sd_notify(3), whose protocol is
 * a datagram to $NOTIFY_SOCKET). Without one, started by hand, nothing is told. */
#ifndef TAKT_STATION_ENGINE_NOTIFY_H
#define TAKT_STATION_ENGINE_NOTIFY_H

#include <stdint.h>

struct notify {
    int fd;                 /* -1: nobody asked */
    int64_t alive_every_ns; /* 0: no watchdog */
    int64_t alive_due_ns;
};

/* From the environment, which is cleared: workers are no service. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);
/* "READY=1", "STOPPING=1": one or more lines. */
void notify_tell(const struct notify *n, const char *lines);
/* A round of the loop is over, what it gathered committed: at half the watchdog's time. Returns
 * when it wants to be called next, or -1. */
int64_t notify_alive(struct notify *n, int64_t now_ns);

#endif
