/* takt stats: the kinds that look at one column of values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/statistics/capability.h"
#include "reports/statistics/control_chart.h"
#include "station/cli/stats_kinds.h"

static int load(const struct stats_request *r, double **values, struct series *s, struct error *err)
{
    int column;
    int rc = table_file_value_column(r->table, r->column, &column, err);
    if (!rc)
        rc = table_file_numbers(r->table, column, values, err);
    *s = (struct series){0};
    for (size_t i = 0; !rc && i < table_file_rows(r->table); i++)
        series_add(s, (*values)[i]);
    return rc;
}

static int need(const struct series *s, int64_t least, struct error *err)
{
    if (s->count >= least)
        return 0;
    return error_set(err, ERROR_INPUT, "%lld values: expected %lld or more", (long long)s->count,
                     (long long)least);
}

static void add(cJSON *out, const char *name, double value)
{
    cJSON_AddItemToObject(out, name,
                          isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

int stats_describe(const struct stats_request *r, cJSON *out, FILE *plain, struct error *err)
{
    double *values = NULL;
    struct series s;
    int rc = load(r, &values, &s, err);
    if (rc)
        return rc;
    add(out, "n", (double)s.count);
    add(out, "mean", series_mean(&s));
    add(out, "sd", series_deviation(&s));
    add(out, "lag1", series_lag1(&s));
    add(out, "min", s.lowest);
    add(out, "max", s.highest);
    if (plain)
        stats_draw_spread(plain, values, (size_t)s.count, NAN, NAN);
    free(values);
    return 0;
}

/* Rows with the same text in the column "subgroup" that stand together are one subgroup. */
static double sigma_within(const struct stats_request *r, const double *values,
                           const struct series *s, const char **how)
{
    int column = table_file_column(r->table, "subgroup");
    struct subgroups groups = {0};
    struct series group = {0};
    *how = "moving range";
    if (column < 0)
        return capability_sigma_moving_range(s);
    *how = "subgroups";
    for (size_t i = 0; i < (size_t)s->count; i++) {
        const char *name = table_file_text(r->table, i, column);
        if (i && strcmp(name, table_file_text(r->table, i - 1, column)) != 0) {
            subgroups_add(&groups, &group);
            group = (struct series){0};
        }
        series_add(&group, values[i]);
    }
    subgroups_add(&groups, &group);
    return subgroups_sigma(&groups);
}

int stats_capability(const struct stats_request *r, cJSON *out, FILE *plain, struct error *err)
{
    double *values = NULL;
    const char *how;
    struct series s;
    if (isnan(r->lsl) && isnan(r->usl))
        return error_set(err, ERROR_INPUT, "a limit is missing: give --lsl, --usl or both");
    if (r->lsl >= r->usl)
        return error_set(err, ERROR_INPUT, "--lsl %g is not below --usl %g", r->lsl, r->usl);
    int rc = load(r, &values, &s, err);
    if (!rc)
        rc = need(&s, 2, err);
    if (!rc) {
        double within = sigma_within(r, values, &s, &how), overall = series_deviation(&s);
        struct capability c = capability_of(series_mean(&s), within, overall, r->lsl, r->usl);
        add(out, "cp", c.cp);
        add(out, "cpk", c.cpk);
        add(out, "pp", c.pp);
        add(out, "ppk", c.ppk);
        add(out, "n", (double)s.count);
        add(out, "mean", series_mean(&s));
        add(out, "sigma_within", within);
        add(out, "sigma_overall", overall);
        cJSON_AddStringToObject(out, "within_by", how);
        if (plain)
            stats_draw_spread(plain, values, (size_t)s.count, r->lsl, r->usl);
    }
    free(values);
    return rc;
}

static void add_violation(cJSON *list, size_t index, double value, int rule)
{
    cJSON *v = cJSON_CreateObject();
    cJSON_AddNumberToObject(v, "point", (double)index + 1);
    cJSON_AddNumberToObject(v, "rule", rule);
    cJSON_AddNumberToObject(v, "value", value);
    cJSON_AddItemToArray(list, v);
}

int stats_imr(const struct stats_request *r, cJSON *out, FILE *plain, struct error *err)
{
    double *values = NULL;
    struct series s;
    struct control_rules rules = {0};
    int rc = load(r, &values, &s, err);
    if (!rc)
        rc = need(&s, 2, err);
    if (!rc) {
        struct imr_limits l = imr_limits_of(&s);
        add(out, "n", (double)s.count);
        add(out, "mean", l.mean);
        add(out, "mr_bar", l.mr_bar);
        add(out, "sigma", l.sigma);
        add(out, "ucl", l.ucl);
        add(out, "lcl", l.lcl);
        add(out, "mr_ucl", l.mr_ucl);
        cJSON *list = cJSON_AddArrayToObject(out, "violations");
        cJSON *ranges = cJSON_AddArrayToObject(out, "mr_violations");
        for (size_t i = 0; i < (size_t)s.count; i++) {
            unsigned broken = control_rules_add(&rules, values[i], l.mean, l.sigma);
            for (int rule = 0; rule < CONTROL_RULES; rule++)
                if (broken >> rule & 1)
                    add_violation(list, i, values[i], rule + 1);
            if (i && fabs(values[i] - values[i - 1]) > l.mr_ucl)
                add_violation(ranges, i, fabs(values[i] - values[i - 1]), 1);
        }
        if (plain)
            stats_draw_chart(plain, values, (size_t)s.count, l.lcl, l.mean, l.ucl);
    }
    free(values);
    return rc;
}

int stats_ewma(const struct stats_request *r, cJSON *out, FILE *plain, struct error *err)
{
    double *values = NULL, lambda = isnan(r->lambda) ? 0.2 : r->lambda;
    struct series s;
    if (!(lambda > 0 && lambda <= 1))
        return error_set(err, ERROR_INPUT, "--lambda %g: expected above 0, up to 1", lambda);
    if (!isnan(r->sigma) && !(r->sigma > 0))
        return error_set(err, ERROR_INPUT, "--sigma %g: expected above 0", r->sigma);
    int rc = load(r, &values, &s, err);
    if (!rc && isnan(r->sigma))
        rc = need(&s, 2, err);
    if (!rc) {
        double start = isnan(r->start) ? series_mean(&s) : r->start;
        double sigma = isnan(r->sigma) ? capability_sigma_moving_range(&s) : r->sigma;
        struct ewma_limits l = ewma_limits_of(lambda, start, sigma);
        double z = start;
        add(out, "n", (double)s.count);
        add(out, "lambda", lambda);
        add(out, "start", start);
        add(out, "sigma", sigma);
        add(out, "ucl", l.ucl);
        add(out, "lcl", l.lcl);
        cJSON *list = cJSON_CreateArray();
        for (size_t i = 0; i < (size_t)s.count; i++) {
            values[i] = z = ewma_next(lambda, z, values[i]);
            if (z > l.ucl || z < l.lcl)
                add_violation(list, i, z, 1);
        }
        add(out, "last", z);
        cJSON_AddItemToObject(out, "violations", list);
        if (plain)
            stats_draw_chart(plain, values, (size_t)s.count, l.lcl, start, l.ucl);
    }
    free(values);
    return rc;
}
