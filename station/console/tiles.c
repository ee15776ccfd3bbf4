#include "station/console/tiles.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/json.h"

static void copy(char *out, size_t size, const cJSON *object, const char *name)
{
    snprintf(out, size, "%s", json_string(object, name, ""));
}

static bool number(const cJSON *object, const char *name, double *out)
{
    *out = json_number(object, name, NAN);
    return isfinite(*out);
}

static void failure_update(struct tile *tile, const cJSON *failure)
{
    struct tile_failure *f = &tile->failure;
    tile->failed = cJSON_IsObject(failure);
    memset(f, 0, sizeof *f);
    if (!tile->failed)
        return;
    copy(f->step, sizeof f->step, failure, "step");
    copy(f->measurement, sizeof f->measurement, failure, "measurement");
    copy(f->unit, sizeof f->unit, failure, "unit");
    copy(f->message, sizeof f->message, failure, "message");
    f->has_value = number(failure, "value", &f->value);
    f->has_min = number(failure, "min", &f->min);
    f->has_max = number(failure, "max", &f->max);
}

static void tile_update(struct tiles *t, struct tile *tile, const cJSON *slot)
{
    char before[sizeof tile->verdict];
    memcpy(before, tile->verdict, sizeof before);
    bool seen = tile->slot != 0;

    tile->slot = (int)json_number(slot, "slot", 0);
    copy(tile->state, sizeof tile->state, slot, "state");
    copy(tile->serial, sizeof tile->serial, slot, "serial");
    copy(tile->step, sizeof tile->step, slot, "step");
    copy(tile->text, sizeof tile->text, slot, "text");
    copy(tile->verdict, sizeof tile->verdict, slot, "verdict");
    tile->step_index = (int)json_number(slot, "index", 0);
    tile->step_count = (int)json_number(slot, "count", 0);
    tile->progress = json_number(slot, "fraction", -1);
    failure_update(tile, cJSON_GetObjectItemCaseSensitive(slot, "failure"));

    /* A run ended when a verdict stands where none stood, or another run's. */
    long long run_before = tile->run;
    tile->run = (long long)json_number(slot, "run", 0);
    if (seen && tile->verdict[0] && (!before[0] || tile->run != run_before)) {
        t->passed += strcmp(tile->verdict, "pass") == 0;
        /* What was aborted says nothing about the unit. */
        t->failed += strcmp(tile->verdict, "pass") != 0 && strcmp(tile->verdict, "aborted") != 0;
    }
}

/* What waits for its turn is as it should be. */
static void outbox_update(struct tiles *t, const cJSON *destinations)
{
    const cJSON *d;
    t->unsent = t->refused = 0;
    cJSON_ArrayForEach(d, destinations)
    {
        if (*json_string(d, "reason", ""))
            t->unsent += (int)json_number(d, "waiting", 0);
        t->refused += (int)json_number(d, "parked", 0);
    }
}

void tiles_update(struct tiles *t, const cJSON *status)
{
    copy(t->station, sizeof t->station, status, "station");
    copy(t->notice, sizeof t->notice, status, "paused");
    t->operators = (int)json_number(status, "operators", 0);
    outbox_update(t, cJSON_GetObjectItemCaseSensitive(status, "destinations"));
    const cJSON *pool = cJSON_GetObjectItemCaseSensitive(status, "pool");
    t->pool_low = json_bool(pool, "low", false);
    t->pool_free = (int)json_number(pool, "free", 0);
    const cJSON *slots = cJSON_GetObjectItemCaseSensitive(status, "slots");
    const cJSON *slot;
    size_t i = 0;
    cJSON_ArrayForEach(slot, slots)
    {
        if (i == TILES_MAX)
            break;
        tile_update(t, &t->slots[i++], slot);
    }
    t->count = i;
}

double tile_run_progress(const struct tile *t)
{
    if (t->step_count <= 0)
        return 0;
    double within = t->progress > 0 ? fmin(t->progress, 1) : 0;
    return fmin((t->step_index + within) / t->step_count, 1);
}
