#include "station/study/study_items.h"

#include <stdio.h>

enum { PLACES = GAGE_PARTS * GAGE_OPERATORS };

int study_items_count(const struct study_items *s)
{
    return s->units + (s->gage ? GAGE_RUNS : 0);
}

int study_item_gage(const struct study_items *s, int item)
{
    const int run = item;
    if (!s->gage || run >= GAGE_RUNS)
        return -1;
    const int trial = run / PLACES, place = run % PLACES / GAGE_PARTS, part = run % GAGE_PARTS;
    return (part * GAGE_OPERATORS + place) * GAGE_TRIALS + trial;
}

int study_item_number(const struct study_items *s, int item)
{
    return s->gage ? item - GAGE_RUNS : item;
}

int study_items_together(const struct study_items *s, int item)
{
    return study_item_gage(s, item) < 0 ? study_items_count(s) - item : PLACES - item % PLACES;
}

/* Each placement is a unit of its own to the station: the same part lies in three places at once.
 */
static cJSON *placed_part(const struct study_items *s, int placement)
{
    char chip_id[33];
    const int part = placement / (GAGE_OPERATORS * GAGE_TRIALS);
    const int place = placement / GAGE_TRIALS % GAGE_OPERATORS, trial = placement % GAGE_TRIALS;
    cJSON *unit = population_part(s->study, s->seed, part, GAGE_PARTS);
    snprintf(chip_id, sizeof chip_id, "%08x%08x%08x%08x", 0x9a9eu, (unsigned)part, (unsigned)place,
             (unsigned)trial);
    if (!unit)
        return NULL;
    cJSON_ReplaceItemInObjectCaseSensitive(unit, "chip_id", cJSON_CreateString(chip_id));
    if (!population_place(unit, s->seed, (uint32_t)placement)) {
        cJSON_Delete(unit);
        return NULL;
    }
    return unit;
}

cJSON *study_item_unit(const struct study_items *s, int item)
{
    const int gage = study_item_gage(s, item);
    return gage < 0 ? population_json(s->study, s->seed, study_item_number(s, item))
                    : placed_part(s, gage);
}
