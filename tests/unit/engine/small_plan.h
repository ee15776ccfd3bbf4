/* A plan from a line of text, for what is pure: no file, no step that runs. */
#ifndef TESTS_UNIT_ENGINE_SMALL_PLAN_H
#define TESTS_UNIT_ENGINE_SMALL_PLAN_H

#include <stdio.h>
#include <string.h>

#include "station/plan/plan.h"

static const char *small_kind(const void *context, size_t index)
{
    return index == 0 ? "do" : NULL;
}

static bool small_param(const void *context, const char *kind, size_t index, struct plan_param *out)
{
    return false;
}

static bool small_measurement(const void *context, const char *kind, size_t index,
                              struct plan_measurement *out)
{
    return false;
}

/* Steps as "{'id':'a' ...}, ...": kind and deadline are added. */
static inline struct plan *small_plan(const char *steps, const char *rest)
{
    static const char *const classes[] = {"light", "sound", "radio", NULL};
    static const struct plan_vocabulary words = {.kind = small_kind,
                                                 .param = small_param,
                                                 .measurement = small_measurement,
                                                 .instrument_classes = classes};
    static const char product[] = "{\"product\":\"cam\",\"board\":\"b\",\"limits\":\"l\"}";
    char text[8000];
    size_t n = (size_t)snprintf(text, sizeof text, "{'plan':'p','product':'cam',%s'steps':[", rest);
    for (const char *p = steps; *p && n < sizeof text - 60; p++) {
        text[n++] = *p;
        if (*p == '{' && strncmp(p, "{'id'", 5) == 0)
            n += (size_t)snprintf(text + n, sizeof text - n, "'step':'do','deadline_s':10,");
    }
    snprintf(text + n, sizeof text - n, "]}");
    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    const struct plan_source sources[] = {
        {"product.json", product, strlen(product)}, {"l", "{}", 2}, {"p.json", text, strlen(text)}};
    struct plan *plan = NULL;
    struct error err = {0};
    if (plan_parse(&sources[0], &sources[1], &sources[2], &words, &plan, &err))
        fail_msg("%s in %s", err.text, text);
    return plan;
}

#endif
