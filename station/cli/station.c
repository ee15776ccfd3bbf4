/* takt station: what taktd is doing, and stopping it. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/engine/client.h"
#include "station/engine/station_file.h"

static const char usage[] = "takt station status|stop --station S [--json] [--force]";

enum { CALL_MS = 5000, GONE_MS = 15000 };

static void print_status(const cJSON *status)
{
    const char *paused = json_string(status, "paused", "");
    printf("station %s, taktd %s, pid %d%s%s\n", json_string(status, "station", "?"),
           json_string(status, "version", "?"), (int)json_number(status, "pid", 0),
           paused[0] ? "; paused: " : "", paused);
    if (*json_string(status, "recovered", ""))
        printf("  %s\n", json_string(status, "recovered", ""));
    const char *pool = json_string(cJSON_GetObjectItemCaseSensitive(status, "pool"), "notice", "");
    if (*pool)
        printf("  %s\n", pool);
    const cJSON *slot, *destination;
    cJSON_ArrayForEach(slot, cJSON_GetObjectItemCaseSensitive(status, "slots"))
    {
        printf("  slot %-2d %-9s %s", (int)json_number(slot, "slot", 0),
               json_string(slot, "state", ""), json_string(slot, "verdict", ""));
        if (cJSON_GetObjectItemCaseSensitive(slot, "step"))
            printf("%s %s %d/%d", json_string(slot, "serial", ""), json_string(slot, "step", ""),
                   (int)json_number(slot, "index", 0) + 1, (int)json_number(slot, "count", 0));
        printf("\n");
    }
    cJSON_ArrayForEach(destination, cJSON_GetObjectItemCaseSensitive(status, "destinations"))
    {
        printf("  outbox %s: %.0f waiting, %.0f parked", json_string(destination, "name", ""),
               json_number(destination, "waiting", 0), json_number(destination, "parked", 0));
        if (*json_string(destination, "reason", ""))
            printf("; the first: ");
        cli_print_words(json_string(destination, "reason", ""));
        printf("\n");
    }
}

/* Stopped means gone: the socket's end, not the answer, is what scripts wait for. */
static int stop(struct client *client, bool force, struct error *err)
{
    cJSON *params = cJSON_CreateObject();
    cJSON_AddBoolToObject(params, "force", force);
    int rc = client_call(client, "stop", params, CALL_MS, NULL, err);
    cJSON *event = NULL;
    while (!rc) {
        rc = client_event(client, GONE_MS, &event, err);
        cJSON_Delete(event);
        event = NULL;
    }
    return rc == ERROR_CLOSED ? 0 : rc;
}

int cli_station(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"force", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *station = NULL;
    bool json = false, force = false;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            station = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'f':
            force = true;
            break;
        case 'h':
            printf(
                "usage: %s\n\n"
                "status  what every slot of a running station does\n"
                "stop    ends taktd; refused while runs are under way, unless --force: such runs\n"
                "        go on where they were when taktd is started again\n",
                usage);
            return CLI_OK;
        default:
            return cli_bad_option("station", option, argv, options);
        }
    }
    const char *what = optind + 1 == argc ? argv[optind] : "";
    bool is_stop = strcmp(what, "stop") == 0;
    if (!station || (!is_stop && strcmp(what, "status") != 0))
        return cli_usage(
            "takt station: expected `status` or `stop` and --station, see takt station --help");

    struct error err = {0};
    char socket_path[PATH_MAX];
    struct client *client = NULL;
    cJSON *status = NULL;
    int rc = station_file_socket(station, socket_path, &err);
    if (!rc)
        rc = client_connect(socket_path, &client, &err);
    if (!rc && is_stop) {
        rc = stop(client, force, &err);
    } else if (!rc) {
        rc = client_call(client, "status", NULL, CALL_MS, &status, &err);
        char *text = !rc && json ? cJSON_Print(status) : NULL;
        if (text)
            puts(text);
        else if (!rc)
            print_status(status);
        free(text);
    }
    cJSON_Delete(status);
    client_close(client);
    return rc ? cli_fail("station", &err) : CLI_OK;
}
