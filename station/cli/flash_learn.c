#include "station/cli/flash_learn.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "station/cli/command.h"
#include "station/cli/places.h"
#include "station/flash/usb/usb_learn.h"

enum { UNIT_WAIT_MS = 120000 };

static bool stopped;

static void on_interrupt(int number)
{
    stopped = true;
}

static int learn(const struct board *board, int slots, cJSON *list, struct error *err)
{
    struct usb_learn l;
    struct usb_port port;
    int rc = usb_learn_start(&l, board, err);
    for (int slot = 1; slot <= slots && !rc; slot++) {
        fprintf(stderr, "plug in the unit of slot %d\n", slot);
        rc = usb_learn_next(&l, UNIT_WAIT_MS, &stopped, &port, err);
        if (rc)
            break;
        char text[sizeof port.name + 4];
        snprintf(text, sizeof text, "usb:%s", port.name);
        if (list) {
            cJSON *item = cJSON_CreateObject();
            cJSON_AddNumberToObject(item, "slot", slot);
            cJSON_AddStringToObject(item, "port", text);
            cJSON_AddItemToArray(list, item);
        } else {
            printf("slot %d  %s\n", slot, text);
            fflush(stdout);
        }
    }
    return rc;
}

int cli_flash_learn(const char *board_name, int slots, bool json)
{
    struct error err = {0};
    struct board board;
    char path[PATH_MAX];
    cJSON *list = json ? cJSON_CreateArray() : NULL;
    const struct sigaction interrupt = {.sa_handler = on_interrupt};
    int rc = board_name ? places_board(board_name, path, &err) : 0;
    if (!rc && board_name)
        rc = board_load(path, &board, &err);
    int status = CLI_USAGE;
    if (!rc) {
        sigaction(SIGINT, &interrupt, NULL);
        sigaction(SIGTERM, &interrupt, NULL);
        rc = learn(board_name ? &board : NULL, slots, list, &err);
        status = rc ? CLI_STATION : CLI_OK;
    }
    char *text = list ? cJSON_Print(list) : NULL;
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(list);
    if (rc)
        cli_fail("flash", &err);
    return status;
}
