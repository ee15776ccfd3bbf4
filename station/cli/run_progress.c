#include "station/cli/run_progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/json.h"

static bool watched(const cJSON *slot, const cJSON *runs)
{
    const cJSON *run;
    cJSON_ArrayForEach(run, runs)
    {
        if (json_number(run, "run", 0) == json_number(slot, "run", -1))
            return true;
    }
    return false;
}

static void bar(double fraction, char out[21])
{
    const int full = fraction < 0 ? 0 : fraction > 1 ? 20 : (int)(fraction * 20 + 0.5);
    for (int i = 0; i < 20; i++)
        out[i] = i < full ? '#' : '.';
    out[20] = '\0';
}

static void describe(const cJSON *slot, char *out, size_t size)
{
    const char *verdict = json_string(slot, "verdict", "");
    const double count = json_number(slot, "count", 0), fraction = json_number(slot, "fraction", 0);
    char done[21];
    if (strcmp(json_string(slot, "state", ""), "idle") == 0) {
        snprintf(out, size, "%s", verdict);
        return;
    }
    bar(count > 0 ? (json_number(slot, "index", 0) + fraction) / count : 0, done);
    snprintf(out, size, "[%s] %-11s %.40s%s", done, json_string(slot, "step", ""),
             json_string(slot, "text", ""),
             strcmp(json_string(slot, "worst", ""), "fail") == 0 ? "  (failed a test)" : "");
}

static void draw(struct run_progress *p, const cJSON *status, const cJSON *runs)
{
    const cJSON *slot;
    if (p->lines)
        fprintf(stderr, "\033[%dA", p->lines);
    p->lines = 0;
    cJSON_ArrayForEach(slot, cJSON_GetObjectItemCaseSensitive(status, "slots"))
    {
        char text[160];
        if (!watched(slot, runs))
            continue;
        describe(slot, text, sizeof text);
        fprintf(stderr, "\r\033[Kslot %-3d %s\n", (int)json_number(slot, "slot", 0), text);
        p->lines++;
    }
}

static void log_changes(struct run_progress *p, const cJSON *status, const cJSON *runs)
{
    const cJSON *slot;
    size_t i = 0;
    cJSON_ArrayForEach(slot, cJSON_GetObjectItemCaseSensitive(status, "slots"))
    {
        const bool idle = strcmp(json_string(slot, "state", ""), "idle") == 0;
        char now[80];
        if (!watched(slot, runs) || i == RUN_PROGRESS_SLOTS)
            continue;
        snprintf(now, sizeof now, "%s",
                 idle ? json_string(slot, "verdict", "") : json_string(slot, "step", ""));
        if (strcmp(now, p->last[i]) != 0)
            fprintf(stderr, "slot %-3d %s\n", (int)json_number(slot, "slot", 0), now);
        memcpy(p->last[i++], now, sizeof now);
    }
}

void run_progress_show(struct run_progress *p, const cJSON *status, const cJSON *runs)
{
    if (isatty(STDERR_FILENO))
        draw(p, status, runs);
    else
        log_changes(p, status, runs);
}

void run_progress_end(struct run_progress *p)
{
    if (p->lines)
        fputc('\n', stderr);
    p->lines = 0;
}
