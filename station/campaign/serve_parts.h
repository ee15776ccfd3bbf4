/* For the serve_*.c files of this folder: the campaign as its process holds it, and what each of
 * them does to it. One thread, the loop's, touches it; the crew's threads ask for tokens alone. */
#ifndef TAKT_STATION_CAMPAIGN_SERVE_PARTS_H
#define TAKT_STATION_CAMPAIGN_SERVE_PARTS_H

#include <pthread.h>

#include "fixtures/driver.h"
#include "station/campaign/clock.h"
#include "station/campaign/serve.h"
#include "station/campaign/surroundings.h"
#include "station/campaign/watch.h"

struct served_unit {
    struct unit_watch watch;
    char chip_id[33];
    struct crew_note notes[CREW_NOTES_MAX]; /* as last seen */
    size_t note_count;
    int64_t due_ms[CAMPAIGN_WATCHES_MAX]; /* by the campaign's clock */
    int64_t bring_up_ms, tried_since_ms;  /* the next try, and when the first was */
    bool up;                              /* its session and supply are there */
    bool busy;                            /* a task of it is under way */
    bool dirty;                           /* to be noted */
    bool noting;                          /* part of the note under way */
    bool over;  /* to be taken down once that is committed; then it is down */
    bool joins; /* it left and is to come back */
    bool told;  /* its result is on record */
};

struct served_condition {
    double commanded, measured; /* NAN before the first */
    int64_t due_ms;
    int64_t unset_ms;         /* since when it could not be put through; 0: it could */
    struct watch_row rows[2]; /* as commanded, as measured */
};

/* An answer someone in the crew waits for. */
struct waiting {
    struct waiting *next;
    int id;
    cJSON *answer;
};

struct served {
    const struct campaign_job *job;
    const struct campaign *c;
    const struct campaign_wire *wire;
    struct campaign_clock *clock;
    struct surroundings *surroundings;
    int slots[SLOTS_MAX]; /* of the units that stand in one */
    struct crew *crew;
    struct served_unit *units;
    size_t busy;

    int64_t noted_ms;
    int64_t now_ms, last_ms; /* the campaign's clock */
    int64_t elapsed_ms;      /* campaign time */
    struct served_condition conditions[CAMPAIGN_CONDITIONS_MAX];
    int64_t poll_ms, contact_ms, off_since_ms; /* off_since 0: where it should be */
    bool has_chamber;

    const char *state; /* "running", ... as it is to be noted */
    char reason[200];
    cJSON *events, *rows; /* not yet noted */
    int note;             /* the number of the one under way; 0: none */
    int last_note;
    bool dirty, gone;

    pthread_mutex_t lock; /* over the wire's sending and what follows */
    pthread_cond_t answered;
    struct waiting *waiting;
    int last_ask;
};

static inline void served_mark(struct served_unit *u)
{
    u->dirty = true;
}

static inline int served_number(const struct served *s, size_t i)
{
    return s->job->places[i].number;
}

static inline int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- serve_note.c: what taktd is to write, one note at a time -------------------------------- */

/* unit: its number, 0 for the campaign. */
void served_event(struct served *s, int unit, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A rolled-up row of a unit's figure, or of a condition (unit 0: twice its index, plus one as
 * measured). */
void served_row(struct served *s, int unit, size_t figure, const struct watch_row *r);
/* For a watch_sink. */
struct row_of {
    struct served *s;
    int unit;
};
void served_take_row(void *context, size_t figure, const struct watch_row *row);
/* Nothing when one is under way, or there is nothing to say. */
int served_send_note(struct served *s, struct error *err);
/* What this process needs besides the units to go on from. */
void served_read_progress(struct served *s, const char *text);

/* ---- serve_token.c: factory tokens, from taktd ----------------------------------------------- */

/* From the crew's threads; the loop brings the answer. */
int served_token(void *context, const char *chip_id, const char *nonce, struct unit_token *out,
                 struct error *err);
/* Whether somebody waited for it, who owns it then. */
bool served_take_answer(struct served *s, cJSON *message);

/* ---- serve_units.c: what the crew is given, and what became of it ---------------------------- */

void served_give(struct served *s, size_t i, enum crew_task_kind kind, size_t watch);
/* What is due of each unit; when the next is. */
int64_t served_give_due(struct served *s);
/* Takes t. */
void served_take_done(struct served *s, struct crew_task *t);

/* ---- serve_surroundings.c: conditions, interlocks, campaign time ----------------------------- */

/* The campaign is to be in this state from now on, unless it is past running already. */
void served_end_with(struct served *s, const char *state, const char *kind, const char *why);
void served_poll(struct served *s);
void served_judge_interlocks(struct served *s);
/* Gives conditions anew where they changed; when the next does. */
int64_t served_set_conditions(struct served *s);
/* Campaign time goes on while the surroundings are what they are to be. */
void served_go_on(struct served *s);

#endif
