#include "reports/dashboard.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "reports/render_html.h"

const char *dashboard_style(void)
{
    return ":root{--paper:#101316;--card:#191d21;--ink:#eef1f3;--soft:#98a2ab;--line:#2c3238;"
           "--pass:#5bc98d;--pass-soft:#1c3a2a;--fail:#ff8078;--fail-soft:#462120;--odd:#f0b35b;"
           "--odd-soft:#40301a;--idle:#a3adb6;--idle-soft:#2a3036;--track:#2a2f35;"
           "--accent:#7db0ff;color-scheme:dark}"
           "@media (prefers-color-scheme:light){:root{--paper:#f4f5f5;--card:#fff;--ink:#1d2125;"
           "--soft:#5f6870;--line:#e0e3e5;--pass:#1a7f4b;--pass-soft:#d9efe2;--fail:#c02b2b;"
           "--fail-soft:#fbe4e2;--odd:#a15c00;--odd-soft:#fbecd3;--idle:#5b6570;"
           "--idle-soft:#e8ebee;--track:#e6e9eb;--accent:#2b62b5;color-scheme:light}}"
           "*{box-sizing:border-box}html{background:var(--paper);font-size:clamp(12px,1.05vw,26px)}"
           "body{margin:0;padding:1.4rem 1.8rem;color:var(--ink);font:1rem/1.45 system-ui,"
           "'Noto Sans','Noto Sans CJK SC','Microsoft YaHei',sans-serif}"
           "header{display:flex;align-items:baseline;gap:1rem;margin-bottom:1rem}"
           "h1{font-size:1.7rem;margin:0}.end{margin-left:auto;color:var(--soft);"
           "font-variant-numeric:tabular-nums}h2{font-size:1.05rem;margin:0 0 .7rem;"
           "font-weight:600;color:var(--soft)}"
           ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:1rem}"
           ".tile,.card{background:var(--card);border:1px solid var(--line);border-radius:.7rem;"
           "padding:1rem 1.3rem}.tile .n{font-size:3rem;font-weight:650;line-height:1.15;"
           "font-variant-numeric:tabular-nums}.tile .l{color:var(--soft)}"
           ".tile.good .n{color:var(--pass)}.tile.poor .n{color:var(--fail)}"
           ".two{display:grid;grid-template-columns:1fr 1fr;gap:1rem;margin-top:1rem}"
           ".two>*{min-width:0}.two>:only-child{grid-column:1/-1}@media "
           "(max-width:60rem){.two{grid-template-columns:1fr}}"
           "table{border-collapse:collapse;width:100%}td{padding:.35rem .8rem .35rem 0;"
           "border-bottom:1px solid var(--line);overflow-wrap:anywhere;vertical-align:top}"
           "tr:last-child td{border-bottom:0}td.name{max-width:13rem;overflow:hidden;"
           "text-overflow:ellipsis;white-space:nowrap}td.num{white-space:nowrap;"
           "font-variant-numeric:tabular-nums}a{color:inherit}svg{display:block}"
           "svg text{font-family:system-ui,'Noto Sans','Noto Sans CJK SC',sans-serif}"
           ".verdict{display:inline-block;padding:.06em .6em;border-radius:.4em;font-weight:650;"
           "font-size:.85em;white-space:nowrap;background:var(--idle-soft);color:var(--idle)}"
           ".pass{background:var(--pass-soft);color:var(--pass)}"
           ".fail{background:var(--fail-soft);color:var(--fail)}"
           ".error,.timeout{background:var(--odd-soft);color:var(--odd)}.soft{color:var(--soft)}"
           ".slots{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.6rem}"
           ".slot{border:1px solid var(--line);border-radius:.5rem;padding:.5rem .7rem;"
           "overflow:hidden;text-overflow:ellipsis}.slot b{margin-right:.4rem}"
           "progress{width:100%;height:.5rem;accent-color:var(--accent)}"
           ".stale{background:var(--odd-soft);color:var(--odd);padding:.5rem 1rem;"
           "border-radius:.5rem;margin-bottom:1rem}[hidden]{display:none}";
}

