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

enum { PLAN_STEPS_MAX = 512, PLAN_NEEDS_MAX = 8, PLAN_ATTEMPTS_MAX = 5 };

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
    bool only_if_all_passed;           /* skipped unless every step before it passed: label, lock */
    const char *needs[PLAN_NEEDS_MAX]; /* classes of instruments */
    size_t need_count;
    cJSON *params; /* an object, with the kind's defaults filled in */
    struct limit *limits;
    size_t limit_count;
    int line; /* in the plan's file */
};

struct plan {
    const char *name;    /* "line" */
    const char *product; /* "ptz-indoor-3mp" */
    const char *board;
    bool part; /* of the product's steps: the limits of others are not its concern */
    struct plan_step *steps; /* the teardown's follow the plan's own: one run of indexes */
    size_t step_count;       /* without the teardown's */
    size_t teardown_count;
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
