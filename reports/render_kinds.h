/* The rows of the table of renderers, and the words they show. Only renderers include this. */
#ifndef TAKT_REPORTS_RENDER_KINDS_H
#define TAKT_REPORTS_RENDER_KINDS_H

#include <stdbool.h>

#include "reports/render.h"

extern const struct renderer render_html, render_json, render_csv;

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
    WORDS,
};

/* The language's row number; 0 (English) when it is not known. */
int word_language(const char *language);
const char *word_of(int language, enum word w);
/* "pass" → "PASS", "合格"; "" → "running". */
const char *word_verdict(int language, const char *verdict);

/* Members of a row, NULL-safe. */
const char *member_text(const cJSON *object, const char *name); /* "" when absent */
const cJSON *member(const cJSON *object, const char *name);
/* 0.1428, 8388608, 1.25e-06: whole numbers in full, else six digits; "–" for null. */
void number_text(const cJSON *value, char out[32]);
bool member_is(const cJSON *object, const char *name, const char *text);

#endif
