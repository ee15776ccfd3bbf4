#include "station/campaign/serve_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/base/json.h"

void served_event(struct served *s, int unit, const char *kind, const char *format, ...)
{
    char text[360];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cJSON *e = cJSON_CreateObject();
    cJSON_AddNumberToObject(e, "unit", unit);
    cJSON_AddNumberToObject(e, "elapsed_ms", (double)s->elapsed_ms);
    cJSON_AddNumberToObject(e, "at_ms", (double)s->now_ms);
    cJSON_AddStringToObject(e, "kind", kind);
    cJSON_AddStringToObject(e, "text", text);
    cJSON_AddItemToArray(s->events, e);
    s->dirty = true;
}

void served_row(struct served *s, int unit, size_t figure, const struct watch_row *r)
{
    const double numbers[] = {
        unit,       (double)figure, (double)r->from_ms,    r->samples, r->lowest,
        r->highest, r->mean,        watch_row_deviation(r)};
    cJSON_AddItemToArray(s->rows, cJSON_CreateDoubleArray(numbers, 8));
    s->dirty = true;
}

void served_take_row(void *context, size_t figure, const struct watch_row *row)
{
    const struct row_of *of = context;
    served_row(of->s, of->unit, figure, row);
}

static cJSON *describe_unit(struct served *s, size_t i)
{
    struct served_unit *u = &s->units[i];
    const struct campaign_place *p = &s->job->places[i];
    cJSON *o = cJSON_CreateObject(), *notes;
    cJSON *kept = watch_write(&u->watch, s->c);
    char *watch = cJSON_PrintUnformatted(kept);
    cJSON_Delete(kept);
    cJSON_AddNumberToObject(o, "number", p->number);
    cJSON_AddStringToObject(o, "place", p->name);
    cJSON_AddStringToObject(o, "port", p->port);
    cJSON_AddNumberToObject(o, "slot", p->slot);
    cJSON_AddStringToObject(o, "chip_id", u->chip_id);
    cJSON_AddStringToObject(o, "state", unit_state_name(u->watch.state));
    cJSON_AddStringToObject(o, "cause", u->watch.cause);
    cJSON_AddNumberToObject(o, "cause_figure", u->watch.cause_figure);
    cJSON_AddNumberToObject(o, "joined_ms", (double)u->watch.joined_ms);
    cJSON_AddNumberToObject(o, "watched_ms", (double)watch_hours_ms(&u->watch, s->elapsed_ms));
    cJSON_AddStringToObject(o, "watch", watch ? watch : "");
    free(watch);
    const bool ends = u->watch.state == UNIT_FAILED || u->watch.state == UNIT_ENDED;
    if (ends && !u->told && u->chip_id[0]) {
        cJSON *result = cJSON_AddObjectToObject(o, "result");
        cJSON_AddBoolToObject(result, "passed", u->watch.state == UNIT_ENDED);
        if (u->watch.cause_figure >= 0 && isfinite(u->watch.cause_value)) {
            const struct campaign_figure *f = &s->c->figures[u->watch.cause_figure];
            cJSON_AddStringToObject(result, "figure", f->name);
            cJSON_AddStringToObject(result, "unit", f->unit);
            cJSON_AddNumberToObject(result, "value", u->watch.cause_value);
            if (isfinite(u->watch.cause_low))
                cJSON_AddNumberToObject(result, "low", u->watch.cause_low);
            if (isfinite(u->watch.cause_high))
                cJSON_AddNumberToObject(result, "high", u->watch.cause_high);
        }
        u->told = true;
    }
    notes = cJSON_AddObjectToObject(o, "notes");
    for (size_t n = 0; n < u->note_count; n++)
        cJSON_AddStringToObject(notes, u->notes[n].name, u->notes[n].text);
    return o;
}

/* What this process needs besides the units to go on from. */
static char *write_progress(const struct served *s)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "conditions");
    for (size_t i = 0; i < s->c->condition_count; i++)
        for (int k = 0; k < 2; k++) {
            const struct watch_row *r = &s->conditions[i].rows[k];
            const double numbers[] = {(double)r->from_ms, r->samples, r->lowest,
                                      r->highest,         r->mean,    r->squares};
            cJSON_AddItemToArray(list, cJSON_CreateDoubleArray(numbers, 6));
        }
    cJSON *now = cJSON_AddArrayToObject(o, "measured");
    for (size_t i = 0; i < s->c->condition_count; i++)
        cJSON_AddItemToArray(now, isfinite(s->conditions[i].measured)
                                      ? cJSON_CreateNumber(s->conditions[i].measured)
                                      : cJSON_CreateNull());
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    return text;
}

void served_read_progress(struct served *s, const char *text)
{
    cJSON *o = cJSON_Parse(text);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "conditions");
    for (size_t i = 0; i < 2 * s->c->condition_count; i++) {
        const cJSON *one = cJSON_GetArrayItem(list, (int)i);
        double n[6];
        for (int k = 0; k < 6; k++) {
            const cJSON *at = cJSON_GetArrayItem(one, k);
            n[k] = cJSON_IsNumber(at) ? at->valuedouble : 0;
        }
        s->conditions[i / 2].rows[i % 2] =
            (struct watch_row){(int64_t)n[0], (int)n[1], n[2], n[3], n[4], n[5]};
    }
    cJSON_Delete(o);
}

static int send_up(struct served *s, const cJSON *message, struct error *err)
{
    pthread_mutex_lock(&s->lock);
    int rc = s->wire->send(s->wire->context, message, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* One note at a time: what comes meanwhile is in the next. */
int served_send_note(struct served *s, struct error *err)
{
    bool units = false;
    for (size_t i = 0; i < s->job->place_count; i++)
        units = units || s->units[i].dirty;
    if (s->note || !(s->dirty || units))
        return 0;
    cJSON *o = cJSON_CreateObject();
    char *progress = write_progress(s);
    cJSON_AddNumberToObject(o, "note", s->note = ++s->last_note);
    cJSON_AddStringToObject(o, "state", s->state);
    cJSON_AddStringToObject(o, "reason", s->reason);
    cJSON_AddNumberToObject(o, "elapsed_ms", (double)s->elapsed_ms);
    cJSON_AddNumberToObject(o, "at_ms", (double)s->now_ms);
    cJSON_AddStringToObject(o, "progress", progress ? progress : "");
    free(progress);
    cJSON *list = cJSON_AddArrayToObject(o, "units");
    for (size_t i = 0; i < s->job->place_count; i++)
        if (s->units[i].dirty) {
            cJSON_AddItemToArray(list, describe_unit(s, i));
            s->units[i].dirty = false;
            s->units[i].noting = true;
        }
    cJSON_AddItemToObject(o, "events", s->events);
    cJSON_AddItemToObject(o, "rows", s->rows);
    s->events = cJSON_CreateArray();
    s->rows = cJSON_CreateArray();
    s->dirty = false;
    s->noted_ms = s->now_ms;
    int rc = send_up(s, o, err);
    cJSON_Delete(o);
    return rc;
}
