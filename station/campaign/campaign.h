/* A campaign: many units under conditions over time, watched for what changes in them.
 *
 * What is watched are steps of a plan ("part": true, so that the product's limits hold for them);
 * the campaign's file says under which conditions, how often, what may drift how far from each
 * unit's own start, and when to stop. Format: docs/campaigns.md. Loading checks all that can be
 * known before a unit is touched; a complaint names file and line. */
#ifndef TAKT_STATION_CAMPAIGN_CAMPAIGN_H
#define TAKT_STATION_CAMPAIGN_CAMPAIGN_H

#include "station/campaign/profile.h"
#include "station/plan/plan.h"

enum {
    CAMPAIGN_CONDITIONS_MAX = 16,
    CAMPAIGN_WATCHES_MAX = 16,
    CAMPAIGN_FIGURES_MAX = 96,
    CAMPAIGN_FIGURE_NAME = 80,
    CAMPAIGN_UNITS_MAX = 1024,
};

/* What the surroundings can be set to, each by an instrument of one class, and what the unit itself
 * is at. */
enum condition_kind {
    CONDITION_CHAMBER_C,
    CONDITION_SUPPLY_V,
    CONDITION_ATTENUATION_DB,
    CONDITION_SECOND_ATTENUATION_DB, /* before another access point of the network */
    CONDITION_ACCESS_POINT_ON,
    CONDITION_ACCESS_POINT_MHZ,
    CONDITION_ACCESS_POINT_DBM,
    CONDITION_SECOND_ACCESS_POINT_ON,
    CONDITION_SECOND_ACCESS_POINT_MHZ,
    CONDITION_SECOND_ACCESS_POINT_DBM,
    CONDITION_UNIT_STREAMS,
    CONDITION_UNIT_INFRARED,
    CONDITION_UNIT_MOTORS,
    CONDITION_UNIT_RECORDING,
    CONDITION_UNIT_TALKBACK,
    CONDITION_UNIT_PROCESSOR,
    CONDITION_KINDS
};
const char *condition_name(enum condition_kind k); /* "chamber_c" */
const char *condition_unit(enum condition_kind k); /* "degC" */
const char *
condition_class(enum condition_kind k); /* "chamber": of its instrument; NULL: the unit does it */

struct campaign_condition {
    enum condition_kind kind;
    struct profile profile;
    /* Campaign time stands still while what is measured is further off: a soak counts only when the
     * chamber is there. 0: it runs on. */
    double tolerance;
    int64_t reach_ms; /* not there after so long: the campaign is held */
    int figure;       /* of what the unit is at: where it says so; else -1 */
};

/* A step of the plan that is done again and again. */
struct campaign_watch {
    size_t step; /* index in the plan */
    int64_t every_ms;
};

/* How far a figure may be from the unit's own start: the mean of its first samples. NAN: any. */
struct campaign_drift {
    double min_percent, max_percent; /* of the start */
    double min_change, max_change;   /* in the figure's unit */
    double max_falls; /* how often it may be below the sample before: a clock that starts anew */
};

struct campaign_figure {
    char name[CAMPAIGN_FIGURE_NAME]; /* "health.rss_bytes": step id, measurement */
    const char *unit;
    size_t watch;
    struct limit limit; /* the campaign's, else the product's; has_min and has_max false: none */
    struct campaign_drift drift;
};

struct campaign {
    const char *name, *about;
    struct json_document *document;
    char sha256[DIGEST_TEXT];
    struct plan *plan;
    int64_t duration_ms; /* of campaign time */
    struct campaign_condition conditions[CAMPAIGN_CONDITIONS_MAX];
    size_t condition_count;
    struct campaign_watch watches[CAMPAIGN_WATCHES_MAX];
    size_t watch_count;
    struct campaign_figure figures[CAMPAIGN_FIGURES_MAX];
    size_t figure_count;
    int64_t start_after_ms; /* a unit's own start begins so long after it joined: it is warm then */
    int start_samples;
    int confirm;       /* samples in a row beyond a limit that make a failure */
    int64_t silent_ms; /* no watch succeeded for so long: failed */
    int64_t rollup_ms; /* samples are kept as one row of this length */
    int stop_failed;   /* units failed: the campaign ends; 0 never */
    /* Interlocks: they outrank everything. */
    double chamber_c_max, chamber_c_min; /* NAN: the chamber's own alone */
    int64_t contact_ms;                  /* the chamber does not answer for so long */
    int64_t poll_ms;                     /* how often the surroundings are read */
    double confidence;                   /* of the report's bounds */
    double activation_ev, use_c;         /* Arrhenius; NAN: not asked for */
    int64_t seed;
    int64_t replay; /* not 0: the seed of every pass, as a pass of another campaign had it */
};

/* `path` is read; the plan it names is loaded below products_dir. */
int campaign_load(const char *path, const char *products_dir, const struct plan_vocabulary *words,
                  struct campaign **out, struct error *err);
/* From memory; `name` stands where the file's name would. */
int campaign_parse(const char *name, const char *text, size_t size, const char *products_dir,
                   const struct plan_vocabulary *words, struct campaign **out, struct error *err);
/* The same campaign for one pass of each watched step alone, with the seed that another pass had.
 */
int campaign_replay(const struct campaign *c, int64_t seed, const char *products_dir,
                    const struct plan_vocabulary *words, struct campaign **out, struct error *err);
void campaign_free(struct campaign *c); /* NULL is fine */

int campaign_figure_find(const struct campaign *c, const char *name); /* its index, or -1 */

#endif
