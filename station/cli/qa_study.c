/* takt qa run STUDY: a gauge study on a population of virtual units (station/study). */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/cli/places.h"
#include "station/cli/qa_study.h"
#include "station/engine/vocabulary.h"
#include "station/study/study_items.h"
#include "station/study/study_journal.h"
#include "station/study/study_judge.h"
#include "station/study/study_rehearsal.h"

enum { UNITS_MAX = 100000, SLOTS_MOST = 64 };

struct options {
    const struct study *study;
    const char *dir;
    int units, slots;
    uint64_t seed;
    bool gage, json, again;
    const char *program; /* of the rehearsal; NULL: on the bench */
};

static void help(const struct study *s)
{
    printf(
        "usage: takt qa run %s [--units N] [--slots N] [--seed N] [--dir D] [--no-gage]\n"
        "                   [--rehearse P] [--again] [--json]\n\n"
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
        "  --rehearse P without a bench: P (build/tests/rehearsal/rehearse) has the station's\n"
        "               steps and the camera's firmware in one process on simulated time;\n"
        "               --slots is how many of it\n"
        "  --again      anew, although D.results has results of this study already\n"
        "  --json       the document instead of the table\n\n"
        "Each result is kept in D.results as it comes: a study that was cut short goes on "
        "there.\n\n"
        "Exit status: 0 when nothing escaped, at most 0.1 %% failed falsely and every %%SV is at\n"
        "most 10; 1 when that does not hold; 3 when the study could not be done.\n",
        s->name, s->product, s->plan, s->name);
}

/* ---- going through ---- */

struct study_work {
    const struct options *o;
    struct study_items items;
    struct study_journal *journal;
    int next, done, errors;
    int64_t began_ms;
    int begun_with; /* done by an earlier call */
};

/* A bar that is drawn over where it can be, and a line for every twentieth where it cannot. */
static void show_progress(const struct study_work *w)
{
    enum { BAR = 30 };
    const int count = study_items_count(&w->items), now = w->done - w->begun_with;
    const double seconds = (double)(clock_mono_ms() - w->began_ms) / 1000;
    const bool drawn = isatty(2);
    if (!drawn && w->done % (count / 20 + 1) != 0 && w->done != count)
        return;
    char bar[BAR + 1];
    for (int i = 0; i < BAR; i++)
        bar[i] = i < (long long)BAR * w->done / count ? '#' : '.';
    bar[BAR] = '\0';
    fprintf(stderr, "%stakt qa: [%s] %d of %d, %d errors, %.0f s, about %.0f s left%s",
            drawn ? "\r" : "", bar, w->done, count, w->errors, seconds,
            now ? seconds / now * (count - w->done) : 0, drawn && w->done < count ? "" : "\n");
}

static int keep(void *context, int item, cJSON *document, struct error *err)
{
    struct study_work *w = context;
    const char *verdict = json_string(document, "verdict", "");
    w->errors += strcmp(verdict, "pass") != 0 && strcmp(verdict, "fail") != 0;
    w->done++;
    const int rc = study_journal_add(w->journal, item, document, err);
    show_progress(w);
    return rc;
}

static cJSON *next_unit(void *context, int *item)
{
    struct study_work *w = context;
    const int count = study_items_count(&w->items);
    while (w->next < count && study_journal_result(w->journal, w->next))
        w->next++;
    *item = w->next;
    return w->next < count ? study_item_unit(&w->items, w->next++) : NULL;
}

/* On the bench, in rounds: the population and each trial of the gage study are apart. */
static int run_rounds(struct study_work *w, struct study_run *run, struct error *err)
{
    cJSON *units[SLOTS_MOST], *documents[SLOTS_MOST];
    int numbers[SLOTS_MOST], rc = 0, count = 1;
    while (!rc && count > 0) {
        int most = w->o->slots, item;
        for (count = 0; count < most && (units[count] = next_unit(w, &item)); count++) {
            const int together = study_items_together(&w->items, item) + count;
            most = together < most ? together : most;
            numbers[count] = item;
        }
        memset(documents, 0, sizeof documents);
        if (count)
            rc = study_run_round(run, units, count, documents, err);
        for (int i = 0; i < count; i++) {
            cJSON_Delete(units[i]);
            if (!rc)
                rc = keep(w, numbers[i], documents[i], err);
            else
                cJSON_Delete(documents[i]);
        }
    }
    return rc;
}

