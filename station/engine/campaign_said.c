/* What a campaign's process says: notes, which are committed before it is answered, and questions.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "provisioning/token_issue.h"
#include "station/engine/campaign_parts.h"
#include "station/engine/campaign_record.h"

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

void campaign_parts_said(struct watch *w)
{
    struct engine *e = w->context;
    struct campaign_process *p = e->campaign;
    struct error err = {0};
    int rc = channel_exchange(p->channel, take, e, &err);
    if (rc)
        campaign_parts_forget(e);
    else
        loop_want_write(&e->loop, w, channel_unsent(p->channel) > 0);
}
