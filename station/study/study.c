#include "station/study/study.h"

#include <string.h>

extern const struct study study_gauge_senses, study_gauge_vision, study_gauge_streams;

static const struct study *const table[] = {&study_gauge_senses, &study_gauge_vision,
                                            &study_gauge_streams, NULL};

const struct study *const *studies(void)
{
    return table;
}

const struct study *study_find(const char *name)
{
    for (const struct study *const *s = table; *s; s++)
        if (strcmp((*s)->name, name) == 0)
            return *s;
    return NULL;
}
