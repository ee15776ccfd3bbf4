#include "station/campaign/serve_parts.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"

enum { TURN_MS = 60000 }; /* the longest sleep */

static void leave_or_join(struct served *s, const cJSON *order, bool leave)
{
    const int number = (int)json_number(order, "unit", 0);
    for (size_t i = 0; i < s->job->place_count; i++) {
        struct served_unit *u = &s->units[i];
        const struct row_of of = {s, number};
        const struct watch_sink sink = {served_take_row, (void *)(uintptr_t)&of};
        if (served_number(s, i) != number)
            continue;
        if (leave && (u->watch.state == UNIT_WATCHED || u->watch.state == UNIT_JOINING)) {
            watch_end(&u->watch, s->c, UNIT_LEFT, s->elapsed_ms, &sink);
            served_event(s, number, "left", "taken out after %.2f h",
                         (double)watch_hours_ms(&u->watch, s->elapsed_ms) / 3600000);
            u->over = true;
        } else if (!leave && u->watch.state == UNIT_LEFT) {
            u->joins = true; /* once it is down */
            u->bring_up_ms = s->now_ms;
        }
        served_mark(u);
    }
}

static void take_order(struct served *s, const cJSON *order)
{
    const char *what = json_string(order, "do", "");
    if (strcmp(what, "pause") == 0)
        served_end_with(s, "paused", "paused", json_string(order, "reason", "by a person"));
    else if (strcmp(what, "stop") == 0)
        served_end_with(s, "stopped", "stopped", json_string(order, "reason", "by a person"));
    else if (strcmp(what, "leave") == 0 || strcmp(what, "join") == 0)
        leave_or_join(s, order, what[0] == 'l');
}

static int take_messages(struct served *s, struct error *err)
{
    for (;;) {
        cJSON *message = NULL;
        pthread_mutex_lock(&s->lock);
        int rc = s->wire->receive(s->wire->context, &message, err);
        pthread_mutex_unlock(&s->lock);
        if (rc || !message)
            return rc;
        if (cJSON_HasObjectItem(message, "answer") && served_take_answer(s, message))
            continue; /* whoever waited owns it */
        if (json_number(message, "noted", 0) == s->note && s->note) {
            s->note = 0;
            for (size_t i = 0; i < s->job->place_count; i++)
                s->units[i].noting = false;
        } else {
            take_order(s, message);
        }
        cJSON_Delete(message);
    }
}

static size_t count_failed(const struct served *s)
{
    size_t failed = 0;
    for (size_t i = 0; i < s->job->place_count; i++)
        failed += s->units[i].watch.state == UNIT_FAILED;
    return failed;
}

/* One that was taken out may come back. */
static bool any_left(const struct served *s)
{
    for (size_t i = 0; i < s->job->place_count; i++)
        if (s->units[i].watch.state != UNIT_FAILED && s->units[i].watch.state != UNIT_ENDED)
            return true;
    return false;
}

static void judge_end(struct served *s)
{
    char why[120];
    if (s->elapsed_ms >= s->c->duration_ms) {
        s->elapsed_ms = s->c->duration_ms;
        served_end_with(s, "finished", "finished", "its time is over");
    } else if (s->c->stop_failed && count_failed(s) >= (size_t)s->c->stop_failed) {
        snprintf(why, sizeof why, "%zu units have failed, %d end it", count_failed(s),
                 s->c->stop_failed);
        served_end_with(s, "stopped", "stopped", why);
    } else if (!any_left(s)) {
        served_end_with(s, "finished", "finished", "no unit is left under watch");
    }
}

/* Sleeps until something is due, a task is done, or taktd says something. */
static int turn(struct served *s, int64_t due_ms, struct error *err)
{
    const bool busy = s->busy || s->note;
    struct pollfd fds[] = {{.fd = crew_fd(s->crew), .events = POLLIN},
                           {.fd = s->wire->fd, .events = POLLIN}};
    const int64_t hurry = crew_hurry(s->crew, clock_mono_ms());
    if (due_ms > s->now_ms + TURN_MS && busy)
        due_ms = s->now_ms + TURN_MS;
    /* A step's deadline is of the real clock, whatever the campaign goes by. */
    int rc = 0;
    if (busy && hurry >= 0 && poll(fds, 2, 0) == 0) {
        const int64_t left = hurry - clock_mono_ms();
        poll(fds, 2, left < 1 ? 1 : left > 1000 ? 1000 : (int)left);
    } else {
        rc = campaign_clock_wait(s->clock, due_ms, busy, fds, 2, err);
    }
    if (!rc)
        rc = take_messages(s, err);
    if (!rc)
        rc = campaign_clock_now(s->clock, &s->now_ms, err);
    for (struct crew_task *t; !rc && (t = crew_take(s->crew));)
        served_take_done(s, t);
    return rc;
}

