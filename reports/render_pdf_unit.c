/* The certificate of one unit, or of one run. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/render_pdf.h"

enum { PICTURES_MAX_BYTES = 48 << 20, PICTURE_SIDE_MAX = 16384, PICTURE_HIGH = 420 };

static void top(struct sheet *s, const char *kind, const char *name, const char *verdict)
{
    struct sheet_style big = {25, true, INK_TEXT, ANCHOR_START};
    double x = SHEET_MARGIN;
    snprintf(s->foot, sizeof s->foot, "%s %s", kind, name);
    sheet_need(s, 80);
    if (verdict)
        x += sheet_verdict(s, x, s->y + 4, 2.4, verdict) + 18;
    sheet_text(s, x, s->y, SHEET_WIDTH - SHEET_MARGIN - x, sheet_soft, kind, true);
    double high = sheet_text(s, x, s->y + 15, SHEET_WIDTH - SHEET_MARGIN - x, big, name, true);
    s->y += fmax(high + 15, 48) + 12;
}

/* Facts in three columns; the present row's height is its tallest fact's. */
struct grid {
    struct sheet *sheet;
    int column;
    double high;
};

static void fact(struct grid *g, enum word name, const char *text)
{
    enum { WIDE = SHEET_INNER / 3 };
    struct sheet *s = g->sheet;
    if (!*text)
        return;
    if (g->column == 3) {
        s->y += g->high + 6;
        g->column = 0;
        g->high = 0;
    }
    if (g->column == 0)
        sheet_need(s, 60);
    double x = SHEET_MARGIN + g->column++ * WIDE;
    struct sheet_style label = {10.5, false, INK_SOFT, ANCHOR_START};
    double high = sheet_text(s, x, s->y, WIDE - 10, label, word_of(s->language, name), true);
    high += sheet_text(s, x, s->y + high, WIDE - 10, sheet_plain, text, true);
    g->high = fmax(g->high, high);
}

static void hashed(char *out, size_t size, const char *name, const char *sha256)
{
    snprintf(out, size, "%s%s%.12s", name, *name && *sha256 ? " · " : "", sha256);
}

static void facts(struct sheet *s, const cJSON *unit, const cJSON *run)
{
    char text[512];
    struct grid g = {s, 0, 0};
    fact(&g, WORD_SERIAL, member_text(unit, "serial"));
    fact(&g, WORD_DID, member_text(unit, "did"));
    fact(&g, WORD_MAC, member_text(unit, "mac"));
    fact(&g, WORD_CHIP_ID, member_text(unit, "chip_id"));
    fact(&g, WORD_IDENTITY, word_identity(s->language, member_text(unit, "identity_state")));
    fact(&g, WORD_ORDER, member_text(run, "order"));
    fact(&g, WORD_PRODUCT, member_text(run, "product"));
    hashed(text, sizeof text, member_text(run, "plan"), member_text(run, "plan_sha256"));
    fact(&g, WORD_PLAN, text);
    hashed(text, sizeof text, "", member_text(run, "plan_signer"));
    fact(&g, WORD_PLAN_SIGNER, text);
    hashed(text, sizeof text, "", member_text(run, "limits_sha256"));
    fact(&g, WORD_LIMITS, text);
    hashed(text, sizeof text, "", member_text(run, "bundle_sha256"));
    fact(&g, WORD_BUNDLE, text);
    fact(&g, WORD_PROGRAM, member_text(run, "program_version"));
    snprintf(text, sizeof text, "%s / %s / %s", member_text(run, "site"), member_text(run, "line"),
             member_text(run, "station"));
    fact(&g, WORD_STATION, text);
    snprintf(text, sizeof text, "%.0f", cJSON_GetNumberValue(member(run, "slot")));
    fact(&g, WORD_SLOT, text);
    fact(&g, WORD_OPERATOR, member_text(run, "operator"));
    fact(&g, WORD_MODE, word_mode(s->language, member_text(run, "mode")));
    time_text(member_text(run, "started"), text);
    fact(&g, WORD_STARTED, text);
    if (cJSON_IsNumber(member(run, "ended_ms"))) {
        duration_text(cJSON_GetNumberValue(member(run, "ended_ms")) -
                          cJSON_GetNumberValue(member(run, "started_ms")),
                      text);
        fact(&g, WORD_DURATION, text);
    }
    s->y += g.high + 12;
}

