/* Keeping what a process holds in memory out of files: programs through which keys pass call these
 * at their start. */
#ifndef TAKT_PROTOCOL_BASE_SECRECY_H
#define TAKT_PROTOCOL_BASE_SECRECY_H

#include "protocol/base/error.h"

/* Core dumps of this process and those it forks hold no memory, whoever takes them (core(5),
 * coredump_filter): also where they are piped to a program, and root's limits do not count. */
int secrecy_no_core(struct error *err);

/* From here on no page of this process goes to swap, as it is touched. Not for forked processes:
 * each calls it for itself. ERROR_REFUSED where the limits would make memory run out instead
 * (`ulimit -l`; LimitMEMLOCK of systemd). */
int secrecy_lock_memory(struct error *err);
void secrecy_unlock_memory(void);

#endif