/* Every five seconds; a server that does not answer is said, and its figures are kept. */
const char *dashboard_script(void)
{
    return "'use strict';\n"
           "const live = document.getElementById('live');\n"
           "const stale = document.getElementById('stale');\n"
           "async function refresh() {\n"
           "    try {\n"
           "        const answer = await fetch('live' + location.search,\n"
           "            { cache: 'no-store', signal: AbortSignal.timeout(4000) });\n"
           "        if (!answer.ok) throw new Error(answer.status);\n"
           "        live.innerHTML = await answer.text();\n"
           "        stale.hidden = true;\n"
           "    } catch (e) {\n"
           "        stale.hidden = false;\n"
           "    }\n"
           "    setTimeout(refresh, 5000);\n"
           "}\n"
           "setTimeout(refresh, 5000);\n";
}

static void tile(struct page *p, const char *class, const char *number, enum word label)
{
    html_rawf(p, "<div class=\"tile%s\"><div class=\"n\">", class);
    html_text(p, number);
    html_raw(p, "</div><div class=\"l\">");
    html_word(p, label);
    html_raw(p, "</div></div>\n");
}

static void yield_tile(struct page *p, const cJSON *share, enum word label)
{
    char text[32] = "–";
    double x = cJSON_IsNumber(share) ? share->valuedouble : 1;
    if (cJSON_IsNumber(share))
        snprintf(text, sizeof text, "%.1f %%", 100 * x);
    tile(p, x < 0.9 ? " poor" : cJSON_IsNumber(share) ? " good" : "", text, label);
}

static void count_tile(struct page *p, const cJSON *count, enum word label)
{
    char text[32];
    number_text(count, text);
    tile(p, "", text, label);
}

/* A path segment: what is not plain is written %XX. */
static void link_to(struct page *p, const char *folder, const char *name)
{
    html_rawf(p, "<a href=\"%s/", folder);
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '_';
        html_rawf(p, plain ? "%c" : "%%%02X", c);
    }
    html_raw(p, "\">");
}

/* When the run of a row ended, by the clock on the wall. */
static void clock_of(const cJSON *row, double zone_ms, char out[8])
{
    char text[25];
    const cJSON *ended = member(row, "ended_ms");
    *out = '\0';
    if (!cJSON_IsNumber(ended))
        return;
    clock_format_utc((int64_t)(ended->valuedouble + zone_ms), text);
    snprintf(out, 8, "%.5s", text + 11);
}

static void last_failures(struct page *p, const cJSON *list, double zone_ms)
{
    const cJSON *row;
    html_raw(p, "<section class=\"card\"><h2>");
    html_word(p, WORD_LAST_FAILURES);
    html_raw(p, "</h2>");
    if (!cJSON_GetArraySize(list))
        html_word(p, WORD_NO_FAILURES);
    html_raw(p, "<table>");
    cJSON_ArrayForEach(row, list)
    {
        const cJSON *f = cJSON_GetArrayItem(member(row, "failures"), 0);
        char run[32], clock[8];
        snprintf(run, sizeof run, "%.0f", cJSON_GetNumberValue(member(row, "run")));
        clock_of(row, zone_ms, clock);
        html_raw(p, "<tr><td class=\"num soft\">");
        html_text(p, clock);
        html_raw(p, "</td><td class=\"name\">");
        link_to(p, "run", run);
        html_text(p, unit_name(row, p->language));
        html_raw(p, "</a></td><td class=\"num soft\">");
        html_text(p, member_text(row, "station"));
        html_rawf(p, " / %.0f</td><td>", cJSON_GetNumberValue(member(row, "slot")));
        html_verdict(p, member_text(row, "verdict"), "");
        html_raw(p, " ");
        html_text(p, f ? member_text(f, "step") : member_text(row, "message"));
        if (f && *member_text(f, "measurement")) {
            char value[32];
            number_text(member(f, "value"), value);
            html_raw(p, " · ");
            html_text(p, member_text(f, "measurement"));
            html_raw(p, " ");
            html_text(p, value);
            html_raw(p, " <span class=\"soft\">");
            html_text(p, member_text(f, "unit"));
            html_raw(p, " (");
            html_limits(p, f);
            html_raw(p, ")</span>");
        }
        html_raw(p, "</td></tr>\n");
    }
    html_raw(p, "</table></section>\n");
}

