#include "reports/statistics/series.h"

#include <math.h>

static struct series_sum exact_sum(double a, double b)
{
    double s = a + b, t = s - a;
    return (struct series_sum){s, (a - (s - t)) + (b - t)};
}

static struct series_sum exact_product(double a, double b)
{
    double p = a * b;
    return (struct series_sum){p, fma(a, b, -p)};
}

static struct series_sum sum_of(struct series_sum a, struct series_sum b)
{
    struct series_sum s = exact_sum(a.high, b.high), t = exact_sum(a.low, b.low);
    s = exact_sum(s.high, s.low + t.high);
    return exact_sum(s.high, s.low + t.low);
}

static struct series_sum times(struct series_sum a, struct series_sum b)
{
    struct series_sum p = exact_product(a.high, b.high);
    return exact_sum(p.high, p.low + (a.high * b.low + a.low * b.high));
}

static struct series_sum times_number(struct series_sum a, double b)
{
    return times(a, (struct series_sum){b, 0});
}

static struct series_sum less(struct series_sum a, struct series_sum b)
{
    return sum_of(a, (struct series_sum){-b.high, -b.low});
}

static struct series_sum over(struct series_sum a, double b)
{
    double q = a.high / b;
    struct series_sum rest = less(a, exact_product(q, b));
    return exact_sum(q, rest.high / b);
}

int series_add(struct series *s, double value)
{
    if (!isfinite(value))
        return -1;
    if (s->count == 0)
        *s = (struct series){.first = value, .last = value, .lowest = value, .highest = value};
    struct series_sum d = exact_sum(value, -s->first);
    if (s->count > 0) {
        struct series_sum before = exact_sum(s->last, -s->first);
        struct series_sum range = exact_sum(value, -s->last);
        if (range.high < 0)
            range = (struct series_sum){-range.high, -range.low};
        s->neighbours = sum_of(s->neighbours, times(d, before));
        s->moving_ranges = sum_of(s->moving_ranges, range);
    }
    s->sum = sum_of(s->sum, d);
    s->squares = sum_of(s->squares, times(d, d));
    s->count++;
    s->last = value;
    s->lowest = fmin(s->lowest, value);
    s->highest = fmax(s->highest, value);
    return 0;
}

/* With x - a = (x - b) + c, c = b - a: each sum over x - a from those over x - b. */
void series_join(struct series *s, const struct series *next)
{
    if (next->count == 0)
        return;
    if (s->count == 0) {
        *s = *next;
        return;
    }
    struct series_sum c = exact_sum(next->first, -s->first), cc = times(c, c);
    double n = (double)next->count;
    struct series_sum squares =
        sum_of(next->squares, sum_of(times_number(times(c, next->sum), 2), times_number(cc, n)));
    /* Pairs (i, i-1) of next: the sum of its i is all but the first, whose distance is 0; that of
     * its i-1 all but the last. */
    struct series_sum end = exact_sum(next->last, -next->first);
    struct series_sum both = less(times_number(next->sum, 2), end);
    struct series_sum neighbours =
        sum_of(next->neighbours, sum_of(times(c, both), times_number(cc, n - 1)));
    struct series_sum seam = exact_sum(next->first, -s->last);
    if (seam.high < 0)
        seam = (struct series_sum){-seam.high, -seam.low};
    neighbours = sum_of(neighbours, times(c, exact_sum(s->last, -s->first)));
    s->neighbours = sum_of(s->neighbours, neighbours);
    s->moving_ranges = sum_of(s->moving_ranges, sum_of(next->moving_ranges, seam));
    s->squares = sum_of(s->squares, squares);
    s->sum = sum_of(s->sum, sum_of(next->sum, times_number(c, n)));
    s->count += next->count;
    s->last = next->last;
    s->lowest = fmin(s->lowest, next->lowest);
    s->highest = fmax(s->highest, next->highest);
}

double series_mean(const struct series *s)
{
    if (s->count < 1)
        return NAN;
    struct series_sum mean = over(s->sum, (double)s->count);
    mean = sum_of(mean, (struct series_sum){s->first, 0});
    return mean.high + mean.low;
}

/* Sum of squares about the mean. */
static struct series_sum spread(const struct series *s)
{
    return less(s->squares, over(times(s->sum, s->sum), (double)s->count));
}

double series_deviation(const struct series *s)
{
    if (s->count < 2)
        return NAN;
    struct series_sum v = over(spread(s), (double)(s->count - 1));
    return sqrt(fmax(v.high + v.low, 0));
}

double series_lag1(const struct series *s)
{
    if (s->count < 2)
        return NAN;
    double n = (double)s->count;
    struct series_sum mean = over(s->sum, n), all = spread(s);
    if (!(all.high > 0))
        return NAN;
    struct series_sum ends = less(times_number(s->sum, 2), exact_sum(s->last, -s->first));
    struct series_sum about =
        sum_of(less(s->neighbours, times(mean, ends)), times_number(times(mean, mean), n - 1));
    return about.high / all.high;
}

double series_moving_range(const struct series *s)
{
    return s->count < 2 ? NAN : s->moving_ranges.high / (double)(s->count - 1);
}
