/* takt plan simulate: how many units an hour a line makes, before anything of it is bought. */
#include "station/cli/plan_simulate.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/buffer.h"
#include "protocol/base/file.h"
#include "reports/store.h"
#include "reports/store_schema.h"
#include "station/cli/command.h"
#include "station/cli/gantt.h"
#include "station/cli/places.h"
#include "station/engine/simulate.h"
#include "station/engine/station_file.h"
#include "station/engine/usual.h"
#include "station/engine/vocabulary.h"

enum { SHOWN_UNITS = 3, CHANGE_S = 10, DRAWN_SLOTS = 4 };

static const char usage[] =
    "takt plan simulate PRODUCT/PLAN [--slots N] [--station FILE] [--instrument CLASS=N]...";

static void help(void)
{
    printf("usage: %s\n"
           "                          [--time STEP=SECONDS]... [--change S] [--nests N]\n"
           "                          [--out FILE.svg] [--json] [--products DIR]\n\n"
           "Runs the plan on a line that need not exist, by the very schedule taktd uses and the\n"
           "steps' usual times, and says how many units an hour it makes, what holds it up, and\n"
           "how near it is to the most that this could give.\n\n"
           "  --slots N            1 to 64; without it a row each for 1, 2, 4 ... 64\n"
           "  --station FILE       usual times from its store, instruments in proportion to its\n"
           "                       slots; without it times are a quarter of each deadline and\n"
           "                       every slot has instruments of its own\n"
           "  --instrument C=N     so many of a class on the whole line, over what the station\n"
           "                       says; one serves one unit at a time\n"
           "  --time STEP=S        a step's usual time, over what the store says\n"
           "  --change S           one unit out and the next one in (10)\n"
           "  --nests N            slots that share a fixture, for steps marked together (1)\n"
           "  --out FILE.svg       the Gantt chart as a drawing\n"
           "  --products DIR       where products lie (those of this installation)\n",
           usage);
}

struct options {
    const char *plan, *station, *products, *out;
    int slots, nests;
    double change_s;
    bool json;
    const char *instruments[SIMULATE_CLASSES_MAX], *times[64];
    size_t instrument_count, time_count;
};

struct subject { /* what is simulated, whatever the number of slots */
    struct plan *plan;
    double *usual_ms;
    bool *known;
    struct station_file *station; /* NULL for none */
};

/* ---- times and instruments ------------------------------------------------------------------- */

/* "NAME=NUMBER" into its parts; the name's length. */
static size_t split(const char *text, double low, double high, double *number)
{
    char *end;
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return 0;
    *number = strtod(equals + 1, &end);
    if (end == equals + 1 || *end || !(*number >= low && *number <= high))
        return 0;
    return (size_t)(equals - text);
}

static int take_times(struct subject *s, const struct options *o)
{
    for (size_t t = 0; t < o->time_count; t++) {
        double seconds;
        bool found = false;
        size_t n = split(o->times[t], 0.001, 1e6, &seconds);
        for (size_t i = 0; n && i < s->plan->step_count + s->plan->teardown_count; i++)
            if (strlen(s->plan->steps[i].id) == n &&
                memcmp(s->plan->steps[i].id, o->times[t], n) == 0) {
                s->usual_ms[i] = seconds * 1000;
                s->known[i] = found = true;
            }
        if (!found)
            return cli_usage("takt plan: --time %s: expected STEP=SECONDS with a step of %s/%s",
                             o->times[t], s->plan->product, s->plan->name);
    }
    return 0;
}

/* As many as the station has for its slots, in proportion; one for each slot without a station. */
static int count_in_station(const struct station_file *st, const char *class_name, int slots)
{
    bool seen[STATION_RESOURCES_MAX] = {false};
    int count = 0;
    if (!st)
        return slots;
    for (size_t i = 0; i < st->slot_count; i++)
        for (size_t w = 0; w < st->slots[i].wire_count; w++) {
            const struct station_file_wire *wire = &st->slots[i].wires[w];
            if (strcmp(wire->class_name, class_name) != 0 || seen[wire->resource])
                continue;
            seen[wire->resource] = true;
            count += st->capacity[wire->resource];
        }
    int most = (int)st->slot_count;
    count = (count * slots + most - 1) / most;
    return count < 1 ? 1 : count > slots ? slots : count;
}

