#include "reports/statistics/distribution.h"

#include <math.h>
#include <stdbool.h>

enum { TERMS_MAX = 10000 };
static const double TINY = 1e-300, ENOUGH = 1e-16;

/* Modified Lentz: keeps numerator and denominator off zero. */
static double beta_fraction(double x, double a, double b)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < TINY ? TINY : d);
    double h = d;
    for (int m = 1; m <= TERMS_MAX; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double terms[2] = {even, odd};
        double step = 1;
        for (int k = 0; k < 2; k++) {
            d = 1 + terms[k] * d;
            d = 1 / (fabs(d) < TINY ? TINY : d);
            c = 1 + terms[k] / c;
            c = fabs(c) < TINY ? TINY : c;
            step = c * d;
            h *= step;
        }
        if (fabs(step - 1) < ENOUGH)
            break;
    }
    return h;
}

double distribution_beta(double x, double a, double b)
{
    if (!(a > 0 && b > 0 && x >= 0 && x <= 1))
        return NAN;
    if (x == 0 || x == 1)
        return x;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    /* The fraction converges fast below the mean; the mirror image serves the other side. */
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(1 - x, b, a) / b;
}

static double gamma_series(double a, double x)
{
    double term = 1 / a, sum = term;
    for (int n = 1; n <= TERMS_MAX && fabs(term) > fabs(sum) * ENOUGH; n++) {
        term *= x / (a + n);
        sum += term;
    }
    return sum * exp(-x + a * log(x) - lgamma(a));
}

static double gamma_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1 / TINY, d = 1 / b, h = d;
    for (int n = 1; n <= TERMS_MAX; n++) {
        double an = -n * (n - a);
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < TINY ? TINY : d);
        c = b + an / c;
        c = fabs(c) < TINY ? TINY : c;
        double step = c * d;
        h *= step;
        if (fabs(step - 1) < ENOUGH)
            break;
    }
    return h * exp(-x + a * log(x) - lgamma(a));
}

double distribution_gamma_lower(double a, double x)
{
    if (!(a > 0 && x >= 0))
        return NAN;
    if (x == 0 || isinf(x))
        return x > 0;
    return x < a + 1 ? gamma_series(a, x) : 1 - gamma_fraction(a, x);
}

double distribution_gamma_upper(double a, double x)
{
    if (!(a > 0 && x >= 0))
        return NAN;
    if (x == 0 || isinf(x))
        return x == 0;
    return x < a + 1 ? 1 - gamma_series(a, x) : gamma_fraction(a, x);
}

double distribution_normal_upper(double z)
{
    return erfc(z / sqrt(2)) / 2;
}

double distribution_f_upper(double f, double df1, double df2)
{
    if (!(f >= 0 && df1 > 0 && df2 > 0))
        return NAN;
    return isinf(f) ? 0 : distribution_beta(df2 / (df2 + df1 * f), df2 / 2, df1 / 2);
}

double distribution_t_upper(double t, double df)
{
    if (!(df > 0) || isnan(t))
        return NAN;
    double tail = isinf(t) ? 0 : distribution_beta(df / (df + t * t), df / 2, 0.5) / 2;
    return t >= 0 ? tail : 1 - tail;
}

double distribution_chi_square_quantile(double p, double df)
{
    if (!(p > 0 && p < 1 && df > 0))
        return NAN;
    double low = 0, high = df + 10;
    while (distribution_gamma_lower(df / 2, high / 2) < p)
        high *= 2;
    /* Bisection to the last bit: 1100 halvings are more than a double's exponents have. */
    for (int i = 0; i < 1100; i++) {
        double middle = (low + high) / 2;
        if (middle <= low || middle >= high)
            break;
        /* The upper tail keeps its digits when p is near 1. */
        bool below = p > 0.5 ? distribution_gamma_upper(df / 2, middle / 2) > 1 - p
                             : distribution_gamma_lower(df / 2, middle / 2) < p;
        *(below ? &low : &high) = middle;
    }
    return (low + high) / 2;
}
