/* takt run: one run on every slot, and what came of it.
 *
 * A client of taktd: ending it stops nothing. What is told at the end is read from the store, so it
 * is the same whether taktd ran through or was restarted meanwhile. */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "reports/query.h"
#include "reports/store.h"
#include "station/cli/command.h"
#include "station/cli/run_progress.h"
#include "station/cli/run_result.h"
#include "station/engine/client.h"
#include "station/engine/launch.h"
#include "station/engine/station_file.h"

static const char usage[] = "takt run --station S --plan PRODUCT/PLAN --order O [--serial SN]... "
                            "[--slot N]... [--operator NAME] [--mode M] [--again] [--json]";

enum {
    NOTICE_MAX = 200,
    CALL_MS = 30000,
    LAUNCH_MS = 30000,
    EVENT_MS = 500,
    AWAY_MS = 60000, /* how long taktd may be gone before it is started again */
};

struct options {
    const char *station, *plan, *order, *operator_name;
    const char *mode; /* NULL: production */
    bool again;
    cJSON *slots, *serials; /* NULL when none were given */
    bool json;
};

static void help(void)
{
    printf(
        "usage: %s\n\n"
        "Starts one run on every idle slot and waits for the verdicts; starts taktd when none\n"
        "runs. Progress goes to stderr, the result to stdout. Ctrl-C only stops watching: the\n"
        "runs go on (`takt console` watches and aborts them).\n\n"
        "  --station S       the station file\n"
        "  --plan P          as in ptz-indoor-3mp/line\n"
        "  --order O         the work order the units belong to\n"
        "  --serial SN       for the first slot, the second, ...; else the slots' scanners tell\n"
        "  --slot N          only these slots\n"
        "  --operator NAME   who does it ($USER)\n"
        "  --mode M          production (unless given), engineering, repair, golden or gauge\n"
        "  --again           beyond what the plan's policy allows a unit; technicians may\n"
        "  --json            one JSON document instead of the table\n\n"
        "Exit status: 0 all passed, 1 a unit failed, 2 refused before it began, 3 a run ended in\n"
        "error or timeout.\n",
        usage);
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    interrupted = signal_number;
}

static int start_runs(struct client *client, struct options *o, cJSON **runs, struct error *err)
{
    cJSON *params = cJSON_CreateObject(), *answer = NULL;
    cJSON_AddStringToObject(params, "plan", o->plan);
    cJSON_AddStringToObject(params, "order", o->order);
    cJSON_AddStringToObject(params, "operator", o->operator_name);
    if (o->mode)
        cJSON_AddStringToObject(params, "mode", o->mode);
    if (o->again)
        cJSON_AddTrueToObject(params, "again");
    if (o->slots)
        cJSON_AddItemToObject(params, "slots", cJSON_Duplicate(o->slots, true));
    if (o->serials)
        cJSON_AddItemToObject(params, "serials", cJSON_Duplicate(o->serials, true));
    int rc = client_call(client, "run.start", params, CALL_MS, &answer, err);
    if (rc == 0) {
        *runs = cJSON_DetachItemFromObjectCaseSensitive(answer, "runs");
        if (cJSON_GetArraySize(*runs) < 1)
            rc = error_set(err, ERROR_STATE, "no slot is free");
    }
    cJSON_Delete(answer);
    return rc;
}

/* Results of the runs that have a verdict; *open is how many have none. */
static int read_results(const char *store_path, const cJSON *runs, cJSON **results, int *open,
                        struct error *err)
{
    struct store *reader = NULL;
    const cJSON *run;
    *open = 0;
    *results = cJSON_CreateArray();
    int rc = store_open_reader(store_path, &reader, err);
    cJSON_ArrayForEach(run, runs)
    {
        cJSON *document = NULL;
        if (rc == 0)
            rc = query_run(reader, (int64_t)json_number(run, "run", 0), &document, err);
        if (rc < 0)
            break;
        if (json_string(document, "verdict", "")[0])
            cJSON_AddItemToArray(*results, run_result(document));
        else
            ++*open;
        cJSON_Delete(document);
    }
    store_close(reader);
    return rc;
}

