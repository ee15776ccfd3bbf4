#include "reports/render_html.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
    ":root{--paper:#fbfbfa;--card:#fff;--ink:#1d2125;--soft:#68717a;--line:#e4e6e8;--pass:#1a7f4b;"
    "--pass-soft:#d9efe2;--fail:#c02b2b;--fail-soft:#fbe4e2;--odd:#a15c00;--odd-soft:#fbecd3;"
    "--idle:#5b6570;--idle-soft:#e8ebee;--track:#eceef0;--accent:#2b62b5}"
    "@media (prefers-color-scheme:dark){:root{--paper:#14171a;--card:#1c2024;--ink:#e7eaec;"
    "--soft:#98a2ab;--line:#2c3238;--pass:#5bc98d;--pass-soft:#1c3a2a;--fail:#ff8078;"
    "--fail-soft:#462120;--odd:#f0b35b;--odd-soft:#40301a;--idle:#a3adb6;--idle-soft:#2a3036;"
    "--track:#2a2f35;--accent:#7db0ff}}"
    "@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--pass:#0b6b3a;"
    "--pass-soft:#e2f2e8;--fail:#b00020;--fail-soft:#fbe4e2;--track:#eee;--accent:#2b62b5}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}"
    "section,tr,figure{break-inside:avoid}h2,h3,h2+p{break-after:avoid}"
    "body{font-size:11px;padding:0;max-width:none}td code{display:inline-block;min-width:9em}}"
    "*{box-sizing:border-box}html{background:var(--paper)}"
    "body{margin:0 auto;padding:2.2rem 1.6rem 4rem;max-width:68rem;color:var(--ink);"
    "font:15px/1.5 system-ui,'Noto Sans','Noto Sans CJK SC','Microsoft YaHei',sans-serif}"
    "code,.num{font-family:ui-monospace,'DejaVu Sans Mono',Consolas,monospace;font-size:.92em}"
    ".num{font-variant-numeric:tabular-nums;white-space:nowrap}"
    "header{display:flex;flex-wrap:wrap;align-items:center;gap:1.4rem;margin-bottom:1.6rem}"
    "header h1{font-size:1.75rem;line-height:1.2;margin:0;font-weight:650;overflow-wrap:anywhere}"
    "header .kind{color:var(--soft);font-size:.95rem}header .end{margin-left:auto}"
    "h2{font-size:1.02rem;font-weight:650;margin:2.2rem 0 .7rem}"
    ".verdict{display:inline-block;padding:.06em .6em;border-radius:.4em;font-weight:650;"
    "font-size:.82em;letter-spacing:.02em;white-space:nowrap;background:var(--idle-soft);"
    "color:var(--idle)}"
    ".verdict.big{font-size:2.1rem;padding:.12em .62em;border-radius:.35em;line-height:1.3}"
    ".pass{background:var(--pass-soft);color:var(--pass)}"
    ".fail{background:var(--fail-soft);color:var(--fail)}"
    ".error,.timeout{background:var(--odd-soft);color:var(--odd)}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "padding:1rem 1.2rem;margin:0 0 .8rem}"
    ".card.bad{border-left:.35rem solid var(--fail)}.card.strange{border-left:.35rem solid "
    "var(--odd)}"
    ".why{display:flex;flex-wrap:wrap;align-items:center;gap:.3rem 1.6rem}"
    ".why .what{flex:1 1 16rem}.why .what b{font-size:1.12rem}"
    ".why .value{font-size:1.5rem;font-weight:600}.why p{flex-basis:100%;margin:.2rem 0 0}"
    ".soft,.limits{color:var(--soft)}"
    "dl.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:.75rem "
    "1.4rem;margin:0}dl.facts dt{color:var(--soft);font-size:.82rem}"
    "dl.facts dd{margin:0;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:500;"
    "color:var(--soft);font-size:.82rem;padding:.3rem .7rem .3rem 0;border-bottom:1px solid "
    "var(--line)}td{padding:.34rem .7rem .34rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:middle;overflow-wrap:anywhere}tr:last-child td{border-bottom:0}"
    "td.num,th.num{text-align:right}.time{white-space:nowrap}.step{display:flex;align-items:"
    "baseline;gap:.7rem}"
    ".step b{font-size:1.02rem}.step .end{margin-left:auto}.message{margin:.35rem 0 0}"
    ".card table{margin-top:.5rem}svg{display:block}"
    "figure{margin:0;display:inline-block;vertical-align:top;max-width:100%}"
    "figure img{display:block;max-width:100%;max-height:32rem;border-radius:.4rem;border:1px "
    "solid var(--line)}figcaption{color:var(--soft);font-size:.85rem;margin:.3rem 0 .8rem}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem}"
    ".tile{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem "
    "1.1rem}.tile .n{font-size:1.9rem;font-weight:650;line-height:1.25}"
    ".tile .l{color:var(--soft);font-size:.85rem}a{color:inherit}"
    "details summary{cursor:pointer;padding:.3rem 0}svg text{font-family:"
    "system-ui,'Noto Sans','Noto Sans CJK SC',sans-serif}td svg{display:inline-block;"
    "vertical-align:middle}.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax("
    "28rem,1fr));gap:.8rem}.charts .card{margin:0}.charts h3{font-size:.95rem;margin:0 0 .4rem;"
    "font-weight:600}.low{color:var(--fail);font-weight:650}.middling{color:var(--odd);"
    "font-weight:650}"
    "footer{margin-top:2.5rem;color:var(--soft);font-size:.82rem}";

