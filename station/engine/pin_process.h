/* A PIN's scrypt in a process of its own: a tenth of a second in which no slot waits for taktd. */
#ifndef TAKT_STATION_ENGINE_PIN_PROCESS_H
#define TAKT_STATION_ENGINE_PIN_PROCESS_H

#include <sys/types.h>

#include "station/engine/loop.h"
#include "station/engine/pin.h"

struct pin_process {
    struct loop *loop;
    struct watch watch;
    pid_t pid; /* 0 when none runs */
    /* hash is NULL when it could not be derived; may start the process again. */
    void (*done)(struct pin_process *p, const uint8_t *hash);
    void *context;
};

/* loop, done and context are set by the caller; memory stays until done() or the stop. */
int pin_process_start(struct pin_process *p, const char *pin, const struct pin_hash *h,
                      struct error *err);
void pin_process_stop(struct pin_process *p); /* without done(); fine when none runs */

#endif
