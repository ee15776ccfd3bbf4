#include "station/cli/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        rc = find(out->boards, out->programs, "../firmware/boards", "../share/takt/boards", err);
    return rc;
}
