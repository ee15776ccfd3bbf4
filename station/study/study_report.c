#include "station/study/study_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/statistics/gage_rr.h"

enum { NEIGHBOURS = 5 };
static const double coverage = 3, false_fail_aim_percent = 0.1, sv_aim_percent = 10;

static bool passed(const struct study_result *r)
{
    return strcmp(r->verdict, "pass") == 0;
}

static bool failed(const struct study_result *r)
{
    return strcmp(r->verdict, "fail") == 0;
}

/* ---- gage ---- */

static double mean_of(const double values[GAGE_RUNS])
{
    double sum = 0;
    for (int i = 0; i < GAGE_RUNS; i++)
        sum += values[i];
    return sum / GAGE_RUNS;
}

static int read_gage(const struct study *s, const struct study_result *gage,
                     struct study_report *out, struct error *err)
{
    double values[GAGE_RUNS];
    for (int f = 0; f < s->figure_count; f++) {
        struct study_figure_report *figure = &out->figures[f];
        struct gage_anova anova;
        struct gage_range range;
        bool whole = true, varies = false;
        for (int i = 0; i < GAGE_RUNS; i++) {
            values[i] = gage[i].figures[f].value;
            whole = whole && isfinite(values[i]);
            varies = varies || values[i] != values[0];
        }
        if (!whole || !varies)
            continue;
        const struct gage_study study = {GAGE_PARTS, GAGE_OPERATORS, GAGE_TRIALS, values};
        int rc = gage_rr(&study, 0.25, &anova, &range, err);
        if (rc)
            return rc;
        figure->sigma_grr = sqrt(anova.var_grr);
        figure->percent_sv = anova.percent_sv;
        figure->ndc = anova.ndc;
        figure->mean = mean_of(values);
    }
    return 0;
}

/* Parts that are alike in a figure span nothing that it could be held against: all that varies is
 * the gauge. Then it is the way from them to the nearer limit that three sigma are a part of. */
static bool parts_vary(const struct study *s, int f, int ndc)
{
    bool watched = false;
    for (int k = 0; k < s->kind_count; k++) {
        watched = watched || s->kinds[k].figure == f;
        if (s->kinds[k].figure == f && !s->kinds[k].whole && s->kinds[k].gage_strength > 0)
            return true;
    }
    return !watched && ndc > 0;
}

static void hold_against_limits(const struct study *s, struct study_report *out)
{
    for (int f = 0; f < s->figure_count; f++) {
        struct study_figure_report *figure = &out->figures[f];
        const double way = fmin(figure->mean - figure->low, figure->high - figure->mean);
        if (!isfinite(figure->percent_sv))
            continue;
        if (!parts_vary(s, f, figure->ndc) && isfinite(way))
            figure->percent_sv = way > 0 ? 100 * coverage * figure->sigma_grr / way : 100;
        out->worst_percent_sv = fmax(out->worst_percent_sv, figure->percent_sv);
    }
}

/* ---- truth ---- */

struct truths {
    double *values; /* [units * figures]; NAN where nobody knows */
};

static int know(const struct study *s, uint64_t seed, int units, struct truths *t,
                struct error *err)
{
    t->values = malloc((size_t)units * (size_t)s->figure_count * sizeof *t->values);
    if (!t->values)
        return error_set(err, ERROR_MEMORY, "out of memory for %d units", units);
    for (int u = 0; u < units; u++) {
        cJSON *unit = population_json(s, seed, u);
        if (!unit)
            return error_set(err, ERROR_MEMORY, "out of memory for a unit");
        for (int f = 0; f < s->figure_count; f++)
            t->values[u * s->figure_count + f] =
                s->figures[f].truth ? s->figures[f].truth(unit) : NAN;
        cJSON_Delete(unit);
    }
    return 0;
}

struct ranked {
    double strength, value;
};