static int on_bench(struct study_work *w, const char *takt, struct error *err)
{
    struct study_run *run = NULL;
    const struct study_run_config config = {.study = w->o->study,
                                            .dir = w->o->dir,
                                            .takt_path = takt,
                                            .slots = w->o->slots,
                                            .seed = w->o->seed};
    int rc = study_run_open(&config, &run, err);
    if (!rc)
        rc = run_rounds(w, run, err);
    study_run_close(run);
    return rc;
}

static int rehearse(struct study_work *w, struct error *err)
{
    struct places places;
    int rc = places_find(&places, err);
    if (!rc)
        rc = file_make_folders(w->o->dir, 0700, err);
    const struct study_rehearsal_config config = {.study = w->o->study,
                                                  .program = w->o->program,
                                                  .dir = w->o->dir,
                                                  .products_dir = places.products,
                                                  .boards_dir = places.boards,
                                                  .seed = w->o->seed,
                                                  .jobs = w->o->slots,
                                                  .next = next_unit,
                                                  .done = keep,
                                                  .context = w};
    return rc ? rc : study_rehearse(&config, err);
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

/* What the results depend on: the study, its plan, and which units. Limits are another matter, and
 * of how many units they are the first. */
static int describe(const struct options *o, char out[400], struct plan **plan, struct error *err)
{
    struct places places;
    struct vocabulary words;
    char name[128];
    int rc = places_find(&places, err);
    vocabulary_fill(&words, step_kinds());
    snprintf(name, sizeof name, "%s/%s", o->study->product, o->study->plan);
    if (!rc)
        rc = plan_load(places.products, name, &words.words, plan, err);
    if (!rc)
        snprintf(out, 400, "%s seed %llu gage %d %s plan %s", o->study->name,
                 (unsigned long long)o->seed, o->gage, o->program ? "rehearsed" : "on the bench",
                 (*plan)->plan_sha256);
    return rc;
}

static int run(const struct options *o, bool *holds, struct error *err)
{
    char takt[PATH_MAX], path[PATH_MAX], subject[400];
    ssize_t n = readlink("/proc/self/exe", takt, sizeof takt - 1);
    struct study_result *results = calloc((size_t)o->units, sizeof *results);
    struct study_result *gage = calloc(GAGE_RUNS, sizeof *gage);
    struct study_work w = {
        .o = o, .items = {o->study, o->seed, o->units, o->gage}, .began_ms = clock_mono_ms()};
    const int count = study_items_count(&w.items);
    struct plan *plan = NULL;
    int rc =
        results && gage ? 0 : error_set(err, ERROR_MEMORY, "out of memory for %d units", o->units);
    takt[n > 0 ? n : 0] = '\0';
    snprintf(path, sizeof path, "%s.results", o->dir);
    if (!rc)
        rc = describe(o, subject, &plan, err);
    if (!rc)
        rc = study_journal_open(path, subject, count, o->again, &w.journal, err);
    for (int i = 0; i < count && !rc; i++)
        w.begun_with += study_journal_result(w.journal, i) != NULL;
    w.done = w.begun_with;
    if (!rc && w.done)
        fprintf(stderr, "takt qa: going on behind %d results in %s\n", w.done, path);
    if (!rc && w.done < count)
        rc = o->program ? rehearse(&w, err) : on_bench(&w, takt, err);
    for (int i = 0; i < count && !rc; i++) {
        const int placed = study_item_gage(&w.items, i);
        study_judge(plan, study_journal_result(w.journal, i));
        study_result_read(o->study, study_journal_result(w.journal, i),
                          placed < 0 ? &results[study_item_number(&w.items, i)] : &gage[placed]);
    }
    if (!rc)
        rc = report(o, results, o->gage ? gage : NULL, holds, err);
    study_journal_close(w.journal);
    plan_free(plan);
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
        {"units", required_argument, NULL, 'u'},    {"slots", required_argument, NULL, 's'},
        {"seed", required_argument, NULL, 'r'},     {"dir", required_argument, NULL, 'd'},
        {"no-gage", no_argument, NULL, 'g'},        {"json", no_argument, NULL, 'j'},
        {"rehearse", required_argument, NULL, 'p'}, {"again", no_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},           {0}};
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
        case 'p':
            o.program = optarg;
            break;
        case 'a':
            o.again = true;
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
