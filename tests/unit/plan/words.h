/* A small vocabulary of step kinds for the plan's tests. */
#ifndef TESTS_UNIT_PLAN_WORDS_H
#define TESTS_UNIT_PLAN_WORDS_H

#include <string.h>

#include "station/plan/plan.h"

static const char *words_kind(const void *context, size_t index)
{
    static const char *const kinds[] = {"image", "power_on", "power_off"};
    (void)context;
    return index < 3 ? kinds[index] : NULL;
}

static bool words_param(const void *context, const char *kind, size_t index, struct plan_param *out)
{
    static const struct plan_param image[] = {
        {"frames", PLAN_NUMBER, "4", 1, 16},
        {"chart", PLAN_TEXT, "slanted-edge", 0, 0},
        {"dark", PLAN_FLAG, "false", 0, 0},
    };
    static const struct plan_param power[] = {{"volts", PLAN_NUMBER, "", 0, 24}};
    (void)context;
    if (strcmp(kind, "image") == 0 && index < 3)
        *out = image[index];
    else if (strcmp(kind, "power_on") == 0 && index < 1)
        *out = power[index];
    else
        return false;
    return true;
}

static bool words_measurement(const void *context, const char *kind, size_t index,
                              struct plan_measurement *out)
{
    static const struct plan_measurement image[] = {{"mtf50_centre", "cycles/px"}, {"snr", "dB"}};
    (void)context;
    if (strcmp(kind, "image") != 0 || index >= 2)
        return false;
    *out = image[index];
    return true;
}

static const char *const words_classes[] = {"power_supply", "light", NULL};
static const struct plan_vocabulary words = {
    .kind = words_kind,
    .param = words_param,
    .measurement = words_measurement,
    .instrument_classes = words_classes,
};

#endif
