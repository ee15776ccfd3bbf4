#include "reports/statistics/survival.h"

#include <math.h>
#include <stdlib.h>

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