static int take_instruments(struct simulate_line *line, const struct subject *s,
                            const struct options *o)
{
    const struct plan *p = s->plan;
    line->instrument_count = 0;
    for (size_t i = 0; i < p->step_count + p->teardown_count; i++)
        for (size_t n = 0; n < p->steps[i].need_count; n++) {
            size_t c = 0;
            while (c < line->instrument_count &&
                   strcmp(line->instruments[c].class_name, p->steps[i].needs[n]) != 0)
                c++;
            if (c == line->instrument_count && c < SIMULATE_CLASSES_MAX)
                line->instruments[line->instrument_count++] = (struct simulate_instrument){
                    p->steps[i].needs[n],
                    count_in_station(s->station, p->steps[i].needs[n], line->slots)};
        }
    for (size_t k = 0; k < o->instrument_count; k++) {
        double count;
        bool found = false;
        size_t n = split(o->instruments[k], 1, SCHEDULE_SLOTS_MAX, &count);
        for (size_t c = 0; n && c < line->instrument_count; c++)
            if (strlen(line->instruments[c].class_name) == n &&
                memcmp(line->instruments[c].class_name, o->instruments[k], n) == 0) {
                line->instruments[c].count = (int)count;
                found = true;
            }
        if (!found)
            return cli_usage("takt plan: --instrument %s: expected CLASS=N, 1 to %d, with a class "
                             "that %s/%s needs",
                             o->instruments[k], SCHEDULE_SLOTS_MAX, p->product, p->name);
    }
    return 0;
}

static int load(struct subject *s, const struct options *o, const struct vocabulary *words,
                struct error *err)
{
    char path[PATH_MAX];
    struct places places;
    sqlite3 *db = NULL;
    const char *products = o->products;
    int rc = o->station ? station_file_load(o->station, &s->station, err) : 0;
    if (!rc && !products && s->station)
        products = s->station->products_dir;
    if (!rc && !products) {
        rc = places_find(&places, err);
        products = places.products;
    }
    if (!rc)
        rc = plan_load(products, o->plan, &words->words, &s->plan, err);
    if (!rc && s->station) {
        rc = file_join(path, sizeof path, s->station->state_dir, STORE_FILE, err);
        if (!rc && (rc = store_file_open(path, &db, err)) == ERROR_MISSING)
            rc = 0; /* a station that has not run yet */
    }
    if (!rc)
        rc = usual_times(db, s->plan, &s->usual_ms, &s->known, err);
    sqlite3_close(db);
    return rc;
}

/* ---- telling --------------------------------------------------------------------------------- */

static cJSON *describe(const struct simulate_line *line, const struct simulate_result *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "slots", line->slots);
    cJSON_AddNumberToObject(o, "units_per_hour", r->units_per_hour);
    cJSON_AddNumberToObject(o, "bound_per_hour", r->bound_per_hour);
    cJSON_AddNumberToObject(o, "of_bound", r->units_per_hour / r->bound_per_hour);
    cJSON_AddStringToObject(o, "bottleneck", r->bottleneck);
    cJSON *list = cJSON_AddArrayToObject(o, "instruments");
    for (size_t i = 0; i < line->instrument_count; i++) {
        cJSON *c = cJSON_CreateObject();
        cJSON_AddStringToObject(c, "class", line->instruments[i].class_name);
        cJSON_AddNumberToObject(c, "count", line->instruments[i].count);
        cJSON_AddNumberToObject(c, "busy", r->busy[i]);
        cJSON_AddItemToArray(list, c);
    }
    return o;
}

static void add_bars(cJSON *into, const struct plan *p, const struct simulate_result *r)
{
    cJSON *list = cJSON_AddArrayToObject(into, "bars");
    for (size_t i = 0; i < r->bar_count; i++) {
        cJSON *bar = cJSON_CreateObject();
        cJSON_AddNumberToObject(bar, "slot", r->bars[i].slot + 1);
        cJSON_AddNumberToObject(bar, "unit", r->bars[i].unit + 1);
        cJSON_AddStringToObject(bar, "step", p->steps[r->bars[i].step].id);
        cJSON_AddNumberToObject(bar, "from_s", (double)r->bars[i].from_ms / 1000);
        cJSON_AddNumberToObject(bar, "to_s", (double)r->bars[i].to_ms / 1000);
        cJSON_AddItemToArray(list, bar);
    }
}

static cJSON *start_document(const struct subject *s)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "product", s->plan->product);
    cJSON_AddStringToObject(document, "plan", s->plan->name);
    cJSON *steps = cJSON_AddArrayToObject(document, "steps");
    for (size_t i = 0; i < s->plan->step_count + s->plan->teardown_count; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "id", s->plan->steps[i].id);
        cJSON_AddNumberToObject(o, "usual_s", s->usual_ms[i] / 1000);
        cJSON_AddBoolToObject(o, "known", s->known[i]);
        cJSON_AddItemToArray(steps, o);
    }
    cJSON_AddArrayToObject(document, "lines");
    return document;
}

static void print_line(const struct simulate_line *line, const struct simulate_result *r)
{
    printf("%5d  %9.1f  %9.1f  %6.1f %%  %s\n", line->slots, r->units_per_hour, r->bound_per_hour,
           100 * r->units_per_hour / r->bound_per_hour, r->bottleneck);
}

static void print_assumed(const struct subject *s)
{
    int assumed = 0, all = (int)(s->plan->step_count + s->plan->teardown_count);
    for (int i = 0; i < all; i++)
        assumed += !s->known[i];
    if (assumed)
        fprintf(stderr,
                "times of %d of %d steps are not known and taken as a quarter of their "
                "deadline\n",
                assumed, all);
}

