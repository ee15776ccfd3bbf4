#include "reports/statistics/survival.h"

#include <math.h>
#include <stdlib.h>

#include "reports/statistics/distribution.h"

static int by_hours(const void *a, const void *b)
{
    const struct survival_unit *x = a, *y = b;
    return x->hours < y->hours ? -1 : x->hours > y->hours;
}

size_t survival_estimate(struct survival_unit *units, size_t count, struct survival_step *steps)
{
    double good = 1, sum = 0;
    size_t n = 0;
    qsort(units, count, sizeof *units, by_hours);
    for (size_t i = 0; i < count;) {
        const size_t at_risk = count - i;
        const double hours = units[i].hours;
        size_t failed = 0;
        for (; i < count && units[i].hours == hours; i++)
            failed += units[i].failed;
        if (!failed)
            continue;
        good *= 1 - (double)failed / (double)at_risk;
        if (at_risk > failed)
            sum += (double)failed / ((double)at_risk * (double)(at_risk - failed));
        steps[n++] =
            (struct survival_step){hours, (int)at_risk, (int)failed, good, good * sqrt(sum)};
    }
    return n;
}

/* Units of `units` from *at on that failed at `hours`; *at goes on to the first one past it. */
static int failed_at(const struct survival_unit *units, size_t count, size_t *at, double hours)
{
    int failed = 0;
    for (; *at < count && units[*at].hours == hours; ++*at)
        failed += units[*at].failed;
    return failed;
}

void survival_log_rank(struct survival_unit *first, size_t first_count,
                       struct survival_unit *second, size_t second_count,
                       struct survival_comparison *out)
{
    size_t i = 0, k = 0;
    double variance = 0;
    *out = (struct survival_comparison){.chi_square = NAN, .p = NAN};
    qsort(first, first_count, sizeof *first, by_hours);
    qsort(second, second_count, sizeof *second, by_hours);
    while (i < first_count || k < second_count) {
        const double hours = fmin(i < first_count ? first[i].hours : INFINITY,
                                  k < second_count ? second[k].hours : INFINITY);
        const double mine = (double)(first_count - i), all = mine + (double)(second_count - k);
        const int a = failed_at(first, first_count, &i, hours);
        const int b = failed_at(second, second_count, &k, hours);
        const double failed = a + b;
        out->failed[0] += a;
        out->failed[1] += b;
        out->expected[0] += failed * mine / all;
        out->expected[1] += failed * (all - mine) / all;
        if (all > 1) /* hypergeometric */
            variance += failed * (mine / all) * (1 - mine / all) * (all - failed) / (all - 1);
    }
    if (!(variance > 0))
        return;
    const double off = out->failed[0] - out->expected[0];
    out->chi_square = off * off / variance;
    out->p = distribution_gamma_upper(0.5, out->chi_square / 2);
}
