#include "station/measure/mark.h"

#include <math.h>
#include <stdlib.h>

/* Layout, in the chart's units. */
static const double first_u = 4.85, pitch = 0.7, upper_v = 0.55, lower_v = 1.05;
/* Half the side of the square that is read: well inside the LED's disc of 0.16. */
static const double half_side = 0.09;

enum { LEAST_CODES = 8, DIM_PAIRS_MAX = 3 };

/* Mean code about a place; negative where the picture does not reach. */
static double level(const struct luma *l, struct point middle, double half_px)
{
    const int x0 = (int)lround(middle.x - half_px), x1 = (int)lround(middle.x + half_px),
              y0 = (int)lround(middle.y - half_px), y1 = (int)lround(middle.y + half_px);
    uint64_t sum = 0;
    if (x0 < 0 || y0 < 0 || x1 >= l->width_px || y1 >= l->height_px)
        return -1;
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++)
            sum += l->data[(size_t)y * l->stride_bytes + (size_t)x];
    return (double)sum / ((double)(x1 - x0 + 1) * (y1 - y0 + 1));
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int mark_read(const struct luma *l, const struct chart *chart, int chart_width_px)
{
    const double scale = (double)l->width_px / chart_width_px;
    double more[MARK_PAIRS], size[MARK_PAIRS];
    unsigned gray = 0, count;
    int dim = 0;
    for (int k = 0; k < MARK_PAIRS; k++) {
        double pair[2];
        for (int lower = 0; lower < 2; lower++) {
            struct point p = chart_pixel(chart, first_u + k * pitch, lower ? lower_v : upper_v);
            /* Pixels' middles are whole numbers on either side. */
            p.x = (p.x + 0.5) * scale - 0.5;
            p.y = (p.y + 0.5) * scale - 0.5;
            pair[lower] = level(l, p, half_side * chart->unit_px * scale);
            if (pair[lower] < 0)
                return MARK_UNREAD;
        }
        more[k] = pair[0] - pair[1];
        size[k] = fabs(more[k]);
    }
    qsort(size, MARK_PAIRS, sizeof *size, by_size);
    const double usual = size[MARK_PAIRS / 2];
    for (int k = 0; k < MARK_PAIRS; k++) {
        dim += fabs(more[k]) < usual / 2;
        gray |= (unsigned)(more[k] > 0) << k;
    }
    if (usual < LEAST_CODES || dim > DIM_PAIRS_MAX)
        return MARK_UNREAD;
    for (count = 0; gray; gray >>= 1)
        count ^= gray;
    return (int)count;
}

double mark_late_ms(struct mark_seen right, struct mark_seen other, double step_ms)
{
    const double round_ms = MARK_COUNTS * step_ms, ahead_ms = MARK_AHEAD * step_ms;
    const double late_ms =
        other.time_ms - right.time_ms - (other.count - right.count) * step_ms + ahead_ms;
    return late_ms - floor(late_ms / round_ms) * round_ms - ahead_ms;
}

static int check(const struct mark_seen *frames, size_t n, double step_ms, double *shortest_ms,
                 struct error *err)
{
    *shortest_ms = INFINITY;
    if (n < 2)
        return error_set(err, ERROR_INPUT, "%zu frames: two or more tell whether they move", n);
    for (size_t i = 1; i < n; i++)
        *shortest_ms = fmin(*shortest_ms, frames[i].time_ms - frames[i - 1].time_ms);
    const double watch_ms = frames[n - 1].time_ms - frames[0].time_ms;
    if (!(*shortest_ms > 0))
        return error_set(err, ERROR_INPUT, "frames' times do not grow");
    if (!(step_ms > 0 && step_ms < *shortest_ms))
        return error_set(err, ERROR_INPUT,
                         "a mark that counts every %g ms does not part frames %.1f ms apart",
                         step_ms, *shortest_ms);
    if (watch_ms > MARK_COUNTS / 2 * step_ms)
        return error_set(err, ERROR_INPUT, "the mark comes round in %g ms, the watch was %.0f ms",
                         MARK_COUNTS * step_ms, watch_ms);
    return 0;
}

/* The lateness of those that moved: the least that is not one frame's alone. Where no two are
 * alike, as when nothing moves at all, the least. */
static double least_late(double *late_ms, size_t n, double step_ms)
{
    qsort(late_ms, n, sizeof *late_ms, by_size);
    for (size_t i = 1; i < n; i++)
        if (late_ms[i] - late_ms[i - 1] <= step_ms)
            return late_ms[i - 1];
    return late_ms[0];
}

int mark_watch(struct mark_seen right, const struct mark_seen *frames, size_t n, double step_ms,
               struct mark_watch *out, struct error *err)
{
    double shortest_ms, moved_ms = NAN;
    *out = (struct mark_watch){0};
    int rc = check(frames, n, step_ms, &shortest_ms, err);
    if (rc < 0)
        return rc;
    double *late_ms = malloc(n * sizeof *late_ms);
    if (!late_ms)
        return error_set(err, ERROR_MEMORY, "no memory for %zu frames", n);
    for (size_t i = 0; i < n; i++)
        if (frames[i].count != MARK_UNREAD)
            late_ms[out->read++] = mark_late_ms(right, frames[i], step_ms);
    out->unread = n - out->read;
    const double least_ms = out->read ? least_late(late_ms, out->read, step_ms) : 0;
    free(late_ms);
    for (size_t i = 0; i < n; i++) {
        if (frames[i].count == MARK_UNREAD)
            continue;
        /* What came before the first frame is not known. */
        moved_ms = isnan(moved_ms) ? frames[i].time_ms : moved_ms;
        if (mark_late_ms(right, frames[i], step_ms) - least_ms > (shortest_ms + step_ms) / 2) {
            out->frozen++;
            out->frozen_longest_ms = fmax(out->frozen_longest_ms, frames[i].time_ms - moved_ms);
        } else {
            moved_ms = frames[i].time_ms;
        }
    }
    out->frozen_percent = out->read ? 100.0 * (double)out->frozen / (double)out->read : 100;
    if (!out->read)
        out->frozen_longest_ms = frames[n - 1].time_ms - frames[0].time_ms;
    return 0;
}
