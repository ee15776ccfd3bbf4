/* One unit under watch: what its samples say of it, judged as they come.
 *
 * Pure: time is handed in, what follows is told to a sink. A unit fails when a figure lies beyond
 * its limit, or beyond how far it may be from the unit's own start, `confirm` times in a row; when
 * a clock went back more often than it may; or when a watched step has not succeeded for as long as
 * a unit may be silent. The state can be written down and read back at any moment, so nothing that
 * was taken in is lost with the process. */
#ifndef TAKT_STATION_CAMPAIGN_WATCH_H
#define TAKT_STATION_CAMPAIGN_WATCH_H

#include "station/campaign/campaign.h"

/* A stretch of samples of one figure. */
struct watch_row {
    int64_t from_ms; /* campaign time, a multiple of the campaign's rollup_ms */
    int samples;
    double lowest, highest, mean, squares; /* squares: of the distances to the mean, summed */
};

struct watch_figure {
    struct watch_row start; /* the unit's own start, complete at the campaign's start_samples */
    struct watch_row row;   /* the one under way */
    int beyond;             /* samples in a row */
    int falls;
    double last; /* NAN before the first */
};

enum unit_state {
    UNIT_JOINING, /* not yet up */
    UNIT_WATCHED,
    UNIT_FAILED,
    UNIT_LEFT,  /* taken out by a person */
    UNIT_ENDED, /* good at the campaign's end */
};
enum { UNIT_STATES = 5 };
const char *unit_state_name(enum unit_state s);

struct unit_watch {
    enum unit_state state;
    int64_t joined_ms;                     /* campaign time, of the present stretch */
    int64_t before_ms;                     /* watched in stretches before this one */
    int64_t ended_ms;                      /* when it failed, left or ended */
    int64_t good_ms[CAMPAIGN_WATCHES_MAX]; /* the last success of each watched step */
    int bad[CAMPAIGN_WATCHES_MAX];         /* failures of it since */
    int cause_figure;                      /* behind the failure; -1: none */
    double cause_value, cause_low, cause_high;
    char cause[240];
    struct watch_figure figures[CAMPAIGN_FIGURES_MAX];
};

struct watch_sink {
    void (*row)(void *context, size_t figure, const struct watch_row *row);
    void *context;
};

struct watch_sample {
    int64_t at_ms; /* campaign time */
    size_t watch;
    int rc;               /* of the step; text says why */
    const char *text;     /* may be NULL */
    const double *values; /* by figure of the campaign; NAN: did not come */
};

/* A unit that comes in at that time. One that was there before keeps its own start. */
void watch_join(struct unit_watch *u, const struct campaign *c, int64_t at_ms, bool anew);
/* After a gap or a power cycle of the station's own: clocks may begin again. */
void watch_resume(struct unit_watch *u, int64_t at_ms);
/* True when the unit has just failed: the cause is in it. Nothing is judged once it did. */
bool watch_take(struct unit_watch *u, const struct campaign *c, const struct watch_sample *s,
                const struct watch_sink *sink);
/* Failed for another reason than a sample: it never came up. */
void watch_fail(struct unit_watch *u, int64_t at_ms, const char *cause);
/* Hands out the rows under way, but for one that left: it may come back into them. */
void watch_end(struct unit_watch *u, const struct campaign *c, enum unit_state state, int64_t at_ms,
               const struct watch_sink *sink);
int64_t watch_hours_ms(const struct unit_watch *u, int64_t at_ms); /* watched in all */

void watch_row_add(struct watch_row *r, double value);
double watch_row_deviation(const struct watch_row *r); /* sample deviation; 0 below two */

/* As text for the store, and back. ERROR_INPUT for what is none, or of another campaign. */
cJSON *watch_write(const struct unit_watch *u, const struct campaign *c);
int watch_read(const cJSON *from, const struct campaign *c, struct unit_watch *out,
               struct error *err);

#endif
