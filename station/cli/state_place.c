#include "station/cli/state_place.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "reports/store.h"

static void folder_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(out, PATH_MAX, "%.*s", (int)(slash > path ? slash - path : 1), path);
    else
        strcpy(out, ".");
}

int state_place_of_station(const char *station_path, struct state_place *out, struct error *err)
{
    struct json_document *d = NULL;
    char folder[PATH_MAX], state[PATH_MAX];
    const char *state_dir = NULL;
    *out = (struct state_place){0};
    folder_of(station_path, folder);
    int rc = json_load(station_path, &d, err);
    if (rc)
        return error_context(err, "the station file");
    if (!(rc = json_need_string(d, json_root(d), "state_dir", &state_dir, err)) &&
        !(rc = file_join(state, sizeof state, folder, state_dir, err)) &&
        !(rc = file_join(out->store, sizeof out->store, state, STORE_FILE, err)) &&
        !(rc = file_join(out->attachments, sizeof out->attachments, state, STORE_ATTACHMENTS,
                         err)) &&
        !(rc = file_join(out->socket, sizeof out->socket, state, "taktd.sock", err)))
        rc = station_file_identities(d, folder, &out->identities, err);
    if (!rc)
        snprintf(out->station, sizeof out->station, "%s", json_string(json_root(d), "station", ""));
    json_free(d);
    return rc;
}

int state_place_of_store(const char *store_path, struct state_place *out, struct error *err)
{
    char folder[PATH_MAX];
    *out = (struct state_place){0};
    if (store_is_address(store_path)) {
        if (snprintf(out->store, sizeof out->store, "%s", store_path) >= (int)sizeof out->store)
            return error_set(err, ERROR_INPUT, "the store's address has %zu bytes, at most %zu",
                             strlen(store_path), sizeof out->store - 1);
        return 0;
    }
    folder_of(store_path, folder);
    int rc = file_join(out->store, sizeof out->store, ".", store_path, err);
    if (!rc)
        rc = file_join(out->attachments, sizeof out->attachments, folder, STORE_ATTACHMENTS, err);
    return rc;
}

int state_place_of(const char *station_path, const char *store_path, struct state_place *out,
                   struct error *err)
{
    return station_path ? state_place_of_station(station_path, out, err)
                        : state_place_of_store(store_path, out, err);
}
