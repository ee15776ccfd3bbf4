/* What was measured, a figure at a time: spread against its limits, a control chart, and whether a
 * station, a slot or an instrument stands off from its like.
 *
 * Values are those of units' first judged runs, each step's first attempt: as the process makes
 * them, before anyone tried again. They are read once, in the order of the runs. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/query_places.h"
#include "reports/query_scope.h"
#include "reports/statistics/capability.h"
#include "reports/statistics/control_chart.h"
#include "reports/statistics/drift.h"

enum { CHART_POINTS = 240 };

/* In reports: a chance of 1 % of any false alarm, and half a deviation does not matter. */
static const struct drift_rule report_rule = {.rate = 0.01, .least = 0.5};

struct figure {
    cJSON *step, *name, *unit; /* strings of clean UTF-8, owned */
    double low, high;          /* of the latest value: what it is held against now */
    int64_t fails;
    struct series series;
    struct series *of_place; /* what each place measured, by its number in `places` */
    size_t place_count;
    double recent[CHART_POINTS]; /* a ring: value i at i % CHART_POINTS */
    int64_t recent_runs[CHART_POINTS];
};

/* A figure's row in the store is one of a name with certain limits: several may be one figure. */
struct key {
    int64_t step_name, figure;
    size_t index;
};

struct figures {
    struct figure **all;
    struct key *keys;
    struct places places;
    size_t count, key_count;
    size_t last_key; /* the next row's is most often the one behind */
};

static void figures_free(struct figures *f)
{
    for (size_t i = 0; i < f->count; i++) {
        cJSON_Delete(f->all[i]->step);
        cJSON_Delete(f->all[i]->name);
        cJSON_Delete(f->all[i]->unit);
        free(f->all[i]->of_place);
        free(f->all[i]);
    }
    free(f->all);
    free(f->keys);
    places_free(&f->places);
}

static bool is_figure(const struct figure *f, const cJSON *const names[3])
{
    return !strcmp(f->step->valuestring, names[0]->valuestring) &&
           !strcmp(f->name->valuestring, names[1]->valuestring) &&
           !strcmp(f->unit->valuestring, names[2]->valuestring);
}

/* Columns: 0 step_name, 1 figure, 2 value, 3 failed, 4 station, 5 slot, 6 run, 7 tooling. Names and
 * limits are looked up when a pair of step_name and figure is first met. */
static struct figure *add_key(struct store *s, struct figures *f, int64_t step_name, int64_t id,
                              struct error *err)
{
    struct rows *st = rows_open(s, err,
                                "SELECT n.name, f.name, f.unit, f.low, f.high FROM step_name n,"
                                " figure f WHERE n.id=?1 AND f.id=?2",
                                "ii", step_name, id);
    struct figure *figure = NULL;
    cJSON *names[3] = {NULL};
    size_t index = 0;
    if (!st || rows_next(st, err) != 1)
        goto out;
    for (int i = 0; i < 3; i++)
        if (!(names[i] = rows_text(st, i))) {
            rows_out_of_memory(err);
            goto out;
        }
    while (index < f->count && !is_figure(f->all[index], (const cJSON *const *)names))
        index++;
    if (index == f->count) {
        struct figure **all = reallocarray(f->all, f->count + 1, sizeof *all);
        struct figure *one = all ? calloc(1, sizeof *one) : NULL;
        f->all = all ? all : f->all;
        if (!one) {
            rows_out_of_memory(err);
            goto out;
        }
        f->all[f->count++] = one;
        one->step = names[0];
        one->name = names[1];
        one->unit = names[2];
        memset(names, 0, sizeof names);
    }
    struct key *keys = reallocarray(f->keys, f->key_count + 1, sizeof *keys);
    if (!keys) {
        rows_out_of_memory(err);
        goto out;
    }
    f->keys = keys;
    f->keys[f->key_count++] = (struct key){step_name, id, index};
    figure = f->all[index];
    figure->low = rows_real(st, 3);
    figure->high = rows_real(st, 4);
out:
    for (int i = 0; i < 3; i++)
        cJSON_Delete(names[i]);
    rows_close(st);
    return figure;
}

static struct figure *find(struct store *s, struct figures *f, int64_t step_name, int64_t id,
                           struct error *err)
{
    for (size_t i = 0; i < f->key_count; i++) {
        size_t k = (f->last_key + 1 + i) % f->key_count;
        if (f->keys[k].step_name == step_name && f->keys[k].figure == id) {
            f->last_key = k;
            return f->all[f->keys[k].index];
        }
    }
    return add_key(s, f, step_name, id, err);
}

