#include "reports/statistics/gage_rr.h"

#include <math.h>

#include "reports/statistics/distribution.h"

/* Mean and deviation of the range of n standard normal values (AIAG SPC appendix, ASTM manual). */
static const double d2[26] = {
    [2] = 1.12838,  [3] = 1.69257,  [4] = 2.05875,  [5] = 2.32593,  [6] = 2.53441,  [7] = 2.70436,
    [8] = 2.84720,  [9] = 2.97003,  [10] = 3.07751, [11] = 3.17287, [12] = 3.25846, [13] = 3.33598,
    [14] = 3.40676, [15] = 3.47183, [16] = 3.53198, [17] = 3.58788, [18] = 3.64006, [19] = 3.68896,
    [20] = 3.73495, [21] = 3.77834, [22] = 3.81938, [23] = 3.85832, [24] = 3.89535, [25] = 3.93063};
static const double d3[26] = {[11] = 0.787, [12] = 0.778, [13] = 0.770, [14] = 0.763, [15] = 0.756,
                              [16] = 0.750, [17] = 0.744, [18] = 0.739, [19] = 0.734, [20] = 0.729,
                              [21] = 0.724, [22] = 0.720, [23] = 0.716, [24] = 0.712, [25] = 0.708};
/* 1/d2* of one range of n values, as the AIAG forms print it. */
static const double one_range[11] = {
    [2] = 0.7071, [3] = 0.5231, [4] = 0.4467, [5] = 0.4030, [6] = 0.3742,
    [7] = 0.3534, [8] = 0.3375, [9] = 0.3249, [10] = 0.3146};

/* K1: many ranges of n trials. AIAG prints four digits. */
static double k_many(int n)
{
    return round(1e4 / d2[n]) / 1e4;
}

/* K2, K3: one range alone. d2* = sqrt(d2^2 + d3^2 / g) with g = 1 beyond the printed table. */
static double k_one(int n)
{
    return n <= 10 ? one_range[n] : 1 / hypot(d2[n], d3[n]);
}

static double value(const struct gage_study *s, int part, int by, int trial)
{
    return s->values[((size_t)part * s->operators + by) * s->trials + trial];
}

/* Mean of the values that stand in a row of the study's table; -1 is all. The base is taken off so
 * that squares of small differences of large values keep their digits. */
static double mean_of(const struct gage_study *s, double base, int part, int by)
{
    double sum = 0;
    int n = 0;
    for (int p = part < 0 ? 0 : part; p < (part < 0 ? s->parts : part + 1); p++)
        for (int o = by < 0 ? 0 : by; o < (by < 0 ? s->operators : by + 1); o++)
            for (int t = 0; t < s->trials; t++, n++)
                sum += value(s, p, o, t) - base;
    return sum / n;
}

static void squares(const struct gage_study *s, struct gage_anova *a)
{
    int p = s->parts, o = s->operators, r = s->trials;
    double base = s->values[0], all = mean_of(s, base, -1, -1), ss[GAGE_ROWS] = {0};
    for (int i = 0; i < p; i++)
        ss[GAGE_PART] += o * r * pow(mean_of(s, base, i, -1) - all, 2);
    for (int j = 0; j < o; j++)
        ss[GAGE_OPERATOR] += p * r * pow(mean_of(s, base, -1, j) - all, 2);
    for (int i = 0; i < p; i++)
        for (int j = 0; j < o; j++) {
            double cell = mean_of(s, base, i, j);
            ss[GAGE_INTERACTION] +=
                r * pow(cell - mean_of(s, base, i, -1) - mean_of(s, base, -1, j) + all, 2);
            for (int t = 0; t < r; t++) {
                double x = value(s, i, j, t) - base;
                ss[GAGE_REPEATABILITY] += pow(x - cell, 2);
                ss[GAGE_TOTAL] += pow(x - all, 2);
            }
        }
    const int df[GAGE_ROWS] = {p - 1, o - 1, (p - 1) * (o - 1), p * o * (r - 1), p * o * r - 1};
    for (int k = 0; k < GAGE_ROWS; k++) {
        a->rows[k].ss = ss[k];
        a->rows[k].df = df[k];
        a->rows[k].ms = k == GAGE_TOTAL ? NAN : ss[k] / df[k];
        a->rows[k].f = a->rows[k].p = NAN;
    }
}

static void test_row(struct gage_anova *a, enum gage_row row, double error_ms, int error_df)
{
    a->rows[row].f = a->rows[row].ms / error_ms; /* Inf when nothing else varies: p is 0 */
    a->rows[row].p = distribution_f_upper(a->rows[row].f, a->rows[row].df, error_df);
}

