#include "station/engine/campaign_process.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "protocol/base/version.h"
#include "provisioning/token_issue.h"
#include "reports/campaign.h"
#include "station/campaign/campaign.h"
#include "station/campaign/serve.h"
#include "station/engine/campaign_record.h"
#include "station/engine/channel.h"
#include "station/engine/child.h"

enum { AGAIN_MS = 500, FILE_BYTES_MAX = 1 << 20 };

struct campaign_process {
    int64_t id;
    struct campaign *campaign;
    struct board board;
    struct campaign_place *places;
    size_t place_count;
    char order[65], operator_name[65];

    pid_t pid; /* 0: it does not run */
    struct channel *channel;
    struct watch watch;
    int64_t again_ns; /* to be started (again) then; 0: it is not to be */
    bool ends;        /* what it noted last is not "running" any more */
};

/* ---- the child ------------------------------------------------------------------------------- */

static int wire_send(void *context, const cJSON *message, struct error *err)
{
    int rc = channel_send(context, message, err);
    return rc ? rc : channel_drain(context, -1, err);
}

static int wire_receive(void *context, cJSON **out, struct error *err)
{
    int rc = channel_next(context, out, err);
    if (rc || *out)
        return rc;
    int filled = channel_fill(context, err);
    rc = channel_next(context, out, err);
    return rc || *out ? rc : filled;
}

/* Forked from taktd, it must never open the store. */
static _Noreturn void serve(struct engine *e, const cJSON *kept, int fd)
{
    struct campaign_process *p = e->campaign;
    struct channel *channel;
    struct error err = {0};
    prctl(PR_SET_NAME, "taktd-campaign");
    int rc = channel_create(fd, &channel, &err);
    const struct campaign_wire wire = {
        .fd = fd, .send = wire_send, .receive = wire_receive, .context = channel};
    const struct campaign_job job = {
        .campaign = p->campaign,
        .board = &p->board,
        .kinds = e->vocabulary.kinds,
        .places = p->places,
        .place_count = p->place_count,
        .kept = kept,
        .order = p->order,
        .bundle_path = e->station->bundle,
        .bundle_key_pem = e->station->bundle_key_pem,
        .fixture_socket = e->fixture_socket,
        .clock = e->station->clock,
        .credentials = e->station->credentials.certificate_pem ? &e->station->credentials : NULL,
    };
    if (!rc)
        rc = campaign_serve(&job, &wire, &err);
    if (rc)
        fprintf(stderr, "campaign: %s\n", err.text);
    _exit(rc ? 1 : 0);
}

static void said_something(struct watch *w);

static int launch(struct engine *e, struct error *err)
{
    struct campaign_process *p = e->campaign;
    cJSON *kept = NULL;
    int pair[2];
    int rc = campaign_current(e->store, false, true, &kept, err);
    if (rc)
        return rc;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        cJSON_Delete(kept);
        return error_errno(err, ERROR_IO, "a socket pair for the campaign's process");
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        serve(e, kept, child_begin(parent, pair[1]));
    cJSON_Delete(kept);
    close(pair[1]);
    rc = pid < 0 ? error_errno(err, ERROR_IO, "cannot start the campaign's process") : 0;
    if (rc)
        close(pair[0]);
    else
        rc = channel_create(pair[0], &p->channel, err);
    p->watch = (struct watch){.fd = -1, .ready = said_something, .context = e};
    if (!rc)
        rc = loop_add(&e->loop, &p->watch, channel_fd(p->channel), err);
    if (rc) {
        channel_free(p->channel);
        p->channel = NULL;
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        return rc;
    }
    p->pid = pid;
    p->again_ns = 0;
    p->ends = false;
    return 0;
}

static void process_free(struct engine *e)
{
    struct campaign_process *p = e->campaign;
    if (!p)
        return;
    campaign_free(p->campaign);
    free(p->places);
    free(p);
    e->campaign = NULL;
    e->changed = true;
}

