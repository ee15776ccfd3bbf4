#include "station/campaign/crew.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum { THREADS_MAX = 32, STACK_BYTES = 4 << 20 };

struct crew_unit {
    struct unit_link *link;
    struct fixture *fixture;
    bool cancel;         /* its step shall end */
    int64_t deadline_ms; /* of the step under way, monotonic; 0: none */
};

struct crew {
    struct crew_config config;
    struct crew_unit *units;
    pthread_t threads[THREADS_MAX];
    size_t thread_count;
    int event_fd;

    pthread_mutex_t lock; /* over what follows, and the units' deadlines */
    pthread_cond_t work;
    struct crew_task *given, **given_end, *done, **done_end;
    bool stopping;
};

/* What a step reports, on its way into the task. */
struct reporting {
    struct crew *crew;
    struct crew_task *task;
    const struct plan_step *step;
};

/* ---- what a step may ask of its engine ------------------------------------------------------- */

static int no_identity(void *engine, const char *chip_id, struct step_identity *out,
                       struct error *err)
{
    return error_set(err, ERROR_STATE, "a campaign gives no identities");
}

static int no_advance(void *engine, const char *chip_id, const char *state, struct error *err)
{
    return error_set(err, ERROR_STATE, "a campaign gives no identities");
}

static int no_committed(void *engine, const char *step_id, cJSON **out, struct error *err)
{
    return error_set(err, ERROR_STATE, "a campaign has no steps that are done once");
}

static void no_progress(void *engine, double fraction, const char *text)
{
}

static void log_text(void *engine, const char *text)
{
    const struct reporting *r = engine;
    fprintf(stderr, "campaign, %s: %s\n", r->crew->config.places[r->task->unit].name, text);
}

static int measured(void *engine, const char *name, double value, const char *unit,
                    struct error *err)
{
    const struct reporting *r = engine;
    char full[CAMPAIGN_FIGURE_NAME];
    snprintf(full, sizeof full, "%.38s.%.38s", r->step->id, name);
    const int figure = campaign_figure_find(r->crew->config.campaign, full);
    if (figure >= 0)
        r->task->values[figure] = value;
    return 0;
}

static int noted(void *engine, const char *name, const char *text, struct error *err)
{
    const struct reporting *r = engine;
    struct crew_task *t = r->task;
    if (t->note_count == CREW_NOTES_MAX)
        return 0;
    struct crew_note *n = &t->notes[t->note_count++];
    snprintf(n->name, sizeof n->name, "%.22s.%.22s", r->step->id, name);
    snprintf(n->text, sizeof n->text, "%s", text);
    return 0;
}

/* Pictures of months would fill any disk: figures are kept, what they were measured on is not. */
static int not_attached(void *engine, const char *name, const char *mime, const void *data,
                        size_t size, struct error *err)
{
    return 0;
}

static uint64_t seed(void *engine)
{
    const struct reporting *r = engine;
    return r->task->seed;
}

static double commanded(void *engine, const char *condition)
{
    const struct reporting *r = engine;
    const struct campaign *c = r->crew->config.campaign;
    for (size_t i = 0; i < c->condition_count; i++)
        if (strcmp(condition_name(c->conditions[i].kind), condition) == 0)
            return r->task->commanded[i];
    return NAN;
}

static const struct step_services services = {
    .identity_reserve = no_identity,
    .identity_advance = no_advance,
    .committed = no_committed,
    .progress = no_progress,
    .log = log_text,
    .measured = measured,
    .noted = noted,
    .attached = not_attached,
    .seed = seed,
    .commanded = commanded,
};

/* ---- a task ---------------------------------------------------------------------------------- */

static const struct step_kind *kind_of(const struct crew *c, const char *name)
{
    for (const struct step_kind *const *k = c->config.kinds; *k; k++)
        if (strcmp((*k)->name, name) == 0)
            return *k;
    return NULL;
}

static int reach(struct crew *c, size_t index, struct error *err)
{
    struct crew_unit *u = &c->units[index];
    const struct campaign_place *place = &c->config.places[index];
    if (place->slot && c->config.fixture_socket[0] && !u->fixture)
        return fixture_connect(c->config.fixture_socket, place->slot, &u->fixture, err);
    return 0;
}

