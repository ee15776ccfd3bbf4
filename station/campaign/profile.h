/* What a condition is to be over time: a start and legs that hold or go to another value, once or
 * over and over. Pure. */
#ifndef TAKT_STATION_CAMPAIGN_PROFILE_H
#define TAKT_STATION_CAMPAIGN_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROFILE_LEGS_MAX = 64 };

struct profile_leg {
    double to;       /* the value at its end */
    int64_t over_ms; /* 0: at once; a hold is a leg to the value it starts from */
};

struct profile {
    double start;
    struct profile_leg legs[PROFILE_LEGS_MAX];
    size_t leg_count;
    bool repeat; /* from the first leg again, for ever; else the last value holds */
};

int64_t profile_length_ms(const struct profile *p); /* of one pass */
/* The value at a time since the start; a leg of 0 ms has happened at its own moment. */
double profile_at(const struct profile *p, int64_t at_ms);
/* When the value is next to be given anew after `at_ms`: each `every_ms` within a slope, else the
 * next leg's begin. INT64_MAX when it stays as it is. */
int64_t profile_next_ms(const struct profile *p, int64_t at_ms, int64_t every_ms);
/* Whole passes done by then. */
int64_t profile_cycles(const struct profile *p, int64_t at_ms);

#endif
