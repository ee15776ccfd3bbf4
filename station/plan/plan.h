/* Plans, products and limits: the files that say what is done to a unit and what is good enough.
 *
 * Loading checks everything that can be known before a unit is touched; a complaint names file,
 * line and what was expected. What kinds of steps and instruments exist is handed in (struct
 * plan_vocabulary), so this part knows neither. Formats: docs/architecture.md. */
#ifndef TAKT_STATION_PLAN_PLAN_H
#define TAKT_STATION_PLAN_PLAN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "protocol/base/digest.h"
#include "protocol/base/error.h"
#include "station/plan/judge.h"

enum {
    PLAN_STEPS_MAX = 512,
    PLAN_NEEDS_MAX = 8,
    PLAN_ATTEMPTS_MAX = 5,
    PLAN_PARTS_MAX = 8,
    PLAN_GROUPS_MAX = 32,
    PLAN_MODES_MAX = 5,
    PLAN_GOLDEN_MAX = 8,
    PLAN_ROUTE_MAX = 8,
};

struct plan_param {
    const char *name;
    enum plan_param_kind { PLAN_NUMBER, PLAN_TEXT, PLAN_FLAG } kind;
    const char *fallback; /* "" = must be given */
    double low, high;     /* range of a number; equal = any */
};
struct plan_measurement {
    const char *name, *unit;
};

/* The words a plan may use. Each function lists by index and ends with NULL or false. */
struct plan_vocabulary {
    const char *(*kind)(const void *context, size_t index);
    bool (*param)(const void *context, const char *kind, size_t index, struct plan_param *out);
    bool (*measurement)(const void *context, const char *kind, size_t index,
                        struct plan_measurement *out);
    const void *context;
    const char *const *instrument_classes; /* ends with NULL */
};

struct plan_step {
    const char *id, *kind;
    int deadline_ms;
    int attempts;
    bool continue_on_fail;
    enum plan_when {
        PLAN_ALWAYS,
        PLAN_ALL_PASSED, /* skipped unless every step before it passed: label, lock */
        PLAN_IF_PASSED,  /* skipped unless when_step passed */
        PLAN_IF_FAILED,  /* skipped unless when_step was done and did not pass */
    } when;
    int when_step;    /* index; PLAN_IF_... alone */
    const char *skip; /* why it is left out of every run; NULL when it is not */
    int *after;       /* indexes of the steps that are over before it begins */
    size_t after_count;
    const char *parts[PLAN_PARTS_MAX]; /* of the unit, which it has to itself meanwhile */
    size_t part_count;                 /* 0: the whole unit */
    int group;                         /* index into plan.groups; -1 for none */
    const char *modes[PLAN_MODES_MAX]; /* it is done in these alone */
    size_t mode_count;                 /* 0: in every mode */
    int sample;                        /* done on one unit in so many of an order; 0 or 1: on all */
    bool together;                     /* begins when every unit of the fixture has come to it */
    const char *needs[PLAN_NEEDS_MAX]; /* classes of instruments */
    size_t need_count;
    cJSON *params; /* an object, with the kind's defaults filled in */
    struct limit *limits;
    size_t limit_count;
    int line; /* in the plan's file */
};

/* Steps that are tried again as one (power cycle and read): when one of them has used its own
 * attempts without a pass, all are done again. Those that come after a step of a group wait until
 * the group is settled. */
struct plan_group {
    const char *name;
    int attempts;
};

/* Runs are kept apart by why they are made; statistics are of production. */
extern const char *const plan_modes[]; /* "production", ... ; ends with NULL */

/* Limits of one step, for the golden unit. */
struct plan_band {
    int step;
    struct limit *limits;
    size_t limit_count;
};

/* What must be so before a unit is put through the plan in production. */
struct plan_policy {
    const char *golden[PLAN_GOLDEN_MAX]; /* serials of golden units */
    size_t golden_count;                 /* 0: no gate */
    int golden_every_s;                  /* production stops when the last pass is older */
    struct plan_band *bands;             /* in mode golden these stand for the step's limits */
    size_t band_count;
    const char *route[PLAN_ROUTE_MAX]; /* plans of the product that its last run must have passed */
    size_t route_count;
    int retests;        /* how often a unit that did not pass may come again; -1: always */
    bool after_repair;  /* and after those only with a repair on record since */
    bool pass_is_final; /* a unit that passed does not come again */
};

struct plan {
    const char *name;    /* "line" */
    const char *product; /* "ptz-indoor-3mp" */
    const char *board;
    bool part;               /* of the product's steps: the limits of others are not its concern */
    struct plan_step *steps; /* the teardown's follow the plan's own: one run of indexes */
    size_t step_count;       /* without the teardown's */
    size_t teardown_count;
    struct plan_group groups[PLAN_GROUPS_MAX];
    size_t group_count;
    struct plan_policy policy;
    /* SHA-256 of the files' bytes as read, hex. */
    char plan_sha256[DIGEST_TEXT], limits_sha256[DIGEST_TEXT], product_sha256[DIGEST_TEXT];
    struct plan_files *files;
};

/* Loads "PRODUCT/PLAN" below products_dir: PRODUCT/product.json, its limits, PRODUCT/PLAN.json. */
int plan_load(const char *products_dir, const char *reference, const struct plan_vocabulary *words,
              struct plan **out, struct error *err);
void plan_free(struct plan *p); /* NULL is fine */

/* The same from memory, for checks that have no folder: names stand where file names would. */
struct plan_source {
    const char *name, *text;
    size_t size;
};
int plan_parse(const struct plan_source *product, const struct plan_source *limits,
               const struct plan_source *plan, const struct plan_vocabulary *words,
               struct plan **out, struct error *err);

#endif
