/* Runs that wait in a station's outbox, as if the line had been away: queue_runs STATION.json RUNS
 */
#include <limits.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "reports/outbox.h"
#include "tests/bench/generated_line.h"

int main(int argc, char **argv)
{
    struct error err = {0};
    struct json_document *station = NULL;
    struct generated_line line = {.random = 20261128, .start_ms = 1790000000000};
    char folder[PATH_MAX], state[PATH_MAX], store[PATH_MAX], attachments[PATH_MAX];
    if (argc != 3)
        return 2;
    line_need(json_load(argv[1], &station, &err), &err);
    snprintf(folder, sizeof folder, "%s", argv[1]);
    *strrchr(folder, '/') = '\0';
    line_need(file_join(state, sizeof state, folder,
                        json_string(json_root(station), "state_dir", "state"), &err),
              &err);
    line_need(file_make_folders(state, 0700, &err), &err);
    line_need(file_join(store, sizeof store, state, "store.db", &err), &err);
    line_need(file_join(attachments, sizeof attachments, state, "attachments", &err), &err);
    line_need(store_open(store, attachments, &line.store, &err), &err);
    line_need(outbox_configure(line.store, station, &err), &err);
    line_generate(&line, 0, atoll(argv[2]));
    store_close(line.store);
    json_free(station);
    return 0;
}