/* True while a slot still has one of these runs under way. */
static bool still_running(const cJSON *status, const cJSON *runs)
{
    const cJSON *slot, *run;
    cJSON_ArrayForEach(slot, cJSON_GetObjectItemCaseSensitive(status, "slots"))
    {
        const bool idle = strcmp(json_string(slot, "state", ""), "idle") == 0;
        cJSON_ArrayForEach(run, runs)
        {
            if (!idle && json_number(run, "run", 0) == json_number(slot, "run", -1))
                return true;
        }
    }
    return false;
}

static void detached(void)
{
    fprintf(stderr,
            "\ntakt run: no longer watching; the runs go on (takt console --station ...)\n");
}

/* Follows the runs until none is under way. taktd may end and come back meanwhile. */
static int watch(const char *station, struct client **client, const cJSON *runs,
                 struct run_progress *progress, char notice[NOTICE_MAX], struct error *err)
{
    int64_t lost_ms = 0;
    for (;;) {
        cJSON *event = NULL;
        int rc = 0;
        if (interrupted)
            return ERROR_CANCELLED;
        if (!*client) {
            rc = launch_connect(station, LAUNCH_MS, client, err);
            if (rc == 0)
                rc = client_call(*client, "subscribe", NULL, CALL_MS, &event, err);
        } else {
            rc = client_event(*client, EVENT_MS, &event, err);
        }
        if (rc == 0) {
            lost_ms = 0;
            run_progress_show(progress, event, runs);
            const bool running = still_running(event, runs);
            snprintf(notice, NOTICE_MAX, "%s",
                     json_string(cJSON_GetObjectItemCaseSensitive(event, "pool"), "notice", ""));
            cJSON_Delete(event);
            if (!running)
                return 0;
            continue;
        }
        cJSON_Delete(event);
        if (rc == ERROR_TIMEOUT && *client)
            continue;
        client_close(*client);
        *client = NULL;
        lost_ms = lost_ms ? lost_ms : clock_mono_ms();
        if (clock_mono_ms() - lost_ms > AWAY_MS)
            return error_context(err, "taktd is gone");
        clock_sleep_until_ns(clock_mono_ns() + 200000000);
    }
}

static void print_json(const struct options *o, cJSON *results, const char *notice)
{
    cJSON *document = cJSON_CreateObject();
    const cJSON *r;
    int passed = 0;
    cJSON_ArrayForEach(r, results)
    {
        passed += strcmp(json_string(r, "verdict", ""), "pass") == 0;
    }
    cJSON_AddStringToObject(document, "order", o->order);
    cJSON_AddStringToObject(document, "plan", o->plan);
    cJSON_AddNumberToObject(document, "passed", passed);
    cJSON_AddNumberToObject(document, "failed", cJSON_GetArraySize(results) - passed);
    cJSON_AddItemReferenceToObject(document, "runs", results);
    if (notice[0])
        cJSON_AddStringToObject(document, "notice", notice);
    char *text = cJSON_Print(document);
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(document);
}

static int store_of(const char *station, char *out, size_t out_size, struct error *err)
{
    struct station_file *file = NULL;
    int rc = station_file_load(station, &file, err);
    if (rc == 0)
        rc = file_join(out, out_size, file->state_dir, STORE_FILE, err);
    station_file_free(file);
    return rc;
}

