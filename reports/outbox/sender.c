/* The process that sends: a thread a destination, so that one that hangs holds up no other. It
 * never opens the store: taktd, whose child it is, hands it each message. */
#include <arpa/inet.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/splitmix.h"
#include "reports/outbox.h"
#include "reports/outbox/connector.h"

enum { FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 300000, IDLE_MS = 1000, LEAVE_S = 1 };
enum { MESSAGE_BYTES_MAX = 4 << 20 };

struct office {
    char folder[PATH_MAX]; /* the station file's */
    char attachments[PATH_MAX];
    int fd;
    pthread_mutex_t writing;
};

struct destination {
    struct office *office;
    const cJSON *settings;
    const struct connector *connector;
    void *connection;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t came;
    cJSON *message; /* handed over, NULL while none is */
    uint64_t random;
    bool leaving; /* taktd's end of the socket is closed */
    int attempt, idle_failures;
    int64_t idle_ms; /* when the connection is looked after next */
};

/* The form of station/engine/channel.h: a length of 4 bytes, big-endian, and a JSON text. */
static void say(struct office *o, const cJSON *what)
{
    char *text = cJSON_PrintUnformatted(what);
    uint32_t size = text ? htonl((uint32_t)strlen(text)) : 0;
    struct error ignored; /* taktd is gone: so is this process in a moment */
    pthread_mutex_lock(&o->writing);
    if (text && !file_write_all(o->fd, &size, sizeof size, &ignored))
        file_write_all(o->fd, text, strlen(text), &ignored);
    pthread_mutex_unlock(&o->writing);
    cJSON_free(text);
}

static void want(struct destination *d)
{
    cJSON *what = cJSON_CreateObject();
    cJSON_AddStringToObject(what, "want", d->settings->string);
    say(d->office, what);
    cJSON_Delete(what);
}

static void report(struct office *o, int64_t id, const char *outcome, const char *reason)
{
    cJSON *what = cJSON_CreateObject();
    cJSON_AddNumberToObject(what, "id", (double)id);
    cJSON_AddStringToObject(what, "outcome", outcome);
    cJSON_AddStringToObject(what, "reason", reason);
    say(o, what);
    cJSON_Delete(what);
}

static int open_connection(struct destination *d, struct error *err)
{
    if (d->connection)
        return 0;
    return d->connector->open(d->settings, d->office->folder, &d->connection, err);
}

/* While nothing is to be sent. A connection that cannot be kept is tried again after a growing
 * pause; nobody waits for it, so nobody is told. */
static void stay_alive(struct destination *d, int64_t first_ms, int64_t longest_ms)
{
    struct error ignored;
    if (clock_mono_ms() < d->idle_ms)
        return;
    d->idle_ms = clock_mono_ms() + IDLE_MS;
    if (open_connection(d, &ignored) == 0 && d->connector->idle(d->connection, &ignored) == 0)
        d->idle_failures = 0;
    else
        d->idle_ms = clock_mono_ms() + outbox_pause_ms(++d->idle_failures, first_ms, longest_ms,
                                                       splitmix_next(&d->random));
}

/* Waits for the next message; NULL when the station leaves. */
static cJSON *take_message(struct destination *d, int64_t first_ms, int64_t longest_ms)
{
    cJSON *message = NULL;
    bool leaving = false;
    while (!message && !leaving) {
        if (d->connector->idle)
            stay_alive(d, first_ms, longest_ms);
        pthread_mutex_lock(&d->lock);
        if (!d->message && !d->leaving && d->connector->idle) {
            struct timespec until;
            clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_sec++;
            pthread_cond_timedwait(&d->came, &d->lock, &until);
        } else if (!d->message && !d->leaving) {
            pthread_cond_wait(&d->came, &d->lock);
        }
        leaving = d->leaving;
        message = d->message;
        d->message = NULL;
        pthread_mutex_unlock(&d->lock);
    }
    return message;
}

static int send_one(struct destination *d, const cJSON *message, struct error *err)
{
    const struct outbox_message m = {json_string(message, "key", ""),
                                     cJSON_GetObjectItemCaseSensitive(message, "run"),
                                     d->office->attachments};
    int rc = open_connection(d, err);
    return rc ? rc : d->connector->send(d->connection, &m, err);
}

