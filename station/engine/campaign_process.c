/* The process itself: forked, listened to, started again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "reports/campaign.h"
#include "station/engine/campaign_parts.h"
#include "station/engine/child.h"

enum { AGAIN_MS = 500 };

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

int campaign_parts_launch(struct engine *e, struct error *err)
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
    p->watch = (struct watch){.fd = -1, .ready = campaign_parts_said, .context = e};
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

void campaign_parts_free(struct engine *e)
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

void campaign_parts_forget(struct engine *e)
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
        campaign_parts_free(e);
        return;
    }
    fprintf(stderr, "the campaign's process ended, starting it again\n");
    p->again_ns = clock_mono_ns() + (int64_t)AGAIN_MS * 1000000;
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
    if (campaign_parts_launch(e, &err) == 0)
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
        campaign_parts_forget(e);
    campaign_parts_free(e);
}
