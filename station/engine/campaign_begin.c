/* A campaign that begins: its file, its units' places, its instruments, its record. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "protocol/base/version.h"
#include "reports/campaign.h"
#include "station/engine/campaign_parts.h"
#include "station/engine/campaign_record.h"

int campaign_parts_board(struct engine *e, const char *name, struct board *out, struct error *err)
{
    char path[PATH_MAX], file[80];
    snprintf(file, sizeof file, "%.70s.json", name);
    int rc = file_join(path, sizeof path, e->station->boards_dir, file, err);
    return rc ? rc : board_load(path, out, err);
}

void campaign_parts_add_place(struct campaign_process *p, const char *kind, int n, const char *port,
                              int slot)
{
    struct campaign_place *place = &p->places[p->place_count++];
    *place = (struct campaign_place){.number = (int)p->place_count, .port = port, .slot = slot};
    snprintf(place->name, sizeof place->name, "%s %d", kind, n);
}

int campaign_parts_take_places(struct engine *e, const cJSON *params, struct campaign_process *p,
                               struct error *err)
{
    const cJSON *asked = cJSON_GetObjectItemCaseSensitive(params, "slots"), *item;
    const cJSON *rack = cJSON_GetObjectItemCaseSensitive(json_root(e->station->document), "rack");
    const size_t most = e->slot_count + (size_t)cJSON_GetArraySize(rack);
    int n = 0;
    if (asked && !cJSON_IsArray(asked))
        return error_set(err, ERROR_INPUT, "'slots' must be a list of slot numbers");
    p->places = calloc(most ? most : 1, sizeof *p->places);
    if (!p->places)
        return error_set(err, ERROR_MEMORY, "a campaign of %zu units: out of memory", most);
    for (size_t i = 0; !asked && i < e->slot_count; i++)
        if (e->slots[i].state == SLOT_IDLE)
            campaign_parts_add_place(p, "slot", e->slots[i].place->number, e->slots[i].place->port,
                                     e->slots[i].place->number);
    cJSON_ArrayForEach(item, asked)
    {
        struct slot *s = cJSON_IsNumber(item) ? engine_slot(e, item->valueint) : NULL;
        if (!s)
            return error_set(err, ERROR_MISSING, "the station has no slot %d",
                             cJSON_IsNumber(item) ? item->valueint : 0);
        if (s->state != SLOT_IDLE)
            return error_set(err, ERROR_BUSY, "slot %d has a run under way", s->place->number);
        for (size_t i = 0; i < p->place_count; i++)
            if (p->places[i].slot == s->place->number)
                return error_set(err, ERROR_INPUT, "slot %d is named twice", s->place->number);
        campaign_parts_add_place(p, "slot", s->place->number, s->place->port, s->place->number);
    }
    if (json_bool(params, "rack", true))
        cJSON_ArrayForEach(item, rack)
            campaign_parts_add_place(p, "rack", ++n, item->valuestring, 0);
    if (p->place_count > CAMPAIGN_UNITS_MAX)
        return error_set(err, ERROR_INPUT, "%zu units, at most %d can be in one campaign",
                         p->place_count, CAMPAIGN_UNITS_MAX);
    return p->place_count ? 0 : error_set(err, ERROR_BUSY, "no slot is idle, and there is no rack");
}

/* The instruments its conditions and steps need must be wired. */
static int check_wiring(const struct engine *e, const struct campaign_process *p, struct error *err)
{
    const cJSON *around =
        cJSON_GetObjectItemCaseSensitive(json_root(e->station->document), "surroundings");
    for (size_t i = 0; i < p->campaign->condition_count; i++) {
        const enum condition_kind kind = p->campaign->conditions[i].kind;
        const char *class_name = condition_class(kind);
        if (!class_name) /* the unit does it */
            continue;
        if (kind == CONDITION_CHAMBER_C && !cJSON_GetObjectItemCaseSensitive(around, class_name))
            return error_set(err, ERROR_INPUT,
                             "%s:1: campaign '%s' sets %s, but \"surroundings\" has no '%s'",
                             e->station->path, p->campaign->name, condition_name(kind), class_name);
        for (size_t k = 0; kind != CONDITION_CHAMBER_C && k < p->place_count; k++) {
            const struct slot *s = engine_slot((struct engine *)(uintptr_t)e, p->places[k].slot);
            size_t w = 0;
            while (s && w < s->place->wire_count &&
                   strcmp(s->place->wires[w].class_name, class_name) != 0)
                w++;
            if (s && w == s->place->wire_count)
                return error_set(err, ERROR_INPUT,
                                 "%s:%d: campaign '%s' sets %s, but slot %d has no '%s'",
                                 e->station->path, s->place->line, p->campaign->name,
                                 condition_name(kind), s->place->number, class_name);
        }
    }
    return 0;
}

struct beginning {
    struct op op;
    struct engine *engine;
    struct campaign_process *process;
    long long client;
    cJSON *id;
};

