/* takt qa: campaigns and studies that QA starts, follows and ends. */
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "reports/campaign.h"
#include "reports/campaign_summary.h"
#include "reports/statistics/reliability.h"
#include "station/campaign/campaign.h"
#include "station/cli/command.h"
#include "station/cli/places.h"
#include "station/cli/qa_study.h"
#include "station/cli/state_place.h"
#include "station/engine/launch.h"
#include "station/engine/vocabulary.h"

enum { CALL_MS = 30000, LAUNCH_MS = 30000 };

struct qa_options {
    const char *station, *store, *order, *out;
    const char *slots; /* "1,2,5" */
    bool no_rack, json;
    double confidence, hours;
    int failures;
    long long replay; /* 0: not asked for */
};

/* ---- verbs ----------------------------------------------------------------------------------- */

static int call(const struct qa_options *o, const char *method, cJSON *params, cJSON **result,
                struct error *err)
{
    struct client *taktd = NULL;
    int rc = launch_connect(o->station, LAUNCH_MS, &taktd, err);
    cJSON_AddStringToObject(params, "operator", cli_operator_name());
    if (rc)
        cJSON_Delete(params);
    else
        rc = client_call(taktd, method, params, CALL_MS, result, err);
    client_close(taktd);
    return rc;
}

static int print_json(const cJSON *value)
{
    char *text = cJSON_Print(value);
    if (text)
        puts(text);
    free(text);
    return CLI_OK;
}

/* "1,2,5" as a list of numbers; NULL when it is not one. */
static cJSON *slot_list(const char *text)
{
    cJSON *list = cJSON_CreateArray();
    for (char *end; list && *text; text = *end ? end + 1 : end) {
        const long n = strtol(text, &end, 10);
        if (end == text || n < 1 || n > 64 || (*end && *end != ',')) {
            cJSON_Delete(list);
            return NULL;
        }
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)n));
    }
    return list;
}

static int run(const struct qa_options *o, const char *what, struct error *err)
{
    char path[PATH_MAX];
    cJSON *params = cJSON_CreateObject(), *result = NULL;
    const bool is_path = strchr(what, '/') || strstr(what, ".json");
    if (is_path && !realpath(what, path)) {
        cJSON_Delete(params);
        return error_errno(err, ERROR_MISSING, "cannot open %s", what);
    }
    cJSON_AddStringToObject(params, "file", is_path ? path : what);
    cJSON_AddStringToObject(params, "order", o->order ? o->order : "");
    cJSON_AddBoolToObject(params, "rack", !o->no_rack);
    if (o->replay)
        cJSON_AddNumberToObject(params, "replay", (double)o->replay);
    if (o->slots) {
        cJSON *list = slot_list(o->slots);
        if (!list) {
            cJSON_Delete(params);
            return error_set(err, ERROR_INPUT, "--slots %s: expected numbers, as in 1,2,5",
                             o->slots);
        }
        cJSON_AddItemToObject(params, "slots", list);
    }
    int rc = call(o, "qa.run", params, &result, err);
    if (!rc && o->json)
        print_json(result);
    else if (!rc)
        printf("campaign %.0f: %.0f units\n", json_number(result, "campaign", 0),
               json_number(result, "units", 0));
    cJSON_Delete(result);
    return rc;
}

static void print_hours(double ms)
{
    printf("%.2f h", ms / 3600000);
}

static void print_status(const cJSON *c)
{
    const cJSON *u;
    char when[25];
    printf("campaign %.0f %s, lot %s: %s", json_number(c, "id", 0), json_string(c, "name", ""),
           json_string(c, "lot", ""), json_string(c, "state", ""));
    if (*json_string(c, "reason", "")) {
        printf(" (");
        cli_print_words(json_string(c, "reason", ""));
        printf(")");
    }
    printf("\n  ");
    print_hours(json_number(c, "elapsed_ms", 0));
    clock_format_utc((int64_t)json_number(c, "at_ms", 0), when);
    printf(" of campaign time, as of %s; %.0f units, %.0f failed\n", when,
           json_number(c, "unit_count", 0), json_number(c, "failed", 0));
    cJSON_ArrayForEach(u, cJSON_GetObjectItemCaseSensitive(c, "units"))
    {
        printf("  %3.0f %-9s %-8s %s ", json_number(u, "number", 0), json_string(u, "place", ""),
               json_string(u, "state", ""), json_string(u, "chip_id", ""));
        print_hours(json_number(u, "watched_ms", 0));
        if (*json_string(u, "cause", "")) {
            printf("  ");
            cli_print_words(json_string(u, "cause", ""));
        }
        printf("\n");
    }
}