/* Everything behind the arguments. */
static int run(struct options *o, bool *began, int *status, struct error *err)
{
    char store[PATH_MAX], notice[NOTICE_MAX] = "";
    struct client *client = NULL;
    cJSON *runs = NULL, *results = NULL;
    struct run_progress progress = {0};
    int open = 0;
    int rc = store_of(o->station, store, sizeof store, err);
    if (rc == 0)
        rc = launch_connect(o->station, LAUNCH_MS, &client, err);
    if (rc == 0)
        rc = start_runs(client, o, &runs, err);
    if (rc < 0)
        goto out;
    *began = true;
    /* Subscribed anew in watch(): a session that only watches is a small one. */
    client_close(client);
    client = NULL;
    rc = watch(o->station, &client, runs, &progress, notice, err);
    run_progress_end(&progress);
    if (rc == ERROR_CANCELLED) {
        detached();
        *status = 128 + interrupted;
        rc = 0;
        goto out;
    }
    if (rc == 0)
        rc = read_results(store, runs, &results, &open, err);
    if (rc == 0 && open)
        rc = error_set(err, ERROR_STATE, "%d runs ended without a verdict", open);
    if (rc < 0)
        goto out;
    if (o->json)
        print_json(o, results, notice);
    else
        run_result_table(results, stdout);
    if (notice[0])
        fprintf(stderr, "takt run: %s\n", notice);
    *status = run_result_status(results);
out:
    client_close(client);
    cJSON_Delete(runs);
    cJSON_Delete(results);
    return rc;
}

static int take_slot(struct options *o, const char *text)
{
    char *end;
    const long slot = strtol(text, &end, 10);
    if (end == text || *end || slot < 1 || slot > STATION_SLOTS_MAX)
        return cli_usage("takt run: --slot %s: expected 1 to %d", text, STATION_SLOTS_MAX);
    o->slots = o->slots ? o->slots : cJSON_CreateArray();
    cJSON_AddItemToArray(o->slots, cJSON_CreateNumber((double)slot));
    return 0;
}

static int take_option(struct options *o, int option, const char *value)
{
    switch (option) {
    case 's':
        o->station = value;
        return 0;
    case 'p':
        o->plan = value;
        return 0;
    case 'o':
        o->order = value;
        return 0;
    case 'n':
        o->operator_name = value;
        return 0;
    case 'c':
        o->serials = o->serials ? o->serials : cJSON_CreateArray();
        cJSON_AddItemToArray(o->serials, cJSON_CreateString(value));
        return 0;
    case 't':
        return take_slot(o, value);
    case 'm':
        o->mode = value;
        return 0;
    case 'a':
        o->again = true;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    }
    return 0;
}

/* What taktd refused at the start was asked for wrongly; what broke on the way is the station's. */
static int finish(int rc, bool began, int status, const struct error *err)
{
    if (rc == 0)
        return status;
    const int said = cli_fail("run", err);
    if (began)
        return CLI_STATION;
    return rc == ERROR_REFUSED || rc == ERROR_FULL || rc == ERROR_STATE ? CLI_USAGE : said;
}

int cli_run(int argc, char **argv)
{
    static const struct option options[] = {{"station", required_argument, NULL, 's'},
                                            {"plan", required_argument, NULL, 'p'},
                                            {"order", required_argument, NULL, 'o'},
                                            {"serial", required_argument, NULL, 'c'},
                                            {"slot", required_argument, NULL, 't'},
                                            {"operator", required_argument, NULL, 'n'},
                                            {"mode", required_argument, NULL, 'm'},
                                            {"again", no_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *user = getenv("USER");
    struct options o = {.operator_name = user && user[0] ? user : "operator"};
    struct error err = {0};
    int option, status = CLI_OK;
    while (status == 0 && (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CLI_OK;
        }
        status = option == '?' || option == ':' ? cli_bad_option("run", option, argv, options)
                                                : take_option(&o, option, optarg);
    }
    const char *missing = !o.station ? "--station" : !o.plan ? "--plan" : "--order";
    if (status == 0 && optind != argc)
        status = cli_usage("takt run: '%s' is not an option, see takt run --help", argv[optind]);
    else if (status == 0 && (!o.station || !o.plan || !o.order))
        status = cli_usage("takt run: %s is needed, see takt run --help", missing);
    if (status == 0) {
        const struct sigaction action = {.sa_handler = on_interrupt};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        bool began = false;
        const int rc = run(&o, &began, &status, &err);
        status = finish(rc, began, status, &err);
    }
    cJSON_Delete(o.slots);
    cJSON_Delete(o.serials);
    return status;
}
