#include "firmware/hal/emulator/power.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/base/clock.h"

struct power {
    struct unit *unit;
    pthread_t thread;
    pthread_mutex_t lock;
    double watts[POWER_PARTS];
    double temperature_c;
    double life_s; /* the world's, as far as the warming has followed */
    bool stopping, asleep;
};

enum { TICK_NS = 10000000 };
static const double thermal_seconds = 40; /* SoC, board and case together */

double power_amps(double watts, double efficiency, double leak_amps, double volts, double ohms)
{
    double input = watts / efficiency;
    double at_unit = volts - ohms * leak_amps;
    double root = at_unit * at_unit - 4 * ohms * input;
    if (at_unit <= 0 || root < 0)
        return -1;
    /* v * i = input and v = at_unit - ohms * i; the form without a difference of near numbers */
    return leak_amps + 2 * input / (at_unit + sqrt(root));
}

/* Lock held. Behind the converters. */
static double drawn_w(const struct power *p)
{
    double sum = 0;
    for (int i = 0; i < POWER_PARTS; i++)
        sum += p->watts[i];
    return p->asleep ? p->unit->physics.sleep_w : sum;
}

/* Lock held. */
static void settle(struct power *p)
{
    struct world *w = p->unit->world;
    const struct physics *ph = &p->unit->physics;
    double volts = atomic_load(&w->supply_volts), ohms = atomic_load(&w->supply_ohms);
    double amps = power_amps(drawn_w(p), ph->converter_efficiency, ph->leak_ma / 1000, volts, ohms);
    if (amps < 0 || volts - ohms * amps < ph->brownout_volts) {
        atomic_store(&w->supply_amps, 0);
        unlink(p->unit->latch_path); /* it needs the supply, too */
        _exit(POWER_EXIT_BROWNOUT);
    }
    atomic_store(&w->supply_amps, amps);
    double peak = atomic_load(&w->supply_amps_peak);
    while (amps > peak && !atomic_compare_exchange_weak(&w->supply_amps_peak, &peak, amps))
        ;
}

/* Lock held. Follows the clock, and time that passed without it. */
static void warm(struct power *p, double seconds)
{
    const struct physics *ph = &p->unit->physics;
    const double life_s = atomic_load(&p->unit->world->life_s);
    const double air_c = atomic_load(&p->unit->world->air_c);
    seconds += fmax(life_s - p->life_s, 0);
    p->life_s = life_s;
    double settled = (isnan(air_c) ? ph->ambient_c : air_c) + ph->thermal_k_per_w * drawn_w(p);
    p->temperature_c += (settled - p->temperature_c) * -expm1(-seconds / thermal_seconds);
}

static void *run(void *context)
{
    struct power *p = context;
    int64_t next = clock_mono_ns();
    for (bool stopping = false; !stopping;) {
        next += TICK_NS;
        clock_sleep_until_ns(next);
        pthread_mutex_lock(&p->lock);
        stopping = p->stopping;
        if (!stopping) {
            settle(p);
            warm(p, TICK_NS / 1e9);
        }
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

int power_open(struct unit *unit, struct power **out, struct error *err)
{
    double volts = atomic_load(&unit->world->supply_volts);
    *out = NULL;
    if (volts < unit->physics.brownout_volts)
        return error_set(err, ERROR_STATE,
                         "the unit's supply is at %.2f V, it starts from %.2f V upwards", volts,
                         unit->physics.brownout_volts);
    struct power *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated supply");
    p->unit = unit;
    p->watts[POWER_SOC] = unit->physics.idle_w;
    p->life_s = atomic_load(&unit->world->life_s);
    p->temperature_c = atomic_load(&unit->world->air_c);
    if (isnan(p->temperature_c))
        p->temperature_c = unit->physics.ambient_c;
    pthread_mutex_init(&p->lock, NULL);
    if (pthread_create(&p->thread, NULL, run, p)) {
        pthread_mutex_destroy(&p->lock);
        free(p);
        return error_set(err, ERROR_IO, "cannot start the emulated supply's thread");
    }
    *out = p;
    return 0;
}

void power_close(struct power *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    atomic_store(&p->unit->world->supply_amps, 0);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void power_draw(struct power *p, enum power_part part, double watts)
{
    pthread_mutex_lock(&p->lock);
    p->watts[part] = watts;
    settle(p);
    pthread_mutex_unlock(&p->lock);
}

void power_asleep(struct power *p, bool asleep)
{
    pthread_mutex_lock(&p->lock);
    p->asleep = asleep;
    settle(p);
    pthread_mutex_unlock(&p->lock);
}

double power_temperature_c(struct power *p)
{
    pthread_mutex_lock(&p->lock);
    warm(p, 0);
    double t = p->temperature_c;
    pthread_mutex_unlock(&p->lock);
    return t;
}
