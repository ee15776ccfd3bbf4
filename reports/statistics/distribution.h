/* Probabilities of the distributions that tests and bounds need. Pure; relative error about 1e-12
 * over the range that statistics of a factory meet. Outside their domain all return NAN. */
#ifndef TAKT_REPORTS_STATISTICS_DISTRIBUTION_H
#define TAKT_REPORTS_STATISTICS_DISTRIBUTION_H

/* Regularised incomplete beta I_x(a, b): Lentz's continued fraction (NIST DLMF 8.17.22). */
double distribution_beta(double x, double a, double b);
/* Regularised incomplete gamma, lower P(a, x) and upper Q(a, x): series (DLMF 8.7.1) below a + 1,
 * continued fraction (DLMF 8.9.2) above. */
double distribution_gamma_lower(double a, double x);
double distribution_gamma_upper(double a, double x);

double distribution_normal_upper(double z); /* P(Z > z) */
/* P(F > f) with df1 and df2 degrees of freedom. */
double distribution_f_upper(double f, double df1, double df2);
/* P(T > t), one side; df need not be whole. */
double distribution_t_upper(double t, double df);
/* The value that a chi-square of df stays below with probability p, 0 < p < 1. */
double distribution_chi_square_quantile(double p, double df);

#endif
