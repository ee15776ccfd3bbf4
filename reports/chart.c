#include "reports/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/render_kinds.h"

enum { POINTS_MAX = 512, PARETO_ROWS_MAX = 12 };

static void line(const struct canvas *c, double x1, double y1, double x2, double y2, enum ink ink,
                 double width, double dash_px)
{
    const struct point_px ends[2] = {{x1, y1}, {x2, y2}};
    c->ops->path(c->context, ends, 2, ink, width, dash_px);
}

static void text(const struct canvas *c, double x, double y, double size_px, enum anchor anchor,
                 enum ink ink, const char *s)
{
    c->ops->text(c->context, x, y, size_px, anchor, ink, s);
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *value = member(object, name);
    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

/* About how wide the letter at `s` is in a sans-serif font, in parts of its size: no font is at
 * hand where the page is made. Of the first byte alone: three bytes and more are mostly CJK. */
static double letter_wide(const char *s)
{
    if ((unsigned char)*s >= 0xe3)
        return 1;
    if (*s && strchr("mwMW@%<>=+~", *s))
        return 0.9;
    return *s && strchr("iIjlft.,:;'|!()[]/ ", *s) ? 0.42 : 0.66;
}

/* Cuts a name to what is about `width` times the font's size wide; "…" stands for what went. `s`
 * has room for four bytes more. */
static void shorten(char *s, double width)
{
    double wide = 0;
    char *cut = s; /* the last place where "…" still fits */
    for (char *p = s; *p; p++) {
        if ((*p & 0xc0) == 0x80)
            continue;
        if (wide <= width - 1)
            cut = p;
        wide += letter_wide(p);
        if (wide > width) {
            strcpy(cut, "…");
            return;
        }
    }
}

double chart_pareto(const struct canvas *c, const cJSON *failures, double width)
{
    enum { ROW = 28, SHARE = 56, COUNT = 60 };
    double name = fmin(300, width * 0.42), bar = width - name - SHARE - COUNT, y = 0;
    const cJSON *row, *first = cJSON_GetArrayItem(failures, 0);
    int rows = cJSON_GetArraySize(failures);
    rows = rows < PARETO_ROWS_MAX ? rows : PARETO_ROWS_MAX;
    cJSON_ArrayForEach(row, failures)
    {
        if (!c || y >= rows * ROW)
            break;
        char label[192], count[32], share[32];
        double length = bar * number(row, "count") / number(first, "count");
        snprintf(label, sizeof label - 4, "%s%s%s", member_text(row, "step"),
                 *member_text(row, "measurement") ? " · " : "", member_text(row, "measurement"));
        shorten(label, (name - 14) / 13);
        snprintf(count, sizeof count, "%.0f", number(row, "count"));
        snprintf(share, sizeof share, "%.0f %%", 100 * number(row, "cumulative"));
        text(c, name - 10, y + 19, 13, ANCHOR_END, INK_TEXT, label);
        c->ops->rect(c->context, name, y + 5, fmax(length, 1), 18, INK_FAIL, 0.75);
        text(c, name + length + 7, y + 19, 13, ANCHOR_START, INK_TEXT, count);
        text(c, width - 2, y + 19, 13, ANCHOR_END, INK_SOFT, share);
        y += ROW;
    }
    return rows * ROW + 4;
}

/* Values to pixels, high values up. */
struct scale {
    double low, high, top, bottom;
};

static double place(const struct scale *s, double value)
{
    return s->bottom - (value - s->low) / (s->high - s->low) * (s->bottom - s->top);
}

static void widen(struct scale *s, double value)
{
    s->low = fmin(s->low, value); /* fmin and fmax leave NAN out */
    s->high = fmax(s->high, value);
}

/* Lines across a chart, in the order of their heights, and where each one's value stands
 * beside it: two that are close have their values one above the other. */
struct levels {
    struct level {
        double y, text_y;
        char text[32];
        enum ink ink;
    } at[5];
    int count;
};

static void level(struct levels *all, const struct canvas *c, const struct scale *s, double value,
                  double left, double right, enum ink ink, double dash_px)
{
    double y = place(s, value);
    int i = all->count;
    if (isnan(value) || y < s->top - 0.5 || y > s->bottom + 0.5)
        return;
    line(c, left, y, right, y, ink, 1, dash_px);
    for (; i > 0 && all->at[i - 1].y > y; i--)
        all->at[i] = all->at[i - 1];
    all->at[i] = (struct level){.y = y, .text_y = y, .ink = ink == INK_LINE ? INK_SOFT : ink};
    snprintf(all->at[i].text, sizeof all->at[i].text, "%.5g", value);
    all->count++;
}

static void level_values(struct levels *all, const struct canvas *c, double x, double bottom)
{
    enum { APART = 11 };
    for (int i = 1; i < all->count; i++)
        all->at[i].text_y = fmax(all->at[i].text_y, all->at[i - 1].text_y + APART);
    for (int i = all->count - 1; i >= 0; i--) {
        all->at[i].text_y = fmin(all->at[i].text_y, bottom);
        bottom = all->at[i].text_y - APART;
    }
    for (int i = 0; i < all->count; i++)
        text(c, x, all->at[i].text_y + 4, 11, ANCHOR_START, all->at[i].ink, all->at[i].text);
}

double chart_control(const struct canvas *c, const cJSON *figure, double width)
{
    enum { HEIGHT = 170, RIGHT = 70 };
    const cJSON *chart = member(figure, "chart"), *v;
    const cJSON *values = member(chart, "values"), *ewma = member(chart, "ewma");
    struct point_px points[POINTS_MAX], smooth[POINTS_MAX];
    int count = cJSON_GetArraySize(values), i = 0;
    if (!c || count < 2 || count > POINTS_MAX)
        return count < 2 ? 0 : HEIGHT;
    double ucl = number(chart, "ucl"), lcl = number(chart, "lcl"), mean = number(chart, "mean");
    struct scale s = {ucl, lcl, 8, HEIGHT - 8};
    struct levels levels = {0};
    cJSON_ArrayForEach(v, values) widen(&s, v->valuedouble);
    widen(&s, ucl);
    widen(&s, lcl);
    /* A limit far away would press the values flat: it is drawn only when it is near. */
    double low = number(figure, "low"), high = number(figure, "high"), room = s.high - s.low;
    if (low > s.low - room)
        widen(&s, low);
    if (high < s.high + room)
        widen(&s, high);
    if (!(s.high > s.low)) {
        s.low -= 1;
        s.high += 1;
    }
    double right = width - RIGHT, step = (right - 8) / fmax(count - 1, 1);
    cJSON_ArrayForEach(v, values)
    {
        points[i] = (struct point_px){4 + step * i, place(&s, v->valuedouble)};
        i++;
    }
    i = 0;
    cJSON_ArrayForEach(v, ewma)
    {
        if (i < count)
            smooth[i] = (struct point_px){points[i].x, place(&s, v->valuedouble)};
        i++;
    }
    level(&levels, c, &s, mean, 0, right, INK_LINE, 0);
    level(&levels, c, &s, ucl, 0, right, INK_SOFT, 5);
    level(&levels, c, &s, lcl, 0, right, INK_SOFT, 5);
    level(&levels, c, &s, low, 0, right, INK_FAIL, 0);
    level(&levels, c, &s, high, 0, right, INK_FAIL, 0);
    level_values(&levels, c, right + 6, s.bottom);
    c->ops->path(c->context, points, (size_t)count, INK_SOFT, 0.6, 0);
    if (i == count)
        c->ops->path(c->context, smooth, (size_t)count, INK_ACCENT, 1.6, 0);
    for (i = 0; i < count; i++)
        c->ops->dot(c->context, points[i].x, points[i].y, count > 100 ? 1.3 : 2, INK_TEXT);
    cJSON_ArrayForEach(v, member(chart, "violations"))
    {
        int at = (int)number(v, "point") - 1;
        if (at >= 0 && at < count)
            c->ops->dot(c->context, points[at].x, points[at].y, 3.2, INK_ODD);
    }
    return HEIGHT;
}

/* 1, 2 or 5 times a power of ten, so that at most four lines are drawn below `most`. */
static double round_step(double most)
{
    double power = pow(10, floor(log10(most / 4))), step = power;
    static const double factors[] = {1, 2, 5, 10};
    for (size_t i = 0; i < 4 && most / step > 4; i++)
        step = power * factors[i];
    return fmax(step, 1);
}

double chart_throughput(const struct canvas *c, const cJSON *throughput, double width)
{
    enum { HEIGHT = 150, LEFT = 46, BOTTOM = 22 };
    const cJSON *b, *buckets = member(throughput, "buckets");
    int count = cJSON_GetArraySize(buckets);
    if (!c || !count)
        return count ? HEIGHT : 0;
    double bucket_ms = number(throughput, "bucket_ms"), most = 1;
    double from = number(cJSON_GetArrayItem(buckets, 0), "started_ms");
    double to = number(cJSON_GetArrayItem(buckets, count - 1), "started_ms") + bucket_ms;
    cJSON_ArrayForEach(b, buckets) most = fmax(most, number(b, "runs"));
    double slots = fmax((to - from) / bucket_ms, 12), wide = (width - LEFT) / slots;
    struct scale s = {0, most, 10, HEIGHT - BOTTOM};
    for (double y = 0; y <= most; y += round_step(most)) {
        char label[32];
        snprintf(label, sizeof label, "%.0f", y);
        line(c, LEFT, place(&s, y), width, place(&s, y), INK_LINE, 1, 0);
        text(c, LEFT - 8, place(&s, y) + 4, 11, ANCHOR_END, INK_SOFT, label);
    }
    double named_to = -1;
    cJSON_ArrayForEach(b, buckets)
    {
        double x = LEFT + (number(b, "started_ms") - from) / bucket_ms * wide;
        double runs = number(b, "runs"), passed = number(b, "passed");
        double top = place(&s, runs), middle = place(&s, runs - passed);
        double bar = fmax(wide - fmin(3, wide * 0.2), 0.5);
        c->ops->rect(c->context, x, top, bar, middle - top, INK_PASS, 0.8);
        c->ops->rect(c->context, x, middle, bar, s.bottom - middle, INK_FAIL, 0.85);
        const char *at = member_text(b, "started"); /* 2026-11-22T20:... */
        char label[16] = "";
        if (strlen(at) >= 16 && bucket_ms > 4e6)
            snprintf(label, sizeof label, "%.5s", at + 5);
        else if (strlen(at) >= 16)
            snprintf(label, sizeof label, "%.5s", at + 11);
        if (x > named_to + 14) {
            text(c, x, HEIGHT - 6, 11, ANCHOR_START, INK_SOFT, label);
            named_to = x + 32;
        }
    }
    return HEIGHT;
}

/* The picture's scale: two limits take the middle half; one limit stands in the middle of a scale
 * from 0, or of the value's span when something is negative. */
static void limit_scale(double value, double low, double high, double *from, double *to)
{
    if (!isnan(low) && !isnan(high) && high > low) {
        *from = low - (high - low) / 2;
        *to = high + (high - low) / 2;
        return;
    }
    double limit = isnan(low) ? high : low;
    if (limit > 0 && value >= 0) {
        *from = 0;
        *to = fmax(limit * 2, value * 1.1);
        return;
    }
    double span = fmax(fabs(value - limit) * 1.25, fabs(limit) * 0.1);
    span = span > 0 ? span : 1;
    *from = limit - span;
    *to = limit + span;
}

static double clamp(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

static void limit_track(const struct canvas *c, double low, double high, double from, double to,
                        double width)
{
    double a = isnan(low) ? 0 : clamp((low - from) / (to - from) * width, 0, width);
    double b = isnan(high) ? width : clamp((high - from) / (to - from) * width, 0, width);
    c->ops->rect(c->context, 0, 5, width, 6, INK_TRACK, 1);
    c->ops->rect(c->context, a, 5, fmax(b - a, 1), 6, INK_PASS, 0.35);
}

double chart_limits(const struct canvas *c, const cJSON *measurement, double width)
{
    enum { HEIGHT = 16 };
    double low = number(measurement, "low"), high = number(measurement, "high");
    double value = number(measurement, "value"), from, to;
    if (isnan(value) || (isnan(low) && isnan(high)))
        return 0;
    if (!c)
        return HEIGHT;
    limit_scale(value, low, high, &from, &to);
    limit_track(c, low, high, from, to, width);
    enum ink ink = value < low || value > high ? INK_FAIL : INK_PASS;
    double x = (value - from) / (to - from) * width;
    if (x < 4 || x > width - 4) { /* far outside: an arrow at the edge */
        double tip = x < 4 ? 0 : width, foot = x < 4 ? 8 : width - 8;
        const struct point_px arrow[] = {{foot, 2}, {tip, 8}, {foot, 14}};
        c->ops->path(c->context, arrow, 3, ink, 3, 0);
    } else {
        c->ops->rect(c->context, x - 2, 1, 4, 14, ink, 1);
    }
    return HEIGHT;
}

double chart_spread(const struct canvas *c, const cJSON *figure, double width)
{
    enum { HEIGHT = 16 };
    double low = number(figure, "low"), high = number(figure, "high"), from, to;
    double mean = number(figure, "mean"), sd = number(figure, "sd");
    if (isnan(mean) || (isnan(low) && isnan(high)))
        return 0;
    if (!c)
        return HEIGHT;
    limit_scale(mean, low, high, &from, &to);
    limit_track(c, low, high, from, to, width);
    double reach = isnan(sd) ? 0 : 3 * sd;
    double left = clamp((mean - reach - from) / (to - from) * width, 0, width);
    double right = clamp((mean + reach - from) / (to - from) * width, 0, width);
    bool inside = !(mean - reach < low) && !(mean + reach > high);
    line(c, left, 8, right, 8, inside ? INK_PASS : INK_ODD, 2.5, 0);
    c->ops->dot(c->context, clamp((mean - from) / (to - from) * width, 4, width - 4), 8, 4,
                mean < low || mean > high ? INK_FAIL
                : inside                  ? INK_PASS
                                          : INK_ODD);
    return HEIGHT;
}

/* Hours below a chart, from 0 to `to`. */
static void hours_axis(const struct canvas *c, double left, double right, double y, double to)
{
    for (int i = 0; i <= 4; i++) {
        char label[32];
        snprintf(label, sizeof label, "%.4g h", to * i / 4);
        text(c, left + (right - left) * i / 4, y, 11,
             i == 0   ? ANCHOR_START
             : i == 4 ? ANCHOR_END
                      : ANCHOR_MIDDLE,
             INK_SOFT, label);
    }
}

/* One curve with its band, to where its longest unit was watched. */
static void survival_curve(const struct canvas *c, const struct scale *s, const cJSON *curve,
                           double left, double px_per_hour, enum ink ink)
{
    const cJSON *step = member(curve, "steps") ? member(curve, "steps")->child : NULL;
    const double end = left + number(curve, "until") * px_per_hour;
    double x = left, good = 1, deviation = 0;
    for (;; step = step->next) {
        const double next = step ? left + number(step, "hours") * px_per_hour : end;
        const double high = place(s, fmin(good + 1.96 * deviation, 1));
        const double low = place(s, fmax(good - 1.96 * deviation, 0));
        if (deviation > 0)
            c->ops->rect(c->context, x, high, next - x, low - high, ink, 0.15);
        line(c, x, place(s, good), next, place(s, good), ink, 1.8, 0);
        if (!step)
            break;
        line(c, next, place(s, good), next, place(s, number(step, "good")), ink, 1.8, 0);
        good = number(step, "good");
        deviation = number(step, "deviation");
        x = next;
    }
}

double chart_survival(const struct canvas *c, const cJSON *survival, double width)
{
    enum { HEIGHT = 200, LEFT = 4, RIGHT = 60, BOTTOM = 24, NAME = 16 };
    static const enum ink inks[] = {INK_ACCENT, INK_ODD};
    const double to = number(survival, "to"), right = width - RIGHT;
    const cJSON *curve;
    int names = 0;
    if (!(to > 0))
        return 0;
    cJSON_ArrayForEach(curve, member(survival, "curves")) names += *member_text(curve, "name") != 0;
    if (!c)
        return HEIGHT + names * NAME;
    const struct scale s = {0, 1, 8, HEIGHT - BOTTOM};
    struct levels levels = {0};
    int i;
    for (i = 0; i <= 4; i++)
        level(&levels, c, &s, i / 4.0, LEFT, right, INK_LINE, 0);
    level_values(&levels, c, right + 6, s.bottom);
    hours_axis(c, LEFT, right, HEIGHT - 6, to);
    i = 0;
    cJSON_ArrayForEach(curve, member(survival, "curves"))
    {
        const enum ink ink = inks[i > 0];
        const double y = HEIGHT + 6 + i * NAME;
        survival_curve(c, &s, curve, LEFT, (right - LEFT) / to, ink);
        if (names) {
            line(c, LEFT, y - 4, LEFT + 18, y - 4, ink, 1.8, 0);
            text(c, LEFT + 26, y, 11, ANCHOR_START, INK_TEXT, member_text(curve, "name"));
        }
        i++;
    }
    return HEIGHT + names * NAME;
}

/* Every nth pair, so that no more than POINTS_MAX are drawn, and the last. */
static void course_line(const struct canvas *c, const struct scale *s, const cJSON *series,
                        double to, double right)
{
    struct point_px points[POINTS_MAX + 1];
    const cJSON *v = member(series, "values");
    const int pairs = cJSON_GetArraySize(v) / 2, stride = pairs / POINTS_MAX + 1;
    const bool failed = cJSON_IsTrue(member(series, "failed"));
    size_t count = 0;
    int i = 0;
    for (v = v ? v->child : NULL; v && v->next; v = v->next->next, i++)
        if (i % stride == 0 || i == pairs - 1)
            points[count++] = (struct point_px){4 + v->valuedouble / to * (right - 4),
                                                place(s, v->next->valuedouble)};
    if (count == 1)
        c->ops->dot(c->context, points[0].x, points[0].y, 2, failed ? INK_FAIL : INK_ACCENT);
    else if (count)
        c->ops->path(c->context, points, count, failed ? INK_FAIL : INK_ACCENT, 1,
                     cJSON_IsTrue(member(series, "dashed")) ? 4 : 0);
}

double chart_course(const struct canvas *c, const cJSON *course, double width)
{
    enum { HEIGHT = 170, RIGHT = 70, BOTTOM = 24 };
    const cJSON *each, *v, *all = member(course, "series");
    const double right = width - RIGHT;
    double low = number(course, "low"), high = number(course, "high"), to = 0;
    struct scale s = {NAN, NAN, 8, HEIGHT - BOTTOM};
    cJSON_ArrayForEach(each, all)
    {
        v = member(each, "values");
        for (v = v ? v->child : NULL; v && v->next; v = v->next->next) {
            to = fmax(to, v->valuedouble);
            widen(&s, v->next->valuedouble);
        }
    }
    if (isnan(s.low))
        return 0;
    if (!c)
        return HEIGHT;
    const double room = fmax(s.high - s.low, 1e-3 * fabs(s.high));
    if (low > s.low - 2 * room)
        widen(&s, low);
    if (high < s.high + 2 * room)
        widen(&s, high);
    if (!(s.high > s.low)) {
        s.low -= 1;
        s.high += 1;
    }
    to = to > 0 ? to : 1;
    struct levels levels = {0};
    level(&levels, c, &s, s.low, 4, right, INK_LINE, 0);
    level(&levels, c, &s, s.high, 4, right, INK_LINE, 0);
    level(&levels, c, &s, low, 4, right, INK_FAIL, 0);
    level(&levels, c, &s, high, 4, right, INK_FAIL, 0);
    level_values(&levels, c, right + 6, s.bottom);
    hours_axis(c, 4, right, HEIGHT - 6, to);
    cJSON_ArrayForEach(each, all) course_line(c, &s, each, to, right);
    return HEIGHT;
}