/* From the store: it can be read whether or not taktd runs. Exit 1 while units have failed. */
static int status(const struct qa_options *o, struct error *err, int *exit_status)
{
    struct state_place place;
    struct store *reader = NULL;
    cJSON *c = NULL;
    int rc = state_place_of(o->station, o->store, &place, err);
    if (!rc)
        rc = store_open_reader(place.store, &reader, err);
    if (!rc)
        rc = campaign_current(reader, true, false, &c, err);
    if (!rc && !c)
        rc = error_set(err, ERROR_MISSING, "there is no campaign yet");
    if (!rc) {
        cJSON_DeleteItemFromObjectCaseSensitive(c, "file");
        cJSON_DeleteItemFromObjectCaseSensitive(c, "progress");
        if (o->json)
            print_json(c);
        else
            print_status(c);
        *exit_status = json_number(c, "failed", 0) > 0 ? CLI_FAILED : CLI_OK;
    }
    cJSON_Delete(c);
    store_close(reader);
    return rc;
}

static void print_report(const cJSON *c)
{
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(c, "summary"), *each;
    print_status(c);
    printf("  %.0f unit-hours, %.0f failures", json_number(summary, "unit_hours", 0),
           json_number(summary, "failures", 0));
    if (cJSON_GetObjectItemCaseSensitive(summary, "mtbf_bound_h"))
        printf("; MTBF at least %.0f h at %.0f %%", json_number(summary, "mtbf_bound_h", 0),
               100 * json_number(summary, "confidence", 0));
    printf("\n");
    if (cJSON_GetObjectItemCaseSensitive(summary, "factor"))
        printf("  at %.1f degC each hour is worth %.1f at %.0f degC (%g eV): %.0f h\n",
               json_number(summary, "stress_c", 0), json_number(summary, "factor", 0),
               json_number(c, "use_c", 0), json_number(c, "activation_ev", 0),
               json_number(summary, "use_hours", 0));
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(summary, "causes"))
        printf("  %3.0f %s\n", json_number(each, "units", 0), json_string(each, "cause", ""));
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(summary, "survival"))
        printf("  from %.1f h on %.1f %% are good (+-%.1f), %.0f were at risk\n",
               json_number(each, "hours", 0), 100 * json_number(each, "good", 0),
               100 * json_number(each, "deviation", 0), json_number(each, "at_risk", 0));
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(c, "instruments"))
        printf("  %s %s, serial %s, calibration %s, due %s\n", json_string(each, "class", ""),
               json_string(each, "name", ""), json_string(each, "serial", ""),
               json_string(each, "certificate", ""), json_string(each, "due_on", ""));
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(c, "events"))
    {
        printf("  %9.2f h  ", json_number(each, "elapsed_ms", 0) / 3600000);
        if (json_number(each, "unit", 0) > 0)
            printf("unit %.0f ", json_number(each, "unit", 0));
        printf("%s: ", json_string(each, "kind", ""));
        cli_print_words(json_string(each, "text", ""));
        printf("\n");
    }
}

/* The whole record: with --json every unit, event and row of samples as well. */
static int report(const struct qa_options *o, const char *id_text, struct error *err)
{
    struct state_place place;
    struct store *reader = NULL;
    cJSON *c = NULL;
    int rc = state_place_of(o->station, o->store, &place, err);
    if (!rc)
        rc = store_open_reader(place.store, &reader, err);
    if (!rc)
        rc = campaign_document(reader, id_text, &c, err);
    if (!rc) {
        if (o->json)
            print_json(c);
        else
            print_report(c);
    }
    cJSON_Delete(c);
    store_close(reader);
    return rc;
}

