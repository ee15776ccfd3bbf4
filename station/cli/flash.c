/* takt flash: one unit, by one of the ways there are. */
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "station/cli/command.h"
#include "station/cli/flash_learn.h"
#include "station/cli/flash_progress.h"
#include "station/cli/places.h"
#include "station/flash/flash_methods.h"

static const char usage[] =
    "takt flash --method METHOD --port PORT --bundle FILE --key FILE [option...]";

struct options {
    const char *method, *port, *bundle, *key, *board, *log, *programs, *tftp, *address;
    char slot;
    int learn_slots; /* 0 = flash */
    int wait_s;      /* 0 = the method's own */
    bool json;
};

static bool cancelled;

static void help(void)
{
    printf("usage: %s\n\nMethods, and what their port looks like:\n", usage);
    for (size_t i = 0; flash_methods[i]; i++)
        printf("  %-9s %s\n            --port %s\n", flash_methods[i]->name,
               flash_methods[i]->about, flash_methods[i]->port);
    printf(
        "\n"
        "  --bundle FILE   what is flashed, see takt bundle\n"
        "  --key FILE      the public key whose bundles are flashed\n"
        "  --board NAME    the unit's board, or a board file; the bundle's unless given\n"
        "  --slot a|b      where kernel and root file system go; a unless given\n"
        "  --programs DIR  what runs in the unit's memory only (flasher.uimage, castflash.fit); "
        "the "
        "bundle's\n"
        "                  folder unless given\n"
        "  --wait SECONDS  usb: until a unit is back from a change of stage; 30 unless given\n"
        "                  uart: until the unit has power and its boot loader prompts; 60 unless\n"
        "                  given\n"
        "  --tftp ADDRESS  uart: serve images by TFTP at this address of the station, and have\n"
        "                  the boot loader fetch them from there\n"
        "  --address A/N   with --tftp: the unit's address, N bits of it the network's; from a\n"
        "                  DHCP server unless given\n"
        "  --log FILE      what the unit said from its first byte, each line with its time\n"
        "  --json          the result as one JSON document on stdout\n"
        "  --learn SLOTS   flash nothing: units are plugged in one after another, and each\n"
        "                  slot's USB port is printed; with --board only such units count\n\n"
        "Ctrl-C stops at the next place where nothing is half written. Exit status: 0 flashed\n"
        "and verified on the unit, 1 not, 2 wrong use or input, 3 no way to the unit.\n");
}

static void on_interrupt(int number)
{
    cancelled = true;
}

static int take_option(struct options *o, int option, const char *value)
{
    switch (option) {
    case 'm':
        o->method = value;
        return 0;
    case 'p':
        o->port = value;
        return 0;
    case 'b':
        o->bundle = value;
        return 0;
    case 'k':
        o->key = value;
        return 0;
    case 'B':
        o->board = value;
        return 0;
    case 'l':
        o->log = value;
        return 0;
    case 'P':
        o->programs = value;
        return 0;
    case 'w':
        o->wait_s = atoi(value);
        if (strspn(value, "0123456789") != strlen(value) || o->wait_s < 1 || o->wait_s > 3600)
            return cli_usage("takt flash: --wait %s: expected seconds, 1 to 3600", value);
        return 0;
    case 't':
        o->tftp = value;
        return 0;
    case 'a':
        o->address = value;
        return 0;
    case 'L':
        o->learn_slots = atoi(value);
        if (strspn(value, "0123456789") != strlen(value) || o->learn_slots < 1 ||
            o->learn_slots > 256)
            return cli_usage("takt flash: --learn %s: expected how many slots, 1 to 256", value);
        return 0;
    case 's':
        if (strcmp(value, "a") != 0 && strcmp(value, "b") != 0)
            return cli_usage("takt flash: --slot %s: expected a or b", value);
        o->slot = value[0];
        return 0;
    default:
        o->json = true;
        return 0;
    }
}

static void print_json(const struct flash_result *r, const struct error *err)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddBoolToObject(root, "verified", r->verified);
    cJSON_AddNumberToObject(root, "bytes", (double)r->bytes);
    cJSON_AddNumberToObject(root, "sent_bytes", (double)r->sent_bytes);
    cJSON_AddNumberToObject(root, "written_bytes", (double)r->written_bytes);
    cJSON_AddNumberToObject(root, "seconds", r->seconds);
    if (err->code) {
        cJSON *error = cJSON_AddObjectToObject(root, "error");
        cJSON_AddStringToObject(error, "code", error_name(err->code));
        cJSON_AddStringToObject(error, "text", err->text);
    }
    char *text = cJSON_Print(root);
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(root);
}