static void set_deadline(struct crew *c, struct crew_unit *u, int64_t deadline_ms)
{
    pthread_mutex_lock(&c->lock);
    u->deadline_ms = deadline_ms;
    if (deadline_ms && !c->stopping)
        __atomic_store_n(&u->cancel, false, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&c->lock);
}

static int run_step(struct crew *c, struct crew_task *t, const struct plan_step *step,
                    struct error *err)
{
    struct crew_unit *u = &c->units[t->unit];
    const struct campaign_place *place = &c->config.places[t->unit];
    const struct step_kind *kind = kind_of(c, step->kind);
    struct reporting reporting = {c, t, step};
    int rc = kind ? reach(c, t->unit, err)
                  : error_set(err, ERROR_MISSING, "no step kind '%s'", step->kind);
    if (rc)
        return rc;
    struct step_context context = {
        .params = step->params,
        .board = c->config.board,
        .product = c->config.campaign->plan->product,
        .order = c->config.order,
        .serial = "",
        .bundle_path = c->config.bundle_path,
        .bundle_key_pem = c->config.bundle_key_pem,
        .unit_port = place->port,
        .credentials = c->config.credentials,
        .unit = u->link,
        .fixture = u->fixture,
        .cancel = &u->cancel,
        .services = &services,
        .engine = &reporting,
    };
    set_deadline(c, u, clock_mono_ms() + step->deadline_ms);
    rc = step_run(kind, &context, err);
    set_deadline(c, u, 0);
    if (rc == ERROR_CANCELLED && !c->stopping)
        rc = error_set(err, ERROR_TIMEOUT, "step %s was past its deadline of %g s", step->id,
                       step->deadline_ms / 1000.0);
    if (rc == ERROR_CLOSED && u->fixture) { /* the fixture process may be starting again */
        fixture_disconnect(u->fixture);
        u->fixture = NULL;
    }
    return rc < 0 ? rc : 0;
}

static bool is_watched(const struct campaign *c, size_t step)
{
    for (size_t i = 0; i < c->watch_count; i++)
        if (c->watches[i].step == step)
            return true;
    return false;
}

static int bring_up(struct crew *c, struct crew_task *t, struct error *err)
{
    const struct plan *plan = c->config.campaign->plan;
    int rc = 0;
    for (size_t i = 0; !rc && i < plan->step_count; i++)
        if (!is_watched(c->config.campaign, i))
            rc = run_step(c, t, &plan->steps[i], err);
    return rc;
}

/* Every step of it, whether or not one fails. */
static int take_down(struct crew *c, struct crew_task *t, struct error *err)
{
    const struct plan *plan = c->config.campaign->plan;
    int rc = 0;
    for (size_t i = 0; i < plan->teardown_count; i++) {
        struct error why = {0};
        int failed = run_step(c, t, &plan->steps[plan->step_count + i], &why);
        if (failed && !rc) {
            rc = failed;
            *err = why;
        }
    }
    unit_link_drop(c->units[t->unit].link);
    return rc;
}

static void do_task(struct crew *c, struct crew_task *t)
{
    const struct campaign *campaign = c->config.campaign;
    for (size_t i = 0; i < CAMPAIGN_FIGURES_MAX; i++)
        t->values[i] = NAN;
    switch (t->kind) {
    case CREW_BRING_UP:
        t->rc = bring_up(c, t, &t->error);
        break;
    case CREW_WATCH:
        t->rc = run_step(c, t, &campaign->plan->steps[campaign->watches[t->watch].step], &t->error);
        break;
    case CREW_TAKE_DOWN:
        t->rc = take_down(c, t, &t->error);
        break;
    }
    snprintf(t->chip_id, sizeof t->chip_id, "%s", unit_link_facts(c->units[t->unit].link)->chip_id);
}

