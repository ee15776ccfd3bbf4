/* The pieces HTML pages are made of. Every text goes through html_text(). Appending functions do
 * not return errors: a page remembers the first one, and html_page_end() reports it. */
#ifndef TAKT_REPORTS_RENDER_HTML_H
#define TAKT_REPORTS_RENDER_HTML_H

#include "reports/chart.h"
#include "reports/render_kinds.h"

struct page {
    struct buffer *out;
    const struct render_options *options;
    int language;
    int failed; /* first ERROR_*, 0 while all is well */
    size_t picture_bytes;
};

void html_page_begin(struct page *p, const char *kind, const char *name);
int html_page_end(struct page *p, struct error *err);

void html_raw(struct page *p, const char *html);
void html_rawf(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void html_text(struct page *p, const char *text); /* escaped */
void html_word(struct page *p, enum word w);

/* <span class="verdict pass">PASS</span> */
void html_verdict(struct page *p, const char *verdict, const char *extra_class);
/* A fact of the grid at the top; nothing when the text is empty. */
void html_fact(struct page *p, enum word name, const char *text, bool code);
/* "≥ 0.14", "≤ 5", "0.9 … 1.1". */
void html_limits(struct page *p, const cJSON *measurement);
/* One of chart.h's charts as inline SVG; `stretch` over the page's width. Nothing when it has no
 * height. */
void html_chart(struct page *p, double (*chart)(const struct canvas *, const cJSON *, double),
                const cJSON *data, double width, bool stretch);
/* "2026-11-22 20:31:05 UTC" of an ISO text; "–" when empty. */
void html_time(struct page *p, const char *iso);
void html_duration(struct page *p, double ms);

void html_unit(struct page *p, const cJSON *document);
void html_run(struct page *p, const cJSON *document);
void html_order(struct page *p, const cJSON *document);
void html_campaign(struct page *p, const cJSON *document);
/* Sections of the page of an order, and of the dashboard (a card each). */
void html_figures(struct page *p, const cJSON *document);
void html_reliability(struct page *p, const cJSON *reliability);
void html_heading(struct page *p, enum word w);

#endif
