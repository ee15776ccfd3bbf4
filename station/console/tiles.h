/* What the screen shows of each slot, taken from taktd's status document: no terminal, no socket.
 */
#ifndef TAKT_STATION_CONSOLE_TILES_H
#define TAKT_STATION_CONSOLE_TILES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum { TILES_MAX = 64 };

struct tile_failure {
    char step[48], measurement[64], unit[24], message[256];
    bool has_value, has_min, has_max;
    double value, min, max;
};

struct tile {
    int slot;
    char state[16]; /* "idle", "recording", "waiting", "running", "safing" */
    char serial[64];
    char step[48]; /* the running step's id */
    long long run;
    int step_index, step_count;
    double progress;  /* of the step, 0..1; negative while unknown */
    char text[96];    /* "12.1 MB/s, 3 s left" */
    char verdict[16]; /* of the last run, "" while there is none */
    bool failed;      /* failure holds the last run's first failure */
    struct tile_failure failure;
};

struct tiles {
    char station[64];
    char notice[160]; /* what stops the whole station: a full disk, a dead instrument; or "" */
    /* Records that are not sent on as they should be: those that wait where the first one met
     * trouble, and those that were refused. */
    int unsent, refused;
    bool pool_low; /* fewer free identities than the station warns of, or none */
    int pool_free; /* then */
    struct tile slots[TILES_MAX];
    size_t count;
    int operators;      /* accounts at the station */
    int passed, failed; /* runs ended, not aborted, while this screen watched */
};

/* Takes over a status document; what it lacks keeps its zero. Counts verdicts that appeared since
 * the last document. */
void tiles_update(struct tiles *t, const cJSON *status);

/* How far the slot's whole run is, 0..1: steps done plus the running one's share. */
double tile_run_progress(const struct tile *t);

#endif
