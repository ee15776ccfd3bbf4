/* takt stats: the statistics on a table someone brings. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/cli/stats_kinds.h"

static const struct {
    const char *name;
    stats_kind *run;
    const char *options; /* letters of those it takes beside --json */
    const char *about;
} kinds[] = {
    {"describe", stats_describe, "c", "count, mean, standard deviation, lag-1 autocorrelation"},
    {"capability", stats_capability, "clu",
     "Cp, Cpk, Pp, Ppk between --lsl and --usl; a column subgroup makes subgroups"},
    {"imr", stats_imr, "c", "individuals and moving range chart, Western Electric rules"},
    {"ewma", stats_ewma, "cLSg", "exponentially weighted moving average chart"},
    {"grr", stats_gage, "cp",
     "gage R&R of the columns part, operator, trial, value: ANOVA and Xbar-R"},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},         {"column", required_argument, NULL, 'c'},
    {"lsl", required_argument, NULL, 'l'},    {"usl", required_argument, NULL, 'u'},
    {"lambda", required_argument, NULL, 'L'}, {"start", required_argument, NULL, 'S'},
    {"sigma", required_argument, NULL, 'g'},  {"pool", required_argument, NULL, 'p'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static void help(void)
{
    puts("usage: takt stats KIND FILE [--json] [option...]\n");
    for (size_t i = 0; i < KINDS; i++)
        printf("  %-12s%s\n", kinds[i].name, kinds[i].about);
    puts("\nFILE is a CSV with a header; \"-\" is stdin.\n"
         "  --json           one JSON document on stdout\n"
         "  --column NAME    where the values are (\"value\", or the only column)\n"
         "  --lsl N, --usl N capability: lower and upper limit, one of them is enough\n"
         "  --lambda N       ewma: weight of the newest value (0.2)\n"
         "  --start N        ewma: where it starts, its centre (the mean)\n"
         "  --sigma N        ewma: deviation of the values (mean moving range / 1.128)\n"
         "  --pool P         grr: pool the interaction when its p is above this (0.25)\n\n"
         "docs/statistics.md says how each figure is made. Exit status: 0 done, 2 wrong use or "
         "input.");
}

static int print_result(const cJSON *result, bool json, struct error *err)
{
    const cJSON *field;
    char *text = json ? cJSON_Print(result) : NULL;
    if (json && !text)
        return error_set(err, ERROR_MEMORY, "no memory to print the result");
    if (json)
        puts(text);
    cJSON_free(text);
    if (!json)
        cJSON_ArrayForEach(field, result)
        {
            if (cJSON_IsNumber(field))
                printf("%-16s %.10g\n", field->string, field->valuedouble);
            else if (cJSON_IsNull(field))
                printf("%-16s none\n", field->string);
            else if (cJSON_IsString(field))
                printf("%-16s %s\n", field->string, field->valuestring);
            else if (cJSON_IsArray(field))
                printf("%-16s %d\n", field->string, cJSON_GetArraySize(field));
        }
    if (fflush(stdout) != 0 || ferror(stdout))
        return error_errno(err, ERROR_IO, "cannot write the result");
    return 0;
}

static bool number(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && !*end && !errno && isfinite(*out);
}

static double *place_of(struct stats_request *r, int option)
{
    switch (option) {
    case 'l':
        return &r->lsl;
    case 'u':
        return &r->usl;
    case 'L':
        return &r->lambda;
    case 'S':
        return &r->start;
    case 'g':
        return &r->sigma;
    default:
        return &r->pool_above;
    }
}

static const char *option_name(int value)
{
    const struct option *o = options;
    while (o->name && o->val != value)
        o++;
    return o->name ? o->name : "";
}

static int find_kind(const char *word, size_t *out)
{
    const char *names[KINDS + 1] = {0};
    for (*out = 0; *out < KINDS; (*out)++) {
        names[*out] = kinds[*out].name;
        if (!strcmp(names[*out], word))
            return 0;
    }
    const char *near = json_nearest(word, names);
    return near ? cli_usage("takt stats: unknown kind '%s', did you mean '%s'?", word, near)
                : cli_usage("takt stats: unknown kind '%s', see takt stats --help", word);
}

static int produce(size_t kind, struct stats_request *r, const char *path, bool json)
{
    struct error err = {0};
    struct table_file *table = NULL;
    cJSON *result = cJSON_CreateObject();
    int rc = result ? table_file_read(path, &table, &err)
                    : error_set(&err, ERROR_MEMORY, "no memory for the result");
    r->table = table;
    if (!rc && (rc = kinds[kind].run(r, result, json ? NULL : stdout, &err)) &&
        !strstr(err.text, path))
        error_context(&err, "%s", path);
    if (!rc)
        rc = print_result(result, json, &err);
    table_file_free(table);
    cJSON_Delete(result);
    return rc ? cli_fail("stats", &err) : CLI_OK;
}

int cli_stats(int argc, char **argv)
{
    struct stats_request r = {
        .lsl = NAN, .usl = NAN, .lambda = NAN, .start = NAN, .sigma = NAN, .pool_above = NAN};
    char given[16] = "";
    bool json = false;
    int option, rc;
    size_t kind;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CLI_OK;
        }
        if (option == '?' || option == ':')
            return cli_bad_option("stats", option, argv, options);
        if (option == 'j') {
            json = true;
            continue;
        }
        if (!strchr(given, option))
            strncat(given, (char[]){(char)option, '\0'}, sizeof given - strlen(given) - 1);
        if (option == 'c')
            r.column = optarg;
        else if (!number(optarg, place_of(&r, option)))
            return cli_usage("takt stats: --%s takes a number, not '%s'", option_name(option),
                             optarg);
    }
    if (optind == argc)
        return cli_usage("takt stats: a kind is missing, see takt stats --help");
    if ((rc = find_kind(argv[optind], &kind)))
        return rc;
    if (argc - optind != 2)
        return cli_usage("takt stats %s: takes one FILE, %d given", argv[optind],
                         argc - optind - 1);
    for (const char *g = given; *g; g++)
        if (!strchr(kinds[kind].options, *g))
            return cli_usage("takt stats %s: takes no --%s", kinds[kind].name, option_name(*g));
    return produce(kind, &r, argv[optind + 1], json);
}