static int check(const char *path, struct error *err)
{
    struct places places;
    struct vocabulary words;
    struct campaign *c;
    vocabulary_fill(&words, step_kinds());
    int rc = places_find(&places, err);
    if (!rc)
        rc = campaign_load(path, places.products, &words.words, &c, err);
    if (rc)
        return rc;
    printf("%s: %.1f h, %zu conditions, %zu steps watched, %zu figures\n", c->name,
           (double)c->duration_ms / 3600000, c->condition_count, c->watch_count, c->figure_count);
    campaign_free(c);
    return 0;
}

/* "99%": how many units show that this part of a lot lasts. */
static int samples_good(const struct qa_options *o, double percent, struct error *err)
{
    const int units = reliability_test_units(percent / 100, o->failures, o->confidence);
    if (units < 0)
        return error_set(err, ERROR_INPUT, "%g %% at %g %% with %d failures: no number of units",
                         percent, o->confidence * 100, o->failures);
    if (o->json)
        printf("{ \"units\": %d }\n", units);
    else
        printf("to show at %g %% that %g %% last, with %d failures: %d units for as long as they "
               "shall last\n",
               o->confidence * 100, percent, o->failures, units);
    return 0;
}

/* How many for how long to show it. */
static int samples(const struct qa_options *o, const char *text, struct error *err)
{
    char *end;
    const double mtbf_h = strtod(text, &end);
    if (end != text && strcmp(end, "%") == 0 && mtbf_h > 0 && mtbf_h < 100)
        return samples_good(o, mtbf_h, err);
    if (end == text || *end || !(mtbf_h > 0) || !isfinite(mtbf_h))
        return error_set(err, ERROR_INPUT,
                         "'%s' is no mean time between failures in hours, and no part as in 99%%",
                         text);
    const double hours = reliability_test_hours(mtbf_h, o->failures, o->confidence);
    if (o->json)
        printf("{ \"unit_hours\": %.6g, \"units\": %.0f }\n", hours, ceil(hours / o->hours));
    else
        printf("to show an MTBF of %g h at %g %% with %d failures: %.0f unit-hours, "
               "%.0f units for %g h\n",
               mtbf_h, o->confidence * 100, o->failures, hours, ceil(hours / o->hours), o->hours);
    return 0;
}

static int simple(const struct qa_options *o, const char *method, const char *unit,
                  struct error *err)
{
    cJSON *params = cJSON_CreateObject();
    if (unit)
        cJSON_AddNumberToObject(params, "unit", atof(unit));
    return call(o, method, params, NULL, err);
}

static const char usage[] =
    "takt qa run CAMPAIGN --station S [--order LOT] [--slots 1,2] [--no-rack]\n"
    "         [--replay SEED] [--json]\n"
    "       takt qa status --station S | --store F [--json]\n"
    "       takt qa pause|resume|stop --station S\n"
    "       takt qa leave|join UNIT --station S\n"
    "       takt qa report ID --station S | --store F [--json]\n"
    "       takt qa check FILE\n"
    "       takt qa samples MTBF_H|PERCENT% [--confidence 0.9] [--failures 0]\n"
    "         [--hours 720] [--json]\n\n"
    "  run      a campaign: a file, or a name of the station's campaigns_dir (docs/campaigns.md),\n"
    "           on every idle slot and the units of the rack; it goes on when this ends;\n"
    "           --replay makes one pass of each watched step alone, with the seed of an event\n"
    "  status   how far it is and how its units are; exit 1 when one has failed\n"
    "  pause    outputs off, to be gone on with by `resume`, as after an interlock\n"
    "  stop     ends it for good\n"
    "  leave    takes a unit out; `join` puts it back, with its own start and its hours\n"
    "  report   survival, failures by cause, bound of the MTBF, instruments, every event\n"
    "  check    a campaign's file, its plan and limits\n"
    "  samples  how many units for how long show a mean time between failures, or that such a "
    "part\n"
    "           of a lot lasts the length of the test";

static const struct {
    const char *name;
    int words; /* behind it */
    bool station;
} verbs[] = {{"run", 1, true},    {"status", 0, false}, {"pause", 0, true}, {"resume", 0, true},
             {"stop", 0, true},   {"leave", 1, true},   {"join", 1, true},  {"report", 1, false},
             {"check", 1, false}, {"samples", 1, false}};

