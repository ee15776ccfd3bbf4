/* A slot: the run it has now, its worker, and what comes next.
 *
 *   idle -> writing -> running -> writing -> running ... -> safing -> writing -> idle
 *                \-> waiting (for an instrument) -> writing -> running
 *
 * `writing` is a result, or the beginning of a step, on its way into the store; nothing moves on
 * before it is there. */
#ifndef TAKT_STATION_ENGINE_SLOT_H
#define TAKT_STATION_ENGINE_SLOT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/formats/board.h"
#include "reports/store.h"
#include "station/engine/loop.h"
#include "station/engine/worker.h"

struct engine;
struct op;

enum slot_state {
    SLOT_IDLE,
    SLOT_WRITING,
    SLOT_WAITING,
    SLOT_RUNNING,
    SLOT_SAFING,
    SLOT_STATES,
};
const char *slot_state_name(enum slot_state s);

enum { RUN_SERIAL_MAX = 128 };

struct run { /* texts are owned here: they outlive the request that brought them */
    struct plan *plan;
    struct board board;
    int64_t id;
    char order[65], operator_name[65], mode[17], serial[RUN_SERIAL_MAX], chip_id[65],
        bundle_sha256[65];
    char program_version[65];
    int64_t started_wall_ms;
};

/* A finished attempt on its way into the store. */
struct slot_result {
    bool there;
    int index, attempt;
    enum verdict verdict;
    char message[480];
    int64_t started_wall_ms;
    double duration_ms;
    cJSON *said; /* the worker's message, which the records point into */
    struct measurement_record *measurements;
    struct note_record *notes;
    struct attachment_record *attachments;
    size_t measurement_count, note_count, attachment_count;
};

struct slot_failure { /* what an operator wants to see of a unit that did not pass */
    char step[65], measurement[65], unit[33], message[480];
    double value, low, high;
    bool has_value, has_low, has_high;
    enum verdict verdict;
};

struct slot {
    struct engine *engine;
    const struct station_file_slot *place;
    size_t index; /* in the engine, 0-based */
    enum slot_state state;
    struct run run;

    int at;              /* first step without a final verdict; teardown's follow the plan's */
    int current;         /* the one under way: `at`, or an earlier one done again after a restart */
    int attempt;         /* of step `at`: its next or present number in the record */
    int tries;           /* how many of those count against the plan's attempts */
    int current_attempt; /* the number of the one under way */
    int restore;         /* after a restart: next step to look at for doing again; -1 when done */
    int skip_from, skip_to, skip_attempt; /* steps to record as skipped with the next write */
    int resumes;                          /* restarts since the last step that was committed */
    bool begun;            /* the current step is, or is about to be, in the worker's hands */
    bool aborting, ending; /* ending: the plan's own steps are over */
    char abort_reason[200];
    enum verdict worst;
    enum { NEXT_STEP, NEXT_WAIT, NEXT_SAFE, NEXT_IDLE } next;
    bool closing;      /* the next write also closes the run */
    bool unit_known;   /* chip id and serial are in the store */
    char message[480]; /* why the run ends as it does */
    struct slot_result result;
    struct slot_failure failure;
    struct op *write; /* the one operation that moves the run on */

    struct worker worker;
    struct watch channel_watch, death_watch;
    int64_t step_started_ns, step_started_wall_ms, deadline_ns, abort_ns;
    enum { KILL_NONE, KILL_DEADLINE, KILL_ABORT } killed_for;

    double fraction;
    char progress[160];
    enum verdict last_verdict; /* of the run before, while idle */
    int64_t last_run;
    char last_serial[RUN_SERIAL_MAX];
};

int slot_init(struct slot *s, struct engine *e, size_t index, struct error *err);
void slot_free(struct slot *s);

/* The run is in the store: begin. */
void slot_begin(struct slot *s);
/* Takes slot->at, ->attempt and so on as they were read back, and goes on. */
void slot_resume(struct slot *s);
/* Without a run: every output of an idle slot off. */
void slot_make_safe(struct slot *s);
/* Operators stop a run: at once, or after the end of a step that must not be interrupted. */
void slot_abort(struct slot *s, const char *reason);
/* Its turn at the instruments has come. */
void slot_granted(struct slot *s);
/* Deadlines and the like that have passed; returns when it wants to be called next, or -1. */
int64_t slot_tick(struct slot *s, int64_t now_ns);
/* For status: owned by the caller. */
cJSON *slot_describe(const struct slot *s);
void slot_forget_run(struct slot *s);
const struct plan_step *slot_step(const struct slot *s);

/* slot_choose.c: what comes next; in memory alone, the next write makes it so. */
void slot_choose(struct slot *s);
void slot_end_main(struct slot *s); /* skips what is left of the plan's own steps */
void slot_count_verdict(struct slot *s, enum verdict v, const char *message);
int slot_rank(enum verdict v);             /* how bad it is for the run */
int slot_step_count(const struct slot *s); /* the teardown's included */

/* slot_question.c: what a worker asks. */
void slot_take_question(struct slot *s, cJSON *question);
/* slot_record.c: from what a worker said to records. */
void slot_result_take(struct slot *s, cJSON *said);
void slot_result_clear(struct slot_result *r);
int slot_write_result(struct slot *s, struct error *err);

#endif
