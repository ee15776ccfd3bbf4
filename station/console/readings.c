#include "station/console/readings.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "reports/campaign.h"
#include "reports/line_day.h"
#include "reports/query.h"
#include "reports/recent.h"
#include "reports/store.h"

enum { RUNS_SHOWN = 60, DEFECTS_SHOWN = 12 };

struct reading {
    bool wished;
    int64_t argument; /* of the wish */
    cJSON *document;
    int64_t of; /* document's argument */
    char why[200];
    bool fresh;
};

struct readings {
    char store_path[PATH_MAX], station[80];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wished;
    bool ending;
    int fd;
    char order[80];                         /* of reports; under the mutex */
    struct store *store;                    /* the thread's */
    struct reading readings[READING_KINDS]; /* under the mutex */
    struct reading shown[READING_KINDS];    /* the main thread's */
};

/* ---- the thread ------------------------------------------------------------------------------ */

static void local_day(int64_t now_ms, int64_t *day_ms, int64_t *zone_ms)
{
    const time_t now = (time_t)(now_ms / 1000);
    struct tm tm;
    localtime_r(&now, &tm);
    *zone_ms = (int64_t)tm.tm_gmtoff * 1000;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    *day_ms = (int64_t)mktime(&tm) * 1000;
}

static int read_day(struct readings *r, int64_t argument, cJSON **out, struct error *err)
{
    const int64_t now_ms = clock_wall_ms();
    int64_t day_ms, zone_ms;
    local_day(now_ms, &day_ms, &zone_ms);
    return line_day_document(r->store, day_ms, zone_ms, now_ms, out, err);
}

static int read_run(struct readings *r, int64_t argument, cJSON **out, struct error *err)
{
    return query_run(r->store, argument, out, err);
}

static int read_recent(struct readings *r, int64_t argument, cJSON **out, struct error *err)
{
    return recent_runs(r->store, RUNS_SHOWN, out, err);
}

static int read_golden(struct readings *r, int64_t argument, cJSON **out, struct error *err)
{
    return recent_golden(r->store, out, err);
}

static int read_qa(struct readings *r, int64_t argument, cJSON **out, struct error *err)
{
    const int64_t now_ms = clock_wall_ms();
    int64_t day_ms, zone_ms;
    cJSON *shift = NULL;
    struct error none;
    local_day(now_ms, &day_ms, &zone_ms);
    int rc = recent_defects(r->store, DEFECTS_SHOWN, out, err);
    /* A station that ran nothing today has no figures: that is no trouble. */
    if (!rc && query_shift(r->store, r->station, day_ms, now_ms + 1, &shift, &none) == 0)
        cJSON_AddItemToObject(*out, "figures",
                              cJSON_DetachItemFromObjectCaseSensitive(shift, "figures"));
    cJSON_Delete(shift);
    return rc;
}

static int read_report(struct readings *r, int64_t argument, cJSON **out, struct error *err)
{
    const int64_t now_ms = clock_wall_ms();
    int64_t day_ms, zone_ms;
    char order[sizeof r->order];
    pthread_mutex_lock(&r->mutex);
    snprintf(order, sizeof order, "%s", r->order);
    pthread_mutex_unlock(&r->mutex);
    if (order[0])
        return query_order(r->store, order, out, err);
    local_day(now_ms, &day_ms, &zone_ms);
    int rc = query_shift(r->store, r->station, day_ms, now_ms + 1, out, err);
    if (rc != ERROR_MISSING)
        return rc;
    *out = cJSON_CreateObject(); /* a station that never ran anything has nothing, and no trouble */
    return *out ? 0 : ERROR_MEMORY;
}

/* No campaign yet, and no unit that was chosen, are no trouble: they are not there. */
static int read_rack(struct readings *r, int64_t argument, cJSON **out, struct error *err)
{
    cJSON *campaign = NULL, *one = NULL;
    struct error none;
    int rc = campaign_current(r->store, true, false, &campaign, err);
    if (rc)
        return rc;
    *out = cJSON_CreateObject();
    if (campaign)
        cJSON_AddItemToObject(*out, "campaign", campaign);
    if (campaign && argument > 0 && !campaign_unit(r->store, (int)argument, &one, &none))
        cJSON_AddItemToObject(*out, "one", one);
    return 0;
}

