/* The time mark in the chart "takt-1", read off a picture, and what a stream's frames say by it.
 *
 * A scene that stands still looks the same frozen or not once it has been encoded. The mark (layout
 * and code: docs/measurements.md) counts at a known pace, so that each frame shows when it was
 * seen; a frame is frozen when it shows an earlier moment than its own time stands for. */
#ifndef TAKT_STATION_MEASURE_MARK_H
#define TAKT_STATION_MEASURE_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "station/measure/chart.h"

enum {
    MARK_PAIRS = 10,
    MARK_COUNTS = 1 << MARK_PAIRS,
    MARK_UNREAD = -1,
};

/* Coded luma of eight bits, full range or limited. */
struct luma {
    const uint8_t *data;
    size_t stride_bytes;
    int width_px, height_px;
};

/* The count that is shown, 0 to MARK_COUNTS - 1, or MARK_UNREAD: the LEDs of a pair differ by less
 * than 8 codes, or of more than three pairs by less than half of what is usual among them. `chart`
 * was found in a picture of the same view, `chart_width_px` wide. */
int mark_read(const struct luma *luma, const struct chart *chart, int chart_width_px);

/* A picture's time and what it shows. */
struct mark_seen {
    double time_ms; /* middle of its exposure */
    int count;
};

/* How much older a picture is than its time says, beside one that is right. The counts come round,
 * so that it is within what they last: from MARK_AHEAD counts ahead of its time, which clocks that
 * differ may make it, to as many less than a round behind. */
enum { MARK_AHEAD = 50 };
double mark_late_ms(struct mark_seen right, struct mark_seen other, double step_ms);

struct mark_watch {
    size_t read, unread;      /* frames by whether their count was */
    size_t frozen;            /* of those read: that are later than the least late */
    double frozen_percent;    /* of those read; 100 when none was */
    double frozen_longest_ms; /* the longest way from a frame that was not to the last one in a row
                                 that was; all of the time when none was read */
};

/* What `n` frames show, in order; MARK_UNREAD is none. A frame is frozen when it is later than the
 * least late by more than half of a step and the shortest frame; one alone of its lateness, which
 * may be misread, is not taken for that. `right` is another picture of the same clock, not seconds
 * old. ERROR_INPUT for fewer than two frames, times that do not grow, a step that is not shorter
 * than the shortest frame and a watch longer than half a round. */
int mark_watch(struct mark_seen right, const struct mark_seen *frames, size_t n, double step_ms,
               struct mark_watch *out, struct error *err);

#endif
