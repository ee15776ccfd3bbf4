/* A store for suites to look at: report_store FILE|ADDRESS UNITS [NOW_MS]
 * UNITS of a line that ended just now, or at NOW_MS, the last few with names that a page or a sheet
 * could take for something else. */
#include <unistd.h>

#include "protocol/base/clock.h"
#include "tests/bench/generated_line.h"

static const char *const hostile[] = {
    "<script>document.title='taken'</script>",
    "\"><img src=x onerror=\"document.title='taken'\">",
    "=cmd|' /C calc'!A0",
    "'); DROP TABLE run;--",
    "\xe6\x91\x84\xe5\x83\x8f\xe5\xa4\xb4-01", /* 摄像头-01 */
};

static void hostile_run(struct generated_line *l, const char *name, int64_t at_ms)
{
    struct error err = {0};
    struct run_record run = line_record("WO-HOSTILE", "final-1", name, at_ms);
    run.operator_name = name;
    line_need(store_run_open(l->store, &run, &err), &err);
    const struct measurement_record m = {
        .name = name, .unit = name, .value = 1, .has_low = true, .low = 2, .verdict = VERDICT_FAIL};
    const struct step_record step = {.run = run.id,
                                     .attempt = 1,
                                     .id = name,
                                     .kind = name,
                                     .verdict = VERDICT_FAIL,
                                     .message = name,
                                     .started_wall_ms = at_ms,
                                     .duration_ms = 5,
                                     .measurements = &m,
                                     .measurement_count = 1};
    line_need(store_step(l->store, &step, &err), &err);
    line_need(store_run_close(l->store, run.id, VERDICT_FAIL, name, at_ms + 10, &err), &err);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct generated_line line = {.random = 1};
    char attachments[512];
    if (argc != 3 && argc != 4)
        return 2;
    int64_t units = atoll(argv[2]), now_ms = argc == 4 ? atoll(argv[3]) : clock_wall_ms();
    snprintf(attachments, sizeof attachments, "%s.attachments", argv[1]);
    line_need(
        store_open(argv[1], store_is_address(argv[1]) ? NULL : attachments, &line.store, &err),
        &err);
    line.start_ms = now_ms - units * LINE_UNIT_MS - 60000;
    line_generate(&line, 0, units);
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++)
        hostile_run(&line, hostile[i], now_ms - 1000 + (int64_t)i);
    store_close(line.store);
    return 0;
}
