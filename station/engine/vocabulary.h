/* The words of plans, from a table of step kinds and the classes of instruments. */
#ifndef TAKT_STATION_ENGINE_VOCABULARY_H
#define TAKT_STATION_ENGINE_VOCABULARY_H

#include "station/plan/plan.h"
#include "station/steps/step.h"

enum { VOCABULARY_CLASSES_MAX = 32 };

struct vocabulary {
    struct plan_vocabulary words; /* for plan_load() */
    const struct step_kind *const *kinds;
    const char *classes[VOCABULARY_CLASSES_MAX + 1];
};

/* `kinds` ends with NULL and is usually step_kinds(). The vocabulary must not be moved after. */
void vocabulary_fill(struct vocabulary *v, const struct step_kind *const *kinds);
const struct step_kind *vocabulary_kind(const struct vocabulary *v, const char *name);

#endif
