/* Many simulated unit-months of the product's long run: healthy units are not flagged, planted
 * degradations are found, and after how long is printed. The figures are those of the emulator's
 * physics and of its aging (firmware/hal/emulator/aging.h) with noise on top; judged by the same
 * code and the same file, station/campaigns/long-run.json, as a rack in the hall.
 *
 *   QA_UNIT_MONTHS=1000 build/tests/unit/campaign/test_population      (make soak) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/aging.h"
#include "protocol/base/splitmix.h"
#include "station/campaign/watch.h"
#include "station/engine/vocabulary.h"

enum { UNIT_MONTHS = 60, SEED = 2026 };

static struct campaign *campaign;
static struct vocabulary words;

static double uniform(uint64_t *s)
{
    return (double)(splitmix_mix(*s += SPLITMIX_STEP) >> 11) / 9007199254740992.0;
}

static double normal(uint64_t *s)
{
    const double r = sqrt(-2 * log(1 - uniform(s)));
    return r * cos(6.283185307179586 * uniform(s));
}

/* MTF50 of a Gaussian blur behind one pixel, for sigma from 0.3 to 3 px: 0.1874 over the sigma that
 * lens, defocus and the pixel's own 0.29 px make together (docs/measurements.md has the exact
 * ones). */
static double mtf50(const struct physics *p, double hours)
{
    const double defocus = aging_defocus_px(p, hours);
    return 0.187391 / sqrt(p->lens_blur_px * p->lens_blur_px + defocus * defocus + 0.29 * 0.29);
}

/* What no model is made for here stays where the product's limits want it. */
static double well_within(const struct limit *l)
{
    if (l->has_min && l->has_max)
        return (l->min + l->max) / 2;
    if (l->has_min)
        return l->min + fabs(l->min) / 2;
    return l->has_max ? l->max - fabs(l->max) / 2 : NAN;
}

/* What the steps would have measured at that hour. `day`: room and supply wander together. */
static void sample(const struct physics *p, double hours, uint64_t *s, double *values)
{
    const double day = 2.5 * sin(hours / 24 * 6.283185307179586);
    const struct {
        const char *name;
        double value;
    } all[] = {
        {"health.uptime_s", hours * 3600 + 12},
        {"health.soc_c", p->ambient_c + 22 + day + 0.4 * normal(s)},
        {"health.throttled", 0},
        {"health.rss_bytes", 7.4e6 + (double)aging_leak_bytes(p, hours) + 6e4 * fabs(normal(s))},
        {"health.threads", 9 + (uniform(s) < 0.1)},
        {"health.descriptors", 31 + floor(3 * uniform(s))},
        {"health.bad_blocks", 2 + (double)aging_bad_blocks(p, hours)},
        {"health.filesystem_errors", 0},
        {"health.frame_rate_hz", aging_frame_rate_hz(p, hours) * (1 + 0.004 * normal(s))},
        {"picture.same_ratio", 0.12 + 0.02 * normal(s)},
        {"picture.mean_luma", 110 + 4 * normal(s)},
        {"picture.bright_luma", 190 + 6 * normal(s)},
        {"picture.tear_ratio", 1.1 + 0.05 * fabs(normal(s))},
        {"picture.corrupt_ratio", 0},
        {"image.mtf50_centre", mtf50(p, hours) * (1 + 0.01 * normal(s))},
        {"image.snr_db", 33 + 0.3 * normal(s)},
    };
    for (size_t i = 0; i < campaign->figure_count; i++)
        values[i] = well_within(&campaign->figures[i].limit);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const int figure = campaign_figure_find(campaign, all[i].name);
        assert_true(figure >= 0);
        values[figure] = all[i].value;
    }
}

static void drop_row(void *context, size_t figure, const struct watch_row *row)
{
    ++*(long *)context;
}

