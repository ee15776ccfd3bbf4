/* The page of one unit: at a glance what it is, whether it passed, and if not, why. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/render_html.h"

enum { PICTURES_MAX_BYTES = 48 << 20 };

static void value_with_unit(struct page *p, const cJSON *m)
{
    char value[32];
    number_text(member(m, "value"), value);
    html_raw(p, value);
    html_raw(p, " ");
    html_text(p, member_text(m, "unit"));
}

/* Is it below its lower limit, or above its upper? */
static void what_is_wrong(struct page *p, const cJSON *m)
{
    const cJSON *v = member(m, "value"), *low = member(m, "low");
    html_raw(p, "<span class=\"limits\">");
    if (cJSON_IsNumber(v)) {
        bool below = cJSON_IsNumber(low) && v->valuedouble < low->valuedouble;
        html_word(p, below ? WORD_BELOW : WORD_ABOVE);
    } else {
        html_word(p, WORD_LIMITS);
    }
    html_raw(p, " <span class=\"num\">");
    html_limits(p, m);
    html_raw(p, "</span></span>");
}

static void reason_card(struct page *p, const cJSON *step, const cJSON *attempt, const cJSON *m)
{
    html_raw(p, m ? "<section class=\"card bad why\"><div class=\"what\">"
                  : "<section class=\"card strange why\"><div class=\"what\">");
    html_verdict(p, member_text(attempt, "verdict"), "");
    html_raw(p, " <b>");
    html_text(p, member_text(step, "id"));
    if (m) {
        html_raw(p, " · ");
        html_text(p, member_text(m, "name"));
    }
    html_raw(p, "</b>");
    if (m) {
        html_raw(p, "<br>");
        what_is_wrong(p, m);
        html_raw(p, "</div><div class=\"value num\">");
        value_with_unit(p, m);
        html_raw(p, "</div><div>");
        html_chart(p, chart_limits, m, 180, false);
    }
    html_raw(p, "</div>");
    if (!m && *member_text(attempt, "message")) {
        html_raw(p, "<p>");
        html_text(p, member_text(attempt, "message"));
        html_raw(p, "</p>");
    }
    html_raw(p, "</section>\n");
}

static void reasons(struct page *p, const cJSON *run)
{
    const cJSON *step, *m;
    bool any = false;
    const char *verdict = member_text(run, "verdict");
    if (!strcmp(verdict, "pass") || !strcmp(verdict, ""))
        return;
    html_raw(p, "<h2>");
    html_word(p, WORD_WHY);
    html_raw(p, "</h2>\n");
    cJSON_ArrayForEach(step, member(run, "steps"))
    {
        const cJSON *attempt = step_last_attempt(step);
        bool named = false;
        if (!verdict_bad(member_text(attempt, "verdict")))
            continue;
        cJSON_ArrayForEach(m, member(attempt, "measurements"))
        {
            if (member_is(m, "verdict", "fail")) {
                reason_card(p, step, attempt, m);
                named = true;
            }
        }
        if (!named)
            reason_card(p, step, attempt, NULL);
        any = true;
    }
    if (!any && *member_text(run, "message")) {
        html_raw(p, "<section class=\"card strange\">");
        html_text(p, member_text(run, "message"));
        html_raw(p, "</section>\n");
    }
}

static void measurements(struct page *p, const cJSON *attempt)
{
    const cJSON *m;
    const cJSON *list = member(attempt, "measurements");
    if (!cJSON_GetArraySize(list))
        return;
    html_raw(p, "<table><colgroup><col style=\"width:32%\"><col style=\"width:22%\"><col "
                "style=\"width:16%\"><col style=\"width:200px\"><col></colgroup>");
    cJSON_ArrayForEach(m, list)
    {
        html_raw(p, "<tr><td>");
        html_text(p, member_text(m, "name"));
        html_raw(p, "</td><td class=\"num\">");
        value_with_unit(p, m);
        html_raw(p, "</td><td class=\"num limits\">");
        html_limits(p, m);
        html_raw(p, "</td><td>");
        html_chart(p, chart_limits, m, 180, false);
        html_raw(p, "</td><td>");
        if (*member_text(m, "verdict"))
            html_verdict(p, member_text(m, "verdict"), "");
        html_raw(p, "</td></tr>\n");
    }
    html_raw(p, "</table>");
}

static void notes(struct page *p, const cJSON *attempt)
{
    const cJSON *n;
    if (!cJSON_GetArraySize(member(attempt, "notes")))
        return;
    html_raw(p, "<p class=\"message soft\">");
    cJSON_ArrayForEach(n, member(attempt, "notes"))
    {
        html_text(p, member_text(n, "name"));
        html_raw(p, " <code>");
        html_text(p, member_text(n, "text"));
        html_raw(p, n->next ? "</code> · " : "</code>");
    }
    html_raw(p, "</p>");
}