/* Asks for a message, sends it until it is settled, and asks for the next. */
static void *serve_destination(void *context)
{
    struct destination *d = context;
    int64_t first = (int64_t)json_number(d->settings, "first_pause_ms", FIRST_PAUSE_MS);
    int64_t longest = (int64_t)json_number(d->settings, "longest_pause_ms", LONGEST_PAUSE_MS);
    for (;;) {
        struct error err = {0};
        want(d);
        cJSON *message = take_message(d, first, longest);
        if (!message)
            break;
        int64_t id = (int64_t)json_number(message, "id", 0);
        int rc;
        d->attempt = 0;
        while ((rc = send_one(d, message, &err)) && rc != ERROR_REFUSED) {
            report(d->office, id, "trouble", err.text);
            clock_sleep_until_ns(
                clock_mono_ns() +
                outbox_pause_ms(++d->attempt, first, longest, splitmix_next(&d->random)) * 1000000);
        }
        report(d->office, id, rc ? "parked" : "sent", rc ? err.text : "");
        cJSON_Delete(message);
    }
    d->connector->close(d->connection);
    return NULL;
}

/* Who waits for a message says good-bye; who is in the middle of a call to a server that hangs is
 * not waited for: the process ends with this call. */
static void leave(struct destination *all, size_t count)
{
    struct timespec until;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&all[i].lock);
        all[i].leaving = true;
        pthread_cond_signal(&all[i].came);
        pthread_mutex_unlock(&all[i].lock);
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LEAVE_S;
    for (size_t i = 0; i < count; i++)
        pthread_timedjoin_np(all[i].thread, NULL, &until);
}

static void hand_over(struct destination *all, size_t count, cJSON *message)
{
    const char *name = json_string(message, "destination", "");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].settings->string, name) != 0)
            continue;
        pthread_mutex_lock(&all[i].lock);
        cJSON_Delete(all[i].message);
        all[i].message = message;
        pthread_cond_signal(&all[i].came);
        pthread_mutex_unlock(&all[i].lock);
        return;
    }
    cJSON_Delete(message);
}

/* Until taktd's end of the socket is closed. */
static int listen_to_taktd(struct destination *all, size_t count, int fd, struct error *err)
{
    for (;;) {
        uint32_t size;
        int rc = file_read_all(fd, &size, sizeof size, err);
        size = rc ? 0 : ntohl(size);
        if (rc || size > MESSAGE_BYTES_MAX)
            return rc ? rc : error_set(err, ERROR_PROTOCOL, "a message of %u bytes", size);
        char *text = malloc((size_t)size + 1);
        if (!text)
            return error_set(err, ERROR_MEMORY, "a message: out of memory");
        rc = file_read_all(fd, text, size, err);
        text[rc ? 0 : size] = '\0';
        cJSON *message = rc ? NULL : cJSON_Parse(text);
        free(text);
        if (rc)
            return rc;
        hand_over(all, count, message);
    }
}

int outbox_serve(const struct json_document *station, int fd, struct error *err)
{
    static struct destination all[OUTBOX_DESTINATIONS_MAX];
    static struct office o = {.writing = PTHREAD_MUTEX_INITIALIZER};
    const cJSON *settings;
    pthread_condattr_t monotonic;
    size_t count = 0;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    o.fd = fd;
    snprintf(o.folder, sizeof o.folder, "%s", json_name(station));
    char *slash = strrchr(o.folder, '/');
    if (slash)
        *slash = '\0';
    else
        strcpy(o.folder, ".");
    char state[PATH_MAX];
    int rc = file_join(state, sizeof state, o.folder,
                       json_string(json_root(station), "state_dir", "state"), err);
    if (!rc)
        rc = file_join(o.attachments, sizeof o.attachments, state, STORE_ATTACHMENTS, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(settings, cJSON_GetObjectItemCaseSensitive(json_root(station), "outbox"))
    {
        struct destination *d = &all[count];
        const char *nearest;
        if (count == OUTBOX_DESTINATIONS_MAX)
            break;
        d->office = &o;
        d->settings = settings;
        d->connector = connector_find(json_string(settings, "connector", ""), &nearest);
        d->random = (uint64_t)clock_mono_ns() + count; /* stations must not knock in step */
        pthread_mutex_init(&d->lock, NULL);
        pthread_cond_init(&d->came, &monotonic);
        count++;
    }
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&all[i].thread, NULL, serve_destination, &all[i]))
            return error_set(err, ERROR_MEMORY, "the outbox: no thread for %s",
                             all[i].settings->string);
    rc = listen_to_taktd(all, count, fd, err);
    leave(all, count);
    return rc == ERROR_CLOSED ? 0 : rc;
}