/* One line with so many slots, told in full or as a row. */
static int one(const struct subject *s, const struct options *o, int slots, bool drawn,
               cJSON *document, struct error *err)
{
    struct simulate_line line = {.plan = s->plan,
                                 .usual_ms = s->usual_ms,
                                 .slots = slots,
                                 .lanes = SCHEDULE_LANES_MAX,
                                 .nests = o->nests,
                                 .change_ms = (int64_t)(o->change_s * 1000)};
    struct simulate_result r;
    if (take_instruments(&line, s, o))
        return ERROR_INPUT;
    int rc = simulate(&line, drawn ? SHOWN_UNITS : 0, &r, err);
    if (rc)
        return rc;
    if (document) {
        cJSON *row = describe(&line, &r);
        if (drawn && o->slots)
            add_bars(row, s->plan, &r);
        cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(document, "lines"), row);
    } else if (!drawn || o->slots) {
        print_line(&line, &r);
    }
    if (drawn && !document)
        gantt_print(s->plan, &line, &r, stdout);
    if (drawn && o->out)
        rc = gantt_write_svg(s->plan, &line, &r, o->out, err);
    simulate_free(&r);
    return rc;
}

static int tell(const struct subject *s, const struct options *o, struct error *err)
{
    cJSON *document = o->json ? start_document(s) : NULL;
    int rc = 0;
    if (!document)
        printf("slots    units/h      bound  of bound  held up by\n");
    for (int slots = 1; !rc && !o->slots && slots <= SCHEDULE_SLOTS_MAX; slots *= 2)
        rc = one(s, o, slots, false, document, err);
    const int drawn = o->slots ? o->slots : s->station ? (int)s->station->slot_count : DRAWN_SLOTS;
    if (!rc && (o->slots || !document || o->out))
        rc = one(s, o, drawn, true, o->slots ? document : NULL, err);
    if (!rc && document) {
        char *text = cJSON_Print(document);
        puts(text ? text : "");
        cJSON_free(text);
    }
    cJSON_Delete(document);
    return rc;
}

static int take_option(struct options *o, int option)
{
    char *end;
    switch (option) {
    case 'n':
        o->slots = (int)strtol(optarg, &end, 10);
        if (*end || o->slots < 1 || o->slots > SCHEDULE_SLOTS_MAX)
            return cli_usage("takt plan: --slots %s: expected 1 to %d", optarg, SCHEDULE_SLOTS_MAX);
        return 0;
    case 'k':
        o->nests = (int)strtol(optarg, &end, 10);
        if (*end || o->nests < 1 || o->nests > SCHEDULE_SLOTS_MAX)
            return cli_usage("takt plan: --nests %s: expected 1 to %d", optarg, SCHEDULE_SLOTS_MAX);
        return 0;
    case 'c':
        o->change_s = strtod(optarg, &end);
        if (end == optarg || *end || !(o->change_s >= 0 && o->change_s <= 3600))
            return cli_usage("takt plan: --change %s: expected 0 to 3600 s", optarg);
        return 0;
    case 'i':
        if (o->instrument_count == SIMULATE_CLASSES_MAX)
            return cli_usage("takt plan: too many --instrument");
        o->instruments[o->instrument_count++] = optarg;
        return 0;
    case 't':
        if (o->time_count == sizeof o->times / sizeof *o->times)
            return cli_usage("takt plan: too many --time");
        o->times[o->time_count++] = optarg;
        return 0;
    case 's':
        o->station = optarg;
        return 0;
    case 'p':
        o->products = optarg;
        return 0;
    case 'o':
        o->out = optarg;
        return 0;
    default:
        o->json = true;
        return 0;
    }
}

int plan_simulate(int argc, char **argv)
{
    static const struct option options[] = {{"slots", required_argument, NULL, 'n'},
                                            {"station", required_argument, NULL, 's'},
                                            {"instrument", required_argument, NULL, 'i'},
                                            {"time", required_argument, NULL, 't'},
                                            {"change", required_argument, NULL, 'c'},
                                            {"nests", required_argument, NULL, 'k'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"products", required_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct options o = {.change_s = CHANGE_S, .nests = 1};
    struct vocabulary words;
    struct subject s = {0};
    struct error err = {0};
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CLI_OK;
        }
        if (option == '?' || option == ':')
            return cli_bad_option("plan", option, argv, options);
        if (take_option(&o, option))
            return CLI_USAGE;
    }
    if (argc - optind != 2)
        return cli_usage("usage: %s", usage);
    o.plan = argv[optind + 1];
    vocabulary_fill(&words, step_kinds());
    int rc = load(&s, &o, &words, &err);
    if (rc)
        cli_fail("plan", &err);
    if (!rc)
        rc = take_times(&s, &o);
    if (!rc) {
        print_assumed(&s);
        rc = tell(&s, &o, &err);
        if (rc && err.text[0])
            cli_fail("plan", &err);
    }
    plan_free(s.plan);
    free(s.usual_ms);
    free(s.known);
    station_file_free(s.station);
    return rc ? CLI_USAGE : CLI_OK;
}
