/* Runs that wait in a station's outbox, as if the line had been away: queue_runs STATION.json RUNS
 */
#include <limits.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "reports/outbox.h"
#include "tests/bench/generated_line.h"

static void run_with_pictures(struct generated_line *l, const char *attachments_dir)
{
    enum { SMALL = 1000, LARGE = 3000000 };
    struct error err = {0};
    struct run_record run = line_record("WO-P", "final-1", "PICTURES", l->start_ms);
    static uint8_t bytes[LARGE];
    char small[65], text[65], large[65];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)splitmix_next(&l->random);
    line_need(file_make_folders(attachments_dir, 0700, &err), &err);
    line_need(store_attachment_write(attachments_dir, bytes, SMALL, small, &err), &err);
    line_need(store_attachment_write(attachments_dir, "hello", 5, text, &err), &err);
    line_need(store_attachment_write(attachments_dir, bytes, LARGE, large, &err), &err);
    const struct attachment_record a[] = {{"chart", "image/png", small, SMALL},
                                          {"chart again", "image/png", small, SMALL},
                                          {"log", "text/plain", text, 5},
                                          {"raw", "image/png", large, LARGE}};
    struct step_record step = {.attempt = 1,
                               .id = "image",
                               .kind = "image",
                               .verdict = VERDICT_PASS,
                               .attachments = a,
                               .attachment_count = 4};
    line_need(store_run_open(l->store, &run, &err), &err);
    step.run = run.id;
    line_need(store_step(l->store, &step, &err), &err);
    line_need(store_run_close(l->store, run.id, VERDICT_PASS, "", l->start_ms + 1, &err), &err);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct json_document *station = NULL;
    struct generated_line line = {.random = 20261128, .start_ms = 1790000000000};
    char folder[PATH_MAX], state[PATH_MAX], store[PATH_MAX], attachments[PATH_MAX];
    if (argc != 3 && argc != 4)
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
    if (argc == 4)
        run_with_pictures(&line, attachments);
    store_close(line.store);
    json_free(station);
    return 0;
}
