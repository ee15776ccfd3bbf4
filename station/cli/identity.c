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
#include "provisioning/pool.h"
#include "reports/query.h"
#include "reports/store.h"
#include "station/cli/command.h"
#include "station/cli/state_place.h"
#include "station/engine/client.h"

static const char usage[] =
    "takt identity import FILE | status | witness | audit   --station STATION.json [--json]\n\n"
    "  import   the platform's delivery, signed and encrypted (station file: deliveries; where "
    "none\n"
    "           are agreed on a CSV, did,mac,key) goes in whole or not at all; delete it then\n"
    "  status   how many identities are free, reserved, injected, confirmed, quarantined\n"
    "  witness  the audit chain's head, signed by the station's token key, into --out FILE: keep\n"
    "           it elsewhere\n"
    "  audit    walks the chain of who did what again, and with --witness FILE --key FILE (the\n"
    "           token key's public half) holds it against what it was; exit 1 when it is broken";

/* An import may be large: 100,000 identities take some seconds. */
enum { IMPORT_TIMEOUT_MS = 120000 };

struct request {
    const char *station;
    const char *file; /* import's */
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
} actions[] = {
    {"import", 1, import}, {"status", 0, status}, {"witness", 0, witness}, {"audit", 0, audit}};

int cli_identity(int argc, char **argv)
{
    static const struct option options[] = {{"station", required_argument, NULL, 's'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"witness", required_argument, NULL, 'w'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct request r = {0};
    struct error err = {0};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            r.station = optarg;
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
            "takt identity: expected import, status, witness or audit, see takt identity --help");
    if (argc - optind - 1 != actions[action].arguments)
        return cli_usage("takt identity %s: expected %s", argv[optind],
                         actions[action].arguments ? "one file" : "no more arguments");
    if (!r.station)
        return cli_usage("takt identity: --station is needed, see takt identity --help");
    r.file = argv[optind + 1];
    int rc = state_place_of_station(r.station, &r.place, &err);
    if (!rc)
        rc = actions[action].run(&r, &err);
    return rc ? cli_fail("identity", &err) : CLI_OK;
}
