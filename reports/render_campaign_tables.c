/* What stands in the tables, tiles and facts of a campaign's page. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"
#include "reports/render_campaign.h"

static double number(const cJSON *object, const char *name)
{
    return json_number(object, name, NAN);
}

static void put(char *cell, const char *text)
{
    snprintf(cell, CAMPAIGN_CELL, "%s", text);
}

static void put_number(char *cell, double value, const char *format, const char *unit)
{
    char text[40];
    snprintf(text, sizeof text, format, value);
    snprintf(cell, CAMPAIGN_CELL, "%s%s", isfinite(value) ? text : "–",
             isfinite(value) ? unit : "");
}

static void put_hours(char *cell, double ms)
{
    put_number(cell, ms / 3600000, "%.4g", "");
}

/* ---- survival, comparison, causes, samples --------------------------------------------------- */

static const cJSON *survival_rows(const cJSON *c)
{
    return member(member(c, "summary"), "survival");
}

static void survival_row(const cJSON *step, char cells[][CAMPAIGN_CELL])
{
    put_number(cells[0], number(step, "hours"), "%.4g", "");
    put_number(cells[1], number(step, "at_risk"), "%.0f", "");
    put_number(cells[2], number(step, "failed"), "%.0f", "");
    put_number(cells[3], 100 * number(step, "good"), "%.4g", " %");
    put_number(cells[4], 100 * number(step, "deviation"), "%.4g", " %");
}

const struct campaign_table campaign_survival_table = {.heading = WORDS,
                                                       .columns = {{WORD_HOURS, 136, true},
                                                                   {WORD_AT_RISK, 136, true},
                                                                   {WORD_FAILED, 136, true},
                                                                   {WORD_STILL_GOOD, 136, true},
                                                                   {WORD_DEVIATION, 138, true}},
                                                       .count = 5,
                                                       .rows = survival_rows,
                                                       .row = survival_row};

static const cJSON *comparison_rows(const cJSON *c)
{
    return member(member(c, "comparison"), "rows");
}

static void comparison_row(const cJSON *row, char cells[][CAMPAIGN_CELL])
{
    put(cells[0], member_text(row, "name"));
    put_number(cells[1], number(row, "unit_hours"), "%.1f", "");
    put_number(cells[2], number(row, "mtbf_bound_h"), "%.4g", "");
    put_number(cells[3], number(row, "failed"), "%.0f", "");
    put_number(cells[4], number(row, "expected"), "%.2f", "");
}

static void comparison_note(const cJSON *c, int language, char *out, size_t size)
{
    const cJSON *of = member(c, "comparison");
    const double p = number(of, "p");
    char test[80] = "";
    if (isfinite(p))
        snprintf(test, sizeof test, ": χ² = %.4g, p = %.3g. ", number(of, "chi_square"), p);
    snprintf(out, size, "%s%s%s%s%s", isfinite(p) ? word_of(language, WORD_LOG_RANK) : "", test,
             word_of(language, isfinite(p) ? WORD_LOG_RANK_NOTE : WORD_NOTHING_TO_COMPARE),
             cJSON_IsTrue(member(of, "same_file")) ? "" : " ",
             cJSON_IsTrue(member(of, "same_file")) ? "" : word_of(language, WORD_OTHER_FILE));
}

const struct campaign_table campaign_comparison_table = {.heading = WORD_COMPARISON,
                                                         .columns = {{WORD_CAMPAIGN, 262, false},
                                                                     {WORD_UNIT_HOURS, 105, true},
                                                                     {WORD_LOWER_BOUND, 105, true},
                                                                     {WORD_FAILED, 80, true},
                                                                     {WORD_EXPECTED, 130, true}},
                                                         .count = 5,
                                                         .rows = comparison_rows,
                                                         .row = comparison_row,
                                                         .note = comparison_note};

static const cJSON *causes_rows(const cJSON *c)
{
    return member(member(c, "summary"), "causes");
}

static void causes_row(const cJSON *row, char cells[][CAMPAIGN_CELL])
{
    put_number(cells[0], number(row, "units"), "%.0f", "");
    put(cells[1], member_text(row, "cause"));
}

const struct campaign_table campaign_causes_table = {
    .heading = WORD_CAUSES,
    .columns = {{WORD_UNITS, 80, true}, {WORD_CAUSE, 602, false}},
    .count = 2,
    .rows = causes_rows,
    .row = causes_row};

static const cJSON *samples_rows(const cJSON *c)
{
    return member(member(member(c, "summary"), "samples"), "rows");
}

