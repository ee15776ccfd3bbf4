/* A product, a plan and campaigns of it, for the tests of this folder. */
#ifndef TESTS_UNIT_CAMPAIGN_CAMPAIGNS_H
#define TESTS_UNIT_CAMPAIGN_CAMPAIGNS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"
#include "station/campaign/campaign.h"

static const char *campaigns_kind(const void *context, size_t index)
{
    static const char *const kinds[] = {"health", "image", "power_off", "load"};
    (void)context;
    return index < 4 ? kinds[index] : NULL;
}

static bool campaigns_param(const void *context, const char *kind, size_t index,
                            struct plan_param *out)
{
    (void)context, (void)kind, (void)index, (void)out;
    return false;
}

static bool campaigns_measurement(const void *context, const char *kind, size_t index,
                                  struct plan_measurement *out)
{
    static const struct plan_measurement health[] = {
        {"rss_bytes", "B"}, {"soc_c", "degC"}, {"uptime_s", "s"}};
    static const struct plan_measurement image[] = {{"mtf50_centre", "cycles/px"}};
    static const struct plan_measurement load[] = {{"motors", "ratio"}, {"not_done", "count"}};
    (void)context;
    if (strcmp(kind, "health") == 0 && index < 3)
        *out = health[index];
    else if (strcmp(kind, "load") == 0 && index < 2)
        *out = load[index];
    else if (strcmp(kind, "image") == 0 && index < 1)
        *out = image[index];
    else
        return false;
    return true;
}

static const char *const campaigns_classes[] = {"power_supply", "chamber", NULL};
static const struct plan_vocabulary campaigns_words = {
    .kind = campaigns_kind,
    .param = campaigns_param,
    .measurement = campaigns_measurement,
    .instrument_classes = campaigns_classes,
};

/* A folder of products with the plan cam/aging; removed by the caller's campaigns_remove(). */
static inline void campaigns_products(char folder[64])
{
    static const struct {
        const char *name, *text;
    } files[] = {
        {"product.json",
         "{ \"product\": \"cam\", \"board\": \"nand128\", \"limits\": \"limits.json\" }"},
        {"limits.json", "{ \"image\": { \"mtf50_centre\": { \"min\": 0.2, \"unit\": "
                        "\"cycles/px\" } }, \"elsewhere\": {} }"},
        {"aging.json", "{ \"plan\": \"aging\", \"product\": \"cam\", \"part\": true, \"steps\": [\n"
                       "  { \"id\": \"health\", \"step\": \"health\", \"deadline_s\": 5 },\n"
                       "  { \"id\": \"image\", \"step\": \"image\", \"deadline_s\": 5 },\n"
                       "  { \"id\": \"work\", \"step\": \"load\", \"deadline_s\": 5 } ],\n"
                       "  \"teardown\": [ { \"id\": \"off\", \"step\": \"power_off\", "
                       "\"deadline_s\": 5 } ] }"},
    };
    char path[128];
    strcpy(folder, "/tmp/takt-campaign-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/cam", folder);
    if (file_make_folders(path, 0755, NULL))
        abort();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/cam/%s", folder, files[i].name);
        if (file_write(path, files[i].text, strlen(files[i].text), 0644, NULL))
            abort();
    }
}

static inline void campaigns_remove(const char *folder)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command))
        abort();
}

static inline int campaigns_parse(const char *folder, const char *text, struct campaign **out,
                                  struct error *err)
{
    return campaign_parse("c.json", text, strlen(text), folder, &campaigns_words, out, err);
}

#endif
