/* A slot worker: the process that does the steps of one run.
 *
 * Forked from taktd without exec, it sees plan and board as they were at the fork, so neither
 * needs sending, and memory a step lost is gone with the run. It speaks to taktd over one channel
 * and touches neither the store nor another slot.
 *
 *   to the worker   {"do": "step", "index": 3} · {"do": "safe"} · answers to what it asked
 *   to taktd        {"say": "progress" | "log" | "done" | "safe", ...}
 *                   {"ask": "reserve" | "advance" | "token" | "committed", ...}, answered by
 *                   {"rc": 0, ...} or {"rc": -10, "text": "..."} */
#ifndef TAKT_STATION_ENGINE_WORKER_H
#define TAKT_STATION_ENGINE_WORKER_H

#include <stdint.h>
#include <sys/types.h>

#include "station/engine/channel.h"
#include "station/engine/vocabulary.h"

/* What it is forked with. Everything must stay as it is until worker_spawn() returned. */
struct worker_job {
    int slot; /* as people say it */
    const struct plan *plan;
    const struct vocabulary *vocabulary;
    const struct board *board;
    const char *station, *order, *serial, *bundle_path, *unit_port;
    const char *chip_id;        /* of the unit this run is with; "" while unknown */
    const char *fixture_socket; /* "" when the station has no instruments */
    const char *attachments_dir;
    int guard_fd;                          /* guard.h */
    const struct credentials *credentials; /* NULL when the station has none */
    const char *bundle_key_pem;            /* the same */
};

struct worker_shared { /* memory that both sides see */
    bool cancel;       /* set by taktd: the step is to return soon */
    bool section;      /* set by the worker: what it does now must not be interrupted */
};

struct worker {
    pid_t pid; /* 0: none */
    int pidfd; /* readable once it is dead */
    struct channel *channel;
    struct worker_shared *shared;
    int guard_fd;
};

int worker_spawn(const struct worker_job *job, struct worker *out, struct error *err);
/* SIGKILL to it and every process of its group. */
void worker_kill(const struct worker *w);
/* Once pidfd is readable: takes its status and frees the rest; `how` says how it ended, such as
 * "killed by signal 9". */
void worker_reap(struct worker *w, char *how, size_t how_size);

/* The child's side; never returns. For worker_spawn(). */
_Noreturn void worker_run(const struct worker_job *job, int fd, struct worker_shared *shared);

#endif