static int run(struct served *s, struct error *err)
{
    int rc = 0;
    while (!rc && strcmp(s->state, "running") == 0) {
        int64_t next = INT64_MAX;
        served_go_on(s);
        if (s->now_ms >= s->poll_ms && s->c->condition_count) {
            served_poll(s);
            served_judge_interlocks(s);
            s->poll_ms = s->now_ms + s->c->poll_ms;
        }
        if (s->c->condition_count)
            next = s->poll_ms;
        judge_end(s);
        if (strcmp(s->state, "running") != 0)
            break;
        next = sooner(next, served_set_conditions(s));
        next = sooner(next, served_give_due(s));
        /* The end, and the profile's next change, lie on campaign time. */
        if (!s->off_since_ms)
            next = sooner(next, s->now_ms + s->c->duration_ms - s->elapsed_ms);
        rc = served_send_note(s, err);
        if (!rc)
            rc = turn(s, next, err);
    }
    return rc;
}

/* Rows under way that nobody will add to. */
static void close_rows(struct served *s)
{
    const bool good = strcmp(s->state, "finished") == 0;
    for (size_t i = 0; i < s->job->place_count; i++) {
        struct served_unit *u = &s->units[i];
        const struct row_of of = {s, served_number(s, i)};
        const struct watch_sink sink = {served_take_row, (void *)(uintptr_t)&of};
        if (u->watch.state == UNIT_WATCHED)
            watch_end(&u->watch, s->c, UNIT_ENDED, s->elapsed_ms, &sink);
        else if (u->watch.state != UNIT_JOINING)
            watch_end(&u->watch, s->c, u->watch.state == UNIT_LEFT ? UNIT_ENDED : u->watch.state,
                      u->watch.ended_ms, &sink);
        u->told = u->told || !good;
        served_mark(u);
    }
    for (size_t i = 0; i < s->c->condition_count; i++)
        for (int k = 0; k < 2; k++)
            if (s->conditions[i].rows[k].samples)
                served_row(s, 0, 2 * i + (size_t)k, &s->conditions[i].rows[k]);
}

