/* Pan and tilt: steppers whose four coils hang on GPIO lines, and a homing sensor on a fifth.
 *
 * Positive is away from the homing sensor, as on the emulator. Pulses are paced by the monotonic
 * clock at absolute times, so that one that came late does not delay those after it; the thread
 * asks for real-time scheduling while it turns. After a move the coils stay as they are for a
 * moment (the head swings out) and are then switched off: the gears hold, and the coils would get
 * hot. */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/linux/parts.h"
#include "firmware/hal/linux/pins.h"
#include "firmware/hal/linux/stepper.h"
#include "protocol/base/clock.h"

enum { SETTLE_NS = 60000000, LATE_NS = 200000, REALTIME_PRIORITY = 40 };
static const double margin_deg = 8;      /* homing looks this far past the range */
static const double start_share = 0.4;   /* of the usual speed: within any motor's pull-in rate */
static const double ramp_seconds = 0.15; /* from there to the usual speed */
static const double speed_most = 2;      /* times the usual one: coils by GPIO do no more */

struct axis {
    const struct board_axis *board;
    const struct board_motor *wiring;
    int32_t coil; /* microsteps since start: which coils have current */
    int32_t zero; /* coil at the homing edge */
    unsigned lit; /* phases that have current */
    bool homed, moving;
};

struct motor {
    struct linux_unit *unit;
    pthread_mutex_t lock; /* of what status() and stop() see */
    struct axis axis[MOTOR_AXES];
    bool stopping;
};

int linux_motor_open(struct linux_unit *u, struct motor **out, struct error *err)
{
    struct motor *m = *out = calloc(1, sizeof *m);
    if (!m)
        return error_set(err, ERROR_MEMORY, "no memory for the motors");
    m->unit = u;
    pthread_mutex_init(&m->lock, NULL);
    m->axis[MOTOR_PAN] = (struct axis){.board = &u->board->pan, .wiring = &u->board->linux.pan};
    m->axis[MOTOR_TILT] = (struct axis){.board = &u->board->tilt, .wiring = &u->board->linux.tilt};
    return 0;
}

