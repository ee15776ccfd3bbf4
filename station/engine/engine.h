/* taktd's engine: runs plans on slots and records them. What it promises:
 *
 * - Everything workers and clients sent in one round is committed in one transaction; only then is
 *   it answered or acted on. When that fails (full disk) nothing is acknowledged, slots pause and
 *   say why, and the same is tried again until it holds.
 * - A step past its deadline, and a worker that died, end with every process they started; the
 *   teardown runs in a fresh worker. No slot waits for another but for an instrument.
 * - Killed at any moment and started again, it goes on with every open run at the first step that
 *   has no committed verdict.
 *
 * The engine does not know what a camera is: step kinds come in a table. */
#ifndef TAKT_STATION_ENGINE_ENGINE_H
#define TAKT_STATION_ENGINE_ENGINE_H

#include "station/steps/step.h"

struct engine_config {
    const char *station_path;
    const struct step_kind *const *step_kinds; /* ends with NULL; NULL means this build's */
    int stop_fd;  /* readable: stop, leaving open runs to the next start */
    int ready_fd; /* gets the line "ready" once clients are served; -1 for none */
    /* For the crash matrix: called at every point where taktd may be killed with a different
     * outcome: a transaction is written but not committed, committed but not acted on, acted on.
     * NULL otherwise. */
    void (*between)(void *context);
    void *between_context;
};

/* Returns 0 when it was asked to stop. ERROR_BUSY when another taktd has this state folder;
 * ERROR_INPUT with file and line for a bad station file. Call it from a process with one thread. */
int engine_run(const struct engine_config *config, struct error *err);

#endif