/* Whatever ended it: units down, everything off, and then the last note. */
static int finish(struct served *s, struct error *err)
{
    struct error ignored = {0};
    const bool ends = strcmp(s->state, "finished") == 0 || strcmp(s->state, "stopped") == 0;
    int rc = 0;
    while (!rc && (s->busy || s->note)) /* what is under way comes to its end first */
        rc = turn(s, s->now_ms, err);
    for (size_t i = 0; !rc && i < s->job->place_count; i++)
        if (s->units[i].up)
            served_give(s, i, CREW_TAKE_DOWN, 0);
    while (!rc && s->busy)
        rc = turn(s, s->now_ms, err);
    if (surroundings_safe(s->surroundings, &ignored) && !rc)
        served_event(s, 0, "instrument", "%s", ignored.text);
    if (surroundings_give_back(s->surroundings, &ignored) && !rc)
        served_event(s, 0, "instrument", "%s", ignored.text);
    if (!rc && ends)
        close_rows(s);
    s->dirty = true;
    if (!rc)
        rc = served_send_note(s, err);
    while (!rc && s->note)
        rc = turn(s, s->now_ms, err);
    return rc;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int restore(struct served *s, struct error *err)
{
    const cJSON *kept = s->job->kept, *each;
    const cJSON *units = cJSON_GetObjectItemCaseSensitive(kept, "units");
    int rc = 0;
    s->elapsed_ms = (int64_t)json_number(kept, "elapsed_ms", 0);
    served_read_progress(s, json_string(kept, "progress", ""));
    cJSON_ArrayForEach(each, units)
    {
        const int number = (int)json_number(each, "number", 0);
        for (size_t i = 0; !rc && i < s->job->place_count; i++) {
            struct served_unit *u = &s->units[i];
            cJSON *watch = NULL;
            if (served_number(s, i) != number)
                continue;
            if (*json_string(each, "watch", "")) { /* else it was never noted */
                watch = cJSON_Parse(json_string(each, "watch", ""));
                rc = watch_read(watch, s->c, &u->watch, err);
                cJSON_Delete(watch);
                u->dirty = false; /* as it is on record */
            }
            snprintf(u->chip_id, sizeof u->chip_id, "%s", json_string(each, "chip_id", ""));
            if (u->chip_id[0])
                crew_expect(s->crew, i, u->chip_id);
            u->told = u->watch.state == UNIT_FAILED || u->watch.state == UNIT_ENDED;
        }
    }
    const double stood_ms = (double)s->now_ms - json_number(kept, "at_ms", 0);
    if (rc)
        return rc;
    served_event(s, 0, "gap", "gone on with after %.1f s in which nobody watched", stood_ms / 1000);
    /* On record before sessions to hundreds of units take the processor. */
    rc = served_send_note(s, err);
    while (!rc && s->note)
        rc = turn(s, s->now_ms, err);
    return rc;
}

static int begin(struct served *s, struct error *err)
{
    size_t slot_count = 0;
    const struct campaign_job *job = s->job;
    const cJSON *units = cJSON_GetObjectItemCaseSensitive(job->kept, "units");
    for (size_t i = 0; i < job->place_count && slot_count < SLOTS_MAX; i++)
        if (job->places[i].slot)
            s->slots[slot_count++] = job->places[i].slot;
    double amps_max = 2;
    for (size_t i = 0; i < s->c->plan->step_count; i++)
        amps_max = json_number(s->c->plan->steps[i].params, "amps_max", amps_max);
    const struct surroundings_config around = {.campaign = s->c,
                                               .fixture_socket = job->fixture_socket,
                                               .slots = s->slots,
                                               .slot_count = slot_count,
                                               .amps_max = amps_max};
    const struct crew_config crew = {.campaign = s->c,
                                     .board = job->board,
                                     .kinds = job->kinds,
                                     .places = job->places,
                                     .count = job->place_count,
                                     .order = job->order,
                                     .bundle_path = job->bundle_path,
                                     .bundle_key_pem = job->bundle_key_pem,
                                     .fixture_socket = job->fixture_socket,
                                     .credentials = job->credentials,
                                     .token = served_token,
                                     .context = s};
    int rc = campaign_clock_open(job->clock, &s->clock, err);
    if (!rc)
        rc = campaign_clock_now(s->clock, &s->now_ms, err);
    if (!rc)
        rc = surroundings_create(&around, &s->surroundings, err);
    if (!rc)
        rc = crew_start(&crew, &s->crew, err);
    if (rc)
        return rc;
    s->last_ms = s->contact_ms = s->now_ms;
    for (size_t i = 0; i < s->c->condition_count; i++) {
        s->conditions[i].commanded = s->conditions[i].measured = NAN;
        s->has_chamber = s->has_chamber || s->c->conditions[i].kind == CONDITION_CHAMBER_C;
        /* Not there before it was measured. */
        if (s->c->conditions[i].tolerance > 0)
            s->off_since_ms = s->now_ms;
    }
    for (size_t i = 0; i < job->place_count; i++)
        served_mark(&s->units[i]);
    if (cJSON_GetArraySize(units))
        return restore(s, err);
    served_event(s, 0, "started", "%s, %zu units, seed %lld", s->c->name, job->place_count,
                 (long long)s->c->seed);
    return 0;
}

int campaign_serve(const struct campaign_job *job, const struct campaign_wire *wire,
                   struct error *err)
{
    struct served *s = calloc(1, sizeof *s);
    if (s)
        s->units = calloc(job->place_count ? job->place_count : 1, sizeof *s->units);
    if (!s || !s->units) {
        free(s);
        return error_set(err, ERROR_MEMORY, "a campaign of %zu units: out of memory",
                         job->place_count);
    }
    s->job = job;
    s->c = job->campaign;
    s->wire = wire;
    s->state = "running";
    s->events = cJSON_CreateArray();
    s->rows = cJSON_CreateArray();
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->answered, NULL);
    int rc = begin(s, err);
    if (!rc)
        rc = run(s, err);
    if (!rc)
        rc = finish(s, err);
    pthread_mutex_lock(&s->lock);
    s->gone = true;
    pthread_cond_broadcast(&s->answered);
    pthread_mutex_unlock(&s->lock);
    crew_stop(s->crew);
    surroundings_free(s->surroundings);
    campaign_clock_close(s->clock);
    cJSON_Delete(s->events);
    cJSON_Delete(s->rows);
    pthread_cond_destroy(&s->answered);
    pthread_mutex_destroy(&s->lock);
    free(s->units);
    free(s);
    return rc;
}