/* It ended by itself, or is to end. Started again while the campaign is running. */
static void forget(struct engine *e)
{
    struct campaign_process *p = e->campaign;
    loop_remove(&e->loop, &p->watch);
    channel_free(p->channel);
    p->channel = NULL;
    kill(-p->pid, SIGKILL);
    kill(p->pid, SIGKILL); /* before it has a group of its own */
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
    if (e->stopping)
        return;
    if (p->ends) {
        process_free(e);
        return;
    }
    fprintf(stderr, "the campaign's process ended, starting it again\n");
    p->again_ns = clock_mono_ns() + (int64_t)AGAIN_MS * 1000000;
}

/* ---- what it says ---------------------------------------------------------------------------- */

/* A note or a question on its way into the store. */
struct said {
    struct op op;
    struct engine *engine;
    pid_t speaker;
    cJSON *message, *answer;
};

static int write_token(struct said *s, struct error *err)
{
    struct engine *e = s->engine;
    struct token_issued issued;
    if (!e->campaign)
        return error_set(err, ERROR_CLOSED, "the campaign is over");
    if (!e->signer)
        return error_set(err, ERROR_MISSING,
                         "%s names no 'token_key' in its credentials: no unit can be entered",
                         e->station->path);
    const struct token_wish wish = {
        .chip_id = json_string(s->message, "chip_id", ""),
        .nonce = json_string(s->message, "nonce", ""),
        .order = e->campaign->order,
        .station = e->station->station,
        .actor = e->campaign->operator_name[0] ? e->campaign->operator_name : "taktd",
        .wall_ms = clock_wall_ms(),
        .life_s = e->station->token_life_s};
    int rc = token_issue(store_handle(e->store), e->signer, &wish, &issued, err);
    if (rc)
        return rc;
    cJSON_AddStringToObject(s->answer, "token", issued.text);
    cJSON_AddStringToObject(s->answer, "signature", issued.signature_hex);
    return 0;
}

static int write_note(struct said *s, struct error *err)
{
    struct engine *e = s->engine;
    const struct campaign_record_place place = {.campaign = e->campaign->campaign,
                                                .id = e->campaign->id,
                                                .order = e->campaign->order,
                                                .operator_name = e->campaign->operator_name,
                                                .site = e->station->site,
                                                .line = e->station->line,
                                                .station = e->station->station};
    return campaign_record_note(e->store, &place, s->message, err);
}

static int write_said(struct op *op, struct error *err)
{
    struct said *s = op->context;
    const bool asks = cJSON_HasObjectItem(s->message, "ask");
    cJSON_Delete(s->answer);
    s->answer = cJSON_CreateObject();
    if (!s->engine->campaign || s->engine->campaign->pid != s->speaker)
        return error_set(err, ERROR_CLOSED, "the campaign's process that said it is gone");
    cJSON_AddNumberToObject(s->answer, asks ? "answer" : "noted",
                            json_number(s->message, asks ? "id" : "note", 0));
    return asks ? write_token(s, err) : write_note(s, err);
}

static void said_written(struct op *op, int rc, const struct error *why)
{
    struct said *s = op->context;
    struct engine *e = s->engine;
    struct campaign_process *p = e->campaign;
    const bool asks = cJSON_HasObjectItem(s->message, "ask");
    struct error err = {0};
    if (p && p->pid && p->pid == s->speaker) {
        if (asks) {
            cJSON_AddNumberToObject(s->answer, "rc", rc);
            cJSON_AddStringToObject(s->answer, "text", why->text);
        } else if (rc) {
            /* The store refuses it (not: has no room): what it says cannot be trusted. */
            fprintf(stderr, "campaign: %s\n", why->text);
            kill(p->pid, SIGKILL);
        } else {
            p->ends = strcmp(json_string(s->message, "state", ""), "running") != 0;
        }
        e->changed = true;
        if ((asks || !rc) && channel_send(p->channel, s->answer, &err))
            kill(p->pid, SIGKILL);
        loop_want_write(&e->loop, &p->watch, channel_unsent(p->channel) > 0);
    }
    cJSON_Delete(s->answer);
    cJSON_Delete(s->message);
    free(s);
}

