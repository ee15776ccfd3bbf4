/* takt stats grr: a gage study from a table with the columns part, operator, trial and value. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/statistics/gage_rr.h"
#include "station/cli/stats_kinds.h"

enum { PART, OPERATOR, TRIAL, KEYS, NAMES_MAX = 25 };
static const char *const key_names[KEYS] = {"part", "operator", "trial"};

/* The names in a key column, in the order they first appear. */
struct names {
    const char *text[NAMES_MAX];
    int count;
};

static int number_of(struct names *n, const char *text)
{
    for (int i = 0; i < n->count; i++)
        if (!strcmp(n->text[i], text))
            return i;
    if (n->count == NAMES_MAX)
        return -1;
    n->text[n->count] = text;
    return n->count++;
}

static int find_names(const struct table_file *t, const int columns[KEYS], struct names names[KEYS],
                      struct error *err)
{
    for (size_t row = 0; row < table_file_rows(t); row++)
        for (int k = 0; k < KEYS; k++)
            if (number_of(&names[k], table_file_text(t, row, columns[k])) < 0)
                return table_file_complain(t, row, err, "more than %d in column '%s'", NAMES_MAX,
                                           key_names[k]);
    return 0;
}

/* Every part by every operator in every trial, once. NAN marks what has not come yet. */
static int fill(const struct table_file *t, const int columns[KEYS], int value_column,
                struct names names[KEYS], double *values, struct error *err)
{
    size_t cells = (size_t)names[PART].count * names[OPERATOR].count * names[TRIAL].count;
    for (size_t i = 0; i < cells; i++)
        values[i] = NAN;
    for (size_t row = 0; row < table_file_rows(t); row++) {
        const char *key[KEYS];
        size_t cell = 0;
        for (int k = 0; k < KEYS; k++) {
            key[k] = table_file_text(t, row, columns[k]);
            cell = cell * names[k].count + number_of(&names[k], key[k]);
        }
        if (!isnan(values[cell]))
            return table_file_complain(t, row, err, "part %.20s, operator %.20s, trial %.20s again",
                                       key[PART], key[OPERATOR], key[TRIAL]);
        int rc = table_file_number(t, row, value_column, &values[cell], err);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < cells; i++)
        if (isnan(values[i])) {
            size_t trials = names[TRIAL].count, operators = names[OPERATOR].count;
            return table_file_complain(t, table_file_rows(t) - 1, err,
                                       "the table ends without part %.20s, operator %.20s, trial "
                                       "%.20s: every part by every operator in every trial",
                                       names[PART].text[i / trials / operators],
                                       names[OPERATOR].text[i / trials % operators],
                                       names[TRIAL].text[i % trials]);
        }
    return 0;
}