static void samples_row(const cJSON *row, char cells[][CAMPAIGN_CELL])
{
    const double mtbf_h = number(row, "mtbf_h");
    if (isfinite(mtbf_h))
        snprintf(cells[0], CAMPAIGN_CELL, "MTBF ≥ %.10g h", mtbf_h);
    else
        snprintf(cells[0], CAMPAIGN_CELL, "R ≥ %.4g %%", 100 * number(row, "good"));
    for (int i = 0; i < 3; i++) {
        const cJSON *units = cJSON_GetArrayItem(member(row, "units"), i);
        put_number(cells[1 + i], cJSON_IsNumber(units) ? units->valuedouble : NAN, "%.0f", "");
    }
}

static void samples_note(const cJSON *c, int language, char *out, size_t size)
{
    const cJSON *summary = member(c, "summary");
    snprintf(out, size, "%.5g h, %s %.4g %%", number(member(summary, "samples"), "hours"),
             word_of(language, WORD_CONFIDENCE), 100 * number(summary, "confidence"));
    if (isfinite(number(summary, "factor")))
        snprintf(out + strlen(out), size - strlen(out), ", %s %.4g",
                 word_of(language, WORD_ACCELERATION), number(summary, "factor"));
}

const struct campaign_table campaign_samples_table = {.heading = WORD_SAMPLES,
                                                      .columns = {{WORD_SHOWN, 262, false},
                                                                  {WORD_NONE_MAY_FAIL, 140, true},
                                                                  {WORD_ONE_MAY_FAIL, 140, true},
                                                                  {WORD_TWO_MAY_FAIL, 140, true}},
                                                      .count = 4,
                                                      .rows = samples_rows,
                                                      .row = samples_row,
                                                      .note = samples_note};

/* ---- what was watched, every unit, instrument and event -------------------------------------- */

/* "-15 … 15 %"; appended behind what is there. */
static void add_bounds(char *out, size_t size, double low, double high, const char *unit)
{
    const size_t used = strlen(out);
    const char *comma = used ? ", " : "";
    if (isfinite(low) && isfinite(high))
        snprintf(out + used, size - used, "%s%.5g … %.5g%s", comma, low, high, unit);
    else if (isfinite(low))
        snprintf(out + used, size - used, "%s≥ %.5g%s", comma, low, unit);
    else if (isfinite(high))
        snprintf(out + used, size - used, "%s≤ %.5g%s", comma, high, unit);
}

/* "≥ 20; Δ -15 … 15 %": its bounds, then those of its change. */
static void bounds_text(const cJSON *f, char *out, size_t size)
{
    char own[160] = "";
    *out = '\0';
    add_bounds(out, size, number(f, "low"), number(f, "high"), "");
    add_bounds(own, sizeof own, number(f, "min_percent"), number(f, "max_percent"), " %");
    add_bounds(own, sizeof own, number(f, "min_change"), number(f, "max_change"), "");
    if (*own) {
        const size_t used = strlen(out);
        snprintf(out + used, size - used, "%sΔ %s", used ? "; " : "", own);
    }
}

static const cJSON *figures_rows(const cJSON *c)
{
    return member(c, "figures");
}

static void figures_row(const cJSON *figure, char cells[][CAMPAIGN_CELL])
{
    put(cells[0], member_text(figure, "name"));
    put(cells[1], member_text(figure, "unit"));
    bounds_text(figure, cells[2], CAMPAIGN_CELL);
}

const struct campaign_table campaign_figures_table = {.heading = WORD_WATCHED,
                                                      .columns = {{WORD_MEASUREMENT, 300, false},
                                                                  {WORD_PHYSICAL_UNIT, 100, false},
                                                                  {WORD_BOUNDS, 282, false}},
                                                      .count = 3,
                                                      .rows = figures_rows,
                                                      .row = figures_row};

static const cJSON *units_rows(const cJSON *c)
{
    return member(c, "units");
}

static void units_row(const cJSON *unit, char cells[][CAMPAIGN_CELL])
{
    put_number(cells[0], number(unit, "number"), "%.0f", "");
    put(cells[1], member_text(unit, "place"));
    put(cells[2], member_text(unit, "serial"));
    put(cells[3], member_text(unit, "chip_id"));
    put_hours(cells[4], json_number(unit, "watched_ms", 0));
    put(cells[5], member_text(unit, "state"));
    put(cells[6], member_text(unit, "cause"));
}

