#include "station/study/population.h"

#include <math.h>

#include "fixtures/virtual/unit_spread.h"
#include "protocol/base/splitmix.h"

enum { ONE_IN = 5, GAGE_UNITS_FROM = 1000000 };

static double draw(uint64_t seed, int number)
{
    uint64_t state = splitmix_mix(seed + (uint64_t)number * SPLITMIX_STEP);
    return (double)((splitmix_next(&state) >> 11) + 1) * 0x1p-53;
}

struct study_unit population_unit(const struct study *s, uint64_t seed, int number)
{
    struct study_unit u = {.kind = -1};
    if (number % ONE_IN == ONE_IN - 1) {
        u.kind = number / ONE_IN % s->kind_count;
        u.strength = s->kinds[u.kind].whole ? 1 : draw(seed, number);
    }
    return u;
}

bool population_spoil(cJSON *unit, const struct study_kind *k, double strength)
{
    bool made = true;
    for (int i = 0; i < 3 && k->changes[i].parameter && made; i++) {
        const double weak = k->changes[i].weak, strong = k->changes[i].strong;
        const double value = k->changes[i].ratio ? weak * pow(strong / weak, strength)
                                                 : weak + (strong - weak) * strength;
        cJSON_DeleteItemFromObjectCaseSensitive(unit, k->changes[i].parameter);
        made = cJSON_AddNumberToObject(unit, k->changes[i].parameter, value) != NULL;
    }
    return made;
}

/* Twelve draws of equal chance are near enough to a bell. */
static double bell(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)(splitmix_next(state) >> 11) * 0x1p-53;
    return sum;
}

bool population_place(cJSON *unit, uint64_t seed, uint32_t placement)
{
    /* As well as a nest with pins holds a housing. */
    static const double turn_deg = 0.05, off_px = 3;
    uint64_t state = splitmix_mix(seed ^ ((uint64_t)placement + 1) << 32);
    return cJSON_AddNumberToObject(unit, "power_ups", placement) &&
           cJSON_AddNumberToObject(unit, "seat_turn_deg", turn_deg * bell(&state)) &&
           cJSON_AddNumberToObject(unit, "seat_x_px", off_px * bell(&state)) &&
           cJSON_AddNumberToObject(unit, "seat_y_px", off_px * bell(&state));
}

cJSON *population_json(const struct study *s, uint64_t seed, int number)
{
    const struct study_unit u = population_unit(s, seed, number);
    cJSON *unit = unit_spread(seed, number + 1);
    if (unit && (!population_place(unit, seed, (uint32_t)number) ||
                 (u.kind >= 0 && !population_spoil(unit, &s->kinds[u.kind], u.strength)))) {
        cJSON_Delete(unit);
        return NULL;
    }
    return unit;
}

cJSON *population_part(const struct study *s, uint64_t seed, int part, int parts)
{
    cJSON *unit = unit_spread(seed, GAGE_UNITS_FROM + part);
    bool made = unit != NULL;
    for (int k = 0; k < s->kind_count && made; k++)
        if (!s->kinds[k].whole && s->kinds[k].gage_strength > 0)
            /* Each kind begins at another part, or one part would be the worst in all. */
            made = population_spoil(unit, &s->kinds[k],
                                    s->kinds[k].gage_strength * ((part + 3 * k) % parts) /
                                        (parts - 1.0));
    if (!made) {
        cJSON_Delete(unit);
        return NULL;
    }
    return unit;
}
