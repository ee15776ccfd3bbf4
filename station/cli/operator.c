/* takt operator: who may work at a station, and signing in for scripts. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/engine/launch.h"
#include "station/engine/pin.h"

enum { LAUNCH_MS = 15000, CALL_MS = 30000 };

static const char usage[] = "takt operator first|add|change|remove|sign-in|pin NAME --station S\n"
                            "       takt operator sign-out|list --station S";

static void help(void)
{
    printf("usage: %s\n\n"
           "Accounts of a station. PINs are asked for at the terminal, or are lines of standard\n"
           "input when that is none.\n\n"
           "  first    the first account of a station, an engineer's (the console does it, too)\n"
           "  add      a new one: --role operator|technician|engineer|qa [--badge B]\n"
           "  change   another --role or --badge; with --new-pin a PIN, which opens a locked one\n"
           "  remove   takes one away; never the last engineer\n"
           "  sign-in  prints a session; commands take it from the variable TAKT_SESSION\n"
           "  sign-out ends the session of TAKT_SESSION\n"
           "  pin      one's own PIN: the old one, then the new one\n"
           "  list     who there is\n\n"
           "  --station S   the station file\n"
           "  --role R      what one may do\n"
           "  --badge B     the number that a scanner reads from a badge\n"
           "  --new-pin     change: ask for a new PIN\n"
           "  --json        list: as JSON\n",
           usage);
}

/* A line of standard input, not shown when it is typed. */
static int read_pin(const char *prompt, char pin[PIN_BYTES_MAX + 2], struct error *err)
{
    struct termios shown;
    const bool typed = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (typed) {
        struct termios hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        fprintf(stderr, "%s: ", prompt);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    const bool got = fgets(pin, PIN_BYTES_MAX + 2, stdin) != NULL;
    if (typed) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    char *end = got ? strchr(pin, '\n') : NULL;
    if (!got)
        return error_set(err, ERROR_INPUT, "%s: none came", prompt);
    if (end)
        *end = '\0';
    else if (strlen(pin) > PIN_BYTES_MAX)
        return error_set(err, ERROR_INPUT, "%s: more than %d characters", prompt, PIN_BYTES_MAX);
    return 0;
}

static int add_pin(cJSON *params, const char *member, const char *prompt, struct error *err)
{
    char pin[PIN_BYTES_MAX + 2] = "";
    int rc = read_pin(prompt, pin, err);
    if (!rc)
        cJSON_AddStringToObject(params, member, pin);
    OPENSSL_cleanse(pin, sizeof pin);
    return rc;
}

static void print_list(const cJSON *result, bool json)
{
    const cJSON *o;
    if (json) {
        char *text = cJSON_Print(cJSON_GetObjectItemCaseSensitive(result, "operators"));
        puts(text ? text : "");
        free(text);
        return;
    }
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(result, "operators"))
    {
        printf("%-12s ", json_string(o, "role", ""));
        cli_print_words(json_string(o, "name", ""));
        if (*json_string(o, "badge", "")) {
            printf("  badge ");
            cli_print_words(json_string(o, "badge", ""));
        }
        if (json_number(o, "locked_s", 0) > 0)
            printf("  locked for %.0f s", json_number(o, "locked_s", 0));
        printf("\n");
    }
}

static const struct act {
    const char *name, *method;
    bool takes_name, old_pin, new_pin;
} acts[] = {
    {"first", "operator.first", true, false, true},
    {"add", "operator.put", true, false, true},
    {"change", "operator.put", true, false, false},
    {"remove", "operator.remove", true, false, false},
    {"sign-in", "operator.sign_in", true, true, false},
    {"pin", "operator.pin", true, true, true},
    {"sign-out", "operator.sign_out", false, false, false},
    {"list", "operator.list", false, false, false},
};

static const struct act *act_of(const char *name)
{
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i].name, name) == 0)
            return &acts[i];
    return NULL;
}

static int serve(const struct act *act, const char *station, cJSON *params, bool new_pin, bool json)
{
    struct error err = {0};
    struct client *client = NULL;
    cJSON *result = NULL;
    int rc = launch_connect(station, LAUNCH_MS, &client, &err);
    const bool signs_in = strcmp(act->name, "sign-in") == 0;
    if (!rc && act->old_pin)
        rc = add_pin(params, signs_in ? "pin" : "old", "PIN", &err);
    if (!rc && new_pin)
        rc = add_pin(params, "pin", "new PIN", &err);
    if (!rc)
        rc =
            client_call(client, act->method, cJSON_Duplicate(params, true), CALL_MS, &result, &err);
    if (!rc && signs_in)
        puts(json_string(result, "session", ""));
    else if (!rc && strcmp(act->name, "list") == 0)
        print_list(result, json);
    cJSON_Delete(result);
    client_close(client);
    return rc ? cli_fail("operator", &err) : CLI_OK;
}

int cli_operator(int argc, char **argv)
{
    static const struct option options[] = {
        {"station", required_argument, NULL, 's'},
        {"role", required_argument, NULL, 'r'},
        {"badge", required_argument, NULL, 'b'},
        {"new-pin", no_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *station = NULL, *role = NULL, *badge = NULL;
    bool json = false, new_pin = false;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            station = optarg;
            break;
        case 'r':
            role = optarg;
            break;
        case 'b':
            badge = optarg;
            break;
        case 'n':
            new_pin = true;
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            help();
            return CLI_OK;
        default:
            return cli_bad_option("operator", option, argv, options);
        }
    }
    const struct act *act = optind < argc ? act_of(argv[optind]) : NULL;
    if (!act || !station || argc - optind != 1 + act->takes_name)
        return cli_usage("takt operator: expected what to do%s and --station, see takt operator "
                         "--help",
                         act && act->takes_name ? ", a NAME" : "");
    cJSON *params = cJSON_CreateObject();
    if (act->takes_name)
        cJSON_AddStringToObject(params, "name", argv[optind + 1]);
    if (role)
        cJSON_AddStringToObject(params, "role", role);
    if (badge)
        cJSON_AddStringToObject(params, "badge", badge);
    int status = serve(act, station, params, act->new_pin || new_pin, json);
    cJSON_Delete(params);
    return status;
}