static void step_card(struct page *p, const cJSON *step)
{
    const cJSON *attempt;
    int attempts = cJSON_GetArraySize(member(step, "attempts"));
    const char *verdict = member_text(step, "verdict");
    const char *edge = !strcmp(verdict, "fail") ? " bad" : verdict_bad(verdict) ? " strange" : "";
    html_rawf(p, "<section class=\"card%s\">", edge);
    cJSON_ArrayForEach(attempt, member(step, "attempts"))
    {
        html_raw(p, "<div class=\"step\"><b>");
        html_text(p, member_text(step, "id"));
        html_raw(p, "</b><span class=\"soft\">");
        if (!member_is(step, "kind", member_text(step, "id")))
            html_text(p, member_text(step, "kind"));
        if (attempts > 1) {
            html_raw(p, " ");
            html_word(p, WORD_ATTEMPT);
            html_rawf(p, " %d", (int)cJSON_GetNumberValue(member(attempt, "attempt")));
        }
        html_raw(p, "</span><span class=\"end soft num\">");
        html_duration(p, cJSON_GetNumberValue(member(attempt, "duration_ms")));
        html_raw(p, "</span>");
        html_verdict(p, member_text(attempt, "verdict"), "");
        html_raw(p, "</div>\n");
        if (*member_text(attempt, "message")) {
            html_raw(p, "<p class=\"message\">");
            html_text(p, member_text(attempt, "message"));
            html_raw(p, "</p>");
        }
        measurements(p, attempt);
        notes(p, attempt);
    }
    html_raw(p, "</section>\n");
}

/* Failures first, the rest in the plan's order. */
static void steps(struct page *p, const cJSON *run)
{
    const cJSON *step;
    html_raw(p, "<h2>");
    html_word(p, WORD_STEPS);
    html_raw(p, "</h2>\n");
    for (int pass = 0; pass < 2; pass++)
        cJSON_ArrayForEach(step, member(run, "steps"))
        {
            if (verdict_bad(member_text(step, "verdict")) == (pass == 0))
                step_card(p, step);
        }
}

static bool is_picture(const cJSON *attachment)
{
    return member_is(attachment, "mime", "image/png") ||
           member_is(attachment, "mime", "image/jpeg");
}

/* Base64 in pieces of a multiple of three bytes, so only the last is padded. */
static void data_uri(struct page *p, const char *mime, const struct buffer *bytes)
{
    unsigned char text[4 * 1024 + 1];
    html_rawf(p, "data:%s;base64,", mime);
    for (size_t at = 0; at < bytes->size && !p->failed; at += 3 * 1024) {
        size_t n = bytes->size - at < 3 * 1024 ? bytes->size - at : 3 * 1024;
        int length = EVP_EncodeBlock(text, bytes->data + at, (int)n);
        p->failed = buffer_append(p->out, text, (size_t)length);
    }
}

static void picture(struct page *p, const cJSON *step, const cJSON *attachment)
{
    struct buffer bytes = {.limit_bytes = PICTURES_MAX_BYTES - p->picture_bytes};
    struct error err = {0};
    int rc = bytes.limit_bytes == 0
                 ? error_set(&err, ERROR_FULL, "more pictures than a page holds")
                 : p->options->attachment(p->options->context, member_text(attachment, "sha256"),
                                          &bytes, &err);
    html_raw(p, "<figure>");
    if (!rc) {
        p->picture_bytes += bytes.size;
        html_raw(p, "<img alt=\"");
        html_text(p, member_text(attachment, "name"));
        html_raw(p, "\" src=\"");
        data_uri(p, member_text(attachment, "mime"), &bytes);
        html_raw(p, "\">");
    }
    html_raw(p, "<figcaption>");
    html_text(p, member_text(step, "id"));
    html_raw(p, " · ");
    html_text(p, member_text(attachment, "name"));
    if (rc) {
        html_raw(p, " – ");
        html_text(p, err.text);
    }
    html_raw(p, "</figcaption></figure>\n");
    buffer_free(&bytes);
}

static int count_attachments(const cJSON *run, bool pictures)
{
    const cJSON *step, *attempt, *a;
    int n = 0;
    cJSON_ArrayForEach(step, member(run, "steps"))
        cJSON_ArrayForEach(attempt, member(step, "attempts"))
            cJSON_ArrayForEach(a, member(attempt, "attachments")) n += !pictures || is_picture(a);
    return n;
}