static void *work(void *context)
{
    struct crew *c = context;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (!c->given && !c->stopping)
            pthread_cond_wait(&c->work, &c->lock);
        struct crew_task *t = c->given;
        if (!t)
            break;
        c->given = t->next;
        if (!c->given)
            c->given_end = &c->given;
        pthread_mutex_unlock(&c->lock);
        do_task(c, t);
        pthread_mutex_lock(&c->lock);
        t->next = NULL;
        *c->done_end = t;
        c->done_end = &t->next;
        eventfd_write(c->event_fd, 1);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- giving and taking ----------------------------------------------------------------------- */

void crew_give(struct crew *c, struct crew_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&c->lock);
    *c->given_end = task;
    c->given_end = &task->next;
    pthread_cond_signal(&c->work);
    pthread_mutex_unlock(&c->lock);
}

struct crew_task *crew_take(struct crew *c)
{
    eventfd_t count;
    pthread_mutex_lock(&c->lock);
    struct crew_task *t = c->done;
    if (t) {
        c->done = t->next;
        if (!c->done)
            c->done_end = &c->done;
    }
    if (!c->done)
        eventfd_read(c->event_fd, &count);
    pthread_mutex_unlock(&c->lock);
    return t;
}

int64_t crew_hurry(struct crew *c, int64_t now_mono_ms)
{
    int64_t next = -1;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->config.count; i++) {
        struct crew_unit *u = &c->units[i];
        if (!u->deadline_ms || __atomic_load_n(&u->cancel, __ATOMIC_RELAXED))
            continue;
        if (now_mono_ms >= u->deadline_ms)
            __atomic_store_n(&u->cancel, true, __ATOMIC_RELAXED);
        else if (next < 0 || u->deadline_ms < next)
            next = u->deadline_ms;
    }
    pthread_mutex_unlock(&c->lock);
    return next;
}

void crew_expect(struct crew *c, size_t unit, const char *chip_id)
{
    unit_link_expect(c->units[unit].link, chip_id);
}

int crew_fd(const struct crew *c)
{
    return c->event_fd;
}

static int make_units(struct crew *c, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < c->config.count; i++) {
        const struct unit_link_config link = {.port = c->config.places[i].port,
                                              .credentials = c->config.credentials,
                                              .cancel = &c->units[i].cancel,
                                              .token = c->config.token,
                                              .context = c->config.context};
        rc = unit_link_create(&link, &c->units[i].link, err);
    }
    return rc;
}

int crew_start(const struct crew_config *config, struct crew **out, struct error *err)
{
    struct crew *c = calloc(1, sizeof *c);
    pthread_attr_t attributes;
    *out = NULL;
    if (!c)
        return error_set(err, ERROR_MEMORY, "the campaign's crew: out of memory");
    c->config = *config;
    c->given_end = &c->given;
    c->done_end = &c->done;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->work, NULL);
    c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->units = calloc(config->count ? config->count : 1, sizeof *c->units);
    int rc = c->event_fd < 0 || !c->units
                 ? error_set(err, ERROR_MEMORY, "the campaign's crew: out of memory")
                 : make_units(c, err);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (!rc && c->thread_count < THREADS_MAX && c->thread_count < config->count) {
        if (pthread_create(&c->threads[c->thread_count], &attributes, work, c))
            rc = error_set(err, ERROR_MEMORY, "the campaign's crew: no thread");
        else
            c->thread_count++;
    }
    pthread_attr_destroy(&attributes);
    if (rc)
        crew_stop(c);
    else
        *out = c;
    return rc;
}

static void free_tasks(struct crew_task *t)
{
    while (t) {
        struct crew_task *next = t->next;
        free(t);
        t = next;
    }
}

void crew_stop(struct crew *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    for (size_t i = 0; c->units && i < c->config.count; i++)
        __atomic_store_n(&c->units[i].cancel, true, __ATOMIC_RELAXED);
    free_tasks(c->given);
    c->given = NULL;
    c->given_end = &c->given;
    pthread_cond_broadcast(&c->work);
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < c->thread_count; i++)
        pthread_join(c->threads[i], NULL);
    free_tasks(c->done);
    for (size_t i = 0; c->units && i < c->config.count; i++) {
        unit_link_free(c->units[i].link);
        fixture_disconnect(c->units[i].fixture);
    }
    free(c->units);
    if (c->event_fd >= 0)
        close(c->event_fd);
    pthread_cond_destroy(&c->work);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
