/* Any bytes as product, limits and plan: refused or read, never worse. The input is cut at its
 * first two 0x01 bytes. */
#include <stdint.h>

#include "tests/unit/plan/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan_source parts[3] = {
        {"product.json", "", 0}, {"limits.json", "", 0}, {"plan.json", "", 0}};
    const char *p = (const char *)data, *end = p + size;
    for (int i = 0; i < 3; i++) {
        const char *cut = i < 2 ? memchr(p, 1, (size_t)(end - p)) : NULL;
        parts[i].text = p;
        parts[i].size = (size_t)((cut ? cut : end) - p);
        p = cut ? cut + 1 : end;
    }
    struct plan *plan;
    struct error err = {0};
    int rc = plan_parse(&parts[0], &parts[1], &parts[2], &words, &plan, &err);
    if ((rc == 0) != (plan != NULL))
        __builtin_trap();
    plan_free(plan);
    return 0;
}