static int do_verb(const struct qa_options *o, const char *verb, const char *word,
                   struct error *err, int *exit_status)
{
    char method[16];
    if (strcmp(verb, "run") == 0)
        return run(o, word, err);
    if (strcmp(verb, "status") == 0)
        return status(o, err, exit_status);
    if (strcmp(verb, "report") == 0)
        return report(o, word, err);
    if (strcmp(verb, "check") == 0)
        return check(word, err);
    if (strcmp(verb, "samples") == 0)
        return samples(o, word, err);
    snprintf(method, sizeof method, "qa.%s", verb);
    return simple(o, method, word, err);
}

static bool take_option(int option, const char *value, struct qa_options *o)
{
    switch (option) {
    case 's':
        o->station = value;
        return true;
    case 'S':
        o->store = value;
        return true;
    case 'o':
        o->order = value;
        return true;
    case 'l':
        o->slots = value;
        return true;
    case 'r':
        o->no_rack = true;
        return true;
    case 'j':
        o->json = true;
        return true;
    case 'R':
        o->replay = strtoll(value, NULL, 10);
        return o->replay >= 1 && o->replay <= 281474976710655;
    case 'c':
        o->confidence = atof(value);
        return o->confidence > 0 && o->confidence < 1;
    case 'f':
        o->failures = atoi(value);
        return o->failures >= 0 && o->failures <= 10000;
    case 'H':
        o->hours = atof(value);
        return o->hours > 0;
    default:
        return false;
    }
}

static void help(void)
{
    printf("usage: %s\n\nGauge studies, on a population of virtual units (takt qa run NAME):\n\n",
           usage);
    for (const struct study *const *s = studies(); *s; s++)
        printf("  %-14s plan %s/%s, %d kinds of defect\n", (*s)->name, (*s)->product, (*s)->plan,
               (*s)->kind_count);
    printf("\n`takt qa run NAME --help` says more.\n");
}

/* A name that is no campaign of a station may have been meant as a study's. */
static int no_station(const char *verb, const char *word)
{
    char names[200] = "";
    if (strcmp(verb, "run") != 0)
        return cli_usage("takt qa %s: --station is needed, see takt qa --help", verb);
    for (const struct study *const *s = studies(); *s; s++)
        snprintf(names + strlen(names), sizeof names - strlen(names), " %s", (*s)->name);
    return cli_usage("takt qa run: '%s' is none of the studies (%s); a campaign needs --station, "
                     "see takt qa --help",
                     word, names + 1);
}

int cli_qa(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},  {"store", required_argument, NULL, 'S'},
        {"order", required_argument, NULL, 'o'},    {"slots", required_argument, NULL, 'l'},
        {"no-rack", no_argument, NULL, 'r'},        {"json", no_argument, NULL, 'j'},
        {"replay", required_argument, NULL, 'R'},   {"confidence", required_argument, NULL, 'c'},
        {"failures", required_argument, NULL, 'f'}, {"hours", required_argument, NULL, 'H'},
        {"help", no_argument, NULL, 'h'},           {0}};
    struct qa_options o = {.confidence = 0.9, .hours = 720};
    struct error err = {0};
    int option, exit_status = CLI_OK;
    const struct study *study =
        argc > 2 && strcmp(argv[1], "run") == 0 ? study_find(argv[2]) : NULL;
    if (study)
        return cli_qa_study(study, argc - 2, argv + 2);
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CLI_OK;
        }
        if (option == '?' || option == ':')
            return cli_bad_option("qa", option, argv, options);
        if (!take_option(option, optarg, &o))
            return cli_usage("takt qa: '%s' is not a value of that option, see takt qa --help",
                             optarg);
    }
    const char *verb = optind < argc ? argv[optind] : "";
    const char *word = optind + 1 < argc ? argv[optind + 1] : NULL;
    size_t v = 0;
    while (v < sizeof verbs / sizeof *verbs && strcmp(verbs[v].name, verb) != 0)
        v++;
    if (v == sizeof verbs / sizeof *verbs || argc - optind != 1 + verbs[v].words)
        return cli_usage("takt qa: expected run CAMPAIGN, status, pause, resume, stop, leave UNIT, "
                         "join UNIT, report ID, check FILE or samples MTBF_H, see takt qa --help");
    if (verbs[v].station && !o.station)
        return no_station(verb, word);
    int rc = do_verb(&o, verb, word, &err, &exit_status);
    return rc ? cli_fail("qa", &err) : exit_status;
}
