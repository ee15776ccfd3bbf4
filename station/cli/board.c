/* takt board: whether a board file holds together, and what is in it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "station/cli/board_picture.h"
#include "station/cli/command.h"
#include "station/cli/places.h"

static void help(void)
{
    puts("usage: takt board check BOARD...\n"
         "       takt board show BOARD [--json]\n\n"
         "check   reads board files as firmware, image builder and flasher do, and says with file\n"
         "        and line what does not hold. Exit status 0 when all does, else 2.\n"
         "show    what a board is, with a picture of its flash.\n\n"
         "BOARD is a board of this installation (ssc337de-nand128), or a board file.\n\n"
         "  --json   the checked file without its comments, and what follows from it: "
         "offset_bytes,\n"
         "           size_bytes and the address of each partition where the boot loader sees one,\n"
         "           size_bytes of the flash, microsteps_per_deg of an axis");
}

/* The file is read once, so that what is shown is what was checked. */
static int read_board(const char *name, struct board *board, struct json_document **doc,
                      struct error *err)
{
    char path[PATH_MAX];
    struct buffer text = {.limit_bytes = 1 << 20};
    *doc = NULL;
    int rc = places_board(name, path, err);
    if (!rc)
        rc = file_read(path, &text, err);
    const char *bytes = text.data ? (const char *)text.data : "";
    if (!rc)
        rc = board_parse(path, bytes, text.size, board, err);
    if (!rc)
        rc = json_parse(path, bytes, text.size, doc, err);
    buffer_free(&text);
    return rc;
}

/* A product names a board, and what it names is looked for as a file. */
static int check_name(const struct json_document *doc, const struct board *board, struct error *err)
{
    const char *path = json_name(doc), *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    char expected[BOARD_NAME_MAX + 8];
    snprintf(expected, sizeof expected, "%s.json", board->name);
    if (strcmp(file, expected) == 0)
        return 0;
    return json_complain(doc, cJSON_GetObjectItemCaseSensitive(json_root(doc), "board"), err,
                         "board is '%s', expected the file's name without .json", board->name);
}

static int check(char **names)
{
    int status = CLI_OK;
    for (; *names; names++) {
        struct board board;
        struct json_document *doc;
        struct error err = {0};
        int rc = read_board(*names, &board, &doc, &err);
        if (!rc)
            rc = check_name(doc, &board, &err);
        if (!rc) {
            uint64_t used = 0;
            for (size_t i = 0; i < board.partition_count; i++)
                used += board.partitions[i].size_bytes;
            printf("%s: %zu partitions, %" PRIu64 " of %" PRIu64 " KiB of %s flash\n", board.name,
                   board.partition_count, used / 1024, board.flash_bytes / 1024, board.flash_kind);
        } else {
            cli_fail("board", &err);
            status = CLI_USAGE;
        }
        json_free(doc);
    }
    return status;
}

/* ---- show --json: the file, and what follows from it ------------------------------------------
 */

static void add_hex(cJSON *object, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "0x%08" PRIx64, value);
    cJSON_AddStringToObject(object, name, text);
}

static void add_what_follows(cJSON *root, const struct board *b)
{
    cJSON *flash = cJSON_GetObjectItemCaseSensitive(root, "flash"), *item;
    cJSON_AddNumberToObject(flash, "size_bytes", (double)b->flash_bytes);
    size_t i = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(flash, "partitions"))
    {
        const struct board_partition *p = &b->partitions[i++];
        cJSON_AddNumberToObject(item, "offset_bytes", (double)p->offset_bytes);
        cJSON_AddNumberToObject(item, "size_bytes", (double)p->size_bytes);
        if (b->boot.bank_count)
            add_hex(item, "address", board_flash_address(b, p->offset_bytes));
    }
    cJSON *ptz = cJSON_GetObjectItemCaseSensitive(root, "ptz");
    if (b->has_ptz) {
        cJSON_AddNumberToObject(cJSON_GetObjectItemCaseSensitive(ptz, "pan"), "microsteps_per_deg",
                                b->pan.microsteps_per_deg);
        cJSON_AddNumberToObject(cJSON_GetObjectItemCaseSensitive(ptz, "tilt"), "microsteps_per_deg",
                                b->tilt.microsteps_per_deg);
    }
}

static int show(const char *name, bool json)
{
    struct board board;
    struct json_document *doc;
    struct error err = {0};
    char *text = NULL;
    int rc = read_board(name, &board, &doc, &err);
    if (!rc && json) {
        add_what_follows(json_root(doc), &board);
        text = cJSON_Print(json_root(doc));
        if (text)
            puts(text);
        else
            rc = error_set(&err, ERROR_MEMORY, "no memory to print the board");
    } else if (!rc) {
        board_picture(&board, stdout);
    }
    cJSON_free(text);
    json_free(doc);
    return rc ? cli_fail("board", &err) : CLI_OK;
}

int cli_board(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'h':
            help();
            return CLI_OK;
        default:
            return cli_bad_option("board", option, argv, options);
        }
    }
    const char *what = optind < argc ? argv[optind] : "";
    int count = argc - optind - 1;
    if (strcmp(what, "check") == 0 && count >= 1 && !json)
        return check(argv + optind + 1);
    if (strcmp(what, "show") == 0 && count == 1)
        return show(argv[optind + 1], json);
    return cli_usage("takt board: expected `check BOARD...` or `show BOARD [--json]`, see takt "
                     "board --help");
}
