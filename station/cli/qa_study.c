/* takt qa run STUDY: a gauge study on a population of virtual units (station/study). */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "station/cli/command.h"
#include "station/cli/qa_study.h"
#include "station/study/study_report.h"

enum { UNITS_MAX = 100000, SLOTS_MOST = 64 };

struct options {
    const struct study *study;
    const char *dir;
    int units, slots;
    uint64_t seed;
    bool gage, json, keep;
};

static void help(const struct study *s)
{
    printf(
        "usage: takt qa run %s [--units N] [--slots N] [--seed N] [--dir D] [--no-gage]\n"
        "                   [--json]\n\n"
        "Sends N virtual units (2000), one in five with a defect of a known strength, through\n"
        "the plan %s/%s on a virtual bench, and a gage study of 10 parts, 3 places and 3\n"
        "trials. Says of each kind of defect from which strength on it is found, which units\n"
        "escaped beyond limit and uncertainty, which good ones failed, and the gage R&R of each\n"
        "figure.\n\n"
        "  --units N    of the population\n"
        "  --slots N    at once, 1 to 64 (16)\n"
        "  --seed N     another one makes other units (1)\n"
        "  --dir D      the bench's folder, made anew (build/%s)\n"
        "  --no-gage    the population alone\n"
        "  --json       the document instead of the table\n\n"
        "Exit status: 0 when nothing escaped, at most 0.1 %% failed falsely and every %%SV is at\n"
        "most 10; 1 when that does not hold; 3 when the study could not be done.\n",
        s->name, s->product, s->plan, s->name);
}

static void free_units(cJSON **units, int count)
{
    for (int i = 0; i < count; i++)
        cJSON_Delete(units[i]);
}

static int run_population(const struct options *o, struct study_run *run,
                          struct study_result *results, struct error *err)
{
    cJSON *units[SLOTS_MOST];
    int rc = 0;
    const int64_t began = clock_mono_ms();
    for (int done = 0; done < o->units && !rc;) {
        const int count = o->units - done < o->slots ? o->units - done : o->slots;
        for (int i = 0; i < count; i++)
            units[i] = population_json(o->study, o->seed, done + i);
        rc = study_run_round(run, units, count, results + done, err);
        free_units(units, count);
        done += count;
        fprintf(stderr, "takt qa: %d of %d units, %.0f s\n", done, o->units,
                (double)(clock_mono_ms() - began) / 1000);
    }
    return rc;
}

/* Each placement is a unit of its own to the station: the same part lies in three places at once.
 */
static cJSON *placed_part(const struct options *o, int part, int place, int trial)
{
    char chip_id[33];
    cJSON *unit = population_part(o->study, o->seed, part, GAGE_PARTS);
    snprintf(chip_id, sizeof chip_id, "%08x%08x%08x%08x", 0x9a9eu, (unsigned)part, (unsigned)place,
             (unsigned)trial);
    cJSON_ReplaceItemInObjectCaseSensitive(unit, "chip_id", cJSON_CreateString(chip_id));
    const int placement = (part * GAGE_OPERATORS + place) * GAGE_TRIALS + trial;
    if (!population_place(unit, o->seed, (uint32_t)placement)) {
        cJSON_Delete(unit);
        return NULL;
    }
    return unit;
}

/* By part, operator, trial in `gage`; the operators are three places of each part. */
static int run_gage(const struct options *o, struct study_run *run, struct study_result *gage,
                    struct error *err)
{
    enum { PLACES = GAGE_PARTS * GAGE_OPERATORS };
    cJSON *units[SLOTS_MOST];
    struct study_result results[SLOTS_MOST];
    int rc = 0;
    for (int trial = 0; trial < GAGE_TRIALS && !rc; trial++) {
        for (int from = 0; from < PLACES && !rc; from += o->slots) {
            const int count = PLACES - from < o->slots ? PLACES - from : o->slots;
            for (int i = 0; i < count; i++)
                units[i] = placed_part(o, (from + i) % GAGE_PARTS, (from + i) / GAGE_PARTS, trial);
            rc = study_run_round(run, units, count, results, err);
            for (int i = 0; i < count && !rc; i++) {
                const int part = (from + i) % GAGE_PARTS, place = (from + i) / GAGE_PARTS;
                gage[(part * GAGE_OPERATORS + place) * GAGE_TRIALS + trial] = results[i];
            }
            free_units(units, count);
        }
        fprintf(stderr, "takt qa: gage trial %d of %d\n", trial + 1, GAGE_TRIALS);
    }
    return rc;
}

static void print_number(double value, const char *format)
{
    if (value == value && value - value == 0)
        printf(format, value);
    else
        printf("%*s", 9, "-");
}