static void attachment_row(struct page *p, const cJSON *step, const cJSON *a)
{
    html_raw(p, "<tr><td>");
    html_text(p, member_text(step, "id"));
    html_raw(p, "</td><td>");
    html_text(p, member_text(a, "name"));
    html_raw(p, "</td><td>");
    html_text(p, member_text(a, "mime"));
    html_rawf(p, "</td><td class=\"num\">%.0f B</td><td><code>",
              cJSON_GetNumberValue(member(a, "bytes")));
    char shorter[24];
    snprintf(shorter, sizeof shorter, "%.16s…", member_text(a, "sha256"));
    html_text(p, shorter);
    html_raw(p, "</code></td></tr>\n");
}

static void pictures(struct page *p, const cJSON *run)
{
    const cJSON *step, *attempt, *a;
    if (!p->options->attachment || !count_attachments(run, true))
        return;
    html_raw(p, "<h2>");
    html_word(p, WORD_PICTURES);
    html_raw(p, "</h2>\n");
    cJSON_ArrayForEach(step, member(run, "steps"))
        cJSON_ArrayForEach(attempt, member(step, "attempts"))
            cJSON_ArrayForEach(a, member(attempt, "attachments"))
    {
        if (is_picture(a))
            picture(p, step, a);
    }
}

static void attachments(struct page *p, const cJSON *run)
{
    const cJSON *step, *attempt, *a;
    if (!count_attachments(run, false))
        return;
    html_raw(p, "<h2>");
    html_word(p, WORD_ATTACHMENTS);
    html_raw(p, "</h2>\n<section class=\"card\"><table>");
    cJSON_ArrayForEach(step, member(run, "steps"))
        cJSON_ArrayForEach(attempt, member(step, "attempts"))
            cJSON_ArrayForEach(a, member(attempt, "attachments")) attachment_row(p, step, a);
    html_raw(p, "</table></section>\n");
}

static void named_hash(char *out, size_t size, const char *name, const char *sha256)
{
    if (*sha256)
        snprintf(out, size, "%s%s%.12s", name, *name ? " · " : "", sha256);
    else
        snprintf(out, size, "%s", name);
}

static void facts(struct page *p, const cJSON *unit, const cJSON *run)
{
    char text[512];
    html_raw(p, "<section class=\"card\"><dl class=\"facts\">\n");
    html_fact(p, WORD_SERIAL, member_text(unit, "serial"), true);
    html_fact(p, WORD_DID, member_text(unit, "did"), true);
    html_fact(p, WORD_MAC, member_text(unit, "mac"), true);
    html_fact(p, WORD_IDENTITY, word_identity(p->language, member_text(unit, "identity_state")),
              false);
    html_fact(p, WORD_CHIP_ID, member_text(unit, "chip_id"), true);
    html_fact(p, WORD_ORDER, member_text(run, "order"), false);
    html_fact(p, WORD_PRODUCT, member_text(run, "product"), false);
    named_hash(text, sizeof text, member_text(run, "plan"), member_text(run, "plan_sha256"));
    html_fact(p, WORD_PLAN, text, true);
    named_hash(text, sizeof text, "", member_text(run, "plan_signer"));
    html_fact(p, WORD_PLAN_SIGNER, text, true);
    named_hash(text, sizeof text, "", member_text(run, "limits_sha256"));
    html_fact(p, WORD_LIMITS, text, true);
    named_hash(text, sizeof text, "", member_text(run, "bundle_sha256"));
    html_fact(p, WORD_BUNDLE, text, true);
    html_fact(p, WORD_PROGRAM, member_text(run, "program_version"), true);
    snprintf(text, sizeof text, "%s / %s / %s", member_text(run, "site"), member_text(run, "line"),
             member_text(run, "station"));
    html_fact(p, WORD_STATION, text, false);
    snprintf(text, sizeof text, "%d", (int)cJSON_GetNumberValue(member(run, "slot")));
    html_fact(p, WORD_SLOT, text, false);
    html_fact(p, WORD_OPERATOR, member_text(run, "operator"), false);
    html_fact(p, WORD_MODE, word_mode(p->language, member_text(run, "mode")), false);
    html_raw(p, "<div><dt>");
    html_word(p, WORD_STARTED);
    html_raw(p, "</dt><dd>");
    html_time(p, member_text(run, "started"));
    html_raw(p, "</dd></div>\n");
    const cJSON *from = member(run, "started_ms"), *to = member(run, "ended_ms");
    if (cJSON_IsNumber(to)) {
        html_raw(p, "<div><dt>");
        html_word(p, WORD_DURATION);
        html_raw(p, "</dt><dd>");
        html_duration(p, to->valuedouble - cJSON_GetNumberValue(from));
        html_raw(p, "</dd></div>\n");
    }
    html_raw(p, "</dl></section>\n");
}

