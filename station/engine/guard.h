/* Ends what workers started when taktd itself is killed: the kernel tells a worker of its parent's
 * death, but not the worker's own children. The guard is a process that does nothing but wait for
 * taktd's end. */
#ifndef TAKT_STATION_ENGINE_GUARD_H
#define TAKT_STATION_ENGINE_GUARD_H

#include <sys/types.h>

#include "protocol/base/error.h"

/* *fd speaks to it; closing it (or taktd's death) kills every group it was told of. */
int guard_start(int *fd, struct error *err);
void guard_add(int fd, pid_t group);
void guard_remove(int fd, pid_t group);

#endif