static void take(void *context, cJSON *message)
{
    struct engine *e = context;
    struct said *s = calloc(1, sizeof *s);
    if (!s) {
        cJSON_Delete(message);
        kill(e->campaign->pid, SIGKILL);
        return;
    }
    s->engine = e;
    s->speaker = e->campaign->pid;
    s->message = message;
    s->op = (struct op){.write = write_said,
                        .done = said_written,
                        .single = cJSON_HasObjectItem(message, "ask"),
                        .context = s};
    engine_queue(e, &s->op);
}

static void said_something(struct watch *w)
{
    struct engine *e = w->context;
    struct campaign_process *p = e->campaign;
    struct error err = {0};
    int rc = channel_exchange(p->channel, take, e, &err);
    if (rc)
        forget(e);
    else
        loop_want_write(&e->loop, w, channel_unsent(p->channel) > 0);
}

/* ---- one to be conducted --------------------------------------------------------------------- */

static int load_board(struct engine *e, const char *name, struct board *out, struct error *err)
{
    char path[PATH_MAX], file[80];
    snprintf(file, sizeof file, "%.70s.json", name);
    int rc = file_join(path, sizeof path, e->station->boards_dir, file, err);
    return rc ? rc : board_load(path, out, err);
}

static void add_place(struct campaign_process *p, const char *kind, int n, const char *port,
                      int slot)
{
    struct campaign_place *place = &p->places[p->place_count++];
    *place = (struct campaign_place){.number = (int)p->place_count, .port = port, .slot = slot};
    snprintf(place->name, sizeof place->name, "%s %d", kind, n);
}

