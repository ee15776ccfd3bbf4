/* takt store: looking after a station's store. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "provisioning/pool_doubt.h"
#include "reports/maintenance.h"
#include "reports/store.h"
#include "station/cli/command.h"
#include "station/cli/dates.h"
#include "station/cli/state_place.h"

static const char usage[] =
    "takt store check | backup | archive | recover | migrate\n"
    "         (--station STATION.json | --store FILE)\n"
    "         [--to FOLDER] [--before DATE] [--json]\n\n"
    "  check     every page, reference and attachment; exit 1 when something is damaged. Of a "
    "line's\n"
    "            store (--store postgresql://...) whether its tallies are what its runs add up to\n"
    "  backup    a copy into --to FOLDER, checked; taktd may run meanwhile\n"
    "  archive   a backup into --to FOLDER, then runs that ended before --before DATE leave the\n"
    "            store (not open ones, nor what is still to be sent or has a defect)\n"
    "  recover   sets a damaged store aside and saves from it what can be read; stop taktd first\n"
    "  migrate   brings the store of an older program forward, an archive or a line's store above\n"
    "            all: taktd does it for its own when it starts";

struct request {
    struct state_place place;
    const char *to;
    int64_t before_ms;
    bool has_before, json;
};

static void print_json(cJSON *document)
{
    char *text = cJSON_Print(document);
    if (text)
        puts(text);
    free(text);
}

static int check(const struct request *r, struct error *err)
{
    cJSON *found = NULL;
    int rc = maintenance_check(r->place.store, r->place.attachments, &found, err);
    const cJSON *problem;
    if (found && r->json)
        print_json(found);
    else if (found && !rc)
        printf("%s is whole, with %.0f attachments (%.0f files more that no row names)\n",
               r->place.store, json_number(found, "contents", 0), json_number(found, "strays", 0));
    else
        cJSON_ArrayForEach(problem, cJSON_GetObjectItemCaseSensitive(found, "problems"))
            printf("%s\n", problem->valuestring);
    cJSON_Delete(found);
    return rc;
}

static int backup(const struct request *r, struct error *err)
{
    if (!r->to)
        return error_set(err, ERROR_INPUT, "--to FOLDER is needed");
    int rc = maintenance_backup(r->place.store, r->place.attachments, r->to, err);
    if (rc)
        return rc;
    cJSON *done = cJSON_CreateObject();
    cJSON_AddStringToObject(done, "folder", r->to);
    if (r->json)
        print_json(done);
    else
        printf("the store is copied into %s\n", r->to);
    cJSON_Delete(done);
    return 0;
}

static int archive(const struct request *r, struct error *err)
{
    int64_t runs = 0;
    if (!r->to || !r->has_before)
        return error_set(err, ERROR_INPUT, "--to FOLDER and --before DATE are needed");
    int rc =
        maintenance_archive(r->place.store, r->place.attachments, r->to, r->before_ms, &runs, err);
    if (!rc)
        printf(r->json ? "{\"runs\":%lld}\n" : "%lld runs archived\n", (long long)runs);
    return rc;
}

static int settle_identities(void *context, sqlite3 *db, struct error *err)
{
    return pool_doubt_free(db, cli_operator_name(), clock_wall_ms(), context, err);
}

static void print_doubt(const struct pool_doubt *doubt)
{
    if (doubt->quarantined)
        printf("%lld free identities quarantined: %s; import new ones\n",
               (long long)doubt->quarantined,
               doubt->chain_whole ? "the audit says they were reserved"
                                  : "the audit is damaged and cannot say which were handed out");
    if (doubt->lost)
        printf("%lld identities are lost: never import the file they came from again\n",
               (long long)doubt->lost);
}

static int recover(const struct request *r, struct error *err)
{
    struct pool_doubt doubt = {0};
    cJSON *saved = NULL;
    const cJSON *table;
    int rc = maintenance_recover(r->place.store, settle_identities, &doubt, &saved, err);
    if (!rc) {
        cJSON_AddNumberToObject(saved, "identities_quarantined", (double)doubt.quarantined);
        cJSON_AddNumberToObject(saved, "identities_lost", (double)doubt.lost);
    }
    if (!rc && r->json) {
        print_json(saved);
    } else if (!rc) {
        printf("set aside: %s\n", json_string(saved, "aside", ""));
        cJSON_ArrayForEach(table, cJSON_GetObjectItemCaseSensitive(saved, "tables"))
            printf("  %-16s %.0f rows\n", table->string, table->valuedouble);
        printf("%.0f rows dropped: their run or step is lost\n", json_number(saved, "dropped", 0));
        print_doubt(&doubt);
    }
    cJSON_Delete(saved);
    return rc;
}

static int migrate(const struct request *r, struct error *err)
{
    struct store *s = NULL;
    int rc = store_open(r->place.store, NULL, &s, err);
    store_close(s);
    return rc;
}

static const struct {
    const char *name;
    int (*run)(const struct request *r, struct error *err);
} actions[] = {{"check", check},
               {"backup", backup},
               {"archive", archive},
               {"recover", recover},
               {"migrate", migrate}};

int cli_store(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"store", required_argument, NULL, 'S'},
        {"to", required_argument, NULL, 't'},
        {"before", required_argument, NULL, 'b'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct request r = {0};
    struct error err = {0};
    const char *station = NULL, *store = NULL;
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
        case 't':
            r.to = optarg;
            break;
        case 'b':
            r.has_before = true;
            if (!cli_read_date(optarg, &r.before_ms))
                return cli_usage("takt store: '%s' is no date, expected " CLI_DATE_FORM, optarg);
            break;
        case 'j':
            r.json = true;
            break;
        case 'h':
            printf("usage: %s\n", usage);
            return CLI_OK;
        default:
            return cli_bad_option("store", option, argv, options);
        }
    }
    size_t action = 0, count = sizeof actions / sizeof actions[0];
    const char *given = optind + 1 == argc ? argv[optind] : "";
    while (action < count && strcmp(actions[action].name, given) != 0)
        action++;
    if (action == count)
        return cli_usage(
            "takt store: expected check, backup, archive, recover or migrate, see takt store "
            "--help");
    if (!station == !store)
        return cli_usage("takt store: expected --station or --store, see takt store --help");
    int rc = state_place_of(station, store, &r.place, &err);
    if (!rc && actions[action].run != check && actions[action].run != migrate &&
        store_is_address(r.place.store))
        rc = error_set(&err, ERROR_INPUT,
                       "%s: a line's store is looked after by PostgreSQL's own pg_dump and "
                       "pg_amcheck; takt store check reads it",
                       r.place.store);
    if (!rc)
        rc = actions[action].run(&r, &err);
    return rc ? cli_fail("store", &err) : CLI_OK;
}
