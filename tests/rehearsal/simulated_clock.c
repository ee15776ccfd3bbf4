#include "tests/rehearsal/simulated_clock.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/base/clock.h"

enum { START_NS = 1000000000 };
#define NEVER INT64_MAX

struct thread {
    sem_t turn; /* posted when it becomes the one that runs */
    pthread_t id;
    int64_t wake_ns; /* NEVER: by an event alone */
    uint64_t since;  /* who has waited longer goes first */
    const void *event;
    int life, child_life;
    bool gone; /* its life or itself ended */
    void *(*run)(void *);
    void *argument, *result;
    struct thread *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread *threads, *running;
static _Thread_local struct thread *me;
static int64_t now_ns = START_NS;
static int64_t wall_start_ms;
static uint64_t waits;
static void (*told)(int life);

/* The linker's --wrap: calls of X go to __wrap_X, and __real_X is X itself. */
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_join(pthread_t, void **);
_Noreturn void __wrap__exit(int);
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __real_pthread_join(pthread_t, void **);
_Noreturn void __real__exit(int);

/* ---- whose turn it is; the lock is held ---- */

static void give_turn(void)
{
    struct thread *first = NULL;
    for (struct thread *t = threads; t; t = t->next)
        if (!t->gone && t->wake_ns != NEVER &&
            (!first || t->wake_ns < first->wake_ns ||
             (t->wake_ns == first->wake_ns && t->since < first->since)))
            first = t;
    if (!first) {
        fprintf(stderr, "rehearsal: every thread waits for another\n");
        abort();
    }
    now_ns = first->wake_ns > now_ns ? first->wake_ns : now_ns;
    running = first;
    if (first != me)
        sem_post(&first->turn);
}

static void await_turn(void)
{
    while (running != me) {
        pthread_mutex_unlock(&lock);
        sem_wait(&me->turn);
        pthread_mutex_lock(&lock);
    }
    me->event = NULL;
}

static void wait_until(int64_t until_ns, const void *event)
{
    me->wake_ns = until_ns;
    me->event = event;
    me->since = ++waits;
    give_turn();
    await_turn();
}

static void wake(const void *event)
{
    for (struct thread *t = threads; t; t = t->next)
        if (t->event == event) {
            t->wake_ns = now_ns;
            t->event = NULL;
        }
}

/* ---- threads ---- */

static struct thread *add_thread(int life)
{
    struct thread *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    sem_init(&t->turn, 0, 0);
    t->life = t->child_life = life;
    t->wake_ns = now_ns;
    t->since = ++waits;
    t->next = threads;
    threads = t;
    return t;
}

void simulated_clock_begin(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    wall_start_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
    me = running = add_thread(0);
}

static void *begin_thread(void *context)
{
    pthread_mutex_lock(&lock);
    me = context;
    await_turn();
    pthread_mutex_unlock(&lock);
    me->result = me->run(me->argument);
    pthread_mutex_lock(&lock);
    me->gone = true;
    wake(me);
    give_turn();
    pthread_mutex_unlock(&lock);
    return me->result;
}

int __wrap_pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    if (!me)
        return __real_pthread_create(id, attributes, run, argument);
    pthread_mutex_lock(&lock);
    struct thread *t = add_thread(me->child_life);
    t->run = run;
    t->argument = argument;
    int rc = __real_pthread_create(&t->id, NULL, begin_thread, t);
    t->gone = rc != 0;
    *id = t->id;
    pthread_mutex_unlock(&lock);
    return rc;
}

int __wrap_pthread_join(pthread_t id, void **result)
{
    struct thread *t = threads;
    pthread_mutex_lock(&lock);
    while (t && !(t->run && pthread_equal(t->id, id)))
        t = t->next;
    while (me && t && !t->gone)
        wait_until(NEVER, t);
    pthread_mutex_unlock(&lock);
    return __real_pthread_join(id, result);
}

/* ---- lives ---- */

void simulated_life_begin(int life)
{
    me->child_life = life;
}

static void end_life(int life)
{
    for (struct thread *t = threads; t; t = t->next)
        if (t->life == life)
            t->gone = true;
}

void simulated_life_end(int life)
{
    pthread_mutex_lock(&lock);
    end_life(life);
    pthread_mutex_unlock(&lock);
}

void simulated_on_exit(void (*died)(int life))
{
    told = died;
}

_Noreturn void __wrap__exit(int status)
{
    if (!me || me->life == 0)
        __real__exit(status);
    if (told)
        told(me->life);
    pthread_mutex_lock(&lock);
    end_life(me->life);
    give_turn();
    pthread_mutex_unlock(&lock);
    for (;;)
        sem_wait(&me->turn);
}

void simulated_wait(const void *event, int64_t until_ns)
{
    pthread_mutex_lock(&lock);
    wait_until(until_ns, event);
    pthread_mutex_unlock(&lock);
}

void simulated_wake(const void *event)
{
    pthread_mutex_lock(&lock);
    wake(event);
    pthread_mutex_unlock(&lock);
}

/* ---- protocol/base/clock.h ---- */

int64_t clock_mono_ns(void)
{
    return __atomic_load_n(&now_ns, __ATOMIC_RELAXED);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

int64_t clock_boot_ms(void)
{
    return clock_mono_ms();
}

int64_t clock_wall_ms(void)
{
    return wall_start_ms + (clock_mono_ns() - START_NS) / 1000000;
}

void clock_format_utc(int64_t wall_ms, char out[25])
{
    const time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[40];
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 25, "%.19s.%03uZ", text, (unsigned)(wall_ms % 1000) % 1000);
}

void clock_sleep_until_ns(int64_t until_ns)
{
    if (!me)
        return;
    pthread_mutex_lock(&lock);
    wait_until(until_ns > now_ns ? until_ns : now_ns, NULL);
    pthread_mutex_unlock(&lock);
}
