#include "station/engine/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "station/engine/channel.h"
#include "station/engine/socket_path.h"

struct client {
    struct channel *channel;
    double last_id;
    cJSON *event; /* the newest that came during a call */
    char session[65];
};

int client_connect(const char *socket_path, struct client **out, struct error *err)
{
    int fd;
    *out = NULL;
    int rc = socket_connect(socket_path, &fd, err);
    if (rc)
        return rc;
    struct client *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return error_set(err, ERROR_MEMORY, "connecting to taktd: out of memory");
    }
    rc = channel_create(fd, &c->channel, err);
    if (rc) {
        free(c);
        return rc;
    }
    const char *session = getenv("TAKT_SESSION");
    client_session(c, session ? session : "");
    *out = c;
    return 0;
}

void client_session(struct client *c, const char *session)
{
    snprintf(c->session, sizeof c->session, "%s", session);
}

void client_close(struct client *c)
{
    if (!c)
        return;
    channel_free(c->channel);
    cJSON_Delete(c->event);
    free(c);
}

int client_fd(const struct client *c)
{
    return channel_fd(c->channel);
}

/* Each event tells the whole state, so the newest is all that is worth keeping. */
static void keep_event(struct client *c, cJSON *message)
{
    cJSON *params = cJSON_DetachItemFromObjectCaseSensitive(message, "params");
    cJSON_Delete(message);
    cJSON_Delete(c->event);
    c->event = params;
}

static bool is_event(const cJSON *message)
{
    return cJSON_GetObjectItemCaseSensitive(message, "method") != NULL;
}

static int take_answer(cJSON *message, cJSON **result, struct error *err)
{
    const cJSON *refusal = cJSON_GetObjectItemCaseSensitive(message, "error");
    int rc = 0;
    if (refusal) {
        rc = (int)json_number(refusal, "code", ERROR_REMOTE);
        if (rc >= 0 || rc < ERROR_REMOTE)
            rc = ERROR_REMOTE;
        error_set(err, rc, "%s", json_string(refusal, "message", "taktd gave no reason"));
    } else if (result) {
        *result = cJSON_DetachItemFromObjectCaseSensitive(message, "result");
    }
    cJSON_Delete(message);
    return rc;
}

int client_call(struct client *c, const char *method, cJSON *params, int timeout_ms, cJSON **result,
                struct error *err)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    double id = ++c->last_id;
    cJSON *request = cJSON_CreateObject();
    if (result)
        *result = NULL;
    cJSON_AddStringToObject(request, "jsonrpc", "2.0");
    cJSON_AddStringToObject(request, "method", method);
    cJSON_AddNumberToObject(request, "id", id);
    if (c->session[0] && !params)
        params = cJSON_CreateObject();
    if (c->session[0] && !cJSON_GetObjectItemCaseSensitive(params, "session"))
        cJSON_AddStringToObject(params, "session", c->session);
    if (params)
        cJSON_AddItemToObject(request, "params", params);
    int rc = channel_send(c->channel, request, err);
    cJSON_Delete(request);
    while (!rc) {
        cJSON *message;
        int64_t left = deadline - clock_mono_ms();
        rc = channel_wait(c->channel, left > 0 ? (int)left : 0, &message, err);
        if (rc)
            break;
        if (is_event(message))
            keep_event(c, message);
        else if (json_number(message, "id", id) == id)
            return take_answer(message, result, err);
        else
            cJSON_Delete(message); /* of a call that was given up */
    }
    return error_context(err, "%s", method);
}

int client_event(struct client *c, int timeout_ms, cJSON **event, struct error *err)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    int rc = channel_fill(c->channel, err);
    for (;;) {
        cJSON *message = NULL;
        int bad = channel_next(c->channel, &message, err);
        if (!bad && !message && !c->event && !rc) {
            int64_t left = deadline - clock_mono_ms();
            bad = channel_wait(c->channel, left > 0 ? (int)left : 0, &message, err);
        }
        if (bad)
            return bad;
        if (!message)
            break;
        if (is_event(message))
            keep_event(c, message);
        else
            cJSON_Delete(message);
    }
    *event = c->event;
    c->event = NULL;
    return *event ? 0 : rc;
}
