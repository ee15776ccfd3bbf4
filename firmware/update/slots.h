/* Slots a and b: which one runs, which one is known good, and whether an update is on trial.
 *
 * Kept in the boot environment under U-Boot's own names where it has them, so that its boot script
 * counts and falls back as slots_boot() does:
 *   slot_active, slot_good   "a" or "b"
 *   upgrade_available        1 only while the active slot is on trial
 *   bootcount, bootlimit     starts of the trial so far, and how many it gets
 *   slot_a_version, slot_a_release, slot_b_…   what was written there; absent while it is written
 *   release_min              the highest release ever committed: nothing older is taken
 *   slot_fallback            why the last trial was given up
 * Beside them, written by the factory agent and left alone by everything here:
 *   loader                   "closed" once the unit is finalized: the boot script then leaves no
 *                            moment to get to the prompt. "closing" while that is under way
 *                            (factory/finalize.h): to the boot script that is open. Absent: open;
 *                            both copies of the environment damaged: closed
 *   factory_time             the newest `issued` of an accepted factory token, seconds since 1970
 * Outside a trial nothing is counted and nothing written: quick power cycles of a healthy unit must
 * never make it fall back. Every change is one store of the environment. */
#ifndef TAKT_FIRMWARE_UPDATE_SLOTS_H
#define TAKT_FIRMWARE_UPDATE_SLOTS_H

#include "firmware/update/environment.h"
#include "protocol/formats/bundle.h"

enum { SLOT_TRIES = 3 };

struct slot {
    char version[BUNDLE_VERSION_MAX]; /* "" while unknown or half-written */
    uint32_t release;                 /* 0 likewise */
};

struct slots {
    const struct hal *hal;
    const struct board *board;
    char active; /* started next time: 'a' or 'b' */
    char good;
    bool trial;
    int tries_left; /* starts the trial still gets */
    uint32_t release_min;
    struct slot slot[2]; /* a, b */
    char fallback[96];
    struct environment environment;
};

/* A unit without environment runs slot a. Hal and board must outlive it. */
int slots_load(const struct hal *hal, const struct board *board, struct slots *out,
               struct error *err);

/* What the boot loader does at each start: counts down a trial, or gives it up and says why in
 * `fallback`. Afterwards `active` is the slot that runs. */
int slots_boot(struct slots *s, struct error *err);

char slots_other(char slot);
struct slot *slots_at(struct slots *s, char slot);

/* The slot's content is about to be destroyed: forget what it was, before the first erase.
 * ERROR_STATE when it is the good one during a trial: there would be nothing to fall back to. */
int slots_overwrite(struct slots *s, char slot, struct error *err);
/* Boots `slot` next time, on trial. */
int slots_activate(struct slots *s, char slot, const char *version, uint32_t release,
                   struct error *err);
/* A variable that is not the slots' own; NULL when there is none. */
const char *slots_variable(const struct slots *s, const char *name);
/* NULL removes it. One store of the environment, as every change. */
int slots_set_variable(struct slots *s, const char *name, const char *value, struct error *err);
/* The running slot proved itself. Done already is fine; ERROR_STATE when another one is active. */
int slots_commit(struct slots *s, char running, struct error *err);

#endif