static void components(const struct gage_study *s, double pool_above, struct gage_anova *a)
{
    int p = s->parts, o = s->operators, r = s->trials;
    double ms_error = a->rows[GAGE_REPEATABILITY].ms, ms_inter = a->rows[GAGE_INTERACTION].ms;
    int df_error = a->rows[GAGE_REPEATABILITY].df, df_inter = a->rows[GAGE_INTERACTION].df;
    test_row(a, GAGE_INTERACTION, ms_error, df_error);
    a->pooled = a->rows[GAGE_INTERACTION].p > pool_above;
    if (a->pooled) {
        df_error += df_inter;
        ms_error = (a->rows[GAGE_REPEATABILITY].ss + a->rows[GAGE_INTERACTION].ss) / df_error;
        ms_inter = ms_error;
        df_inter = df_error;
    }
    test_row(a, GAGE_PART, ms_inter, df_inter);
    test_row(a, GAGE_OPERATOR, ms_inter, df_inter);
    a->var_repeatability = ms_error;
    a->var_interaction = a->pooled ? 0 : fmax((ms_inter - ms_error) / r, 0);
    a->var_operator = fmax((a->rows[GAGE_OPERATOR].ms - ms_inter) / (p * r), 0);
    a->var_part = fmax((a->rows[GAGE_PART].ms - ms_inter) / (o * r), 0);
    a->var_reproducibility = a->var_operator + a->var_interaction;
    a->var_grr = a->var_repeatability + a->var_reproducibility;
    a->var_total = a->var_grr + a->var_part;
}

static int categories(double part, double grr)
{
    double n = 1.41 * part / grr;
    return n < 1e6 ? (int)n : 1000000; /* a gage without any error tells all parts apart */
}

static void ranges(const struct gage_study *s, struct gage_range *g)
{
    double base = s->values[0];
    double op_low = INFINITY, op_high = -INFINITY, part_low = INFINITY, part_high = -INFINITY;
    *g = (struct gage_range){0};
    for (int i = 0; i < s->parts; i++) {
        double m = mean_of(s, base, i, -1);
        part_low = fmin(part_low, m);
        part_high = fmax(part_high, m);
        for (int j = 0; j < s->operators; j++) {
            double low = value(s, i, j, 0), high = low;
            for (int t = 1; t < s->trials; t++) {
                low = fmin(low, value(s, i, j, t));
                high = fmax(high, value(s, i, j, t));
            }
            g->r_bar += (high - low) / (s->parts * s->operators);
        }
    }
    for (int j = 0; j < s->operators; j++) {
        double m = mean_of(s, base, -1, j);
        op_low = fmin(op_low, m);
        op_high = fmax(op_high, m);
    }
    g->x_diff = op_high - op_low;
    g->r_part = part_high - part_low;
    g->ev = g->r_bar * k_many(s->trials);
    double av = pow(g->x_diff * k_one(s->operators), 2) - g->ev * g->ev / (s->parts * s->trials);
    g->av = sqrt(fmax(av, 0));
    g->grr = hypot(g->ev, g->av);
    g->pv = g->r_part * k_one(s->parts);
    g->tv = hypot(g->grr, g->pv);
    g->percent_sv = 100 * g->grr / g->tv;
    g->ndc = categories(g->pv, g->grr);
}

static int check(const char *what, int count, int most, struct error *err)
{
    if (count >= 2 && count <= most)
        return 0;
    return error_set(err, ERROR_INPUT, "a gage study takes 2 to %d %s, not %d", most, what, count);
}

int gage_rr(const struct gage_study *study, double pool_above, struct gage_anova *anova,
            struct gage_range *range, struct error *err)
{
    int rc = check("parts", study->parts, GAGE_PARTS_MAX, err);
    if (!rc)
        rc = check("operators", study->operators, GAGE_OPERATORS_MAX, err);
    if (!rc)
        rc = check("trials", study->trials, GAGE_TRIALS_MAX, err);
    if (rc)
        return rc;
    *anova = (struct gage_anova){0};
    squares(study, anova);
    if (!(anova->rows[GAGE_TOTAL].ss > 0))
        return error_set(err, ERROR_INPUT,
                         "a gage study whose values are all the same says "
                         "nothing");
    components(study, pool_above, anova);
    anova->percent_sv = 100 * sqrt(anova->var_grr / anova->var_total);
    anova->ndc = categories(sqrt(anova->var_part), sqrt(anova->var_grr));
    ranges(study, range);
    return 0;
}
