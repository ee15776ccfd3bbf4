/* takt trace: from a unit to what touched it, from a bad batch to its units. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/trace.h"
#include "station/cli/command.h"
#include "station/cli/dates.h"
#include "station/cli/state_place.h"

static const char usage[] =
    "takt trace unit NAME | KIND NAME   (--station STATION.json | --store FILE|ADDRESS)\n"
    "         [--from DATE] [--to DATE] [--json]\n\n"
    "  unit     what touched the unit of this serial or chip id: programs, plans, limits,\n"
    "           instruments with their calibrations, operators, defects and repairs\n";

static void print_usage(void)
{
    printf("usage: %s\nevery unit touched by", usage);
    for (const struct trace_kind *k = trace_kinds; k->name; k++)
        printf("%s\n  %-11s %s", k == trace_kinds ? "" : ",", k->name, k->about);
    printf("\n\n  --from, --to   runs begun since then and before then, UTC: 2026-11-28 or\n"
           "                 2026-11-28T16:30\n");
}

static void print_row(const cJSON *row)
{
    const cJSON *item;
    bool first = true;
    cJSON_ArrayForEach(item, row)
    {
        size_t n = strlen(item->string);
        if (cJSON_IsNull(item) || (n > 3 && strcmp(item->string + n - 3, "_ms") == 0) ||
            (cJSON_IsString(item) && !*item->valuestring))
            continue;
        printf("%s%s ", first ? "  " : ", ", item->string);
        if (cJSON_IsString(item))
            cli_print_words(item->valuestring);
        else
            printf("%.0f", item->valuedouble);
        first = false;
    }
    putchar('\n');
}

static void print_document(const cJSON *document)
{
    const cJSON *list, *row;
    cJSON_ArrayForEach(list, document)
    {
        if (!cJSON_IsArray(list) || !cJSON_GetArraySize(list))
            continue;
        printf("%s\n", list->string);
        cJSON_ArrayForEach(row, list) print_row(row);
    }
    if (cJSON_GetObjectItemCaseSensitive(document, "unit_count"))
        printf("%.0f units\n", json_number(document, "unit_count", 0));
}

int cli_trace(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"store", required_argument, NULL, 'S'},
        {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *station = NULL, *store = NULL;
    int64_t from = INT64_MIN, to = INT64_MAX;
    bool json = false;
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            station = optarg;
            break;
        case 'S':
            store = optarg;
            break;
        case 'f':
        case 't':
            if (!cli_read_date(optarg, option == 'f' ? &from : &to))
                return cli_usage("takt trace: '%s' is no date, expected " CLI_DATE_FORM, optarg);
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            print_usage();
            return CLI_OK;
        default:
            return cli_bad_option("trace", option, argv, options);
        }
    }
    if (argc - optind != 2)
        return cli_usage("takt trace: expected what and its name, see takt trace --help");
    if (!station == !store)
        return cli_usage("takt trace: expected --station or --store, see takt trace --help");
    struct error err = {0};
    struct state_place place = {0};
    struct store *reader = NULL;
    cJSON *document = NULL;
    const char *kind = argv[optind], *name = argv[optind + 1];
    int rc = state_place_of(station, store, &place, &err);
    if (!rc)
        rc = store_open_reader(place.store, &reader, &err);
    if (!rc)
        rc = strcmp(kind, "unit") == 0 ? trace_unit(reader, name, &document, &err)
                                       : trace_batch(reader, kind, name, from, to, &document, &err);
    if (!rc && json) {
        char *text = cJSON_Print(document);
        if (text)
            puts(text);
        free(text);
    } else if (!rc) {
        print_document(document);
    }
    cJSON_Delete(document);
    store_close(reader);
    return rc ? cli_fail("trace", &err) : CLI_OK;
}
