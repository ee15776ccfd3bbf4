/* takt identity: identities come in, the pool is counted, the audit chain is walked again. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "provisioning/device_ca.h"
#include "reports/store_schema.h"
#include "station/cli/command.h"
#include "station/cli/identity_parts.h"
#include "station/engine/client.h"

static const char usage[] =
    "takt identity import FILE | status | quota | scrap CHIP | reconcile | certificates |\n"
    "                     witness | audit\n"
    "                     --station STATION.json [--json]\n\n"
    "  import   the platform's delivery, signed and encrypted (station file: deliveries; where "
    "none\n"
    "           are agreed on a CSV, did,mac,key) goes in whole or not at all; delete it then\n"
    "  status   how many identities are free, reserved, injected, confirmed,\n"
    "           quarantined, scrapped\n"
    "  quota    how many identities orders, stations and operators may use; --order, --operator "
    "or\n"
    "           --at STATION with --allowed N sets one\n"
    "  scrap    the unit with that chip is no more, nor is its identity: --reason TEXT\n"
    "  reconcile  what --order used, into --out FILE (CSV) with its signature FILE.sig: for the "
    "platform\n"
    "  certificates  of --order's units that made their keys themselves, into --out FILE (PEM)\n"
    "  write-off  a station that shared the pool is lost (--reason TEXT): what its lease held and "
    "it\n"
    "           did not tell of is quarantined\n"
    "  witness  the audit chain's head, signed by the station's token key, into --out FILE: keep\n"
    "           it elsewhere\n"
    "  audit    walks the chain of who did what again, and with --witness FILE --key FILE (the\n"
    "           token key's public half) holds it against what it was; exit 1 when it is broken";

/* An import may be large: 100,000 identities take some seconds. */
enum { IMPORT_TIMEOUT_MS = 120000 };

/* taktd is the only writer: while it runs, it imports. */
static int import_by_taktd(const struct identity_request *r, struct client *taktd, int *count,
                           struct error *err)
{
    cJSON *result = NULL;
    char *path = realpath(r->file, NULL); /* taktd stands in another folder */
    if (!path)
        return error_errno(err, ERROR_MISSING, "cannot open %s", r->file);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "path", path);
    cJSON_AddStringToObject(params, "operator", cli_operator_name());
    int rc = client_call(taktd, "pool.import", params, IMPORT_TIMEOUT_MS, &result, err);
    if (!rc)
        *count = (int)json_number(result, "imported", 0);
    cJSON_Delete(result);
    free(path);
    return rc;
}

static int import_here(const struct identity_request *r, int *count, struct error *err)
{
    struct identity_desk desk = {0};
    int rc = identity_desk_open(r, &desk, err);
    if (!rc)
        rc = pool_import(desk.pool, r->file, &r->place.identities.deliveries, cli_operator_name(),
                         count, err);
    identity_desk_close(&desk);
    return rc;
}

static int import(const struct identity_request *r, struct error *err)
{
    int count = 0;
    if (!r->place.identities.custody[0])
        return error_set(err, ERROR_INPUT,
                         "the station file names no \"custody\", so keys cannot be sealed");
    struct client *taktd = NULL;
    int rc = identity_is_shared(r) ? 0 : client_connect(r->place.socket, &taktd, err);
    if (identity_is_shared(r))
        rc = identity_shared_import(r, &count, err);
    else if (rc == ERROR_MISSING)
        rc = import_here(r, &count, err);
    else if (!rc)
        rc = import_by_taktd(r, taktd, &count, err);
    client_close(taktd);
    if (rc)
        return rc;
    if (r->json)
        printf("{\"imported\":%d}\n", count);
    else
        printf("%d identities imported\n", count);
    return 0;
}

static int status(const struct identity_request *r, struct error *err)
{
    struct pool_counts counts;
    sqlite3 *db = NULL;
    int rc;
    if (identity_is_shared(r)) {
        rc = identity_shared_counts(r, &counts, err);
    } else {
        rc = store_file_open(r->place.store, &db, err);
        if (!rc)
            rc = pool_counts_read(db, &counts, err);
        sqlite3_close(db);
    }
    for (int s = 0; !rc && s < IDENTITY_STATES; s++) {
        const char *name = pool_state_name((enum identity_state)s);
        if (r->json)
            printf("%s\"%s\":%lld%s", s ? "," : "{", name, (long long)counts.of[s],
                   s == IDENTITY_STATES - 1 ? "}\n" : "");
        else
            printf("%-12s %8lld\n", name, (long long)counts.of[s]);
    }
    return rc;
}

