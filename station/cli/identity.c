/* takt identity: identities come in, the pool is counted, the audit chain is walked again. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "provisioning/audit.h"
#include "provisioning/pool.h"
#include "reports/query.h"
#include "reports/store.h"
#include "station/cli/command.h"
#include "station/cli/state_place.h"
#include "station/engine/client.h"

static const char usage[] =
    "takt identity import FILE | status | audit   --station STATION.json [--json]\n\n"
    "  import   the platform's delivery, signed and encrypted (station file: deliveries; where "
    "none\n"
    "           are agreed on a CSV, did,mac,key) goes in whole or not at all; delete it then\n"
    "  status   how many identities are free, reserved, injected, confirmed, quarantined\n"
    "  audit    walks the chain of who did what again; exit 1 when it is broken";

/* An import may be large: 100,000 identities take some seconds. */
enum { IMPORT_TIMEOUT_MS = 120000 };

struct request {
    const char *file; /* import's */
    bool json;
    struct state_place place;
};

/* taktd is the only writer: while it runs, it imports. */
static int import_by_taktd(const struct request *r, struct client *taktd, int *count,
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

/* Under the writer's lock, so that no taktd can start meanwhile. */
static int import_here(const struct request *r, int *count, struct error *err)
{
    struct store *store = NULL;
    struct custody *custody = NULL;
    struct pool *pool = NULL;
    int rc = store_open(r->place.store, r->place.attachments, &store, err);
    if (!rc)
        rc = custody_open(r->place.identities.custody, &custody, err);
    if (!rc)
        rc = pool_open(store_handle(store), custody, &pool, err);
    if (!rc)
        rc = pool_import(pool, r->file, &r->place.identities.deliveries, cli_operator_name(), count,
                         err);
    pool_close(pool);
    custody_close(custody);
    store_close(store);
    return rc;
}

static int import(const struct request *r, struct error *err)
{
    int count = 0;
    if (!r->place.identities.custody[0])
        return error_set(err, ERROR_INPUT,
                         "the station file names no \"custody\", so keys cannot be sealed");
    struct client *taktd = NULL;
    int rc = client_connect(r->place.socket, &taktd, err);
    if (rc == ERROR_MISSING)
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

static int status(const struct request *r, struct error *err)
{
    struct pool_counts counts;
    sqlite3 *db = NULL;
    int rc = query_open(r->place.store, &db, err);
    if (rc)
        return rc;
    rc = pool_counts_read(db, &counts, err);
    sqlite3_close(db);
    for (int s = 0; !rc && s < IDENTITY_STATES; s++) {
        const char *name = identity_state_name((enum identity_state)s);
        if (r->json)
            printf("%s\"%s\":%lld%s", s ? "," : "{", name, (long long)counts.of[s],
                   s == IDENTITY_STATES - 1 ? "}\n" : "");
        else
            printf("%-12s %8lld\n", name, (long long)counts.of[s]);
    }
    return rc;
}

/* A broken chain is a finding, printed like the good news; it is also the error returned. */
static int audit(const struct request *r, struct error *err)
{
    struct audit_head head = {0};
    sqlite3 *db = NULL;
    int64_t entries = 0;
    int rc = query_open(r->place.store, &db, err);
    if (rc)
        return rc;
    rc = audit_verify(db, &entries, err);
    if (!rc)
        rc = audit_head(db, &head, err);
    sqlite3_close(db);
    if (rc && rc != ERROR_MISMATCH)
        return rc;
    if (r->json) {
        cJSON *document = cJSON_CreateObject();
        cJSON_AddBoolToObject(document, "intact", rc == 0);
        cJSON_AddNumberToObject(document, "entries", (double)entries);
        cJSON_AddStringToObject(document, rc ? "finding" : "head", rc ? err->text : head.hash);
        char *text = cJSON_PrintUnformatted(document);
        puts(text ? text : "{}");
        cJSON_free(text);
        cJSON_Delete(document);
    } else if (!rc) {
        printf("audit entries: %lld, each as it was written; head %s\n", (long long)entries,
               head.hash);
    }
    return rc;
}

static const struct {
    const char *name;
    int arguments;
    int (*run)(const struct request *r, struct error *err);
} actions[] = {{"import", 1, import}, {"status", 0, status}, {"audit", 0, audit}};

int cli_identity(int argc, char **argv)
{
    static const struct option options[] = {{"station", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct request r = {0};
    struct error err = {0};
    const char *station = NULL;
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            station = optarg;
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
            "takt identity: expected import, status or audit, see takt identity --help");
    if (argc - optind - 1 != actions[action].arguments)
        return cli_usage("takt identity %s: expected %s", argv[optind],
                         actions[action].arguments ? "one file" : "no more arguments");
    if (!station)
        return cli_usage("takt identity: --station is needed, see takt identity --help");
    r.file = argv[optind + 1];
    int rc = state_place_of_station(station, &r.place, &err);
    if (!rc)
        rc = actions[action].run(&r, &err);
    return rc ? cli_fail("identity", &err) : CLI_OK;
}