const struct campaign_table campaign_units_table = {.heading = WORD_UNITS,
                                                    .columns = {{WORD_UNIT, 46, true},
                                                                {WORD_PLACE, 62, false},
                                                                {WORD_SERIAL, 100, false},
                                                                {WORD_CHIP_ID, 136, false},
                                                                {WORD_HOURS, 76, true},
                                                                {WORD_STATE, 68, false},
                                                                {WORD_CAUSE, 194, false}},
                                                    .count = 7,
                                                    .rows = units_rows,
                                                    .row = units_row};

static const cJSON *instruments_rows(const cJSON *c)
{
    return member(c, "instruments");
}

static void instruments_row(const cJSON *i, char cells[][CAMPAIGN_CELL])
{
    snprintf(cells[0], CAMPAIGN_CELL, "%.60s (%.60s)", member_text(i, "name"),
             member_text(i, "class"));
    put(cells[1], member_text(i, "serial"));
    put(cells[2], member_text(i, "certificate"));
    put(cells[3], member_text(i, "calibrated_on"));
    put(cells[4], member_text(i, "due_on"));
}

const struct campaign_table campaign_instruments_table = {
    .heading = WORD_INSTRUMENTS,
    .columns = {{WORD_INSTRUMENTS, 230, false},
                {WORD_SERIAL, 112, false},
                {WORD_CERTIFICATE, 140, false},
                {WORD_CALIBRATED, 100, false},
                {WORD_DUE, 100, false}},
    .count = 5,
    .rows = instruments_rows,
    .row = instruments_row};

static const cJSON *events_rows(const cJSON *c)
{
    return member(c, "events");
}

static void events_row(const cJSON *e, char cells[][CAMPAIGN_CELL])
{
    const double unit = json_number(e, "unit", 0);
    put_hours(cells[0], json_number(e, "elapsed_ms", 0));
    put_number(cells[1], unit > 0 ? unit : NAN, "%.0f", "");
    put(cells[2], member_text(e, "kind"));
    put(cells[3], member_text(e, "text"));
}

const struct campaign_table campaign_events_table = {.heading = WORD_EVENTS,
                                                     .columns = {{WORD_HOURS, 90, true},
                                                                 {WORD_UNIT, 60, true},
                                                                 {WORD_EVENT, 92, false},
                                                                 {WORD_REASON, 440, false}},
                                                     .count = 4,
                                                     .rows = events_rows,
                                                     .row = events_row};

/* ---- at the top ------------------------------------------------------------------------------ */

int campaign_tiles(const cJSON *c, struct campaign_tile tiles[CAMPAIGN_TILES_MAX])
{
    const cJSON *s = member(c, "summary");
    const struct campaign_tile all[CAMPAIGN_TILES_MAX] = {
        {WORD_UNITS, number(c, "unit_count"), ""},
        {WORD_FAILED, number(s, "failures"), ""},
        {WORD_UNIT_HOURS, number(s, "unit_hours"), ""},
        {WORD_MTBF, number(s, "mtbf_bound_h"), ""},
        {WORD_ACCELERATION, number(s, "factor"), ""}};
    int count = 0;
    for (int i = 0; i < CAMPAIGN_TILES_MAX; i++) {
        if (!isfinite(all[i].value))
            continue;
        tiles[count] = all[i];
        if (all[i].label == WORD_MTBF)
            snprintf(tiles[count].beside, sizeof tiles->beside, " ≥ (%.4g %%)",
                     100 * number(s, "confidence"));
        if (all[i].label == WORD_ACCELERATION)
            snprintf(tiles[count].beside, sizeof tiles->beside, " %.4g → %.4g °C, %.4g eV",
                     number(s, "stress_c"), number(c, "use_c"), number(c, "activation_ev"));
        count++;
    }
    return count;
}

const struct campaign_fact campaign_facts[] = {{WORD_LOT, "lot", false},
                                               {WORD_STATE, "state", false},
                                               {WORD_REASON, "reason", false},
                                               {WORD_STARTED, "started", false},
                                               {WORD_AS_OF, "last", false},
                                               {WORD_CLOCK, "clock", false},
                                               {WORD_STATION, "station", false},
                                               {WORD_OPERATOR, "operator", false},
                                               {WORD_PLAN, "plan", false},
                                               {WORD_PROGRAM, "program_version", false},
                                               {WORD_SEED, "seed", false},
                                               {WORD_CAMPAIGN, "sha256", true},
                                               {WORD_PLAN, "plan_sha256", true},
                                               {WORD_LIMITS, "limits_sha256", true},
                                               {WORDS, NULL, false}};