void html_raw(struct page *p, const char *html)
{
    if (!p->failed)
        p->failed = buffer_append_text(p->out, html);
}

void html_rawf(struct page *p, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        p->failed = p->failed ? p->failed : ERROR_FULL;
    html_raw(p, text);
}

void html_text(struct page *p, const char *text)
{
    const char *from = text;
    for (const char *s = text;; s++) {
        const char *entity = NULL;
        switch (*s) {
        case '&':
            entity = "&amp;";
            break;
        case '<':
            entity = "&lt;";
            break;
        case '>':
            entity = "&gt;";
            break;
        case '"':
            entity = "&quot;";
            break;
        case '\'':
            entity = "&#39;";
            break;
        case '\0':
            break;
        default: /* control characters have no place in HTML text */
            if ((unsigned char)*s >= 0x20 && *s != 0x7f)
                continue;
            entity = "\xef\xbf\xbd";
        }
        if (!p->failed)
            p->failed = buffer_append(p->out, from, (size_t)(s - from));
        if (!*s)
            return;
        html_raw(p, entity);
        from = s + 1;
    }
}

void html_word(struct page *p, enum word w)
{
    html_text(p, word_of(p->language, w));
}

void html_page_begin(struct page *p, const char *kind, const char *name)
{
    html_rawf(p, "<!doctype html>\n<html lang=\"%s\">\n<meta charset=\"utf-8\">\n",
              render_languages()[p->language]);
    /* Nothing in a report may load or run anything: also if a text slipped through. */
    html_raw(p, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "img-src data:; style-src 'unsafe-inline'\">\n"
                "<meta name=\"viewport\" content=\"width=device-width\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    html_text(p, kind);
    html_raw(p, " ");
    html_text(p, name);
    html_raw(p, "</title>\n<style>");
    html_raw(p, style);
    html_raw(p, "</style>\n<body>\n");
}

int html_page_end(struct page *p, struct error *err)
{
    html_raw(p, "</body>\n</html>\n");
    if (p->failed)
        return error_set(err, p->failed, "cannot write the page: %s", error_name(p->failed));
    return 0;
}

void html_verdict(struct page *p, const char *verdict, const char *extra_class)
{
    html_raw(p, "<span class=\"verdict ");
    html_text(p, *verdict ? verdict : "open");
    html_raw(p, " ");
    html_raw(p, extra_class);
    html_raw(p, "\">");
    html_text(p, word_verdict(p->language, verdict));
    html_raw(p, "</span>");
}

void html_fact(struct page *p, enum word name, const char *text, bool code)
{
    if (!*text)
        return;
    html_raw(p, "<div><dt>");
    html_word(p, name);
    html_raw(p, code ? "</dt><dd><code>" : "</dt><dd>");
    html_text(p, text);
    html_raw(p, code ? "</code></dd></div>\n" : "</dd></div>\n");
}

void html_limits(struct page *p, const cJSON *measurement)
{
    char text[72];
    limits_text(measurement, text);
    html_raw(p, text);
}

void html_heading(struct page *p, enum word w)
{
    html_raw(p, "<h2>");
    html_word(p, w);
    html_raw(p, "</h2>\n");
}

void html_time(struct page *p, const char *iso)
{
    char text[32];
    time_text(iso, text);
    html_text(p, text);
}

void html_duration(struct page *p, double ms)
{
    char text[32];
    duration_text(ms, text);
    html_raw(p, text);
}

static int render(const cJSON *document, const struct render_options *options, struct buffer *out,
                  struct error *err)
{
    static const struct {
        const char *document;
        void (*write)(struct page *p, const cJSON *document);
    } pages[] = {{"unit", html_unit},        {"run", html_run},     {"order", html_order},
                 {"station", html_order},    {"shift", html_order}, {"mode", html_order},
                 {"campaign", html_campaign}};
    static const struct render_options plain = {0};
    struct page p = {.out = out, .options = options ? options : &plain};
    p.language = word_language(p.options->language);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (member_is(document, "document", pages[i].document)) {
            pages[i].write(&p, document);
            return html_page_end(&p, err);
        }
    return error_set(err, ERROR_INPUT, "no page for a document '%s'",
                     member_text(document, "document"));
}

const struct renderer render_html = {"html", "text/html; charset=utf-8", render};