static void measurement(struct sheet_table *t, const char *step, const cJSON *m,
                        const char *verdict)
{
    enum { NAME, VALUE, UNIT, LIMITS, BAR, VERDICT };
    char value[32], limits[72];
    struct sheet_style styles[6] = {sheet_plain, sheet_number, sheet_soft,
                                    sheet_soft,  sheet_plain,  sheet_plain};
    number_text(member(m, "value"), value);
    limits_text(m, limits);
    if (!strcmp(verdict, "fail")) {
        styles[VALUE].ink = INK_FAIL;
        styles[VALUE].bold = true;
    }
    const char *const cells[6] = {m ? member_text(m, "name") : step,
                                  m ? value : NULL,
                                  m ? member_text(m, "unit") : NULL,
                                  m ? limits : NULL,
                                  NULL,
                                  NULL};
    styles[NAME].bold = !m;
    double y = sheet_table_row(t, cells, styles), x = SHEET_MARGIN;
    for (int i = 0; i < BAR; i++)
        x += t->columns[i].width;
    if (m)
        sheet_chart(t->sheet, chart_limits, m, x, y, t->columns[BAR].width - 16);
    if (*verdict)
        sheet_verdict(t->sheet, x + t->columns[BAR].width, y, 1, verdict);
}

static void message(struct sheet *s, const char *text)
{
    struct sheet_style style = sheet_soft;
    if (*text)
        sheet_paragraph(s, style, text);
}

static void steps(struct sheet *s, const cJSON *run)
{
    const cJSON *step, *m;
    const int l = s->language;
    const struct sheet_column columns[] = {{word_of(l, WORD_MEASUREMENT), 200, false},
                                           {word_of(l, WORD_VALUE), 108, true},
                                           {"", 66, false},
                                           {word_of(l, WORD_LIMITS), 116, false},
                                           {"", 112, false},
                                           {word_of(l, WORD_VERDICT), 80, false}};
    struct sheet_table t = {s, columns, 6};
    sheet_heading(s, WORD_STEPS);
    sheet_table_begin(&t);
    cJSON_ArrayForEach(step, member(run, "steps"))
    {
        const cJSON *attempt = step_last_attempt(step);
        char name[200], attempts[48] = "";
        int count = cJSON_GetArraySize(member(step, "attempts"));
        if (count > 1)
            snprintf(attempts, sizeof attempts, "  (%s %d)", word_of(l, WORD_ATTEMPT), count);
        snprintf(name, sizeof name, "%.120s%s", member_text(step, "id"), attempts);
        sheet_table_keep(&t, 2); /* a step's name never stands alone at the end of a page */
        measurement(&t, name, NULL, member_text(step, "verdict"));
        if (!member_is(step, "verdict", "pass"))
            message(s, member_text(attempt, "message"));
        cJSON_ArrayForEach(m, member(attempt, "measurements"))
            measurement(&t, "", m, member_text(m, "verdict"));
    }
}

/* A PNG whose header says a size that can be held. */
static bool is_drawable(const struct buffer *b)
{
    const uint8_t *p = b->data;
    if (b->size < 24 || memcmp(p, "\x89PNG\r\n\x1a\n", 8) != 0)
        return false;
    uint32_t wide = (uint32_t)p[16] << 24 | p[17] << 16 | p[18] << 8 | p[19];
    uint32_t high = (uint32_t)p[20] << 24 | p[21] << 16 | p[22] << 8 | p[23];
    return wide - 1 < PICTURE_SIDE_MAX && high - 1 < PICTURE_SIDE_MAX &&
           (uint64_t)wide * high <= UINT64_C(64) << 20;
}

struct reader {
    const struct buffer *bytes;
    size_t at;
};

static cairo_status_t read_some(void *context, unsigned char *out, unsigned int size)
{
    struct reader *r = context;
    if (size > r->bytes->size - r->at)
        return CAIRO_STATUS_READ_ERROR;
    memcpy(out, r->bytes->data + r->at, size);
    r->at += size;
    return CAIRO_STATUS_SUCCESS;
}

