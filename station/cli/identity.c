/* takt identity: identities come in, the pool is counted, the audit chain is walked again. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "provisioning/audit.h"
#include "provisioning/audit_witness.h"
#include "provisioning/pool_quota.h"
#include "reports/query.h"
#include "reports/store.h"
#include "station/cli/command.h"
#include "station/cli/state_place.h"
#include "station/engine/client.h"

static const char usage[] =
    "takt identity import FILE | status | quota | scrap CHIP | witness | audit\n"
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
    "  witness  the audit chain's head, signed by the station's token key, into --out FILE: keep\n"
    "           it elsewhere\n"
    "  audit    walks the chain of who did what again, and with --witness FILE --key FILE (the\n"
    "           token key's public half) holds it against what it was; exit 1 when it is broken";

/* An import may be large: 100,000 identities take some seconds. */
enum { IMPORT_TIMEOUT_MS = 120000, CHANGE_TIMEOUT_MS = 10000 };

struct request {
    const char *station;
    const char *file; /* import's; scrap's chip */
    const char *reason;
    const char *quota_of; /* the name, of quota_kind; NULL: only list */
    enum pool_quota_kind quota_kind;
    long long allowed; /* negative: not given */
    const char *out, *witness, *key;
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

/* The pool under the writer's lock, so that no taktd can start meanwhile. */
struct desk {
    struct store *store;
    struct custody *custody;
    struct pool *pool;
};

static void desk_close(struct desk *d)
{
    pool_close(d->pool);
    custody_close(d->custody);
    store_close(d->store);
}

static int desk_open(const struct request *r, struct desk *d, struct error *err)
{
    int rc = store_open(r->place.store, r->place.attachments, &d->store, err);
    if (!rc)
        rc = custody_open(r->place.identities.custody, &d->custody, err);
    return rc ? rc : pool_open(store_handle(d->store), d->custody, &d->pool, err);
}

static int import_here(const struct request *r, int *count, struct error *err)
{
    struct desk desk = {0};
    int rc = desk_open(r, &desk, err);
    if (!rc)
        rc = pool_import(desk.pool, r->file, &r->place.identities.deliveries, cli_operator_name(),
                         count, err);
    desk_close(&desk);
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

/* ---- quotas, scrapped units ---------------------------------------------------------------- */

/* taktd is the only writer: while it runs, it does it; else `here` under the writer's lock. Takes
 * params. */
static int change(const struct request *r, const char *method, cJSON *params,
                  int (*here)(const struct request *r, struct pool *pool, struct error *err),
                  struct error *err)
{
    struct client *taktd = NULL;
    struct desk desk = {0};
    cJSON_AddStringToObject(params, "operator", cli_operator_name());
    int rc = client_connect(r->place.socket, &taktd, err);
    if (!rc) {
        rc = client_call(taktd, method, params, CHANGE_TIMEOUT_MS, NULL, err);
    } else {
        cJSON_Delete(params);
        if (rc == ERROR_MISSING)
            rc = desk_open(r, &desk, err);
        if (!rc)
            rc = here(r, desk.pool, err);
    }
    desk_close(&desk);
    client_close(taktd);
    return rc;
}

static int quota_here(const struct request *r, struct pool *pool, struct error *err)
{
    return pool_quota_set(pool, r->quota_kind, r->quota_of, r->allowed, cli_operator_name(),
                          clock_wall_ms(), err);
}

static int scrap_here(const struct request *r, struct pool *pool, struct error *err)
{
    return pool_advance(pool, r->file, IDENTITY_SCRAPPED, r->reason, clock_wall_ms(), err);
}

static void show_quota(void *context, enum pool_quota_kind kind, const char *name, int64_t used,
                       int64_t allowed)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "kind", pool_quota_kind_name(kind));
    cJSON_AddStringToObject(row, "name", name);
    cJSON_AddNumberToObject(row, "used", (double)used);
    cJSON_AddNumberToObject(row, "allowed", (double)allowed);
    cJSON_AddItemToArray(context, row);
}

static int list_quotas(const struct request *r, struct error *err)
{
    sqlite3 *db = NULL;
    cJSON *list = cJSON_CreateArray();
    const cJSON *row;
    int rc = query_open(r->place.store, &db, err);
    if (!rc)
        rc = pool_quota_each(db, show_quota, list, err);
    sqlite3_close(db);
    char *text = !rc && r->json ? cJSON_PrintUnformatted(list) : NULL;
    if (text)
        puts(text);
    else if (!rc)
        cJSON_ArrayForEach(row, list)
            printf("%-8s %-24s %8.0f of %.0f\n", json_string(row, "kind", ""),
                   json_string(row, "name", ""), json_number(row, "used", 0),
                   json_number(row, "allowed", 0));
    cJSON_free(text);
    cJSON_Delete(list);
    return rc;
}

static int quota(const struct request *r, struct error *err)
{
    if (!r->quota_of && r->allowed < 0)
        return list_quotas(r, err);
    if (!r->quota_of || r->allowed < 0)
        return error_set(err, ERROR_INPUT,
                         "a quota needs --allowed and one of --order, --operator and --at");
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "kind", pool_quota_kind_name(r->quota_kind));
    cJSON_AddStringToObject(params, "name", r->quota_of);
    cJSON_AddNumberToObject(params, "allowed", (double)r->allowed);
    return change(r, "pool.quota", params, quota_here, err);
}

