/* IPC-2591 (CFX) over AMQP 1.0. A run is three messages, sent in order; each has an id made of the
 * run's key, the same whenever it is sent, and the next one goes once the broker has accepted the
 * one before. CFX.EndpointConnected at each new connection, CFX.Heartbeat while it lasts and
 * CFX.EndpointShuttingDown at its end tell the factory who is there; they are of the moment, so
 * they are not queued. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "reports/outbox/amqp.h"
#include "reports/outbox/cfx_messages.h"

/* The standard asks for a heartbeat within 1 s to 5 min; its SDK sends one a minute. */
enum { TIMEOUT_MS = 30000, HEARTBEAT_S = 60 };
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

struct cfx {
    char *url, *host, *port; /* host and port lie in `parts` */
    char *parts, *address, *handle, *user, *password;
    char ca[PATH_MAX], certificate[PATH_MAX], key[PATH_MAX];
    bool tls;
    int timeout_ms, heartbeat_s;
    struct amqp *amqp;          /* NULL while there is no connection */
    int64_t heartbeat_ms;       /* when the next is due, monotonic */
    char run[OUTBOX_UUID_TEXT]; /* the run under way, and how many of its messages are accepted */
    int accepted;
};

static const char *const members[] = {
    "url", "address",     "handle", "user",       "password",    "clear_text_password",
    "ca",  "certificate", "key",    "timeout_ms", "heartbeat_s", NULL};

/* amqp://HOST[:PORT] or amqps://…: into writable `text` of the same length; port NULL: default. */
static bool take_url(const char *url, char *text, bool *tls, char **host, char **port)
{
    *tls = strncmp(url, "amqps://", 8) == 0;
    if (!*tls && strncmp(url, "amqp://", 7) != 0)
        return false;
    strcpy(text, url + (*tls ? 8 : 7));
    size_t n = strlen(text);
    if (n && text[n - 1] == '/')
        text[n - 1] = '\0';
    char *colon = strrchr(text, ':');
    bool v6 = *text == '[';
    if (v6 && (!colon || colon[-1] != ']'))
        colon = NULL;
    if (colon)
        *colon = '\0';
    *host = text;
    *port = colon ? colon + 1 : NULL;
    return *text && !strpbrk(text, "/@?#") &&
           (!colon || (*colon == '\0' && colon[1] && strlen(colon + 1) <= 5 &&
                       strspn(colon + 1, "0123456789") == strlen(colon + 1)));
}

static int check_texts(const struct json_document *doc, const cJSON *d, struct error *err)
{
    static const char *const texts[] = {"user", "password", "ca", "certificate", "key"};
    const char *text;
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof texts / sizeof texts[0]; i++)
        if (cJSON_GetObjectItemCaseSensitive(d, texts[i]))
            rc = json_need_string(doc, d, texts[i], &text, err);
    return rc;
}

static int check(const struct json_document *doc, const cJSON *d, struct error *err)
{
    const char *url, *address, *handle;
    char text[300] = "", *host, *port;
    bool tls = false;
    long long number;
    int rc = json_need_string(doc, d, "url", &url, err);
    if (!rc && (strlen(url) >= sizeof text || !take_url(url, text, &tls, &host, &port)))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(d, "url"), err,
                           "'%s' is no address, expected amqp://HOST:PORT or amqps://HOST:PORT",
                           url);
    if (!rc)
        rc = json_need_string(doc, d, "address", &address, err);
    if (!rc)
        rc = json_need_string(doc, d, "handle", &handle, err);
    if (!rc && (!*handle || strlen(handle) > 100))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(d, "handle"), err,
                           "'handle' has %zu bytes, expected 1 to 100", strlen(handle));
    if (!rc)
        rc = check_texts(doc, d, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(d, "timeout_ms"))
        rc = json_need_integer(doc, d, "timeout_ms", 10, 600000, &number, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(d, "heartbeat_s"))
        rc = json_need_integer(doc, d, "heartbeat_s", 1, 300, &number, err);
    const cJSON *clear = cJSON_GetObjectItemCaseSensitive(d, "clear_text_password");
    if (!rc && clear && !cJSON_IsBool(clear))
        rc = json_complain(doc, clear, err, "'clear_text_password' must be true or false");
    if (!rc && !tls && *json_string(d, "password", "") && !cJSON_IsTrue(clear))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(d, "password"), err,
                           "over amqp:// anyone on the line can read the password: expected "
                           "amqps://, or \"clear_text_password\": true");
    return rc;
}

static void free_cfx(struct cfx *c)
{
    amqp_close(c->amqp);
    free(c->url);
    free(c->parts);
    free(c->address);
    free(c->handle);
    free(c->user);
    free(c->password);
    free(c);
}

static int take_path(char out[PATH_MAX], const cJSON *d, const char *member, const char *folder,
                     struct error *err)
{
    const char *name = json_string(d, member, "");
    return *name ? file_join(out, PATH_MAX, folder, name, err) : 0;
}

