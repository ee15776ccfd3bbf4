/* A slot: the run it has now, the workers that do its steps, and where it stands.
 *
 *   idle -> starting -> steps ... -> safing -> closing -> idle
 *
 * A step is begun only once its beginning is in the store, and what follows from its end only once
 * the result is: whatever is decided in one round of the loop is written in one transaction, and
 * acted on after that.
 *
 * A lane is a worker process and the step it does. A plain plan uses the first alone; steps that
 * may be done side by side get one each, so that one that hangs is ended without the others. */
#ifndef TAKT_STATION_ENGINE_SLOT_H
#define TAKT_STATION_ENGINE_SLOT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/formats/board.h"
#include "reports/store.h"
#include "station/engine/loop.h"
#include "station/engine/progress.h"
#include "station/engine/schedule.h"
#include "station/engine/worker.h"

struct engine;
struct op;
struct slot;

enum slot_state { SLOT_IDLE, SLOT_STARTING, SLOT_STEPS, SLOT_SAFING, SLOT_CLOSING };

enum { RUN_SERIAL_MAX = 128 };

struct run { /* texts are owned here: they outlive the request that brought them */
    struct plan *plan;
    struct board board;
    int64_t id;
    char order[65], operator_name[65], mode[17], serial[RUN_SERIAL_MAX], chip_id[65],
        bundle_sha256[65], plan_signer[65];
    char program_version[65];
    int64_t started_wall_ms;
    bool again; /* beyond the plan's policy, by someone who may */
};

/* A finished attempt on its way into the store. */
struct slot_result {
    struct slot_result *next;
    bool writing; /* part of the write under way */
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

struct lane {
    struct slot *slot;
    enum { LANE_FREE, LANE_BEGINNING, LANE_RUNNING, LANE_SAFING } state;
    bool writing; /* its beginning is part of the write under way */
    bool due;     /* its beginning is in the store; it waits for its turn to get a worker */
    struct worker worker;
    struct watch channel_watch, death_watch;
    int step, attempt;
    int64_t step_started_ns, step_started_wall_ms, deadline_ns, abort_ns;
    enum { KILL_NONE, KILL_DEADLINE, KILL_ABORT } killed_for;
    double fraction;
    char progress[160];
};

struct slot {
    struct engine *engine;
    const struct station_file_slot *place;
    size_t index; /* in the engine and its schedule, 0-based */
    enum slot_state state;
    struct run run;
    struct progress progress; /* .plan NULL while there is no run */
    struct lane lanes[SCHEDULE_LANES_MAX];
    int resumes;        /* restarts since the last step that was committed */
    bool place_written; /* `resumes` and the like stand in the journal as they are here */
    bool ending_written;
    bool aborting;
    char abort_reason[200];
    enum verdict worst; /* beyond what the steps say: could not be made safe, could not be kept */
    bool unit_known;    /* chip id and serial are in the store */
    char message[480];  /* why the run ends as it does */
    struct slot_result *results, **results_end; /* not yet written */
    struct slot_failure failure;
    struct op *write; /* the one operation that moves the run on */

    enum verdict last_verdict; /* of the run before, while idle */
    bool last_first_pass;      /* it passed with every step passing at its first attempt */
    int64_t last_run;
    char last_serial[RUN_SERIAL_MAX];
};

int slot_init(struct slot *s, struct engine *e, size_t index, struct error *err);
void slot_free(struct slot *s);

/* The run's plan is there: its progress and what the schedule knows of it. */
int slot_prepare(struct slot *s, struct error *err);
/* The run is in the store: its steps are the schedule's from here on. */
void slot_begin(struct slot *s);
/* The schedule chose a step of this slot, its instruments are taken: it is to be begun. */
void slot_start_step(struct slot *s, int step);
/* Nothing is left to do but to make the slot safe and close the run? Does so. */
void slot_finish_if_over(struct slot *s);
/* Without a run: every output of an idle slot off. */
void slot_make_safe(struct slot *s);
/* Operators stop a run: at once, or after the end of a step that must not be interrupted. */
void slot_abort(struct slot *s, const char *reason);
/* Deadlines and the like that have passed; returns when it wants to be called next, or -1. */
int64_t slot_tick(struct slot *s, int64_t now_ns);
/* For status: owned by the caller. */
cJSON *slot_describe(const struct slot *s);
void slot_forget_run(struct slot *s);
const struct step_kind *slot_kind(const struct slot *s, int step);

/* slot_lane.c: workers. */
void lane_init(struct lane *l, struct slot *s);
void lane_end_worker(struct lane *l);
void lane_start_step(struct lane *l);
void lane_start_safe(struct lane *l);
int64_t lane_tick(struct lane *l, int64_t now_ns);
/* slot.c: what became of what a lane did. said may be NULL, and is taken over. */
void slot_step_over(struct lane *l, enum verdict verdict, const char *message, double duration_ms,
                    cJSON *said);
void slot_safe_over(struct slot *s, int rc, const char *text);
/* slot_write.c: the operation that moves the run on. */
int slot_write_init(struct slot *s, struct error *err);
void slot_queue_write(struct slot *s);
/* The next lane whose step is in the store and waits for its turn to get a worker; NULL: none. */
struct lane *slot_lane_due(struct slot *s);
void slot_lane_begin(struct lane *l);
/* Where one of its steps stands, into the journal. */
int slot_write_step(struct slot *s, int step, struct error *err);

/* slot_question.c: what a worker asks. */
void slot_take_question(struct lane *l, cJSON *question);
/* slot_record.c: from what a worker said to records. */
void slot_result_take(const struct lane *l, struct slot_result *r, cJSON *said);
void slot_result_free(struct slot_result *r);
int slot_write_result(struct slot *s, const struct slot_result *r, struct error *err);

#endif
