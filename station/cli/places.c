#include "station/cli/places.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "protocol/formats/board.h"

static int find(char out[PATH_MAX], const char *programs, const char *in_checkout,
                const char *installed, struct error *err)
{
    const char *candidates[] = {in_checkout, installed};
    for (size_t i = 0; i < 2; i++) {
        char path[2 * PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", programs, candidates[i]);
        if (realpath(path, out))
            return 0;
    }
    return error_set(err, ERROR_MISSING, "neither %s/%s nor %s/%s is there", programs, in_checkout,
                     programs, installed);
}

int places_find(struct places *out, struct error *err)
{
    ssize_t n = readlink("/proc/self/exe", out->programs, sizeof out->programs - 1);
    if (n < 0)
        return error_errno(err, ERROR_IO, "cannot tell where this program is");
    out->programs[n] = '\0';
    *strrchr(out->programs, '/') = '\0';
    int rc =
        find(out->products, out->programs, "../station/products", "../share/takt/products", err);
    if (!rc)
        rc = find(out->campaigns, out->programs, "../station/campaigns", "../share/takt/campaigns",
                  err);
    if (!rc)
        rc = find(out->boards, out->programs, "../firmware/boards", "../share/takt/boards", err);
    return rc;
}

static bool is_file(const char *board)
{
    size_t length = strlen(board);
    return strchr(board, '/') || (length > 5 && strcmp(board + length - 5, ".json") == 0);
}

static int no_board(const char *board, const char *folder, struct error *err)
{
    enum { BOARDS_MAX = 64 };
    char names[BOARDS_MAX][BOARD_NAME_MAX];
    const char *list[BOARDS_MAX + 1] = {NULL};
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && count < BOARDS_MAX && (e = readdir(dir));) {
        size_t length = strlen(e->d_name);
        if (length <= 5 || length - 5 >= BOARD_NAME_MAX || !is_file(e->d_name))
            continue;
        snprintf(names[count], BOARD_NAME_MAX, "%.*s", (int)length - 5, e->d_name);
        list[count] = names[count];
        count++;
    }
    if (dir)
        closedir(dir);
    const char *nearest = json_nearest(board, list);
    if (nearest)
        return error_set(err, ERROR_MISSING, "no board '%s', did you mean '%s'?", board, nearest);
    return error_set(err, ERROR_MISSING, "no board '%s' in %s", board, folder);
}

int places_board(const char *board, char path[PATH_MAX], struct error *err)
{
    struct places places;
    char name[BOARD_NAME_MAX + 8];
    if (is_file(board)) {
        int n = snprintf(path, PATH_MAX, "%s", board);
        return n < PATH_MAX ? 0 : error_set(err, ERROR_INPUT, "the path of a board is too long");
    }
    int rc = places_find(&places, err);
    if (rc)
        return rc;
    snprintf(name, sizeof name, "%.*s.json", BOARD_NAME_MAX, board);
    rc = file_join(path, PATH_MAX, places.boards, name, err);
    if (!rc && access(path, F_OK))
        rc = no_board(board, places.boards, err);
    return rc;
}
