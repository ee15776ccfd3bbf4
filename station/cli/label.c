/* takt label: a unit's label as a picture; on paper once more, by whoever may, on record. */
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/label_printer.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "provisioning/label_picture.h"
#include "reports/query.h"
#include "station/cli/command.h"
#include "station/cli/state_place.h"
#include "station/engine/client.h"
#include "station/engine/station_file.h"

static const char usage[] =
    "takt label preview UNIT --out FILE.png (--station STATION.json | --store STORE)\n"
    "       takt label reprint UNIT --reason TEXT --station STATION.json [--slot N]\n\n"
    "preview: a picture of the label UNIT had, a pixel a dot.\n\n"
    "reprint:\n"
    "  The label UNIT (serial, chip id, DID or MAC) had, as it was, on the printer that slot N is\n"
    "  wired to; without --slot that of the run that printed it. On record before it is printed.";

enum { CALL_MS = 10000 };

static int print_again(const cJSON *label, int slot, struct error *err)
{
    struct fixture *fixture = NULL;
    int rc = fixture_connect(json_string(label, "socket", ""),
                             slot ? slot : (int)json_number(label, "slot", 1), &fixture, err);
    if (!rc)
        rc = label_printer_print(fixture, json_string(label, "zpl", ""), err);
    fixture_disconnect(fixture);
    return rc;
}

static int reprint(const char *station, const char *unit, const char *reason, int slot,
                   struct error *err)
{
    char socket_path[PATH_MAX];
    struct client *taktd = NULL;
    cJSON *label = NULL, *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "unit", unit);
    cJSON_AddStringToObject(params, "reason", reason);
    cJSON_AddStringToObject(params, "operator", cli_operator_name());
    int rc = station_file_socket(station, socket_path, err);
    if (!rc)
        rc = client_connect(socket_path, &taktd, err);
    if (rc)
        cJSON_Delete(params);
    else
        rc = client_call(taktd, "label.reprint", params, CALL_MS, &label, err);
    if (!rc)
        rc = print_again(label, slot, err);
    if (!rc)
        printf("the label of %s (DID %s) is printed again\n", json_string(label, "serial", ""),
               json_string(label, "did", ""));
    cJSON_Delete(label);
    client_close(taktd);
    return rc;
}

static int preview(const struct state_place *place, const char *unit, const char *out,
                   struct error *err)
{
    struct store *reader = NULL;
    struct buffer zpl = {0}, png = {0};
    cJSON *document = NULL;
    const cJSON *run;
    int rc = store_open_reader(place->store, &reader, err);
    if (!rc)
        rc = query_label(reader, place->attachments, unit, &document, &run, &zpl, err);
    if (!rc)
        rc = label_picture(buffer_text(&zpl), &png, err);
    if (!rc)
        rc = file_write(out, png.data, png.size, 0644, err);
    cJSON_Delete(document);
    store_close(reader);
    buffer_free(&zpl);
    buffer_free(&png);
    return rc;
}

int cli_label(int argc, char **argv)
{
    static const struct option options[] = {{"station", required_argument, NULL, 's'},
                                            {"store", required_argument, NULL, 'S'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"reason", required_argument, NULL, 'r'},
                                            {"slot", required_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *station = NULL, *store = NULL, *reason = NULL, *out = NULL;
    long slot = 0;
    char *end;
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
        case 'o':
            out = optarg;
            break;
        case 'r':
            reason = optarg;
            break;
        case 'n':
            slot = strtol(optarg, &end, 10);
            if (end == optarg || *end || slot < 1 || slot > STATION_SLOTS_MAX)
                return cli_usage("takt label: --slot %s: expected 1 to %d", optarg,
                                 STATION_SLOTS_MAX);
            break;
        case 'h':
            printf("usage: %s\n", usage);
            return CLI_OK;
        default:
            return cli_bad_option("label", option, argv, options);
        }
    }
    struct error err = {0};
    int rc;
    const bool both = argc - optind == 2;
    const char *action = both ? argv[optind] : "", *unit = both ? argv[optind + 1] : "";
    if (strcmp(action, "preview") == 0 && out && !station != !store) {
        struct state_place place;
        rc = state_place_of(station, store, &place, &err);
        rc = rc ? rc : preview(&place, unit, out, &err);
    } else if (strcmp(action, "reprint") == 0 && station && reason) {
        rc = reprint(station, unit, reason, (int)slot, &err);
    } else {
        return cli_usage("takt label: expected preview, a unit, --out and --station, or reprint, a "
                         "unit, --reason and --station, see takt label --help");
    }
    return rc ? cli_fail("label", &err) : CLI_OK;
}
