/* Judging: values against limits, without I/O, clock or state. */
#ifndef TAKT_STATION_PLAN_JUDGE_H
#define TAKT_STATION_PLAN_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

struct limit {
    const char *measurement, *unit;
    bool has_min, has_max;
    double min, max; /* the bounds themselves are good */
};

enum judgement {
    JUDGED_FREE, /* there was no limit to hold it against */
    JUDGED_PASS,
    JUDGED_FAIL,
    JUDGED_MISSING, /* a limit whose value did not come: an error, never a pass */
};

/* A value that is no number (NaN, infinite) never passes. */
enum judgement judge_value(const struct limit *limit, double value);

struct judged {
    const char *measurement, *unit; /* given */
    double value;                   /* given */
    const struct limit *limit;      /* found; NULL when it has none */
    enum judgement judgement;
};
/* Judges all values of a step. MISSING outranks FAIL outranks PASS; a step with neither limit nor
 * trouble passes. A value in another unit than its limit's counts as missing. *worst (may be NULL)
 * is the first limit behind the answer, or NULL. */
enum judgement judge_step(const struct limit *limits, size_t limit_count, struct judged *values,
                          size_t value_count, const struct limit **worst);

#endif