static int take(struct store *s, struct figures *f, struct figure *figure, const struct rows *r,
                struct error *err)
{
    double value = rows_real(r, 2);
    if (series_add(&figure->series, value))
        return 0;
    size_t at = (size_t)(figure->series.count - 1) % CHART_POINTS;
    figure->recent[at] = value;
    figure->recent_runs[at] = rows_integer(r, 6);
    figure->fails += rows_integer(r, 3);
    const struct setup *setup =
        places_of(s, &f->places, rows_integer(r, 4), rows_integer(r, 5), rows_integer(r, 7), err);
    if (!setup)
        return rows_code(err);
    if (figure->place_count < f->places.count) {
        size_t added = f->places.count - figure->place_count;
        struct series *all = reallocarray(figure->of_place, f->places.count, sizeof *all);
        if (!all)
            return rows_out_of_memory(err);
        memset(all + figure->place_count, 0, added * sizeof *all);
        figure->of_place = all;
        figure->place_count = f->places.count;
    }
    for (size_t i = 0; i < setup->count; i++)
        series_add(&figure->of_place[setup->places[i]], value);
    return 0;
}

static int read_values(struct store *s, const struct query_scope *scope, struct figures *f,
                       struct error *err)
{
    struct rows *st = scope_open(
        s, scope,
        "SELECT s.name, m.figure, m.value, CASE WHEN m.verdict=2 THEN 1 ELSE 0 END, r.station,"
        " r.slot, r.id, r.tooling FROM {first} b"
        " CROSS JOIN run r CROSS JOIN step s CROSS JOIN measurement m"
        " WHERE r.id=b.id AND s.run=r.id AND s.attempt=1 AND m.run=s.run AND m.step=s.step AND"
        " m.attempt=1 AND m.value IS NOT NULL ORDER BY b.id, s.step, m.n",
        err);
    int rc = st ? 0 : rows_code(err);
    while (!rc && (rc = rows_next(st, err)) == 1) {
        struct figure *figure = find(s, f, rows_integer(st, 0), rows_integer(st, 1), err);
        rc = figure ? 0 : rows_code(err);
        if (figure)
            rc = take(s, f, figure, st, err);
    }
    rows_close(st);
    return rc;
}