static int open_cfx(const cJSON *d, const char *folder, void **out, struct error *err)
{
    struct cfx *c = calloc(1, sizeof *c);
    if (!c || !(c->url = strdup(json_string(d, "url", ""))) || !(c->parts = strdup(c->url)) ||
        !(c->address = strdup(json_string(d, "address", ""))) ||
        !(c->handle = strdup(json_string(d, "handle", ""))) ||
        !(c->user = strdup(json_string(d, "user", ""))) ||
        !(c->password = strdup(json_string(d, "password", "")))) {
        if (c)
            free_cfx(c);
        return error_set(err, ERROR_MEMORY, "a CFX endpoint: out of memory");
    }
    take_url(c->url, c->parts, &c->tls, &c->host, &c->port);
    c->timeout_ms = (int)json_number(d, "timeout_ms", TIMEOUT_MS);
    c->heartbeat_s = (int)json_number(d, "heartbeat_s", HEARTBEAT_S);
    strcpy(c->ca, c->tls ? SYSTEM_CA : "");
    int rc = take_path(c->ca, d, "ca", folder, err);
    if (!rc)
        rc = take_path(c->certificate, d, "certificate", folder, err);
    if (!rc)
        rc = take_path(c->key, d, "key", folder, err);
    if (rc)
        free_cfx(c);
    else
        *out = c;
    return rc;
}

static int send_cfx(struct cfx *c, const struct cfx_message *m, struct error *err)
{
    const char *const pairs[][2] = {{"cfx-topic", m->topic},
                                    {"cfx-message", m->name},
                                    {"cfx-handle", c->handle},
                                    {"cfx-target", ""},
                                    {NULL, NULL}};
    char subject[200];
    char *text = cJSON_PrintUnformatted(m->envelope);
    if (!text)
        return error_set(err, ERROR_MEMORY, "a CFX message: out of memory");
    snprintf(subject, sizeof subject, "%s.%s", c->handle, m->name);
    const struct amqp_message message = {.id = m->unique_id,
                                         .subject = subject,
                                         .content_type = "application/json; charset=\"utf-8\"",
                                         .reply_to = c->handle,
                                         .created_ms = m->time_ms,
                                         .pairs = pairs,
                                         .body = text,
                                         .body_size = strlen(text)};
    int rc = amqp_send(c->amqp, &message, err);
    cJSON_free(text);
    return rc;
}

static void drop(struct cfx *c)
{
    amqp_close(c->amqp);
    c->amqp = NULL;
}

/* Of the moment: refused or not, there is nothing to send again. */
static int send_now(struct cfx *c, int made, struct cfx_message *m, struct error *err)
{
    int rc = made ? made : send_cfx(c, m, err);
    if (!made)
        cfx_free(m);
    return rc == ERROR_REFUSED || rc == ERROR_BUSY ? 0 : rc;
}

static int send_heartbeat(struct cfx *c, struct error *err)
{
    struct cfx_message m;
    c->heartbeat_ms = clock_mono_ms() + (int64_t)c->heartbeat_s * 1000;
    return send_now(c, cfx_heartbeat(c->handle, c->heartbeat_s, clock_wall_ms(), &m, err), &m, err);
}

static int connect_cfx(struct cfx *c, struct error *err)
{
    struct cfx_message m;
    const struct amqp_settings settings = {
        .host = c->host,
        .port = c->port  ? c->port
                : c->tls ? "5671"
                         : "5672",
        .tls = c->tls,
        .ca = c->ca,
        .certificate = c->certificate,
        .key = c->key,
        .user = c->user,
        .password = c->password,
        .name = c->handle,
        .address = c->address,
        .timeout_ms = c->timeout_ms,
    };
    int rc = amqp_open(&settings, &c->amqp, err);
    if (rc)
        return rc;
    rc = send_now(c, cfx_connected(c->handle, c->url, c->address, clock_wall_ms(), &m, err), &m,
                  err);
    return rc ? rc : send_heartbeat(c, err);
}

/* A connection that broke is of no further use; an answer to a message breaks none. */
static int keep(struct cfx *c, int rc)
{
    if (rc && rc != ERROR_REFUSED && rc != ERROR_BUSY)
        drop(c);
    return rc;
}

static int idle(void *connection, struct error *err)
{
    struct cfx *c = connection;
    int rc = c->amqp ? amqp_idle(c->amqp, err) : connect_cfx(c, err);
    if (!rc && clock_mono_ms() >= c->heartbeat_ms)
        rc = send_heartbeat(c, err);
    return keep(c, rc);
}

static int send_message(void *connection, const struct outbox_message *m, struct error *err)
{
    struct cfx *c = connection;
    struct cfx_message messages[CFX_RUN_MESSAGES];
    int rc = idle(c, err);
    if (rc)
        return rc;
    rc = cfx_run(m, c->handle, messages, err);
    if (rc)
        return rc;
    if (strcmp(c->run, m->key) != 0) {
        snprintf(c->run, sizeof c->run, "%s", m->key);
        c->accepted = 0;
    }
    for (; !rc && c->accepted < CFX_RUN_MESSAGES; c->accepted += rc == 0)
        rc = send_cfx(c, &messages[c->accepted], err);
    for (int i = 0; i < CFX_RUN_MESSAGES; i++)
        cfx_free(&messages[i]);
    if (!rc || rc == ERROR_REFUSED)
        *c->run = '\0'; /* settled: from the start, should it be sent again */
    return keep(c, rc);
}

/* Where there is no connection any more nobody can be told. */
static void close_cfx(void *connection)
{
    struct cfx *c = connection;
    struct cfx_message m;
    if (!c)
        return;
    if (c->amqp)
        send_now(c, cfx_leaving(c->handle, clock_wall_ms(), &m, NULL), &m, NULL);
    free_cfx(c);
}

const struct connector connector_cfx = {
    .name = "cfx",
    .members = members,
    .check = check,
    .open = open_cfx,
    .send = send_message,
    .idle = idle,
    .close = close_cfx,
};
