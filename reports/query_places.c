#include "reports/query_places.h"

#include <stdlib.h>
#include <string.h>

static const char station_kind[] = "station", slot_kind[] = "slot",
                  instrument_kind[] = "instrument";

void places_free(struct places *p)
{
    free(p->all);
    free(p->setups);
}

bool places_alike(const struct place *a, const struct place *b)
{
    return a->kind == b->kind && a->like == b->like;
}

static int add_place(struct places *p, struct setup *setup, struct place place, struct error *err)
{
    size_t i = 0;
    while (i < p->count && (!places_alike(&p->all[i], &place) || p->all[i].id != place.id ||
                            p->all[i].slot != place.slot))
        i++;
    if (setup->count == PLACES_OF_RUN_MAX || i == PLACES_MAX)
        return 0;
    if (i == p->count) {
        struct place *all = reallocarray(p->all, p->count + 1, sizeof *all);
        if (!all)
            return rows_out_of_memory(err);
        p->all = all;
        p->all[p->count++] = place;
    }
    setup->places[setup->count++] = i;
    return 0;
}

static int add_instruments(struct store *s, struct places *p, struct setup *setup,
                           struct error *err)
{
    /* The class by the lowest number among its instruments. */
    struct rows *r = rows_open(s, err,
                               "SELECT DISTINCT i.id, (SELECT min(k.id) FROM instrument k WHERE"
                               " k.class=i.class) FROM tooling_part t JOIN calibration c ON"
                               " c.id=t.calibration JOIN instrument i ON i.id=c.instrument"
                               " WHERE t.tooling=?1",
                               "i", setup->tooling);
    int rc = r ? 0 : rows_code(err);
    while (!rc && (rc = rows_next(r, err)) == 1)
        rc = add_place(p, setup,
                       (struct place){.kind = instrument_kind,
                                      .id = rows_integer(r, 0),
                                      .like = rows_integer(r, 1)},
                       err);
    rows_close(r);
    return rc;
}

const struct setup *places_of(struct store *s, struct places *p, int64_t station, int64_t slot,
                              int64_t tooling, struct error *err)
{
    for (size_t n = 0; n < p->setup_count; n++) {
        size_t i = (p->last + n) % p->setup_count;
        const struct setup *known = &p->setups[i];
        if (known->station != station || known->slot != slot || known->tooling != tooling)
            continue;
        p->last = i;
        return known;
    }
    struct setup *setups = reallocarray(p->setups, p->setup_count + 1, sizeof *setups);
    if (!setups) {
        rows_out_of_memory(err);
        return NULL;
    }
    p->setups = setups;
    struct setup *setup = &setups[p->setup_count];
    *setup = (struct setup){.station = station, .slot = slot, .tooling = tooling};
    if (add_place(p, setup, (struct place){.kind = station_kind, .id = station}, err) ||
        add_place(p, setup, (struct place){.kind = slot_kind, .id = station, .slot = (int)slot},
                  err) ||
        (tooling && add_instruments(s, p, setup, err)))
        return NULL;
    p->last = p->setup_count++;
    return setup;
}

int places_name(struct store *s, const struct place *place, cJSON *row, struct error *err)
{
    const char *sql = place->kind == instrument_kind
                          ? "SELECT name instrument, serial, class FROM instrument WHERE id=?1"
                          : "SELECT name station FROM station WHERE id=?1";
    cJSON_AddStringToObject(row, "kind", place->kind);
    int rc = rows_only(rows_open(s, err, sql, "i", place->id), row, err);
    if (rc >= 0 && place->kind == slot_kind)
        cJSON_AddNumberToObject(row, "slot", place->slot);
    return rc < 0 ? rc : 0;
}