/* Bundle with its key, and the board it is for unless another was named. */
static int open_bundle(const struct options *o, struct board *board, struct bundle **out,
                       struct error *err)
{
    struct buffer key = {0};
    char path[PATH_MAX];
    int rc = file_read(o->key, &key, err);
    if (!rc && !buffer_text(&key))
        rc = error_set(err, ERROR_MEMORY, "%s: out of memory", o->key);
    if (!rc)
        rc = bundle_open(o->bundle, buffer_text(&key), out, err);
    if (!rc)
        rc = places_board(o->board ? o->board : bundle_manifest(*out)->board, path, err);
    if (!rc)
        rc = board_load(path, board, err);
    buffer_free(&key);
    return rc;
}

static int status_of(int rc)
{
    switch (rc) {
    case 0:
        return CLI_OK;
    case ERROR_INPUT:
        return CLI_USAGE;
    case ERROR_MISSING:
    case ERROR_BUSY:
    case ERROR_REFUSED:
        return CLI_STATION;
    default:
        return CLI_FAILED;
    }
}

static int flash(const struct options *o, const struct flash_method *method)
{
    struct error err = {0};
    struct board board;
    struct bundle *bundle = NULL;
    struct flash_result result = {0};
    struct flash_progress_line line = {0};
    struct flash_job job = {.board = &board,
                            .port = o->port,
                            .slot = o->slot,
                            .tftp = o->tftp,
                            .unit_address = o->address,
                            .wait_ms = o->wait_s * 1000,
                            .cancel = &cancelled,
                            .progress = flash_progress_show,
                            .context = &line};
    char folder[PATH_MAX];
    const struct sigaction interrupt = {.sa_handler = on_interrupt};
    int status = CLI_USAGE;
    int rc = open_bundle(o, &board, &bundle, &err);
    if (rc)
        goto out;
    job.bundle = bundle;
    snprintf(folder, sizeof folder, "%s", o->bundle);
    job.programs = o->programs ? o->programs : dirname(folder);
    rc = o->log ? flash_log_open(o->log, &job.log, &err) : 0;
    if (!rc)
        rc = flash_check(&job, &err);
    if (rc)
        goto out;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    rc = method->write(&job, &result, &err);
    flash_progress_end(&line);
    status = status_of(rc);
    if (o->json)
        print_json(&result, &err);
    else if (!rc)
        printf("%.1f MB in %.1f s, %.1f MB written, %s\n", (double)result.bytes / 1e6,
               result.seconds, (double)result.written_bytes / 1e6,
               method->done ? method->done : "verified on the unit");
out:
    if (rc) {
        flash_log_note(job.log, "%s", err.text);
        cli_fail("flash", &err);
    }
    flash_log_close(job.log);
    bundle_close(bundle);
    return status;
}

int cli_flash(int argc, char **argv)
{
    static const struct option options[] = {{"method", required_argument, NULL, 'm'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"bundle", required_argument, NULL, 'b'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"board", required_argument, NULL, 'B'},
                                            {"slot", required_argument, NULL, 's'},
                                            {"log", required_argument, NULL, 'l'},
                                            {"programs", required_argument, NULL, 'P'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"learn", required_argument, NULL, 'L'},
                                            {"wait", required_argument, NULL, 'w'},
                                            {"tftp", required_argument, NULL, 't'},
                                            {"address", required_argument, NULL, 'a'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct options o = {.slot = 'a'};
    const struct flash_method *method = NULL;
    struct error err = {0};
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CLI_OK;
        }
        const int status = option == '?' || option == ':'
                               ? cli_bad_option("flash", option, argv, options)
                               : take_option(&o, option, optarg);
        if (status)
            return status;
    }
    if (optind != argc)
        return cli_usage("takt flash: %s: expected options alone, see takt flash --help",
                         argv[optind]);
    if (o.learn_slots)
        return cli_flash_learn(o.board, o.learn_slots, o.json);
    if (!o.method || !o.port || !o.bundle || !o.key)
        return cli_usage("takt flash: --method, --port, --bundle and --key are needed");
    if (o.tftp && strcmp(o.method, "uart") != 0)
        return cli_usage("takt flash: --tftp is for --method uart");
    if (o.address && !o.tftp)
        return cli_usage("takt flash: --address needs --tftp");
    if (flash_method_find(o.method, &method, &err)) {
        cli_fail("flash", &err);
        return CLI_USAGE;
    }
    return flash(&o, method);
}
