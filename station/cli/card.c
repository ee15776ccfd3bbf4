/* takt card: flashing cards, which readers there are and what units left on a card. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "protocol/base/buffer.h"
#include "protocol/base/json.h"
#include "protocol/formats/card_record.h"
#include "station/cli/command.h"
#include "station/flash/sd/card_disk.h"
#include "station/flash/sd/card_image.h"

enum { DISKS_MAX = 64 };

static void help(void)
{
    puts("usage: takt card list [--json]\n"
         "       takt card result DISK|IMAGE [--json]\n\n"
         "list     disks that can be taken out, what is in them, and why one is not written\n"
         "result   what units did that were switched on with a card of takt flash --method sd, in\n"
         "         the order in which they did it. Exit status 0 when all were flashed, 1 when\n"
         "         one was not or none was switched on with it, 2 when it is no such card.");
}

/* ---- list --------------------------------------------------------------------------------- */

static void print_disk(const struct card_disk *d, const struct error *why)
{
    printf("/dev/%-10s %8.1f MB  ", d->name, (double)d->bytes / 1e6);
    cli_print_words(d->model);
    if (why->code) {
        printf("  not to be written: ");
        cli_print_words(why->text);
    } else if (!d->bytes) {
        printf("  no card");
    } else if (d->read_only) {
        printf("  write-protected");
    }
    putchar('\n');
}

static cJSON *disk_json(const struct card_disk *d, const struct error *why)
{
    char path[40];
    cJSON *o = cJSON_CreateObject();
    snprintf(path, sizeof path, "/dev/%.31s", d->name);
    cJSON_AddStringToObject(o, "disk", path);
    cJSON_AddStringToObject(o, "model", d->model);
    cJSON_AddNumberToObject(o, "bytes", (double)d->bytes);
    cJSON_AddBoolToObject(o, "read_only", d->read_only);
    if (why->code)
        cJSON_AddStringToObject(o, "why_not", why->text);
    return o;
}

static void print_json(cJSON *root)
{
    char *text = cJSON_Print(root);
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(root);
}

static int list(bool as_json)
{
    static struct card_disk disks[DISKS_MAX];
    static struct error why[DISKS_MAX];
    const struct card_kernel kernel = {0};
    const size_t count = card_disk_list(&kernel, disks, why, DISKS_MAX);
    cJSON *root = as_json ? cJSON_CreateArray() : NULL;
    for (size_t i = 0; i < count; i++)
        if (as_json)
            cJSON_AddItemToArray(root, disk_json(&disks[i], &why[i]));
        else
            print_disk(&disks[i], &why[i]);
    if (as_json)
        print_json(root);
    return CLI_OK;
}

/* ---- result ------------------------------------------------------------------------------- */

static void print_record(size_t number, const struct card_record *r)
{
    printf("%4zu  %s  %s  %s", number, r->flashed ? "flashed" : "FAILED ",
           *r->unit ? r->unit : "unit without a name", r->bundle);
    if (!r->flashed)
        printf("\n        %s", r->why);
    if (*r->written)
        printf("\n        written: %s", r->written);
    else if (r->flashed)
        printf("\n        nothing was to be written");
    putchar('\n');
}

static cJSON *record_json(const struct card_record *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddBoolToObject(o, "flashed", r->flashed);
    cJSON_AddStringToObject(o, "unit", r->unit);
    cJSON_AddStringToObject(o, "bundle", r->bundle);
    cJSON_AddStringToObject(o, "written", r->written);
    cJSON_AddStringToObject(o, "why", r->why);
    return o;
}

/* A card that was in a unit since this machine last read it. */
static void forget_cached(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        ioctl(fd, BLKFLSBUF, 0);
        close(fd);
    }
}

static int result(const char *path, bool as_json)
{
    struct buffer report = {.limit_bytes = CARD_REPORT_MAX};
    struct card_record record;
    struct error err = {0};
    size_t at = 0, count = 0, failed = 0;
    cJSON *root = NULL;
    if (access(path, F_OK)) {
        error_errno(&err, ERROR_INPUT, "%s", path);
        return cli_fail("card result", &err), CLI_USAGE;
    }
    forget_cached(path);
    if (card_image_read(path, CARD_REPORT, &report, &err)) {
        cli_fail("card result", &err);
        buffer_free(&report);
        return CLI_USAGE;
    }
    root = as_json ? cJSON_CreateArray() : NULL;
    while (card_record_next((const char *)report.data, report.size, &at, &record)) {
        count++;
        failed += !record.flashed;
        if (as_json)
            cJSON_AddItemToArray(root, record_json(&record));
        else
            print_record(count, &record);
    }
    if (as_json)
        print_json(root);
    else
        printf("%zu units, %zu not flashed\n", count, failed);
    buffer_free(&report);
    return count && !failed ? CLI_OK : CLI_FAILED;
}

int cli_card(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool as_json = false;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CLI_OK;
        }
        if (option != 'j')
            return cli_bad_option("card", option, argv, options);
        as_json = true;
    }
    const int words = argc - optind;
    if (words == 1 && strcmp(argv[optind], "list") == 0)
        return list(as_json);
    if (words == 2 && strcmp(argv[optind], "result") == 0)
        return result(argv[optind + 1], as_json);
    return cli_usage("takt card: expected list, or result DISK|IMAGE; see takt card --help");
}
