/* A store as a line would fill it, made from a seed: stations of eight slots, twenty steps of three
 * figures, two per cent of the units failing, some tested again, one slot that drifts. */
#ifndef TAKT_TESTS_GENERATED_LINE_H
#define TAKT_TESTS_GENERATED_LINE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/splitmix.h"
#include "reports/store.h"

enum {
    LINE_STATIONS = 4,
    LINE_SLOTS = 8,
    LINE_STEPS = 20,
    LINE_FIGURES = 3,
    LINE_ORDER_UNITS = 5000,
    LINE_UNIT_MS = 864, /* 100,000 a day */
    LINE_RARE_ONE_IN = 100,
};
#define LINE_PROGRAM         "0.1.0"
#define LINE_RARE_INSTRUMENT "P-2" /* the supply of one unit in LINE_RARE_ONE_IN */

static const char *const line_steps[LINE_STEPS] = {
    "scan",    "power_on", "connect", "flash",    "identity", "image",   "infrared",
    "colour",  "noise",    "ptz_pan", "ptz_tilt", "mic",      "speaker", "wifi_2g",
    "wifi_5g", "card",     "button",  "power",    "lock",     "label"};
static const char *const line_figures[LINE_FIGURES] = {"level", "spread", "time"};

struct generated_line {
    struct store *store;
    uint64_t random;
    int64_t start_ms; /* of the first unit */
};

static inline void line_need(int rc, const struct error *err)
{
    if (rc) {
        fprintf(stderr, "generated line: %s\n", err->text);
        exit(3);
    }
}

static inline double line_normal(uint64_t *random)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (double)(splitmix_next(random) >> 11) * 0x1p-53;
    return sum - 6;
}

/* What every run of the line says of itself. */
static inline struct run_record line_record(const char *order, const char *station,
                                            const char *serial, int64_t at_ms)
{
    return (struct run_record){.order = order,
                               .product = "ptz-indoor-3mp",
                               .plan = "ptz-indoor-3mp/line",
                               .plan_sha256 = "",
                               .limits_sha256 = "",
                               .product_sha256 = "",
                               .bundle_sha256 = "",
                               .program_version = LINE_PROGRAM,
                               .site = "lab",
                               .line = "L1",
                               .station = station,
                               .slot = 1,
                               .serial = serial,
                               .operator_name = "",
                               .mode = "production",
                               .started_wall_ms = at_ms};
}

/* One run; 0 when a step failed. A fault of the unit shows in each of its runs. */
static inline int line_run(struct generated_line *l, int64_t unit, int64_t at_ms, int faulty_step)
{
    struct error err = {0};
    char order[32], station[32], serial[32], chip[32];
    int k = (int)(unit % (LINE_STATIONS * LINE_SLOTS)), passed = 1;
    snprintf(order, sizeof order, "WO-%04lld", (long long)(unit / LINE_ORDER_UNITS + 1));
    snprintf(station, sizeof station, "final-%d", k / LINE_SLOTS + 1);
    snprintf(serial, sizeof serial, "SN%09lld", (long long)unit);
    snprintf(chip, sizeof chip, "c0ffee%010llx", (long long)unit);
    const struct instrument_record set[] = {
        {"light", "box", "L-1", "C-1", "2026-01-05", "2027-01-05"},
        {"power_supply", "psu", unit % LINE_RARE_ONE_IN ? "P-1" : LINE_RARE_INSTRUMENT,
         unit % LINE_RARE_ONE_IN ? "C-2" : "C-3", "2026-01-05", "2027-01-05"}};
    struct run_record run = line_record(order, station, serial, at_ms);
    run.slot = k % LINE_SLOTS + 1;
    run.operator_name = k % 2 ? "li" : "wang";
    run.instruments = set;
    run.instrument_count = 2;
    line_need(store_run_open(l->store, &run, &err), &err);
    line_need(store_run_unit(l->store, run.id, chip, "", &err), &err);
    for (int step = 0; step < LINE_STEPS && passed; step++) {
        struct measurement_record m[LINE_FIGURES];
        char names[LINE_FIGURES][32];
        for (int f = 0; f < LINE_FIGURES; f++) {
            double spread = 0.18 + 0.01 * step, value = 10 + spread * line_normal(&l->random);
            value += step == 7 && k == 5 ? 0.4 : 0; /* the light of one slot is too bright */
            value += step == faulty_step && (f == 0 || (step == 5 && f == 1)) ? 3 : 0;
            snprintf(names[f], sizeof names[f], "%s_%s", line_steps[step], line_figures[f]);
            int good = value <= 11.5 && value >= 8.5;
            m[f] = (struct measurement_record){.name = names[f],
                                               .unit = f == 2 ? "s" : "dB",
                                               .value = value,
                                               .has_low = true,
                                               .has_high = true,
                                               .low = 8.5,
                                               .high = 11.5,
                                               .verdict = good ? VERDICT_PASS : VERDICT_FAIL};
            passed &= good;
        }
        const struct step_record record = {.run = run.id,
                                           .index = step,
                                           .attempt = 1,
                                           .id = line_steps[step],
                                           .kind = line_steps[step],
                                           .verdict = passed ? VERDICT_PASS : VERDICT_FAIL,
                                           .message = passed ? "" : "outside its limits",
                                           .started_wall_ms = at_ms + step * 1000,
                                           .duration_ms = 1000,
                                           .measurements = m,
                                           .measurement_count = LINE_FIGURES};
        line_need(store_step(l->store, &record, &err), &err);
    }
    line_need(store_run_close(l->store, run.id, passed ? VERDICT_PASS : VERDICT_FAIL,
                              passed ? "" : "outside its limits", at_ms + LINE_STEPS * 1000, &err),
              &err);
    return passed;
}

/* Units `from` to `to`, in the order of their time; 256 runs a transaction. */
static inline void line_generate(struct generated_line *l, int64_t from, int64_t to)
{
    struct error err = {0};
    for (int64_t unit = from; unit < to; unit++) {
        uint64_t r = splitmix_next(&l->random);
        int faulty =
            r % 50 == 0 ? (int)(r / 50 % 5 == 0 ? r / 250 % LINE_STEPS : 5 + r / 250 % 2) : -1;
        if ((unit - from) % 256 == 0)
            line_need(store_begin(l->store, &err), &err);
        int64_t at = l->start_ms + unit * LINE_UNIT_MS;
        /* Half of the faulty ones are tested again; of those half were only badly seated. */
        if (!line_run(l, unit, at, faulty) && r >> 60 & 1)
            line_run(l, unit, at + 30000, r >> 61 & 1 ? -1 : faulty);
        if ((unit - from) % 256 == 255 || unit + 1 == to)
            line_need(store_commit(l->store, &err), &err);
    }
}

#endif