static void slots(struct page *p, const cJSON *list)
{
    const cJSON *slot;
    if (!list) /* nobody knows where taktd is */
        return;
    html_raw(p, "<section class=\"card\"><h2>");
    html_word(p, WORD_SLOTS);
    html_raw(p, "</h2>");
    if (cJSON_IsNull(list)) {
        html_raw(p, "<span class=\"soft\">");
        html_word(p, WORD_NO_TAKTD);
        html_raw(p, "</span></section>\n");
        return;
    }
    html_raw(p, "<div class=\"slots\">\n");
    cJSON_ArrayForEach(slot, list)
    {
        bool idle = member_is(slot, "state", "idle");
        html_rawf(p, "<div class=\"slot\"><b>%.0f</b>", cJSON_GetNumberValue(member(slot, "slot")));
        if (idle && *member_text(slot, "verdict")) {
            html_verdict(p, member_text(slot, "verdict"), "");
        } else {
            html_raw(p, "<span class=\"soft\">");
            html_text(p, idle ? word_of(p->language, WORD_IDLE) : member_text(slot, "step"));
            html_raw(p, "</span>");
        }
        html_raw(p, "<div class=\"soft\">");
        html_text(p, member_text(slot, "serial"));
        html_raw(p, "</div>");
        double count = cJSON_GetNumberValue(member(slot, "count"));
        if (!idle && count > 0)
            html_rawf(p, "<progress max=\"%.0f\" value=\"%.0f\"></progress>", count,
                      cJSON_GetNumberValue(member(slot, "index")));
        html_raw(p, "</div>\n");
    }
    html_raw(p, "</div></section>\n");
}

static void body(struct page *p, const cJSON *d)
{
    char now[32];
    const char *at = member_text(d, "now");
    snprintf(now, sizeof now, "%.10s %.8s", at, strlen(at) >= 19 ? at + 11 : "");
    html_raw(p, "<header><h1>");
    html_word(p, WORD_TODAY);
    html_raw(p, "</h1><span class=\"end\">");
    html_text(p, now);
    html_raw(p, "</span></header>\n<div class=\"tiles\">\n");
    yield_tile(p, member(d, "first_pass_yield"), WORD_FIRST_PASS_YIELD);
    yield_tile(p, member(d, "last_pass_yield"), WORD_LAST_PASS_YIELD);
    count_tile(p, member(d, "unit_count"), WORD_UNITS);
    count_tile(p, member(d, "failed"), WORD_FAILED);
    count_tile(p, member(d, "last_hour"), WORD_PER_HOUR);
    html_raw(p, "</div>\n<div class=\"two\"><section class=\"card\"><h2>");
    html_word(p, WORD_BY_HOUR);
    html_raw(p, "</h2>");
    html_chart(p, chart_throughput, member(d, "throughput"), 640, true);
    html_raw(p, "</section>\n<section class=\"card\"><h2>");
    html_word(p, WORD_FAILURES);
    html_raw(p, "</h2>");
    if (cJSON_GetArraySize(member(d, "failures")))
        html_chart(p, chart_pareto, member(d, "failures"), 640, true);
    else
        html_word(p, WORD_NO_FAILURES);
    html_raw(p, "</section></div>\n<div class=\"two\">");
    last_failures(p, member(d, "last_failures"), cJSON_GetNumberValue(member(d, "zone_ms")));
    slots(p, member(d, "slots"));
    html_raw(p, "</div>\n");
}

static int ended(const struct page *p, struct error *err)
{
    return p->failed
               ? error_set(err, p->failed, "cannot write the dashboard: %s", error_name(p->failed))
               : 0;
}

int dashboard_body(const cJSON *document, const char *language, struct buffer *out,
                   struct error *err)
{
    static const struct render_options plain = {0};
    struct page p = {.out = out, .options = &plain, .language = word_language(language)};
    body(&p, document);
    return ended(&p, err);
}

int dashboard_page(const cJSON *document, const char *language, struct buffer *out,
                   struct error *err)
{
    static const struct render_options plain = {0};
    struct page p = {.out = out, .options = &plain, .language = word_language(language)};
    html_rawf(&p,
              "<!doctype html>\n<html lang=\"%s\">\n<meta charset=\"utf-8\">\n<meta "
              "name=\"viewport\" content=\"width=device-width\">\n<title>Takt</title>\n"
              "<link rel=\"stylesheet\" href=\"style.css\">\n"
              "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n<body>\n"
              "<div class=\"stale\" id=\"stale\" hidden>",
              render_languages()[p.language]);
    html_word(&p, WORD_STALE);
    html_raw(&p, "</div>\n<main id=\"live\">\n");
    body(&p, document);
    html_raw(&p, "</main>\n<script src=\"refresh.js\"></script>\n</body>\n</html>\n");
    return ended(&p, err);
}
