/* takt defect, takt repair: what a person found wrong with a unit, and what was done about it.
 * taktd writes it, started when it does not run. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/engine/client.h"
#include "station/engine/launch.h"

enum { LAUNCH_MS = 15000, CALL_MS = 10000 };

static const char defect_usage[] =
    "takt defect UNIT --code CODE --station STATION.json [--place P] [--text T] [--run N]\n"
    "            [--operator NAME] [--json]\n\n"
    "UNIT is a serial or chip id. The defect's number is what a repair names.\n"
    "  --code   what it is, as the line's list of defects calls it\n"
    "  --place  where on the unit: a part, a position\n"
    "  --run    the run it showed in";
static const char repair_usage[] =
    "takt repair DEFECT --action ACTION --station STATION.json [--part PART] [--text T]\n"
    "            [--operator NAME] [--json]\n\n"
    "DEFECT is the number that takt defect gave.\n"
    "  --action what was done: replaced, resoldered, cleaned, ...\n"
    "  --part   what was put in: `takt trace part PART` finds all units that have one of it";

/* Each value, given as an option of its name, goes to taktd under that name. */
enum { CODE = 'c', PLACE = 'p', TEXT = 't', RUN = 'r', OPERATOR = 'o', ACTION = 'a', PART = 'P' };

static int call_taktd(const char *station, const char *method, cJSON *params, cJSON **result,
                      struct error *err)
{
    struct client *client = NULL;
    int rc = launch_connect(station, LAUNCH_MS, &client, err);
    if (rc)
        cJSON_Delete(params);
    else
        rc = client_call(client, method, params, CALL_MS, result, err);
    client_close(client);
    return rc;
}

static bool whole_number(const char *text, double *out)
{
    char *end;
    *out = (double)strtoll(text, &end, 10);
    return *text && !*end && *out >= 1;
}

struct form {
    const char *command, *usage, *method;
    const char *subject; /* what the argument is, as taktd calls it */
    bool numbered;       /* it is a number */
    const char *needed;  /* option */
    const struct option *options;
};

static int record(const struct form *form, int argc, char **argv)
{
    const char *station = NULL, *operator_name = cli_operator_name();
    bool json = false;
    double number;
    int option, at = 0;
    struct error err = {0};
    cJSON *params = cJSON_CreateObject(), *result = NULL;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", form->options, &at)) != -1) {
        switch (option) {
        case 's':
            station = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            printf("usage: %s\n", form->usage);
            cJSON_Delete(params);
            return CLI_OK;
        case OPERATOR:
            operator_name = optarg;
            break;
        case RUN:
            if (!whole_number(optarg, &number)) {
                cJSON_Delete(params);
                return cli_usage("takt %s: --run '%s' is no run's number", form->command, optarg);
            }
            cJSON_AddNumberToObject(params, "run", number);
            break;
        case ':':
        case '?':
            cJSON_Delete(params);
            return cli_bad_option(form->command, option, argv, form->options);
        default:
            cJSON_DeleteItemFromObject(params, form->options[at].name);
            cJSON_AddStringToObject(params, form->options[at].name, optarg);
        }
    }
    cJSON_AddStringToObject(params, "operator", operator_name);
    const char *subject = optind + 1 == argc ? argv[optind] : "";
    if (!*subject || !station || !*json_string(params, form->needed, "")) {
        cJSON_Delete(params);
        return cli_usage("takt %s: expected a %s, --%s and --station, see takt %s --help",
                         form->command, form->subject, form->needed, form->command);
    }
    if (form->numbered && !whole_number(subject, &number)) {
        cJSON_Delete(params);
        return cli_usage("takt %s: '%s' is no %s's number", form->command, subject, form->subject);
    }
    if (form->numbered)
        cJSON_AddNumberToObject(params, form->subject, number);
    else
        cJSON_AddStringToObject(params, form->subject, subject);
    int rc = call_taktd(station, form->method, params, &result, &err);
    if (!rc && json)
        printf("{\"%s\": %.0f}\n", form->command, json_number(result, form->command, 0));
    else if (!rc)
        printf("%s %.0f is on record\n", form->command, json_number(result, form->command, 0));
    cJSON_Delete(result);
    return rc ? cli_fail(form->command, &err) : CLI_OK;
}

int cli_defect(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"code", required_argument, NULL, CODE},
        {"place", required_argument, NULL, PLACE},
        {"text", required_argument, NULL, TEXT},
        {"run", required_argument, NULL, RUN},
        {"operator", required_argument, NULL, OPERATOR},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const struct form form = {.command = "defect",
                              .usage = defect_usage,
                              .method = "defect.add",
                              .subject = "unit",
                              .needed = "code",
                              .options = options};
    return record(&form, argc, argv);
}

int cli_repair(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"action", required_argument, NULL, ACTION},
        {"part", required_argument, NULL, PART},
        {"text", required_argument, NULL, TEXT},
        {"operator", required_argument, NULL, OPERATOR},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const struct form form = {.command = "repair",
                              .usage = repair_usage,
                              .method = "defect.repair",
                              .subject = "defect",
                              .numbered = true,
                              .needed = "action",
                              .options = options};
    return record(&form, argc, argv);
}