/* One unit for the campaign's length; the hour it failed in, or -1. */
static double live(const struct physics *p, uint64_t seed, struct unit_watch *u, long *rows)
{
    const struct watch_sink sink = {drop_row, rows};
    double values[CAMPAIGN_FIGURES_MAX];
    int64_t due[CAMPAIGN_WATCHES_MAX] = {0};
    uint64_t s = seed * UINT64_C(0x9E3779B97F4A7C15);
    watch_join(u, campaign, 0, true);
    for (int64_t at = 0; at <= campaign->duration_ms;) {
        int64_t next = INT64_MAX;
        for (size_t w = 0; w < campaign->watch_count; w++) {
            if (at >= due[w]) {
                sample(p, (double)at / 3600000, &s, values);
                const struct watch_sample one = {.at_ms = at, .watch = w, .values = values};
                if (watch_take(u, campaign, &one, &sink))
                    return (double)at / 3600000;
                due[w] += campaign->watches[w].every_ms;
            }
            next = due[w] < next ? due[w] : next;
        }
        at = next;
    }
    return -1;
}

static void spread(struct physics *p, uint64_t seed)
{
    uint64_t s = seed ^ UINT64_C(0x756e6974);
    physics_nominal(p);
    p->lens_blur_px += 0.02 * normal(&s);
    p->defocus_px = 0.12 * fabs(normal(&s));
    p->ambient_c += normal(&s);
}

static void healthy_units_are_not_flagged(void **state)
{
    const char *asked = getenv("QA_UNIT_MONTHS");
    const int months = asked ? atoi(asked) : UNIT_MONTHS;
    long rows = 0;
    int flagged = 0;
    for (int i = 0; i < months; i++) {
        struct physics p;
        struct unit_watch u;
        spread(&p, SEED + (uint64_t)i);
        const double hour = live(&p, SEED + (uint64_t)i, &u, &rows);
        if (hour >= 0)
            print_message("unit %d (seed %d) was flagged after %.1f h: %s\n", i, SEED + i, hour,
                          u.cause);
        flagged += hour >= 0;
    }
    print_message("%d healthy unit-months from seed %d: %d flagged; %.0f rows a unit-day\n", months,
                  SEED, flagged, (double)rows / months / 30);
    assert_int_equal(flagged, 0);
}

static void planted_degradations_are_found(void **state)
{
    static const struct {
        const char *what, *figure;
        size_t offset;
        double value, expected_h; /* when the drift itself reaches its bound */
    } plants[] = {
        /* 25 % of 7.45 MB at 40 KiB/h */
        {"leak 40 KiB/h", "health.rss_bytes", offsetof(struct physics, leak_kb_h), 40, 45},
        /* MTF50 falls by 15 % where the blur's square grows by 1/0.85^2 - 1: about 0.4 px */
        {"lens loosening 1 px/1000 h", "image.mtf50_centre",
         offsetof(struct physics, lens_loosening_px_kh), 1, 330},
        {"sensor slowing 20 %/1000 h", "health.frame_rate_hz",
         offsetof(struct physics, sensor_slowing_kh), 0.2, 500},
        {"flash wearing 30 blocks/1000 h", "health.bad_blocks",
         offsetof(struct physics, flash_wear_kh), 30, 300},
    };
    for (size_t k = 0; k < sizeof plants / sizeof *plants; k++) {
        double sum = 0, latest = 0;
        enum { UNITS = 5 };
        for (int i = 0; i < UNITS; i++) {
            struct physics p;
            struct unit_watch u;
            long rows = 0;
            spread(&p, 7000 + (uint64_t)i);
            *(double *)((char *)&p + plants[k].offset) = plants[k].value;
            const double hour = live(&p, 7000 + (uint64_t)i, &u, &rows);
            if (hour < 0)
                fail_msg("%s, unit %d: not found in %.0f h", plants[k].what, i,
                         (double)campaign->duration_ms / 3600000);
            assert_true(u.cause_figure >= 0);
            assert_string_equal(campaign->figures[u.cause_figure].name, plants[k].figure);
            sum += hour;
            latest = fmax(latest, hour);
        }
        print_message("%-32s found after %.0f h on average, %.0f h at the latest\n", plants[k].what,
                      sum / UNITS, latest);
        assert_true(fabs(sum / UNITS - plants[k].expected_h) < 0.35 * plants[k].expected_h + 72);
    }
}

static int begin(void **state)
{
    struct error err = {0};
    vocabulary_fill(&words, step_kinds());
    if (campaign_load("station/campaigns/long-run.json", "station/products", &words.words,
                      &campaign, &err))
        print_error("%s\n", err.text);
    return campaign ? 0 : -1;
}

static int end(void **state)
{
    campaign_free(campaign);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy_units_are_not_flagged),
        cmocka_unit_test(planted_degradations_are_found),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