/* Every slot asked for, or every idle one, and the units of the rack. */
static int take_places(struct engine *e, const cJSON *params, struct campaign_process *p,
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
            add_place(p, "slot", e->slots[i].place->number, e->slots[i].place->port,
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
        add_place(p, "slot", s->place->number, s->place->port, s->place->number);
    }
    if (json_bool(params, "rack", true))
        cJSON_ArrayForEach(item, rack) add_place(p, "rack", ++n, item->valuestring, 0);
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
        rc = launch(e, &err);
    if (rc) {
        process_free(e);
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
    if (!rc && !p->order[0])
        snprintf(p->order, sizeof p->order, "%s", p->campaign->name);
    if (!rc)
        rc = load_board(e, p->campaign->plan->board, &p->board, err);
    if (!rc)
        rc = take_places(e, params, p, err);
    if (!rc)
        rc = check_wiring(e, p, err);
    if (rc) {
        free(b);
        process_free(e);
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

/* ---- one that was open ----------------------------------------------------------------------- */

/* As it began: the file as the store has it, the plan as it was then, the places by their number.
 */
static int reload(struct engine *e, const cJSON *kept, struct campaign_process *p,
                  struct error *err)
{
    const char *text = json_string(kept, "file", "");
    const cJSON *units = cJSON_GetObjectItemCaseSensitive(kept, "units"), *unit;
    const cJSON *rack = cJSON_GetObjectItemCaseSensitive(json_root(e->station->document), "rack");
    int rc = campaign_parse(json_string(kept, "name", "campaign"), text, strlen(text),
                            e->station->products_dir, &e->vocabulary.words, &p->campaign, err);
    if (rc)
        return rc;
    if (strcmp(p->campaign->plan->plan_sha256, json_string(kept, "plan_sha256", "")) != 0 ||
        strcmp(p->campaign->plan->limits_sha256, json_string(kept, "limits_sha256", "")) != 0)
        return error_set(err, ERROR_MISMATCH, "plan %s or its limits were changed",
                         json_string(kept, "plan", ""));
    snprintf(p->order, sizeof p->order, "%s", json_string(kept, "lot", ""));
    snprintf(p->operator_name, sizeof p->operator_name, "%s", json_string(kept, "operator", ""));
    p->id = (int64_t)json_number(kept, "id", 0);
    if (!cJSON_GetArraySize(units)) /* it ended before its first note */
        rc = take_places(e, NULL, p, err);
    else
        p->places = calloc((size_t)cJSON_GetArraySize(units), sizeof *p->places);
    if (!rc && !p->places)
        rc = error_set(err, ERROR_MEMORY, "a campaign's places: out of memory");
    cJSON_ArrayForEach(unit, units)
    {
        const char *place = json_string(unit, "place", "");
        int n = 0;
        if (rc)
            break;
        if (sscanf(place, "slot %d", &n) == 1) {
            const struct slot *s = engine_slot(e, n);
            if (!s)
                rc = error_set(err, ERROR_MISSING, "the station has no slot %d any more", n);
            else
                add_place(p, "slot", n, s->place->port, n);
        } else {
            const cJSON *port =
                sscanf(place, "rack %d", &n) == 1 ? cJSON_GetArrayItem(rack, n - 1) : NULL;
            if (!port)
                rc = error_set(err, ERROR_MISSING, "the rack has no place %d any more", n);
            else
                add_place(p, "rack", n, port->valuestring, 0);
        }
    }
    return rc ? rc : load_board(e, p->campaign->plan->board, &p->board, err);
}

static int put_state(struct engine *e, const cJSON *kept, const char *state, const char *reason,
                     struct error *err)
{
    const int64_t id = (int64_t)json_number(kept, "id", 0);
    const int64_t elapsed_ms = (int64_t)json_number(kept, "elapsed_ms", 0);
    const int64_t at_ms = (int64_t)json_number(kept, "at_ms", 0);
    const struct campaign_event_record event = {0, elapsed_ms, at_ms, state, reason};
    int rc = store_begin(e->store, err);
    if (rc)
        return rc;
    rc = store_campaign_event(e->store, id, &event, err);
    if (!rc)
        rc = store_campaign_progress(e->store, id, state, reason, elapsed_ms, at_ms,
                                     json_string(kept, "progress", ""), err);
    if (!rc)
        rc = store_commit(e->store, err);
    else
        store_rollback(e->store);
    return rc;
}

/* Begins with the open campaign, if there is one; *why is what keeps it from being gone on with. */
static int go_on(struct engine *e, const cJSON *kept, struct error *why)
{
    struct campaign_process *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(why, ERROR_MEMORY, "going on with a campaign: out of memory");
    e->campaign = p;
    int rc = reload(e, kept, p, why);
    if (!rc)
        rc = launch(e, why);
    if (rc)
        process_free(e);
    return rc;
}

int campaign_process_recover(struct engine *e, struct error *err)
{
    struct error why = {0};
    cJSON *kept;
    int rc = campaign_current(e->store, false, true, &kept, err);
    if (!rc && kept && strcmp(json_string(kept, "state", ""), "running") == 0 &&
        go_on(e, kept, &why)) {
        fprintf(stderr, "campaign %.0f is held: %s\n", json_number(kept, "id", 0), why.text);
        rc = put_state(e, kept, "held", why.text, err);
    }
    cJSON_Delete(kept);
    return rc;
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* To the process, which notes what came of it. */
static int order(struct engine *e, const char *what, const cJSON *params, cJSON **result,
                 struct error *err)
{
    char reason[120];
    struct campaign_process *p = e->campaign;
    if (!p || !p->pid)
        return error_set(err, ERROR_STATE, "no campaign is running");
    snprintf(reason, sizeof reason, "by %.80s", json_string(params, "operator", "a person"));
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "do", what);
    cJSON_AddStringToObject(o, "reason", reason);
    cJSON_AddNumberToObject(o, "unit", json_number(params, "unit", 0));
    int rc = channel_send(p->channel, o, err);
    loop_want_write(&e->loop, &p->watch, channel_unsent(p->channel) > 0);
    cJSON_Delete(o);
    if (!rc)
        *result = cJSON_CreateObject();
    return rc;
}

int campaign_process_pause(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err)
{
    return order(e, "pause", params, result, err);
}

static int order_unit(struct engine *e, const char *what, const cJSON *params, cJSON **result,
                      struct error *err)
{
    const double unit = json_number(params, "unit", 0);
    if (e->campaign && !(unit >= 1 && unit <= (double)e->campaign->place_count))
        return error_set(err, ERROR_MISSING, "the campaign has no unit %g, but 1 to %zu", unit,
                         e->campaign->place_count);
    return order(e, what, params, result, err);
}

int campaign_process_leave(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err)
{
    return order_unit(e, "leave", params, result, err);
}

int campaign_process_join(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err)
{
    return order_unit(e, "join", params, result, err);
}

int campaign_process_resume(struct engine *e, const struct control_request *r, const cJSON *params,
                            cJSON **result, struct error *err)
{
    cJSON *kept;
    /* taktd went on with it when it was started: what was asked for is so. */
    if (e->campaign) {
        *result = cJSON_CreateObject();
        cJSON_AddNumberToObject(*result, "campaign", (double)e->campaign->id);
        return 0;
    }
    int rc = campaign_current(e->store, false, true, &kept, err);
    if (!rc && !kept)
        rc = error_set(err, ERROR_STATE, "no campaign is open");
    if (!rc)
        rc = put_state(e, kept, "running", json_string(params, "operator", ""), err);
    if (!rc) {
        rc = go_on(e, kept, err);
        struct error ignored;
        if (rc) /* it stays where it was, with why */
            put_state(e, kept, "held", err->text, &ignored);
    }
    if (!rc) {
        *result = cJSON_CreateObject();
        cJSON_AddNumberToObject(*result, "campaign", json_number(kept, "id", 0));
    }
    cJSON_Delete(kept);
    return rc;
}

int campaign_process_end(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err)
{
    cJSON *kept;
    if (e->campaign)
        return order(e, "stop", params, result, err);
    int rc = campaign_current(e->store, false, true, &kept, err);
    if (!rc && !kept)
        rc = error_set(err, ERROR_STATE, "no campaign is open");
    if (!rc)
        rc = put_state(e, kept, "stopped", json_string(params, "operator", ""), err);
    if (!rc)
        *result = cJSON_CreateObject();
    cJSON_Delete(kept);
    return rc;
}

/* ---- beside the loop ------------------------------------------------------------------------- */

int64_t campaign_process_tick(struct engine *e, int64_t now_ns)
{
    struct campaign_process *p = e->campaign;
    struct error err = {0};
    if (!p || !p->again_ns)
        return -1;
    if (now_ns < p->again_ns)
        return p->again_ns;
    if (launch(e, &err) == 0)
        return -1;
    fprintf(stderr, "%s\n", err.text);
    return p->again_ns = now_ns + (int64_t)AGAIN_MS * 1000000;
}

bool campaign_process_holds(const struct engine *e, int slot)
{
    for (size_t i = 0; e->campaign && i < e->campaign->place_count; i++)
        if (e->campaign->places[i].slot == slot)
            return true;
    return false;
}

cJSON *campaign_process_describe(const struct engine *e)
{
    cJSON *o = cJSON_CreateObject();
    if (!e->campaign || !e->campaign->campaign)
        return o;
    cJSON_AddNumberToObject(o, "id", (double)e->campaign->id);
    cJSON_AddStringToObject(o, "name", e->campaign->campaign->name);
    cJSON_AddNumberToObject(o, "units", (double)e->campaign->place_count);
    cJSON_AddNumberToObject(o, "duration_ms", (double)e->campaign->campaign->duration_ms);
    return o;
}

void campaign_process_stop(struct engine *e)
{
    if (!e->campaign)
        return;
    if (e->campaign->pid)
        forget(e);
    process_free(e);
}