static void picture(struct sheet *s, const cJSON *step, const cJSON *attachment, bool first)
{
    struct buffer bytes = {.limit_bytes = PICTURES_MAX_BYTES - s->picture_bytes};
    struct error err = {0};
    char caption[300];
    cairo_surface_t *image = NULL;
    int rc = bytes.limit_bytes == 0
                 ? error_set(&err, ERROR_FULL, "more pictures than a report holds")
                 : s->options->attachment(s->options->context, member_text(attachment, "sha256"),
                                          &bytes, &err);
    if (!rc && is_drawable(&bytes)) {
        struct reader r = {&bytes, 0};
        image = cairo_image_surface_create_from_png_stream(read_some, &r);
    }
    bool drawn = image && cairo_surface_status(image) == CAIRO_STATUS_SUCCESS;
    double scale = 1, wide = 0, high = 0;
    if (drawn) {
        wide = cairo_image_surface_get_width(image);
        high = cairo_image_surface_get_height(image);
        scale = fmin(fmin(SHEET_INNER / wide, PICTURE_HIGH / high), 1);
    }
    snprintf(caption, sizeof caption, "%.80s · %.80s%s%.100s", member_text(step, "id"),
             member_text(attachment, "name"), rc ? " – " : "", rc ? err.text : "");
    sheet_need(s, high * scale + (first ? 90 : 30)); /* a heading stays with what it heads */
    if (first)
        sheet_heading(s, WORD_PICTURES);
    if (drawn) {
        s->picture_bytes += bytes.size;
        cairo_save(s->cr);
        cairo_translate(s->cr, SHEET_MARGIN, s->y);
        cairo_scale(s->cr, scale, scale);
        cairo_set_source_surface(s->cr, image, 0, 0);
        cairo_paint(s->cr);
        cairo_restore(s->cr);
        s->y += high * scale + 4;
    }
    sheet_paragraph(s, sheet_soft, caption);
    s->y += 6;
    cairo_surface_destroy(image);
    buffer_free(&bytes);
}

static void pictures(struct sheet *s, const cJSON *run)
{
    const cJSON *step, *attempt, *a;
    bool any = false;
    cJSON_ArrayForEach(step, member(run, "steps"))
        cJSON_ArrayForEach(attempt, member(step, "attempts"))
            cJSON_ArrayForEach(a, member(attempt, "attachments"))
    {
        if (!s->options->attachment || strncmp(member_text(a, "mime"), "image/", 6) != 0)
            continue;
        picture(s, step, a, !any);
        any = true;
    }
}

static void earlier(struct sheet *s, const cJSON *run)
{
    char when[32], text[300];
    if (!run)
        return;
    sheet_heading(s, WORD_EARLIER_RUNS);
    for (; run; run = run->next) {
        time_text(member_text(run, "started"), when);
        snprintf(text, sizeof text, "%s · %.60s · %.60s · %.100s", when, member_text(run, "order"),
                 member_text(run, "station"), member_text(run, "message"));
        sheet_need(s, 24);
        sheet_verdict(s, SHEET_MARGIN, s->y, 1, member_text(run, "verdict"));
        s->y += sheet_text(s, SHEET_MARGIN + 90, s->y, SHEET_INNER - 90, sheet_plain, text, true);
        s->y += 5;
    }
}

/* What people found, and did about it. */
static void defects(struct sheet *s, const cJSON *list)
{
    const cJSON *defect, *repair;
    char when[32], said[1000], line[1200];
    if (!cJSON_GetArraySize(list))
        return;
    sheet_heading(s, WORD_DEFECTS);
    cJSON_ArrayForEach(defect, list)
    {
        bool repaired = cJSON_GetArraySize(member(defect, "repairs")) > 0;
        time_text(member_text(defect, "found"), when);
        texts_joined(defect, defect_found_texts, said, sizeof said);
        snprintf(line, sizeof line, "%.0f · %s · %s%s%s%s",
                 cJSON_GetNumberValue(member(defect, "defect")), when, said, repaired ? "" : " (",
                 repaired ? "" : word_of(s->language, WORD_NOT_REPAIRED), repaired ? "" : ")");
        sheet_paragraph(s, sheet_plain, line);
        cJSON_ArrayForEach(repair, member(defect, "repairs"))
        {
            time_text(member_text(repair, "done"), when);
            texts_joined(repair, defect_done_texts, said, sizeof said);
            snprintf(line, sizeof line, "    %s · %s: %s", when,
                     word_of(s->language, WORD_REPAIRED), said);
            sheet_paragraph(s, sheet_soft, line);
        }
    }
}

void pdf_unit(struct sheet *s, const cJSON *document)
{
    bool is_run = member_is(document, "document", "run");
    const cJSON *run = is_run ? document : cJSON_GetArrayItem(member(document, "runs"), 0);
    top(s, word_of(s->language, WORD_CERTIFICATE), unit_name(document, s->language),
        run ? member_text(run, "verdict") : NULL);
    if (!run) {
        sheet_paragraph(s, sheet_plain, word_of(s->language, WORD_NO_RUNS));
        return;
    }
    facts(s, document, run);
    if (!member_is(run, "verdict", "pass"))
        message(s, member_text(run, "message"));
    steps(s, run);
    pictures(s, run);
    defects(s, member(document, "defects"));
    earlier(s, is_run ? NULL : run->next);
}
