/* takt outbox: what waits to be sent, what was refused, and trying that again. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "reports/outbox.h"
#include "station/cli/command.h"
#include "station/cli/state_place.h"
#include "station/engine/client.h"

static const char usage[] =
    "takt outbox status | retry MESSAGE   --station STATION.json [--json]\n\n"
    "  status   for each destination what waits, was sent, was parked, and why the first waits\n"
    "  retry    a parked message waits again";

enum { CALL_MS = 5000 };

static void print_list(const cJSON *list)
{
    const cJSON *row;
    char when[25];
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(list, "destinations"))
    {
        printf("%s (%s)%s: %.0f waiting, %.0f sent, %.0f parked", json_string(row, "name", ""),
               json_string(row, "connector", ""),
               json_bool(row, "active", false) ? "" : ", no longer in the station file",
               json_number(row, "waiting", 0), json_number(row, "sent", 0),
               json_number(row, "parked", 0));
        if (cJSON_GetObjectItemCaseSensitive(row, "oldest_ms")) {
            clock_format_utc((int64_t)json_number(row, "oldest_ms", 0), when);
            printf("; the first since %s, tried %.0f times", when, json_number(row, "attempts", 0));
            if (*json_string(row, "reason", "")) {
                printf(": ");
                cli_print_words(json_string(row, "reason", ""));
            }
        }
        printf("\n");
    }
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(list, "parked"))
    {
        printf("  parked %.0f, for %s, run %.0f, serial ", json_number(row, "message", 0),
               json_string(row, "destination", ""), json_number(row, "run", 0));
        cli_print_words(json_string(row, "serial", ""));
        printf(": ");
        cli_print_words(json_string(row, "reason", ""));
        printf("\n");
    }
}

static int status(const struct state_place *place, bool json, struct error *err)
{
    struct store *reader = NULL;
    cJSON *list = NULL;
    int rc = store_open_reader(place->store, &reader, err);
    if (!rc)
        rc = outbox_list(reader, &list, err);
    char *text = !rc && json ? cJSON_Print(list) : NULL;
    if (text)
        puts(text);
    else if (!rc)
        print_list(list);
    free(text);
    cJSON_Delete(list);
    store_close(reader);
    return rc;
}

/* taktd is the only writer: while it runs, it does it. */
static int retry(const struct state_place *place, int64_t message, struct error *err)
{
    struct client *taktd = NULL;
    struct store *store = NULL;
    int rc = client_connect(place->socket, &taktd, err);
    if (rc == ERROR_MISSING) {
        rc = store_open(place->store, place->attachments, &store, err);
        if (!rc)
            rc = outbox_retry(store, message, err);
        store_close(store);
    } else if (!rc) {
        cJSON *params = cJSON_CreateObject();
        cJSON_AddNumberToObject(params, "message", (double)message);
        rc = client_call(taktd, "outbox.retry", params, CALL_MS, NULL, err);
    }
    client_close(taktd);
    return rc;
}

int cli_outbox(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct state_place place;
    struct error err = {0};
    const char *station = NULL;
    bool json = false;
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            station = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            printf("usage: %s\n", usage);
            return CLI_OK;
        default:
            return cli_bad_option("outbox", option, argv, options);
        }
    }
    const char *what = optind < argc ? argv[optind] : "";
    char *end = NULL;
    bool is_retry = strcmp(what, "retry") == 0 && argc - optind == 2;
    long long message = is_retry ? strtoll(argv[optind + 1], &end, 10) : 0;
    if (!is_retry && (strcmp(what, "status") != 0 || argc - optind != 1))
        return cli_usage("takt outbox: expected status, or retry and a message's number, see takt "
                         "outbox --help");
    if (is_retry && (*end || message < 1))
        return cli_usage("takt outbox retry: '%s' is no message's number", argv[optind + 1]);
    if (!station)
        return cli_usage("takt outbox: --station is needed, see takt outbox --help");
    int rc = state_place_of_station(station, &place, &err);
    if (!rc)
        rc = is_retry ? retry(&place, message, &err) : status(&place, json, &err);
    return rc ? cli_fail("outbox", &err) : CLI_OK;
}