static void add(cJSON *object, const char *name, double value)
{
    cJSON_AddItemToObject(object, name,
                          isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

/* The last values between limits of all of them; rules are followed from the first one shown. */
static void add_chart(cJSON *row, const struct figure *f)
{
    struct imr_limits l = imr_limits_of(&f->series);
    struct control_rules rules = {0};
    static const double lambda = 0.2;
    struct ewma_limits e = ewma_limits_of(lambda, l.mean, l.sigma);
    double z = l.mean;
    cJSON *chart = cJSON_AddObjectToObject(row, "chart");
    add(chart, "mean", l.mean);
    add(chart, "mr_bar", l.mr_bar);
    add(chart, "sigma", l.sigma);
    add(chart, "ucl", l.ucl);
    add(chart, "lcl", l.lcl);
    add(chart, "ewma_lambda", lambda);
    add(chart, "ewma_ucl", e.ucl);
    add(chart, "ewma_lcl", e.lcl);
    cJSON *values = cJSON_AddArrayToObject(chart, "values");
    cJSON *ewma = cJSON_AddArrayToObject(chart, "ewma");
    cJSON *violations = cJSON_AddArrayToObject(chart, "violations");
    int64_t count = f->series.count, from = count > CHART_POINTS ? count - CHART_POINTS : 0;
    for (int64_t i = from; i < count; i++) {
        double value = f->recent[i % CHART_POINTS];
        unsigned broken = control_rules_add(&rules, value, l.mean, l.sigma);
        z = ewma_next(lambda, z, value);
        cJSON_AddItemToArray(values, cJSON_CreateNumber(value));
        cJSON_AddItemToArray(ewma, cJSON_CreateNumber(z));
        for (int rule = 0; rule < CONTROL_RULES; rule++)
            if (broken >> rule & 1) {
                cJSON *v = cJSON_CreateObject();
                cJSON_AddNumberToObject(v, "point", (double)(i - from + 1));
                cJSON_AddNumberToObject(v, "rule", rule + 1);
                cJSON_AddNumberToObject(v, "run", (double)f->recent_runs[i % CHART_POINTS]);
                cJSON_AddItemToArray(violations, v);
            }
    }
}

static void add_figure(cJSON *list, const struct figure *f)
{
    cJSON *row = cJSON_CreateObject();
    double lsl = isfinite(f->low) ? f->low : NAN, usl = isfinite(f->high) ? f->high : NAN;
    double within = capability_sigma_moving_range(&f->series);
    double overall = series_deviation(&f->series);
    struct capability c = capability_of(series_mean(&f->series), within, overall, lsl, usl);
    cJSON_AddStringToObject(row, "step", f->step->valuestring);
    cJSON_AddStringToObject(row, "measurement", f->name->valuestring);
    cJSON_AddStringToObject(row, "unit", f->unit->valuestring);
    add(row, "low", lsl);
    add(row, "high", usl);
    add(row, "n", (double)f->series.count);
    add(row, "failed", (double)f->fails);
    add(row, "mean", series_mean(&f->series));
    add(row, "sd", overall);
    add(row, "sigma_within", within);
    add(row, "min", f->series.lowest);
    add(row, "max", f->series.highest);
    add(row, "lag1", series_lag1(&f->series));
    add(row, "cp", c.cp);
    add(row, "cpk", c.cpk);
    add(row, "pp", c.pp);
    add(row, "ppk", c.ppk);
    if (f->series.count >= 2)
        add_chart(row, f);
    cJSON_AddItemToArray(list, row);
}

/* All that a figure's other places of the same kind measured; how many places that are. */
static int others_of(const struct figures *f, const struct figure *g, size_t place,
                     struct series *others)
{
    int count = 0;
    *others = (struct series){0};
    for (size_t j = 0; j < g->place_count; j++)
        if (j != place && g->of_place[j].count &&
            places_alike(&f->places.all[j], &f->places.all[place])) {
            series_join(others, &g->of_place[j]);
            count++;
        }
    return count;
}

static int add_alarm(struct store *s, const struct figures *f, const struct figure *g, size_t place,
                     const struct series *others, const struct drift *d, cJSON *list,
                     struct error *err)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddItemToArray(list, row);
    int rc = places_name(s, &f->places.all[place], row, err);
    cJSON_AddStringToObject(row, "step", g->step->valuestring);
    cJSON_AddStringToObject(row, "measurement", g->name->valuestring);
    cJSON_AddStringToObject(row, "unit", g->unit->valuestring);
    add(row, "n", (double)g->of_place[place].count);
    add(row, "mean", series_mean(&g->of_place[place]));
    add(row, "others_mean", series_mean(others));
    add(row, "shift", d->shift);
    add(row, "sigmas", d->sigmas);
    add(row, "p", d->p);
    return rc;
}

/* Each place against all others of its kind and the same figure; alarms alone are listed. The
 * first time round counts the comparisons, by which the rule is held. */
static int add_drift(struct store *s, const struct figures *f, cJSON *object, struct error *err)
{
    cJSON *list = cJSON_AddArrayToObject(object, "drift");
    struct drift_rule rule = report_rule;
    int rc = list ? 0 : rows_out_of_memory(err);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < f->count && !rc; i++)
            for (size_t k = 0; k < f->all[i]->place_count && !rc; k++) {
                const struct figure *g = f->all[i];
                struct series others;
                if (!g->of_place[k].count || !others_of(f, g, k, &others))
                    continue;
                if (round == 0) {
                    rule.comparisons++;
                    continue;
                }
                struct drift d = drift_test(&g->of_place[k], &others, &rule);
                if (d.alarm)
                    rc = add_alarm(s, f, g, k, &others, &d, list, err);
            }
    cJSON *how = cJSON_AddObjectToObject(object, "drift_rule");
    add(how, "rate", rule.rate);
    add(how, "least_sigmas", rule.least);
    add(how, "comparisons", rule.comparisons);
    return rc;
}

int scope_add_figures(struct store *s, const struct query_scope *scope, cJSON *object,
                      struct error *err)
{
    struct figures f = {0};
    cJSON *list = cJSON_AddArrayToObject(object, "figures");
    int rc = list ? read_values(s, scope, &f, err) : rows_out_of_memory(err);
    for (size_t i = 0; i < f.count && !rc; i++)
        add_figure(list, f.all[i]);
    if (!rc)
        rc = add_drift(s, &f, object, err);
    figures_free(&f);
    return rc;
}
