/* The threads that do a campaign's steps to units: one task a unit at a time, each unit apart from
 * every other, so that one that hangs holds up nobody. */
#ifndef TAKT_STATION_CAMPAIGN_CREW_H
#define TAKT_STATION_CAMPAIGN_CREW_H

#include "station/campaign/campaign.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

enum { CREW_NOTES_MAX = 8 };

/* Where a unit is. */
struct campaign_place {
    int number;    /* from 1: its name in the record */
    char name[24]; /* "slot 3", "rack 17" */
    const char *port;
    int slot; /* 0: none, so no instruments */
};

enum crew_task_kind {
    CREW_BRING_UP,  /* the plan's steps that are not watched, in order */
    CREW_WATCH,     /* one watched step */
    CREW_TAKE_DOWN, /* the plan's teardown */
};

struct crew_note {
    char name[48], text[80]; /* "health.boot_reason" */
};

struct crew_task {
    struct crew_task *next;
    size_t unit; /* index */
    enum crew_task_kind kind;
    size_t watch;
    uint64_t seed;                             /* of its random choices */
    double commanded[CAMPAIGN_CONDITIONS_MAX]; /* by the campaign's conditions, NAN: not yet */
    /* what came of it */
    int rc;
    struct error error;
    char chip_id[33];
    double values[CAMPAIGN_FIGURES_MAX]; /* NAN: did not come */
    struct crew_note notes[CREW_NOTES_MAX];
    size_t note_count;
};

struct crew_config {
    const struct campaign *campaign;
    const struct board *board;
    const struct step_kind *const *kinds;
    const struct campaign_place *places;
    size_t count;
    const char *order, *bundle_path, *bundle_key_pem, *fixture_socket;
    const struct credentials *credentials;
    /* The token for a session, as unit_link.h wants it; called from the crew's threads. */
    int (*token)(void *context, const char *chip_id, const char *nonce, struct unit_token *out,
                 struct error *err);
    void *context;
};

struct crew;

int crew_start(const struct crew_config *config, struct crew **out, struct error *err);
/* Tells every step to end, and waits for them. */
void crew_stop(struct crew *c);
int crew_fd(const struct crew *c); /* readable when a task is done */

/* The unit is the same chip as before. */
void crew_expect(struct crew *c, size_t unit, const char *chip_id);
/* Takes the task over; a unit has one at a time. */
void crew_give(struct crew *c, struct crew_task *task);
struct crew_task *crew_take(struct crew *c); /* one that is done, the caller's; NULL: none */
/* Tells steps that are past their deadline to end; when to be called next, monotonic, or -1. */
int64_t crew_hurry(struct crew *c, int64_t now_mono_ms);

#endif
