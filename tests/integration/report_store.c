/* A store for suites to look at: report_store FILE|ADDRESS UNITS [NOW_MS]
 * UNITS of a line that ended just now, or at NOW_MS, the last few with names that a page or a sheet
 * could take for something else; and two campaigns, lots L-OLD and L-NEW, whose units last as long
 * as the patients of Freireich et al. 1963 under placebo and under 6-mercaptopurine. */
#include <math.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "reports/campaign.h"
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

static const char *const digest =
    "5f2c1a0be4d3977700112233445566778899aabbccddeeff0011223344556677";

enum { LOT_UNITS = 21 };
enum { RSS, MTF50, FIGURES };
enum { CAMPAIGN_HOURS = 35 };

/* Hours, negative: still good then. */
static const double old_hours[LOT_UNITS] = {1, 1, 2,  2,  3,  4,  4,  5,  5,  8, 8,
                                            8, 8, 11, 11, 12, 12, 15, 17, 22, 23};
static const double new_hours[LOT_UNITS] = {6,   6,   6,   -6, 7,  -9,  10,  -10, -11, 13, 16,
                                            -17, -19, -20, 22, 23, -25, -32, -32, -34, -35};

/* It ended as the line began. */
static int64_t campaign_start_ms(const struct generated_line *l)
{
    return l->start_ms - CAMPAIGN_HOURS * INT64_C(3600000);
}

static void unit_of_campaign(struct generated_line *l, int64_t id, int number, double hours)
{
    struct error err = {0};
    const bool failed = hours > 0;
    const double to = fabs(hours);
    char chip[24], place[24], serial[24];
    snprintf(chip, sizeof chip, "c4a7%012d", number);
    snprintf(place, sizeof place, "slot %d", number);
    snprintf(serial, sizeof serial, "SN%09d", 1000 + number);
    const struct campaign_unit_record u = {
        .number = number,
        .place = place,
        .port = "",
        .chip_id = chip,
        .serial = serial,
        .state = failed ? "failed" : "left",
        .cause =
            failed ? "health.rss_bytes drifted by 27.1 % from its own start, 25 are allowed" : "",
        .cause_figure = failed ? RSS : -1,
        .watched_ms = (int64_t)(to * 3600000),
        .watch = "{\"figures\": [[0, 0, null, 0, 5, 0, 0, 7400000, 0],"
                 " [0, 0, null, 0, 5, 0, 0, 0.24, 0]]}"};
    line_need(store_campaign_unit(l->store, id, &u, &err), &err);
    for (int hour = 0; hour < to; hour++) {
        const double rss = 7.4e6 * (1 + (failed ? 0.27 * hour / to : 0.01 * (hour % 3)));
        const struct campaign_row_record rows[] = {
            {number, RSS, hour * INT64_C(3600000), 60, rss - 1e4, rss + 1e4, rss, 4e3},
            {number, MTF50, hour * INT64_C(3600000), 1, 0.24, 0.24, 0.24 - 0.0002 * hour, 0}};
        for (int i = 0; i < FIGURES; i++)
            line_need(store_campaign_row(l->store, id, &rows[i], &err), &err);
    }
    const struct campaign_event_record e = {number, u.watched_ms,
                                            campaign_start_ms(l) + u.watched_ms, u.state, u.cause};
    line_need(store_campaign_event(l->store, id, &e, &err), &err);
}

/* The chamber is the second condition of the file. */
static void campaign(struct generated_line *l, const char *lot, const double *hours)
{
    struct error err = {0};
    static const struct campaign_figure_record figures[FIGURES] = {
        {RSS, "health.rss_bytes", "B", NAN, NAN, NAN, 25, NAN, NAN},
        {MTF50, "image.mtf50_centre", "cycles/px", 0.2, NAN, -15, NAN, NAN, NAN}};
    static const struct instrument_record oven = {"chamber",    "oven",       "CH-9",
                                                  "C-2026-114", "2026-01-05", "2027-01-05"};
    struct campaign_record c = {
        .name = "hot-aging",
        .file = "{ \"campaign\": \"hot-aging\", \"conditions\": { \"supply_v\": {},"
                " \"chamber_c\": {} } }",
        .sha256 = digest,
        .plan = "ptz-indoor-3mp/endurance",
        .plan_sha256 = digest,
        .limits_sha256 = digest,
        .lot = lot,
        .operator_name = "anna",
        .station = "qa1",
        .program_version = "1",
        .clock = "system",
        .seed = 7,
        .started_ms = campaign_start_ms(l),
        .confidence = 0.9,
        .activation_ev = 0.7,
        .use_c = 25};
    line_need(store_begin(l->store, &err), &err);
    line_need(store_campaign_open(l->store, &c, &err), &err);
    for (int i = 0; i < FIGURES; i++)
        line_need(store_campaign_figure(l->store, c.id, &figures[i], &err), &err);
    line_need(store_campaign_instrument(l->store, c.id, &oven, &err), &err);
    for (int hour = 0; hour < CAMPAIGN_HOURS; hour++)
        for (int k = 0; k < 4; k++) {
            const double value = k < 2 ? 5 : hour ? 50 - 0.3 * (k == 3) : 25;
            const struct campaign_row_record r = {
                0, k, hour * INT64_C(3600000), 720, value - 0.2, value + 0.2, value, 0.1};
            line_need(store_campaign_row(l->store, c.id, &r, &err), &err);
        }
    for (int i = 0; i < LOT_UNITS; i++)
        unit_of_campaign(l, c.id, i + 1, hours[i]);
    line_need(store_campaign_progress(l->store, c.id, "finished", "",
                                      CAMPAIGN_HOURS * INT64_C(3600000), l->start_ms, "", &err),
              &err);
    line_need(store_commit(l->store, &err), &err);
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
    campaign(&line, "L-OLD", old_hours);
    campaign(&line, "L-NEW", new_hours);
    store_close(line.store);
    return 0;
}