static int write_beginning(struct op *op, struct error *err)
{
    struct beginning *b = op->context;
    struct engine *e = b->engine;
    struct campaign_process *p = b->process;
    size_t size;
    char reference[140];
    snprintf(reference, sizeof reference, "%s/%s", p->campaign->plan->product,
             p->campaign->plan->name);
    struct campaign_record record = {
        .name = p->campaign->name,
        .file = json_source(p->campaign->document, &size),
        .sha256 = p->campaign->sha256,
        .plan = reference,
        .plan_sha256 = p->campaign->plan->plan_sha256,
        .limits_sha256 = p->campaign->plan->limits_sha256,
        .lot = p->order,
        .operator_name = p->operator_name,
        .station = e->station->station,
        .program_version = takt_version,
        .clock = e->station->clock[0] ? e->station->clock : "system",
        .seed = p->campaign->seed,
        .started_ms = clock_wall_ms(),
        .confidence = p->campaign->confidence,
        .activation_ev = p->campaign->activation_ev,
        .use_c = p->campaign->use_c,
    };
    int rc = store_campaign_open(e->store, &record, err);
    p->id = record.id;
    if (!rc)
        rc = campaign_record_figures(e->store, p->id, p->campaign, err);
    return rc ? rc
              : campaign_record_instruments(e->store, p->id, json_root(e->station->document), err);
}

static void begun(struct op *op, int rc, const struct error *why)
{
    struct beginning *b = op->context;
    struct engine *e = b->engine;
    struct control_request r = {b->client, b->id};
    struct error err = *why;
    cJSON *result = NULL;
    if (!rc)
        rc = campaign_parts_launch(e, &err);
    if (rc) {
        campaign_parts_free(e);
    } else {
        result = cJSON_CreateObject();
        cJSON_AddNumberToObject(result, "campaign", (double)e->campaign->id);
        cJSON_AddNumberToObject(result, "units", (double)e->campaign->place_count);
    }
    control_answer(e, &r, result, rc, &err);
    cJSON_Delete(b->id);
    free(b);
}

/* A file's path, or a name in campaigns_dir. */
static int load_file(struct engine *e, const char *file, struct campaign **out, struct error *err)
{
    char path[PATH_MAX], name[80];
    if (strchr(file, '/'))
        return campaign_load(file, e->station->products_dir, &e->vocabulary.words, out, err);
    if (!e->station->campaigns_dir[0])
        return error_set(err, ERROR_MISSING, "%s:1: there is no \"campaigns_dir\" to find '%s' in",
                         e->station->path, file);
    snprintf(name, sizeof name, "%.70s.json", file);
    int rc = file_join(path, sizeof path, e->station->campaigns_dir, name, err);
    return rc ? rc : campaign_load(path, e->station->products_dir, &e->vocabulary.words, out, err);
}

static int make_replay(struct engine *e, struct campaign_process *p, int64_t seed,
                       struct error *err)
{
    struct campaign *whole = p->campaign;
    int rc = campaign_replay(whole, seed, e->station->products_dir, &e->vocabulary.words,
                             &p->campaign, err);
    p->campaign = rc ? NULL : p->campaign;
    campaign_free(whole);
    return rc;
}

int campaign_process_run(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err)
{
    struct beginning *b = calloc(1, sizeof *b);
    struct campaign_process *p = calloc(1, sizeof *p);
    if (!b || !p || e->campaign) {
        free(b);
        free(p);
        return e->campaign ? error_set(err, ERROR_STATE, "campaign %lld has not ended",
                                       (long long)e->campaign->id)
                           : error_set(err, ERROR_MEMORY, "starting a campaign: out of memory");
    }
    snprintf(p->order, sizeof p->order, "%s", json_string(params, "order", ""));
    snprintf(p->operator_name, sizeof p->operator_name, "%s", json_string(params, "operator", ""));
    e->campaign = p;
    int rc = load_file(e, json_string(params, "file", ""), &p->campaign, err);
    if (!rc && json_number(params, "replay", 0) >= 1)
        rc = make_replay(e, p, (int64_t)json_number(params, "replay", 0), err);
    if (!rc && !p->order[0])
        snprintf(p->order, sizeof p->order, "%s", p->campaign->name);
    if (!rc)
        rc = campaign_parts_board(e, p->campaign->plan->board, &p->board, err);
    if (!rc)
        rc = campaign_parts_take_places(e, params, p, err);
    if (!rc)
        rc = check_wiring(e, p, err);
    if (rc) {
        free(b);
        campaign_parts_free(e);
        return rc;
    }
    b->engine = e;
    b->process = p;
    b->client = r->client;
    b->id = r->id ? cJSON_Duplicate(r->id, true) : NULL;
    b->op = (struct op){.write = write_beginning, .done = begun, .once = true, .context = b};
    engine_queue(e, &b->op);
    return CONTROL_LATER;
}
