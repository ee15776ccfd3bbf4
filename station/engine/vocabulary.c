#include "station/engine/vocabulary.h"

#include <string.h>

#include "fixtures/driver.h"

const struct step_kind *vocabulary_kind(const struct vocabulary *v, const char *name)
{
    for (const struct step_kind *const *k = v->kinds; *k; k++)
        if (strcmp((*k)->name, name) == 0)
            return *k;
    return NULL;
}

static const char *kind_at(const void *context, size_t index)
{
    const struct step_kind *const *kinds = ((const struct vocabulary *)context)->kinds;
    size_t n = 0;
    while (kinds[n])
        n++;
    return index < n ? kinds[index]->name : NULL;
}

static bool param_at(const void *context, const char *kind, size_t index, struct plan_param *out)
{
    static const enum plan_param_kind of[] = {
        [PARAM_NUMBER] = PLAN_NUMBER, [PARAM_TEXT] = PLAN_TEXT, [PARAM_FLAG] = PLAN_FLAG};
    const struct step_kind *k = vocabulary_kind(context, kind);
    const struct step_param *p = k ? k->params : NULL;
    for (size_t i = 0; p && p->name; i++, p++)
        if (i == index) {
            *out = (struct plan_param){p->name, of[p->kind], p->fallback, p->low, p->high};
            return true;
        }
    return false;
}

static bool measurement_at(const void *context, const char *kind, size_t index,
                           struct plan_measurement *out)
{
    const struct step_kind *k = vocabulary_kind(context, kind);
    const struct step_measurement *m = k ? k->measurements : NULL;
    for (size_t i = 0; m && m->name; i++, m++)
        if (i == index) {
            *out = (struct plan_measurement){m->name, m->unit};
            return true;
        }
    return false;
}

void vocabulary_fill(struct vocabulary *v, const struct step_kind *const *kinds)
{
    size_t n = 0;
    v->kinds = kinds;
    for (; instrument_classes[n] && n < VOCABULARY_CLASSES_MAX; n++)
        v->classes[n] = instrument_classes[n]->name;
    v->classes[n] = NULL;
    v->words = (struct plan_vocabulary){.kind = kind_at,
                                        .param = param_at,
                                        .measurement = measurement_at,
                                        .context = v,
                                        .instrument_classes = v->classes};
}