static void add(cJSON *out, const char *name, double value)
{
    cJSON_AddItemToObject(out, name,
                          isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

static const char *const sources[GAGE_ROWS] = {"part", "operator", "interaction", "repeatability",
                                               "total"};

static void add_anova(cJSON *out, const struct gage_anova *a)
{
    cJSON *table = cJSON_AddObjectToObject(out, "anova");
    cJSON *rows = cJSON_AddArrayToObject(table, "rows");
    for (int i = 0; i < GAGE_ROWS; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "source", sources[i]);
        add(row, "df", a->rows[i].df);
        add(row, "ss", a->rows[i].ss);
        add(row, "ms", a->rows[i].ms);
        add(row, "f", a->rows[i].f);
        add(row, "p", a->rows[i].p);
        cJSON_AddItemToArray(rows, row);
    }
    cJSON_AddBoolToObject(table, "interaction_pooled", a->pooled);
    cJSON *v = cJSON_AddObjectToObject(table, "components");
    add(v, "grr", a->var_grr);
    add(v, "repeatability", a->var_repeatability);
    add(v, "reproducibility", a->var_reproducibility);
    add(v, "operator", a->var_operator);
    add(v, "interaction", a->var_interaction);
    add(v, "part", a->var_part);
    add(v, "total", a->var_total);
    add(table, "percent_sv", a->percent_sv);
    add(table, "ndc", a->ndc);
}

static void add_range(cJSON *out, const struct gage_range *g)
{
    cJSON *table = cJSON_AddObjectToObject(out, "xbar_r");
    add(table, "ev", g->ev);
    add(table, "av", g->av);
    add(table, "grr", g->grr);
    add(table, "pv", g->pv);
    add(table, "tv", g->tv);
    add(table, "r_bar", g->r_bar);
    add(table, "x_diff", g->x_diff);
    add(table, "r_part", g->r_part);
    add(table, "percent_sv", g->percent_sv);
    add(table, "ndc", g->ndc);
}

static void print_number(FILE *f, int width, const char *format, double value)
{
    char text[32] = "";
    if (isfinite(value))
        snprintf(text, sizeof text, format, value);
    fprintf(f, "%*s", width, text);
}

static void print_bar(FILE *f, const char *name, double share)
{
    fprintf(f, "%-16s", name);
    for (int i = 0; i < (int)lround(share * 40); i++)
        fputc('#', f);
    fprintf(f, " %.1f %%\n", 100 * share);
}

static void print_tables(FILE *f, const struct gage_anova *a, const struct gage_range *g)
{
    fprintf(f, "%-14s%6s%12s%12s%12s%10s\n", "ANOVA", "df", "SS", "MS", "F", "p");
    for (int i = 0; i < GAGE_ROWS; i++) {
        fprintf(f, "%-14s%6d", sources[i], a->rows[i].df);
        print_number(f, 12, "%.6g", a->rows[i].ss);
        print_number(f, 12, "%.6g", a->rows[i].ms);
        print_number(f, 12, "%.5g", a->rows[i].f);
        print_number(f, 10, "%.4f", a->rows[i].p);
        fputc('\n', f);
    }
    fprintf(f, "interaction %s\n\nshare of the study's deviation\n",
            a->pooled ? "pooled with repeatability" : "kept");
    double total = sqrt(a->var_total);
    print_bar(f, "gage R&R", sqrt(a->var_grr) / total);
    print_bar(f, "  repeatability", sqrt(a->var_repeatability) / total);
    print_bar(f, "  reproducib.", sqrt(a->var_reproducibility) / total);
    print_bar(f, "parts", sqrt(a->var_part) / total);
    fprintf(f, "ANOVA:  %%SV %.2f, ndc %d\n", a->percent_sv, a->ndc);
    fprintf(f, "Xbar-R: %%SV %.2f, ndc %d (EV %.5g, AV %.5g, GRR %.5g, PV %.5g, TV %.6g)\n",
            g->percent_sv, g->ndc, g->ev, g->av, g->grr, g->pv, g->tv);
}

int stats_gage(const struct stats_request *r, cJSON *out, FILE *plain, struct error *err)
{
    struct names names[KEYS] = {0};
    int columns[KEYS], value_column, rc = 0;
    double *values = NULL;
    struct gage_anova anova;
    struct gage_range range;
    for (int k = 0; k < KEYS && !rc; k++)
        rc = table_file_value_column(r->table, key_names[k], &columns[k], err);
    if (!rc)
        rc = table_file_value_column(r->table, r->column ? r->column : "value", &value_column, err);
    if (!rc)
        rc = find_names(r->table, columns, names, err);
    if (rc)
        return rc;
    struct gage_study study = {.parts = names[PART].count,
                               .operators = names[OPERATOR].count,
                               .trials = names[TRIAL].count};
    values = calloc((size_t)study.parts * study.operators * study.trials, sizeof *values);
    rc = values ? fill(r->table, columns, value_column, names, values, err)
                : error_set(err, ERROR_MEMORY, "no memory for the study");
    study.values = values;
    if (!rc)
        rc = gage_rr(&study, isnan(r->pool_above) ? 0.25 : r->pool_above, &anova, &range, err);
    if (!rc) {
        add(out, "parts", study.parts);
        add(out, "operators", study.operators);
        add(out, "trials", study.trials);
        add_anova(out, &anova);
        add_range(out, &range);
        add(out, "percent_sv", anova.percent_sv);
        add(out, "ndc", anova.ndc);
        if (plain)
            print_tables(plain, &anova, &range);
    }
    free(values);
    return rc;
}