static int by_strength(const void *a, const void *b)
{
    const double x = ((const struct ranked *)a)->strength, y = ((const struct ranked *)b)->strength;
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the units of one kind: the median of those nearest in strength. */
static double neighbours_median(const struct ranked *ranks, int count, double strength)
{
    double near[NEIGHBOURS];
    int from = 0, n = count < NEIGHBOURS ? count : NEIGHBOURS;
    while (from + n < count &&
           fabs(ranks[from + n].strength - strength) < fabs(ranks[from].strength - strength))
        from++;
    for (int i = 0; i < n; i++)
        near[i] = ranks[from + i].value;
    qsort(near, (size_t)n, sizeof *near, by_value);
    return n ? near[n / 2] : NAN;
}

/* Bias and spread of each figure over the units without a defect, its limits, and from all that its
 * uncertainty. */
static void read_figures(const struct study *s, const struct truths *t, uint64_t seed,
                         const struct study_result *results, int units, struct study_report *out)
{
    for (int f = 0; f < s->figure_count; f++) {
        struct study_figure_report *figure = &out->figures[f];
        double sum = 0, squares = 0;
        int n = 0;
        for (int u = 0; u < units; u++) {
            const struct study_value *v = &results[u].figures[f];
            if (!isnan(v->low))
                figure->low = v->low;
            if (!isnan(v->high))
                figure->high = v->high;
            const double off = v->value - t->values[u * s->figure_count + f];
            if (population_unit(s, seed, u).kind >= 0 || !isfinite(off))
                continue;
            sum += off;
            squares += off * off;
            n++;
        }
        if (n > 0) {
            figure->bias = sum / n;
            figure->spread = sqrt(fmax(squares / n - figure->bias * figure->bias, 0));
        }
        const double sigma = isfinite(figure->sigma_grr) ? figure->sigma_grr
                             : isfinite(figure->spread)  ? figure->spread
                                                         : 0;
        figure->u = coverage * sigma + (isfinite(figure->bias) ? fabs(figure->bias) : 0) +
                    s->figures[f].chance;
    }
}

/* ---- kinds ---- */

/* Maximum likelihood of p = 1 / (1 + exp(-(a + b strength))), held finite by a small ridge where
 * found and missed do not overlap. */
static void logistic(const struct ranked *ranks, int count, double *strength_50,
                     double *strength_999)
{
    double a = 0, b = 1;
    int found = 0;
    *strength_50 = *strength_999 = NAN;
    for (int i = 0; i < count; i++)
        found += ranks[i].value > 0;
    if (found == 0 || found == count)
        return;
    for (int pass = 0; pass < 60; pass++) {
        double ga = 0, gb = -1e-4 * b, haa = 1e-9, hab = 0, hbb = 1e-4;
        for (int i = 0; i < count; i++) {
            const double x = ranks[i].strength, p = 1 / (1 + exp(-(a + b * x))), w = p * (1 - p);
            ga += ranks[i].value - p;
            gb += (ranks[i].value - p) * x;
            haa += w;
            hab += w * x;
            hbb += w * x * x;
        }
        const double det = haa * hbb - hab * hab;
        if (!(det > 0))
            break;
        const double da = (ga * hbb - gb * hab) / det, db = (gb * haa - ga * hab) / det;
        const double most = fmax(fabs(da), fabs(db)), part = most > 5 ? 5 / most : 1;
        a += part * da;
        b += part * db;
        if (most < 1e-9)
            break;
    }
    if (b > 0) {
        *strength_50 = -a / b;
        *strength_999 = (log(999) - a) / b;
    }
}

static bool is_beyond(const struct study_figure_report *f, double truth)
{
    return truth < f->low - f->u || truth > f->high + f->u; /* NAN is beyond nothing */
}

static int read_kind(const struct study *s, const struct truths *t, uint64_t seed, int k,
                     const struct study_result *results, int units, struct study_report *out,
                     struct error *err)
{
    const struct study_kind *kind = &s->kinds[k];
    struct study_kind_report *r = &out->kinds[k];
    struct ranked *measured = malloc((size_t)units * sizeof *measured);
    struct ranked *found = malloc((size_t)units * sizeof *found);
    int count = 0;
    *r = (struct study_kind_report){.strength_50 = NAN, .strength_999 = NAN, .first_all = NAN};
    if (!measured || !found) {
        free(measured);
        free(found);
        return error_set(err, ERROR_MEMORY, "out of memory for %d units", units);
    }
    for (int u = 0; u < units; u++) {
        const struct study_unit unit = population_unit(s, seed, u);
        if (unit.kind != k)
            continue;
        found[count] = (struct ranked){unit.strength, !passed(&results[u])};
        measured[count++] = (struct ranked){unit.strength, results[u].figures[kind->figure].value};
        r->units++;
        r->found += !passed(&results[u]);
        r->errors += !passed(&results[u]) && !failed(&results[u]);
    }
    qsort(measured, (size_t)count, sizeof *measured, by_strength);
    qsort(found, (size_t)count, sizeof *found, by_strength);
    for (int i = count - 1; i >= 0 && found[i].value > 0; i--)
        r->first_all = found[i].strength;
    if (!kind->whole)
        logistic(found, count, &r->strength_50, &r->strength_999);
    for (int u = 0; u < units; u++) {
        const struct study_unit unit = population_unit(s, seed, u);
        if (unit.kind != k)
            continue;
        double truth = t->values[u * s->figure_count + kind->figure];
        if (!s->figures[kind->figure].truth)
            truth = neighbours_median(measured, count, unit.strength);
        const bool beyond = kind->whole || is_beyond(&out->figures[kind->figure], truth);
        r->beyond += beyond;
        r->escapes += beyond && passed(&results[u]);
    }
    free(measured);
    free(found);
    return 0;
}

int study_report_make(const struct study *s, uint64_t seed, const struct study_result *results,
                      int units, const struct study_result *gage, struct study_report *out,
                      struct error *err)
{
    struct truths t = {0};
    memset(out, 0, sizeof *out);
    out->units = units;
    for (int f = 0; f < s->figure_count; f++)
        out->figures[f] = (struct study_figure_report){.sigma_grr = NAN,
                                                       .percent_sv = NAN,
                                                       .bias = NAN,
                                                       .spread = NAN,
                                                       .low = -INFINITY,
                                                       .high = INFINITY};
    int rc = gage ? read_gage(s, gage, out, err) : 0;
    if (!rc)
        rc = know(s, seed, units, &t, err);
    if (rc)
        goto out;
    read_figures(s, &t, seed, results, units, out);
    hold_against_limits(s, out);
    for (int u = 0; u < units; u++) {
        if (population_unit(s, seed, u).kind >= 0)
            continue;
        out->good++;
        out->false_fails += failed(&results[u]);
        out->false_errors += !passed(&results[u]) && !failed(&results[u]);
    }
    for (int k = 0; k < s->kind_count && !rc; k++) {
        rc = read_kind(s, &t, seed, k, results, units, out, err);
        out->escapes += out->kinds[k].escapes;
    }
    out->false_fail_percent =
        out->good ? 100.0 * (out->false_fails + out->false_errors) / out->good : 0;
out:
    free(t.values);
    return rc;
}

bool study_report_holds(const struct study_report *r)
{
    return r->escapes == 0 && r->false_fail_percent <= false_fail_aim_percent &&
           r->worst_percent_sv <= sv_aim_percent;
}

/* JSON has no NAN and no infinity. */
static void add_number(cJSON *object, const char *name, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(object, name, value);
    else
        cJSON_AddNullToObject(object, name);
}

cJSON *study_report_json(const struct study *s, const struct study_report *r)
{
    cJSON *doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "study", s->name);
    cJSON_AddNumberToObject(doc, "units", r->units);
    cJSON_AddNumberToObject(doc, "good_units", r->good);
    cJSON_AddNumberToObject(doc, "escapes", r->escapes);
    cJSON_AddNumberToObject(doc, "false_fails", r->false_fails);
    cJSON_AddNumberToObject(doc, "false_errors", r->false_errors);
    cJSON_AddNumberToObject(doc, "false_fail_percent", r->false_fail_percent);
    cJSON_AddNumberToObject(doc, "worst_percent_sv", r->worst_percent_sv);
    cJSON_AddBoolToObject(doc, "holds", study_report_holds(r));
    cJSON *kinds = cJSON_AddArrayToObject(doc, "kinds");
    for (int k = 0; k < s->kind_count; k++) {
        const struct study_kind_report *kind = &r->kinds[k];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "kind", s->kinds[k].name);
        cJSON_AddStringToObject(row, "about", s->kinds[k].about);
        cJSON_AddNumberToObject(row, "units", kind->units);
        cJSON_AddNumberToObject(row, "found", kind->found);
        cJSON_AddNumberToObject(row, "errors", kind->errors);
        cJSON_AddNumberToObject(row, "beyond", kind->beyond);
        cJSON_AddNumberToObject(row, "escapes", kind->escapes);
        add_number(row, "strength_50", kind->strength_50);
        add_number(row, "strength_999", kind->strength_999);
        add_number(row, "first_all", kind->first_all);
        cJSON_AddItemToArray(kinds, row);
    }
    cJSON *figures = cJSON_AddArrayToObject(doc, "figures");
    for (int f = 0; f < s->figure_count; f++) {
        const struct study_figure_report *figure = &r->figures[f];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "step", s->figures[f].step);
        cJSON_AddStringToObject(row, "measurement", s->figures[f].measurement);
        add_number(row, "sigma_grr", figure->sigma_grr);
        add_number(row, "percent_sv", figure->percent_sv);
        cJSON_AddNumberToObject(row, "ndc", figure->ndc);
        add_number(row, "bias", figure->bias);
        add_number(row, "spread", figure->spread);
        add_number(row, "uncertainty", figure->u);
        add_number(row, "low", figure->low);
        add_number(row, "high", figure->high);
        cJSON_AddItemToArray(figures, row);
    }
    return doc;
}