static void earlier(struct page *p, const cJSON *run)
{
    html_raw(p, "<details class=\"card\"><summary>");
    html_verdict(p, member_text(run, "verdict"), "");
    html_raw(p, " ");
    html_time(p, member_text(run, "started"));
    html_raw(p, " · ");
    html_text(p, member_text(run, "order"));
    html_raw(p, " · ");
    html_text(p, member_text(run, "station"));
    html_raw(p, "</summary>\n");
    reasons(p, run);
    steps(p, run);
    attachments(p, run);
    html_raw(p, "</details>\n");
}

static void defects(struct page *p, const cJSON *list)
{
    const cJSON *defect, *repair;
    char text[1000];
    if (!cJSON_GetArraySize(list))
        return;
    html_raw(p, "<h2>");
    html_word(p, WORD_DEFECTS);
    html_raw(p, "</h2>\n<section class=\"card\"><table>");
    cJSON_ArrayForEach(defect, list)
    {
        html_rawf(p, "<tr><td class=\"num soft\">%.0f</td><td>",
                  cJSON_GetNumberValue(member(defect, "defect")));
        html_time(p, member_text(defect, "found"));
        html_raw(p, "</td><td>");
        texts_joined(defect, defect_found_texts, text, sizeof text);
        html_text(p, text);
        if (!cJSON_GetArraySize(member(defect, "repairs"))) {
            html_raw(p, " <span class=\"soft\">(");
            html_word(p, WORD_NOT_REPAIRED);
            html_raw(p, ")</span>");
        }
        html_raw(p, "</td></tr>\n");
        cJSON_ArrayForEach(repair, member(defect, "repairs"))
        {
            html_raw(p, "<tr><td></td><td>");
            html_time(p, member_text(repair, "done"));
            html_raw(p, "</td><td>");
            html_word(p, WORD_REPAIRED);
            html_raw(p, ": ");
            texts_joined(repair, defect_done_texts, text, sizeof text);
            html_text(p, text);
            html_raw(p, "</td></tr>\n");
        }
    }
    html_raw(p, "</table></section>\n");
}

static void top(struct page *p, const char *kind, const char *name, const char *verdict)
{
    html_page_begin(p, kind, name);
    html_raw(p, "<header>");
    if (verdict)
        html_verdict(p, verdict, "big");
    html_raw(p, "<div><div class=\"kind\">");
    html_text(p, kind);
    html_raw(p, "</div><h1>");
    html_text(p, name);
    html_raw(p, "</h1></div></header>\n");
}

static void run_in_full(struct page *p, const cJSON *unit, const cJSON *run)
{
    reasons(p, run);
    html_raw(p, "<h2>");
    html_word(p, WORD_RUN);
    html_rawf(p, " %.0f</h2>\n", cJSON_GetNumberValue(member(run, "run")));
    facts(p, unit, run);
    pictures(p, run);
    steps(p, run);
    attachments(p, run);
}

void html_unit(struct page *p, const cJSON *document)
{
    const cJSON *runs = member(document, "runs"), *run = cJSON_GetArrayItem(runs, 0), *chip;
    top(p, word_of(p->language, WORD_UNIT), unit_name(document, p->language),
        run ? member_text(run, "verdict") : NULL);
    if (!run) {
        html_word(p, WORD_NO_RUNS);
        return;
    }
    run_in_full(p, document, run);
    defects(p, member(document, "defects"));
    if (cJSON_GetArraySize(runs) > 1) {
        html_raw(p, "<h2>");
        html_word(p, WORD_EARLIER_RUNS);
        html_raw(p, "</h2>\n");
        for (run = run->next; run; run = run->next)
            earlier(p, run);
    }
    if (cJSON_GetArraySize(member(document, "other_chips"))) {
        html_raw(p, "<p class=\"soft\">");
        html_word(p, WORD_OTHER_CHIPS);
        html_raw(p, ":");
        cJSON_ArrayForEach(chip, member(document, "other_chips"))
        {
            html_raw(p, " <code>");
            html_text(p, cJSON_IsString(chip) ? chip->valuestring : "");
            html_raw(p, "</code>");
        }
        html_raw(p, "</p>\n");
    }
}

void html_run(struct page *p, const cJSON *document)
{
    char name[32];
    snprintf(name, sizeof name, "%.0f", cJSON_GetNumberValue(member(document, "run")));
    top(p, word_of(p->language, WORD_RUN), name, member_text(document, "verdict"));
    run_in_full(p, document, document);
}