static void print_table(const struct options *o, const struct study_report *r,
                        const struct study_result *results)
{
    const struct study *s = o->study;
    printf("%-18s %6s %6s %7s %8s %9s %9s %9s\n", "defect", "units", "found", "beyond", "escaped",
           "50 %", "99.9 %", "all from");
    for (int k = 0; k < s->kind_count; k++) {
        const struct study_kind_report *kind = &r->kinds[k];
        printf("%-18s %6d %6d %7d %8d ", s->kinds[k].name, kind->units, kind->found, kind->beyond,
               kind->escapes);
        print_number(kind->strength_50, "%9.3f");
        print_number(kind->strength_999, " %9.3f");
        print_number(kind->first_all, " %9.3f");
        printf("\n");
    }
    printf("\n%-28s %9s %9s %4s %9s %9s\n", "figure", "sigma", "%SV", "ndc", "bias", "U");
    for (int f = 0; f < s->figure_count; f++) {
        const struct study_figure_report *figure = &r->figures[f];
        char name[64];
        snprintf(name, sizeof name, "%s.%s", s->figures[f].step, s->figures[f].measurement);
        printf("%-28s ", name);
        print_number(figure->sigma_grr, "%9.4f");
        print_number(figure->percent_sv, " %9.2f");
        printf(" %4d ", figure->ndc);
        print_number(figure->bias, "%9.4f");
        print_number(figure->u, " %9.4f");
        printf("\n");
    }
    printf("\n%d units, %d of them good: %d escapes, %d false fails, %d errors of good units "
           "(%.2f %%), worst %%SV %.2f\n",
           r->units, r->good, r->escapes, r->false_fails, r->false_errors, r->false_fail_percent,
           r->worst_percent_sv);
    for (int u = 0; u < r->units; u++)
        if (population_unit(s, o->seed, u).kind < 0 && strcmp(results[u].verdict, "pass") != 0)
            printf("good unit %d: %s, %s\n", u, results[u].verdict,
                   results[u].failed[0] ? results[u].failed : results[u].message);
}

static int report(const struct options *o, const struct study_result *results,
                  const struct study_result *gage, bool *holds, struct error *err)
{
    struct study_report *r = malloc(sizeof *r);
    if (!r)
        return error_set(err, ERROR_MEMORY, "out of memory");
    int rc = study_report_make(o->study, o->seed, results, o->units, gage, r, err);
    if (!rc && o->json) {
        cJSON *doc = study_report_json(o->study, r);
        cJSON_AddNumberToObject(doc, "seed", (double)o->seed);
        char *text = cJSON_Print(doc);
        if (text)
            puts(text);
        cJSON_free(text);
        cJSON_Delete(doc);
    } else if (!rc) {
        print_table(o, r, results);
    }
    *holds = !rc && study_report_holds(r);
    free(r);
    return rc;
}

static int run(const struct options *o, bool *holds, struct error *err)
{
    char takt[PATH_MAX], dir[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", takt, sizeof takt - 1);
    struct study_result *results = calloc((size_t)o->units, sizeof *results);
    struct study_result *gage = calloc(GAGE_RUNS, sizeof *gage);
    struct study_run *study = NULL;
    int rc =
        results && gage ? 0 : error_set(err, ERROR_MEMORY, "out of memory for %d units", o->units);
    takt[n > 0 ? n : 0] = '\0';
    snprintf(dir, sizeof dir, "%s", o->dir);
    const struct study_run_config config = {
        .study = o->study, .dir = dir, .takt_path = takt, .slots = o->slots, .seed = o->seed};
    if (!rc)
        rc = study_run_open(&config, &study, err);
    if (!rc)
        rc = run_population(o, study, results, err);
    if (!rc && o->gage)
        rc = run_gage(o, study, gage, err);
    study_run_close(study);
    if (!rc)
        rc = report(o, results, o->gage ? gage : NULL, holds, err);
    free(results);
    free(gage);
    return rc;
}

static int take_number(const char *option, const char *text, long low, long high, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return end == text || *end || *out < low || *out > high
               ? cli_usage("takt qa run: --%s %s: expected %ld to %ld", option, text, low, high)
               : 0;
}

int cli_qa_study(const struct study *study, int argc, char **argv)
{
    static const struct option options[] = {
        {"units", required_argument, NULL, 'u'}, {"slots", required_argument, NULL, 's'},
        {"seed", required_argument, NULL, 'r'},  {"dir", required_argument, NULL, 'd'},
        {"no-gage", no_argument, NULL, 'g'},     {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},        {0}};
    char dir[64];
    struct options o = {
        .study = study, .dir = dir, .units = 2000, .slots = 16, .seed = 1, .gage = true};
    struct error err = {0};
    bool holds = false;
    int option, status = 0;
    long number;
    snprintf(dir, sizeof dir, "build/%s", study->name);
    while (status == 0 && (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            status = take_number("units", optarg, 1, UNITS_MAX, &number);
            o.units = (int)number;
            break;
        case 's':
            status = take_number("slots", optarg, 1, SLOTS_MOST, &number);
            o.slots = (int)number;
            break;
        case 'r':
            status = take_number("seed", optarg, 0, INT_MAX, &number);
            o.seed = (uint64_t)number;
            break;
        case 'd':
            o.dir = optarg;
            break;
        case 'g':
            o.gage = false;
            break;
        case 'j':
            o.json = true;
            break;
        case 'h':
            help(study);
            return CLI_OK;
        default:
            status = cli_bad_option("qa run", option, argv, options);
        }
    }
    if (status == 0 && optind != argc)
        status = cli_usage("takt qa run: unexpected '%s'", argv[optind]);
    if (status)
        return status;
    const int rc = run(&o, &holds, &err);
    if (rc) {
        const int said = cli_fail("qa run", &err);
        return rc == ERROR_INPUT ? said : CLI_STATION;
    }
    return holds ? CLI_OK : CLI_FAILED;
}
