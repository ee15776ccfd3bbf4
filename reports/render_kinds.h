/* The rows of the table of renderers, and the words they show. Only renderers include this. */
#ifndef TAKT_REPORTS_RENDER_KINDS_H
#define TAKT_REPORTS_RENDER_KINDS_H

#include <stdbool.h>

#include "reports/render.h"

extern const struct renderer render_html, render_json, render_csv, render_pdf, render_xlsx;

/* Every visible text there is; each has one row in render_words.c with all languages. */
enum word {
    WORD_UNIT,
    WORD_ORDER,
    WORD_STATION,
    WORD_RUN,
    WORD_PASS,
    WORD_FAIL,
    WORD_ERROR,
    WORD_TIMEOUT,
    WORD_ABORTED,
    WORD_SKIPPED,
    WORD_OPEN,
    WORD_SERIAL,
    WORD_CHIP_ID,
    WORD_DID,
    WORD_MAC,
    WORD_IDENTITY,
    WORD_PRODUCT,
    WORD_PLAN,
    WORD_PLAN_SIGNER,
    WORD_LIMITS,
    WORD_BUNDLE,
    WORD_PROGRAM,
    WORD_OPERATOR,
    WORD_SLOT,
    WORD_MODE,
    WORD_STARTED,
    WORD_DURATION,
    WORD_WHY,
    WORD_STEPS,
    WORD_STEP,
    WORD_ATTEMPT,
    WORD_MEASUREMENT,
    WORD_VALUE,
    WORD_VERDICT,
    WORD_PICTURES,
    WORD_ATTACHMENTS,
    WORD_EARLIER_RUNS,
    WORD_OTHER_CHIPS,
    WORD_UNITS,
    WORD_RUNS,
    WORD_PASSED,
    WORD_FAILED,
    WORD_FIRST_PASS_YIELD,
    WORD_LAST_PASS_YIELD,
    WORD_FAILURES,
    WORD_NO_FAILURES,
    WORD_UNKNOWN,
    WORD_BELOW,
    WORD_ABOVE,
    WORD_NO_RUNS,
    WORD_SHIFT,
    WORD_ROLLED_YIELD,
    WORD_STEP_YIELDS,
    WORD_FIGURES,
    WORD_MEAN,
    WORD_DEVIATION,
    WORD_COUNT,
    WORD_CONTROL_CHARTS,
    WORD_CONTROL_NOTE,
    WORD_DRIFT,
    WORD_DRIFT_NOTE,
    WORD_NO_DRIFT,
    WORD_OTHERS,
    WORD_TOGETHER,
    WORD_THROUGHPUT,
    WORD_SHARE,
    WORD_IDENTITIES,
    WORD_CERTIFICATE,
    WORD_PAGE,
    WORD_TODAY,
    WORD_PER_HOUR,
    WORD_BY_HOUR,
    WORD_LAST_FAILURES,
    WORD_DEFECTS,
    WORD_REPAIRED,
    WORD_NOT_REPAIRED,
    WORD_SLOTS,
    WORD_NO_TAKTD,
    WORD_IDLE,
    WORD_STALE,
    WORD_MORE_UNITS,
    WORD_PLACE,
    WORD_RELIABILITY,
    WORD_HOURS,
    WORD_MTBF,
    WORD_CONFIDENCE,
    WORD_LOWER_BOUND,
    WORD_UPPER_BOUND,
    WORD_CURVES,
    WORD_CAMPAIGN,
    WORD_LOT,
    WORD_SEED,
    WORD_STATE,
    WORD_SURVIVAL,
    WORD_SURVIVAL_SHORT,
    WORD_AT,
    WORD_AS_COMMANDED,
    WORD_AS_MEASURED,
    WORD_LOWEST,
    WORD_HIGHEST,
    WORD_CAUSES,
    WORD_CAUSE,
    WORD_REASON,
    WORD_CONDITIONS,
    WORD_INSTRUMENTS,
    WORD_DUE,
    WORD_EVENTS,
    WORD_EVENT,
    WORD_UNIT_HOURS,
    WORD_AT_RISK,
    WORD_STILL_GOOD,
    WORD_ACCELERATION,
    WORD_COURSES,
    WORD_OF_OWN_START,
    WORD_UNITS_DRAWN,
    WORD_COMPARISON,
    WORD_EXPECTED,
    WORD_LOG_RANK,
    WORD_LOG_RANK_NOTE,
    WORD_NOTHING_TO_COMPARE,
    WORD_OTHER_FILE,
    WORD_SAMPLES,
    WORD_SHOWN,
    WORD_NONE_MAY_FAIL,
    WORD_ONE_MAY_FAIL,
    WORD_TWO_MAY_FAIL,
    WORD_WATCHED,
    WORD_BOUNDS,
    WORD_PHYSICAL_UNIT,
    WORD_CALIBRATED,
    WORD_AS_OF,
    WORD_CLOCK,
    WORD_POSITION,
    WORD_DRIFT_SHORT,
    WORD_FAILURE,
    WORD_KIND,
    WORD_MEASURED_IN,
    WORD_LOW_LIMIT,
    WORD_HIGH_LIMIT,
    WORD_FIRST_VERDICT,
    WORD_LAST_VERDICT,
    WORD_ENDED,
    WORD_FOUND,
    WORD_CODE,
    WORD_DONE,
    WORD_ACTION,
    WORD_PART,
    WORD_LINE,
    WORD_BOTH,
    WORD_INSTRUMENT,
    WORDS,
};

/* The language's row number; 0 (English) when it is not known. */
int word_language(const char *language);
const char *word_of(int language, enum word w);
/* "pass" → "PASS", "合格"; "" → "running". */
const char *word_verdict(int language, const char *verdict);
/* "confirmed" → "confirmed", "已确认". */
const char *word_identity(int language, const char *state);
/* "production" → "production", "生产". */
const char *word_mode(int language, const char *mode);

/* Members of a row, NULL-safe. */
const char *member_text(const cJSON *object, const char *name); /* "" when absent */
const cJSON *member(const cJSON *object, const char *name);
/* 0.1428, 8388608, 1.25e-06: whole numbers in full, else six digits; "–" for null. */
void number_text(const cJSON *value, char out[32]);
bool member_is(const cJSON *object, const char *name, const char *text);
/* "≥ 0.14", "≤ 5", "0.9 … 1.1"; "" without limits. */
void limits_text(const cJSON *measurement, char out[72]);
/* "2026-11-22 20:31:05 UTC" of an ISO text; "–" when empty. */
void time_text(const char *iso, char out[32]);
void duration_text(double ms, char out[32]);
/* The serial of a unit or of a row of units, else its chip id, else the word for unknown. */
const char *unit_name(const cJSON *unit, int language);
/* Is it fail, error or timeout? */
bool verdict_bad(const char *verdict);
/* What a document of many units is about: its kind, its name, and what stands beside them. */
struct heading {
    const char *kind, *name, *beside, *from, *to;
};
struct heading heading_of(const cJSON *document, int language);
/* "final-1", "final-1 · 6", "box · L-1 (light)": a place that stands off. */
void place_text(const cJSON *row, char *out, size_t size);
/* Texts that are there, between dots; names ends with NULL. */
void texts_joined(const cJSON *row, const char *const *names, char *out, size_t size);
extern const char *const defect_found_texts[], *const defect_done_texts[];
/* The attempt that counts: the last. */
const cJSON *step_last_attempt(const cJSON *step);

#endif