/* What a station certified is in its own store, also where the pool is shared. */
static int certificates(const struct identity_request *r, struct error *err)
{
    struct buffer pem = {0};
    sqlite3 *db = NULL;
    int64_t count = 0;
    if (!r->quota_of || r->quota_kind != QUOTA_ORDER || !r->out)
        return error_set(err, ERROR_INPUT, "certificates need --order and --out FILE");
    int rc = store_file_open(r->place.store, &db, err);
    if (!rc)
        rc = device_ca_export(db, r->quota_of, &pem, &count, err);
    if (!rc)
        rc = file_write(r->out, pem.data, pem.size, 0644, err);
    if (!rc)
        printf("%lld certificates in %s\n", (long long)count, r->out);
    sqlite3_close(db);
    buffer_free(&pem);
    return rc;
}

static const struct {
    const char *name;
    int arguments;
    int (*run)(const struct identity_request *r, struct error *err);
} actions[] = {{"import", 1, import},
               {"status", 0, status},
               {"quota", 0, identity_quota},
               {"scrap", 1, identity_scrap},
               {"reconcile", 0, identity_reconcile},
               {"certificates", 0, certificates},
               {"write-off", 1, identity_write_off},
               {"witness", 0, identity_witness},
               {"audit", 0, identity_audit}};

int cli_identity(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},  {"order", required_argument, NULL, 'O'},
        {"operator", required_argument, NULL, 'P'}, {"at", required_argument, NULL, 'A'},
        {"allowed", required_argument, NULL, 'n'},  {"reason", required_argument, NULL, 'r'},
        {"out", required_argument, NULL, 'o'},      {"witness", required_argument, NULL, 'w'},
        {"key", required_argument, NULL, 'k'},      {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    struct identity_request r = {.allowed = -1};
    struct error err = {0};
    char *end;
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            r.station = optarg;
            break;
        case 'O':
            r.quota_of = optarg;
            r.quota_kind = QUOTA_ORDER;
            break;
        case 'P':
            r.quota_of = optarg;
            r.quota_kind = QUOTA_OPERATOR;
            break;
        case 'A':
            r.quota_of = optarg;
            r.quota_kind = QUOTA_STATION;
            break;
        case 'n':
            r.allowed = strtoll(optarg, &end, 10);
            if (end == optarg || *end || r.allowed < 0)
                return cli_usage("takt identity: --allowed %s: expected 0 or more", optarg);
            break;
        case 'r':
            r.reason = optarg;
            break;
        case 'o':
            r.out = optarg;
            break;
        case 'w':
            r.witness = optarg;
            break;
        case 'k':
            r.key = optarg;
            break;
        case 'j':
            r.json = true;
            break;
        case 'h':
            printf("usage: %s\n", usage);
            return CLI_OK;
        default:
            return cli_bad_option("identity", option, argv, options);
        }
    }
    size_t action = 0, count = sizeof actions / sizeof actions[0];
    while (optind < argc && action < count && strcmp(actions[action].name, argv[optind]) != 0)
        action++;
    if (optind == argc || action == count)
        return cli_usage(
            "takt identity: expected import, status, quota, scrap, reconcile, certificates, "
            "write-off, witness or audit, see takt identity --help");
    if (argc - optind - 1 != actions[action].arguments)
        return cli_usage("takt identity %s: expected %s", argv[optind],
                         actions[action].arguments ? "one file, chip or station"
                                                   : "no more arguments");
    if (!r.station)
        return cli_usage("takt identity: --station is needed, see takt identity --help");
    r.file = argv[optind + 1];
    int rc = state_place_of_station(r.station, &r.place, &err);
    if (!rc)
        rc = actions[action].run(&r, &err);
    return rc ? cli_fail("identity", &err) : CLI_OK;
}
