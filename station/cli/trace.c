/* takt trace: from a unit to what touched it, from a bad batch to its units. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/trace.h"
#include "reports/utf8.h"
#include "station/cli/command.h"
#include "station/cli/dates.h"
#include "station/cli/state_place.h"

enum { LISTED = 10000, PAGE = 1000 }; /* units */

static const char usage[] =
    "takt trace unit NAME | KIND NAME   (--station STATION.json | --store FILE|ADDRESS)\n"
    "         [--from DATE] [--to DATE] [--limit N] [--skip N] [--json]\n\n"
    "  unit     what touched the unit of this serial or chip id: programs, plans, limits,\n"
    "           instruments with their calibrations, operators, defects and repairs\n";

static void print_usage(void)
{
    printf("usage: %s\nevery unit touched by", usage);
    for (const struct trace_kind *k = trace_kinds; k->name; k++)
        printf("%s\n  %-11s %s", k == trace_kinds ? "" : ",", k->name, k->about);
    printf("\n\n  --from, --to   runs begun since then and before then, UTC: 2026-11-28 or\n"
           "                 2026-11-28T16:30\n"
           "  --limit        units of a batch to list, 10000 unless told otherwise, 0 for all;\n"
           "  --skip         those after the first N, in the order of their last runs\n");
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

static void print_unit(const cJSON *document)
{
    const cJSON *list, *row;
    cJSON_ArrayForEach(list, document)
    {
        if (!cJSON_IsArray(list) || !cJSON_GetArraySize(list))
            continue;
        printf("%s\n", list->string);
        cJSON_ArrayForEach(row, list) print_row(row);
    }
}

struct wish {
    const char *kind, *name;
    int64_t from_ms, to_ms, limit, skip;
    bool json;
};

static int trace_one(struct store *reader, const struct wish *w, struct error *err)
{
    cJSON *document = NULL;
    int rc = trace_unit(reader, w->name, &document, err);
    if (!rc && w->json) {
        char *text = cJSON_Print(document);
        puts(text ? text : "{}");
        free(text);
    } else if (!rc) {
        print_unit(document);
    }
    cJSON_Delete(document);
    return rc;
}

static void print_page(const struct wish *w, const cJSON *units, bool first)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, units)
    {
        char *text = w->json ? cJSON_PrintUnformatted(row) : NULL;
        if (w->json)
            printf("%s%s", first ? "\n" : ",\n", text ? text : "{}");
        else
            print_row(row);
        free(text);
        first = false;
    }
}

static void print_head(const struct wish *w, int64_t count)
{
    cJSON *head = cJSON_CreateObject();
    cJSON_AddStringToObject(head, "document", "trace");
    cJSON_AddStringToObject(head, "kind", w->kind);
    struct buffer name = {0};
    if (!utf8_append_clean(&name, w->name) && buffer_text(&name))
        cJSON_AddStringToObject(head, "name", buffer_text(&name));
    buffer_free(&name);
    cJSON_AddNumberToObject(head, "unit_count", (double)count);
    cJSON_AddNumberToObject(head, "skip", (double)w->skip);
    char *text = cJSON_PrintUnformatted(head);
    if (text) /* its members, and the list that follows them */
        printf("%.*s,\"units\":[", (int)strlen(text) - 1, text);
    free(text);
    cJSON_Delete(head);
}

/* However many there are, no more than a page of them is held. */
static int trace_many(struct store *reader, const struct wish *w, struct error *err)
{
    struct trace_batch *batch = NULL;
    int rc = trace_batch_open(reader, w->kind, w->name, w->from_ms, w->to_ms, &batch, err);
    if (rc)
        return rc;
    int64_t count = (int64_t)trace_batch_count(batch), end = count;
    if (w->limit && w->skip < count && w->limit < count - w->skip)
        end = w->skip + w->limit;
    if (w->json)
        print_head(w, count);
    else if (w->skip < end)
        puts("units");
    for (int64_t at = w->skip; !rc && at < end; at += PAGE) {
        cJSON *units = NULL;
        int64_t most = end - at < PAGE ? end - at : PAGE;
        rc = trace_batch_page(batch, (size_t)at, (size_t)most, &units, err);
        if (!rc)
            print_page(w, units, at == w->skip);
        cJSON_Delete(units);
    }
    trace_batch_close(batch);
    if (w->json)
        puts("]}");
    else if (!rc && (end < count || w->skip))
        printf("%lld to %lld of %lld units\n", (long long)w->skip + 1, (long long)end,
               (long long)count);
    else if (!rc)
        printf("%lld units\n", (long long)count);
    return rc;
}

static bool read_count(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return end != text && !*end && !errno && value >= 0;
}

int cli_trace(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"store", required_argument, NULL, 'S'},
        {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},
        {"limit", required_argument, NULL, 'l'},
        {"skip", required_argument, NULL, 'k'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *station = NULL, *store = NULL;
    struct wish w = {.from_ms = INT64_MIN, .to_ms = INT64_MAX, .limit = LISTED};
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
            if (!cli_read_date(optarg, option == 'f' ? &w.from_ms : &w.to_ms))
                return cli_usage("takt trace: '%s' is no date, expected " CLI_DATE_FORM, optarg);
            break;
        case 'l':
        case 'k':
            if (!read_count(optarg, option == 'l' ? &w.limit : &w.skip))
                return cli_usage("takt trace: --%s takes a number of units, not '%s'",
                                 option == 'l' ? "limit" : "skip", optarg);
            break;
        case 'j':
            w.json = true;
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
    w.kind = argv[optind];
    w.name = argv[optind + 1];
    int rc = state_place_of(station, store, &place, &err);
    if (!rc)
        rc = store_open_reader(place.store, &reader, &err);
    if (!rc)
        rc = strcmp(w.kind, "unit") == 0 ? trace_one(reader, &w, &err)
                                         : trace_many(reader, &w, &err);
    store_close(reader);
    return rc ? cli_fail("trace", &err) : CLI_OK;
}
