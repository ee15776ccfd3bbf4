/* Campaigns in the store: what was asked for, how far it is, each unit's state, every event, and
 * rows of samples.
 *
 * What a watcher has taken in is one call of store_campaign_note() within a transaction: its new
 * state and what led to it are there together or not at all, so whoever goes on after a crash goes
 * on from what is on record. Tables: docs/records.md. */
#ifndef TAKT_REPORTS_CAMPAIGN_H
#define TAKT_REPORTS_CAMPAIGN_H

#include <cjson/cJSON.h>

#include "reports/store.h"

struct campaign_record {
    int64_t id;                       /* set by store_campaign_open() */
    const char *name, *file, *sha256; /* the file's text as it was read, and its hash */
    const char *plan;                 /* "PRODUCT/PLAN" */
    const char *plan_sha256, *limits_sha256;
    const char *lot, *operator_name, *station, *program_version;
    const char *clock;                       /* "system", or where simulated time came from */
    int64_t seed, started_ms;                /* by that clock */
    double confidence, activation_ev, use_c; /* NAN: not asked for */
};
/* ERROR_STATE while another campaign is open: a station conducts one at a time. */
int store_campaign_open(struct store *s, struct campaign_record *c, struct error *err);
/* A figure of it with its bounds: numbered from 0, its place in rows; NAN: no bound. */
struct campaign_figure_record {
    int number;
    const char *name, *unit;
    double low, high;                                        /* absolute */
    double min_percent, max_percent, min_change, max_change; /* of the unit's own start */
};
int store_campaign_figure(struct store *s, int64_t campaign, const struct campaign_figure_record *f,
                          struct error *err);
int store_campaign_instrument(struct store *s, int64_t campaign, const struct instrument_record *i,
                              struct error *err);

/* A place's unit; `number` from 1 is its name in events and rows. Written anew each time. */
struct campaign_unit_record {
    int number;
    const char *place, *port; /* "slot 3" */
    const char *chip_id, *serial;
    const char *state, *cause;     /* "watched", "failed", ... */
    int cause_figure;              /* -1: none */
    int64_t joined_ms, watched_ms; /* campaign time; watched_ms in all */
    const char *watch;             /* the watcher's own, as text */
};
int store_campaign_unit(struct store *s, int64_t campaign, const struct campaign_unit_record *u,
                        struct error *err);

struct campaign_event_record {
    int unit; /* 0: of the campaign */
    int64_t elapsed_ms, at_ms;
    const char *kind, *text; /* "failed", "gap", ... */
};
int store_campaign_event(struct store *s, int64_t campaign, const struct campaign_event_record *e,
                         struct error *err);

/* A stretch of samples; unit 0 are the conditions, whose figures are numbered apart: 2k what was
 * commanded of condition k, 2k+1 what was measured. ERROR_STATE for one that is there. */
struct campaign_row_record {
    int unit, figure;
    int64_t from_ms;
    int samples;
    double lowest, highest, mean, deviation;
};
int store_campaign_row(struct store *s, int64_t campaign, const struct campaign_row_record *r,
                       struct error *err);

/* How far it is: state "running", "paused", "held" or, which end it, "finished" and "stopped".
 * `progress` is the watcher's own. ERROR_STATE once it has ended. */
int store_campaign_progress(struct store *s, int64_t campaign, const char *state,
                            const char *reason, int64_t elapsed_ms, int64_t at_ms,
                            const char *progress, struct error *err);

/* The campaign that is open, or else the last one with `last`: all its members, with "units" (and
 * their "watch") when `units`. *out is NULL when there is none. The caller's. */
int campaign_current(struct store *reader, bool last, bool units, cJSON **out, struct error *err);
/* Everything of one for a report: its members, "figures", "instruments", "units", "events",
 * "rows" (by unit and figure, in order of time). id 0: the last. ERROR_MISSING. */
int campaign_whole(struct store *reader, int64_t id, cJSON **out, struct error *err);
/* One unit of the last campaign: "unit" (with its "watch"), "figures", and its "rows" as above.
 * ERROR_MISSING. */
int campaign_unit(struct store *reader, int number, cJSON **out, struct error *err);
/* [{"id", "name", "lot", "state", "elapsed_ms", "units", "failed", ...}], newest first. */
int campaign_list(struct store *reader, cJSON **out, struct error *err);

#endif