void linux_motor_close(struct motor *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* Gives the coils exactly these phases. New ones first: the rotor is never let go between. */
static int energize(struct motor *m, struct axis *a, unsigned phases, struct error *err)
{
    int rc = 0;
    for (int pass = 1; pass >= 0 && !rc; pass--)
        for (unsigned i = 0; i < a->wiring->phase_count && !rc; i++) {
            bool on = phases >> i & 1, was = a->lit >> i & 1;
            if (on != was && on == pass &&
                !(rc = pins_set(m->unit->pins, a->wiring->phases[i], on, err)))
                a->lit ^= 1u << i;
        }
    return rc;
}

static bool stopped(struct motor *m)
{
    pthread_mutex_lock(&m->lock);
    bool stop = m->stopping;
    pthread_mutex_unlock(&m->lock);
    return stop;
}

static void set_state(struct motor *m, struct axis *a, int32_t coil, bool moving)
{
    pthread_mutex_lock(&m->lock);
    a->coil = coil;
    a->moving = moving;
    pthread_mutex_unlock(&m->lock);
}

static int on_sensor(struct motor *m, const struct axis *a, bool *out, struct error *err)
{
    return pins_active(m->unit->pins, a->wiring->home, out, err);
}

/* A turn: `ramp.distance` microsteps in `direction`, or until the sensor is as `until` says. */
struct turn {
    struct stepper_ramp ramp;
    int direction;
    bool has_until, until;
    bool met; /* out: the sensor ended it */
};

static int pulse_on(struct motor *m, struct axis *a, struct turn *t, struct error *err)
{
    const int microstepping = a->board->microstepping;
    const int32_t from = a->coil;
    int64_t start_ns = clock_mono_ns();
    int rc = energize(m, a, stepper_phases(from, microstepping), err);
    while (!rc && !stopped(m)) {
        bool sensor;
        if (t->has_until && (rc = on_sensor(m, a, &sensor, err)))
            break;
        if (t->has_until && sensor == t->until) {
            t->met = true;
            break;
        }
        int32_t next = stepper_next(a->coil, t->direction, microstepping);
        int32_t out = abs(next - from);
        if (out > t->ramp.distance) {
            /* The rest is less than the coils can do: it counts, and the rotor stays. */
            set_state(m, a, from + t->direction * t->ramp.distance, true);
            break;
        }
        int64_t due_ns = start_ns + (int64_t)(stepper_due(&t->ramp, out) * 1e9);
        clock_sleep_until_ns(due_ns);
        /* A pulse that came late puts off those behind it: in a burst the rotor would lose them. */
        int64_t late_ns = clock_mono_ns() - due_ns;
        start_ns += late_ns > LATE_NS ? late_ns : 0;
        rc = energize(m, a, stepper_phases(next, microstepping), err);
        if (!rc)
            set_state(m, a, next, true);
        if (out == t->ramp.distance)
            break;
    }
    return rc;
}

static int turn(struct motor *m, struct axis *a, struct turn *t, struct error *err)
{
    struct sched_param usual, fast = {.sched_priority = REALTIME_PRIORITY};
    int policy;
    pthread_getschedparam(pthread_self(), &policy, &usual);
    /* Without the right to it the pulses are as even as the load lets them be. */
    pthread_setschedparam(pthread_self(), SCHED_FIFO, &fast);
    set_state(m, a, a->coil, true);
    int rc = pulse_on(m, a, t, err);
    clock_sleep_until_ns(clock_mono_ns() + SETTLE_NS);
    int off = energize(m, a, 0, rc ? NULL : err);
    set_state(m, a, a->coil, false);
    pthread_setschedparam(pthread_self(), policy, &usual);
    return rc ? rc : off;
}

static double usual_speed(const struct axis *a)
{
    return a->board->speed_dps * a->board->microsteps_per_deg;
}

static struct turn plan(const struct axis *a, int direction, int32_t distance, double speed)
{
    double usual = usual_speed(a), start = fmin(usual * start_share, speed);
    return (struct turn){
        .ramp = {.start = start,
                 .cruise = speed,
                 .acceleration = usual * (1 - start_share) / ramp_seconds,
                 .distance = distance},
        .direction = direction,
    };
}

static struct axis *axis_of(struct motor *m, enum motor_axis axis, struct error *err)
{
    if (axis == MOTOR_PAN || axis == MOTOR_TILT)
        return &m->axis[axis];
    error_set(err, ERROR_INPUT, "there is no axis %d", (int)axis);
    return NULL;
}

static void begin(struct motor *m)
{
    pthread_mutex_lock(&m->lock);
    m->stopping = false;
    pthread_mutex_unlock(&m->lock);
}

static int home(struct motor *m, enum motor_axis axis, struct error *err)
{
    struct axis *a = axis_of(m, axis, err);
    bool already;
    int rc = a ? on_sensor(m, a, &already, err) : ERROR_INPUT;
    if (rc)
        return rc;
    double span = a->board->max_deg - a->board->min_deg + margin_deg;
    int32_t whole = (int32_t)(span * a->board->microsteps_per_deg);
    int32_t clear = (int32_t)(margin_deg * a->board->microsteps_per_deg);
    begin(m);
    pthread_mutex_lock(&m->lock);
    a->homed = false;
    pthread_mutex_unlock(&m->lock);
    /* The edge counts only when met from the same side, the gears' play taken up. */
    struct turn off = plan(a, +1, clear, usual_speed(a));
    off.has_until = true;
    off.until = false;
    if (already)
        rc = turn(m, a, &off, err);
    if (!rc && already && !off.met && !stopped(m))
        return error_set(err, ERROR_TIMEOUT, "the homing sensor does not let go");
    struct turn on = plan(a, -1, whole, usual_speed(a));
    on.has_until = on.until = true;
    if (!rc)
        rc = turn(m, a, &on, err);
    if (rc)
        return rc;
    if (!on.met)
        return stopped(m) ? error_set(err, ERROR_CANCELLED, "homing was stopped")
                          : error_set(err, ERROR_TIMEOUT,
                                      "no edge from the homing sensor within %.0f degrees", span);
    pthread_mutex_lock(&m->lock);
    a->zero = a->coil;
    a->homed = true;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static int move_to(struct motor *m, enum motor_axis axis, int32_t microsteps, double speed,
                   struct error *err)
{
    struct axis *a = axis_of(m, axis, err);
    if (!a)
        return ERROR_INPUT;
    double per_deg = a->board->microsteps_per_deg, most = speed_most * usual_speed(a);
    double low = floor(a->board->min_deg * per_deg), high = ceil(a->board->max_deg * per_deg);
    if (microsteps < low || microsteps > high)
        return error_set(err, ERROR_INPUT, "microstep %d is outside %.0f to %.0f", (int)microsteps,
                         low, high);
    if (!(speed >= 0 && speed <= most))
        return error_set(err, ERROR_INPUT, "a speed of %g microsteps/s, expected 0 to %.0f", speed,
                         most);
    if (!a->homed)
        return error_set(err, ERROR_STATE, "the axis was not homed since it started");
    int64_t way = (int64_t)microsteps - (a->coil - a->zero);
    begin(m);
    if (!way)
        return 0;
    struct turn t = plan(a, way < 0 ? -1 : +1, (int32_t)(way < 0 ? -way : way),
                         speed > 0 ? speed : usual_speed(a));
    return turn(m, a, &t, err);
}

static int stop(struct motor *m)
{
    pthread_mutex_lock(&m->lock);
    m->stopping = true;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static int status(struct motor *m, enum motor_axis axis, struct motor_status *out)
{
    const struct axis *a = axis_of(m, axis, NULL);
    bool sensor;
    int rc = a ? on_sensor(m, a, &sensor, NULL) : ERROR_INPUT;
    if (rc)
        return rc;
    pthread_mutex_lock(&m->lock);
    *out = (struct motor_status){a->coil - a->zero, a->homed, a->moving, sensor};
    pthread_mutex_unlock(&m->lock);
    return 0;
}

const struct motor_ops linux_motor_ops = {home, move_to, stop, status};