static int (*const readers[READING_KINDS])(struct readings *r, int64_t argument, cJSON **out,
                                           struct error *err) = {
    [READING_DAY] = read_day,       [READING_RUN] = read_run, [READING_RECENT] = read_recent,
    [READING_GOLDEN] = read_golden, [READING_QA] = read_qa,   [READING_REPORT] = read_report,
    [READING_RACK] = read_rack,
};

/* A store that was set aside and recovered is another file: each reading opens it anew, which costs
 * a millisecond. */
static void read_one(struct readings *r, enum readings_kind kind, int64_t argument)
{
    struct error err = {0};
    cJSON *document = NULL;
    int rc = store_open_reader(r->store_path, &r->store, &err);
    if (!rc)
        rc = readers[kind](r, argument, &document, &err);
    store_close(r->store);
    r->store = NULL;
    pthread_mutex_lock(&r->mutex);
    struct reading *to = &r->readings[kind];
    cJSON_Delete(to->document);
    to->document = rc ? NULL : document;
    to->of = argument;
    to->fresh = true;
    snprintf(to->why, sizeof to->why, "%.199s", rc ? err.text : "");
    pthread_mutex_unlock(&r->mutex);
    eventfd_write(r->fd, 1);
}

static void *serve(void *context)
{
    struct readings *r = context;
    pthread_mutex_lock(&r->mutex);
    while (!r->ending) {
        int kind = 0;
        while (kind < READING_KINDS && !r->readings[kind].wished)
            kind++;
        if (kind == READING_KINDS) {
            pthread_cond_wait(&r->wished, &r->mutex);
            continue;
        }
        const int64_t argument = r->readings[kind].argument;
        r->readings[kind].wished = false;
        pthread_mutex_unlock(&r->mutex);
        read_one(r, (enum readings_kind)kind, argument);
        pthread_mutex_lock(&r->mutex);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* ---- for the screen -------------------------------------------------------------------------- */

int readings_start(const char *store_path, const char *station, struct readings **out,
                   struct error *err)
{
    sigset_t all, before;
    *out = NULL;
    struct readings *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(err, ERROR_MEMORY, "reading the store: out of memory");
    snprintf(r->store_path, sizeof r->store_path, "%s", store_path);
    snprintf(r->station, sizeof r->station, "%s", station);
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->fd < 0) {
        free(r);
        return error_errno(err, ERROR_IO, "reading the store: an event descriptor");
    }
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->wished, NULL);
    /* Signals, the terminal's resize above all, are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&r->thread, NULL, serve, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        close(r->fd);
        free(r);
        return error_set(err, ERROR_MEMORY, "reading the store: no thread");
    }
    *out = r;
    return 0;
}

void readings_stop(struct readings *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->mutex);
    r->ending = true;
    pthread_cond_signal(&r->wished);
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->thread, NULL);
    for (int k = 0; k < READING_KINDS; k++) {
        cJSON_Delete(r->readings[k].document);
        cJSON_Delete(r->shown[k].document);
    }
    pthread_cond_destroy(&r->wished);
    pthread_mutex_destroy(&r->mutex);
    close(r->fd);
    free(r);
}

int readings_fd(const struct readings *r)
{
    return r->fd;
}

void readings_wish(struct readings *r, enum readings_kind kind, int64_t argument)
{
    pthread_mutex_lock(&r->mutex);
    r->readings[kind].wished = true;
    r->readings[kind].argument = argument;
    pthread_cond_signal(&r->wished);
    pthread_mutex_unlock(&r->mutex);
}

void readings_order(struct readings *r, const char *order)
{
    pthread_mutex_lock(&r->mutex);
    snprintf(r->order, sizeof r->order, "%s", order);
    pthread_mutex_unlock(&r->mutex);
}

void readings_take(struct readings *r)
{
    eventfd_t count;
    eventfd_read(r->fd, &count);
    pthread_mutex_lock(&r->mutex);
    for (int k = 0; k < READING_KINDS; k++) {
        struct reading *from = &r->readings[k], *to = &r->shown[k];
        if (!from->fresh)
            continue;
        cJSON_Delete(to->document);
        *to = *from;
        from->document = NULL;
        from->fresh = false;
    }
    pthread_mutex_unlock(&r->mutex);
}

const cJSON *readings_get(const struct readings *r, enum readings_kind kind, const char **why)
{
    if (why)
        *why = r->shown[kind].why;
    return r->shown[kind].document;
}

int64_t readings_argument(const struct readings *r, enum readings_kind kind)
{
    return r->shown[kind].of;
}