static int scrap(const struct request *r, struct error *err)
{
    if (!r->reason)
        return error_set(err, ERROR_INPUT, "--reason is needed: why the unit is no more");
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "chip_id", r->file);
    cJSON_AddStringToObject(params, "reason", r->reason);
    return change(r, "pool.scrap", params, scrap_here, err);
}

/* ---- the audit chain ----------------------------------------------------------------------- */

static int witness(const struct request *r, struct error *err)
{
    struct station_file *station = NULL;
    struct signer *signer = NULL;
    struct buffer text = {0};
    sqlite3 *db = NULL;
    if (!r->out)
        return error_set(err, ERROR_INPUT, "--out is needed: where the witness goes");
    int rc = station_file_load(r->station, &station, err);
    if (!rc && !station->token_key[0])
        rc = error_set(err, ERROR_INPUT, "%s names no \"token_key\" to sign with", r->station);
    if (!rc)
        rc = signer_open(station->token_key, &signer, err);
    if (!rc)
        rc = query_open(r->place.store, &db, err);
    if (!rc)
        rc = audit_witness_make(db, signer, station->station, clock_wall_ms(), &text, err);
    if (!rc)
        rc = file_write(r->out, text.data, text.size, 0644, err);
    sqlite3_close(db);
    signer_close(signer);
    station_file_free(station);
    buffer_free(&text);
    return rc;
}

static int check_witness(const struct request *r, sqlite3 *db, struct audit_head *head,
                         struct error *err)
{
    struct buffer text = {0}, key = {0};
    int rc = r->key ? file_read(r->key, &key, err)
                    : error_set(err, ERROR_INPUT,
                                "--key is needed: the public half of the key that signed it");
    if (!rc)
        rc = file_read(r->witness, &text, err);
    if (!rc && (!buffer_text(&key) || !buffer_text(&text)))
        rc = error_set(err, ERROR_MEMORY, "%s: out of memory", r->witness);
    if (!rc)
        rc = audit_witness_check(db, r->witness, buffer_text(&text), text.size, buffer_text(&key),
                                 head, err);
    buffer_free(&text);
    buffer_free(&key);
    return rc;
}

static void print_audit(const struct request *r, int64_t entries, const struct audit_head *head,
                        const struct audit_head *witnessed, const struct error *finding)
{
    if (r->json) {
        cJSON *document = cJSON_CreateObject();
        cJSON_AddBoolToObject(document, "intact", !finding->code);
        cJSON_AddNumberToObject(document, "entries", (double)entries);
        if (witnessed->entries)
            cJSON_AddNumberToObject(document, "witnessed", (double)witnessed->entries);
        cJSON_AddStringToObject(document, finding->code ? "finding" : "head",
                                finding->code ? finding->text : head->hash);
        char *text = cJSON_PrintUnformatted(document);
        puts(text ? text : "{}");
        cJSON_free(text);
        cJSON_Delete(document);
    } else if (!finding->code) {
        printf("audit entries: %lld, each as it was written; head %s\n", (long long)entries,
               head->hash);
        if (witnessed->entries)
            printf("entry %lld is the one that %s is a witness of\n", (long long)witnessed->entries,
                   r->witness);
    }
}

/* A broken chain is a finding, printed like the good news; it is also the error returned. */
static int audit(const struct request *r, struct error *err)
{
    struct audit_head head = {0}, witnessed = {0};
    sqlite3 *db = NULL;
    int64_t entries = 0;
    int rc = query_open(r->place.store, &db, err);
    if (rc)
        return rc;
    rc = audit_verify(db, &entries, err);
    if (!rc)
        rc = audit_head(db, &head, err);
    if (!rc && r->witness)
        rc = check_witness(r, db, &witnessed, err);
    sqlite3_close(db);
    if (!rc || rc == ERROR_MISMATCH)
        print_audit(r, entries, &head, &witnessed, err);
    return rc;
}

static const struct {
    const char *name;
    int arguments;
    int (*run)(const struct request *r, struct error *err);
} actions[] = {{"import", 1, import}, {"status", 0, status},   {"quota", 0, quota},
               {"scrap", 1, scrap},   {"witness", 0, witness}, {"audit", 0, audit}};

int cli_identity(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},  {"order", required_argument, NULL, 'O'},
        {"operator", required_argument, NULL, 'P'}, {"at", required_argument, NULL, 'A'},
        {"allowed", required_argument, NULL, 'n'},  {"reason", required_argument, NULL, 'r'},
        {"out", required_argument, NULL, 'o'},      {"witness", required_argument, NULL, 'w'},
        {"key", required_argument, NULL, 'k'},      {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    struct request r = {.allowed = -1};
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
            "takt identity: expected import, status, quota, scrap, witness or audit, see takt "
            "identity --help");
    if (argc - optind - 1 != actions[action].arguments)
        return cli_usage("takt identity %s: expected %s", argv[optind],
                         actions[action].arguments ? "one file or chip" : "no more arguments");
    if (!r.station)
        return cli_usage("takt identity: --station is needed, see takt identity --help");
    r.file = argv[optind + 1];
    int rc = state_place_of_station(r.station, &r.place, &err);
    if (!rc)
        rc = actions[action].run(&r, &err);
    return rc ? cli_fail("identity", &err) : CLI_OK;
}
