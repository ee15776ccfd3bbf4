/* Pan and tilt: steppers, gears with play, a homing optocoupler on the camera's side of them.
 *
 * The driver counts pulses; the rotor follows unless it is held or loses a step; the camera follows
 * the rotor once the play is taken up. Positive pan looks to the right, positive tilt up. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/chance.h"
#include "firmware/hal/emulator/parts.h"
#include "firmware/hal/emulator/power.h"
#include "protocol/base/clock.h"

enum { TICK_NS = 5000000, START_NS = 40000000, MICROSTEPS = 16 /* of a full step, usual */ };
static const double stop_beyond_deg = 4; /* the end stops stand this far past the range */

struct axis {
    const struct board_axis *board;
    enum power_part power;
    double play_deg, deg_a_microstep, lost, jam_deg;
    bool home_dead;
    int32_t counted;   /* by the driver, from where it set 0 */
    double rotor_deg;  /* the rotor's place as an angle of the camera without play */
    double camera_deg; /* where the camera points, from the true homing edge */
    double edge_deg;   /* where the optocoupler switches in this pass */
    bool homed, moving, held;
    double steps_hz; /* full steps a second while it moves */
    int direction;   /* of the last pulse: a jam grips from the side it was met on */
};

struct motor {
    struct unit *unit;
    pthread_mutex_t lock;
    struct axis axis[MOTOR_AXES];
    struct chance chance;
    bool stopping;
};

int emulated_motor_open(struct unit *unit, struct motor **out, struct error *err)
{
    const struct physics *ph = &unit->physics;
    struct motor *m = *out = calloc(1, sizeof *m);
    if (!m)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated motors");
    m->unit = unit;
    pthread_mutex_init(&m->lock, NULL);
    chance_start(&m->chance, (uint64_t)ph->seed, (uint64_t)ph->power_ups << 32 | 0x6d6f7472);
    m->axis[MOTOR_PAN] = (struct axis){
        .board = &unit->board.pan,
        .power = POWER_PAN,
        .play_deg = ph->pan_backlash_deg,
        .deg_a_microstep = (1 + ph->pan_gear_error) / unit->board.pan.microsteps_per_deg,
        .lost = ph->pan_lost_per_1000 / 1000,
        .jam_deg = ph->pan_jam_deg,
        .home_dead = ph->pan_home_dead != 0,
    };
    m->axis[MOTOR_TILT] = (struct axis){
        .board = &unit->board.tilt,
        .power = POWER_TILT,
        .play_deg = ph->tilt_backlash_deg,
        .deg_a_microstep = (1 + ph->tilt_gear_error) / unit->board.tilt.microsteps_per_deg,
        .lost = ph->tilt_lost_per_1000 / 1000,
        .jam_deg = ph->tilt_jam_deg,
        .home_dead = ph->tilt_home_dead != 0,
    };
    /* Without power the gears hold the head where the packer's hand left it: near the middle. */
    for (int i = 0; i < MOTOR_AXES; i++) {
        struct axis *a = &m->axis[i];
        double span = a->board->max_deg - a->board->min_deg;
        a->camera_deg = a->board->min_deg + span * (0.4 + 0.2 * chance_uniform(&m->chance));
        if (a->camera_deg > a->jam_deg)
            a->camera_deg = a->jam_deg;
        a->rotor_deg = a->camera_deg;
    }
    return 0;
}

void emulated_motor_close(struct motor *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void emulated_motor_angles(struct motor *m, double *pan_deg, double *tilt_deg)
{
    pthread_mutex_lock(&m->lock);
    *pan_deg = m->axis[MOTOR_PAN].camera_deg;
    *tilt_deg = m->axis[MOTOR_TILT].camera_deg;
    pthread_mutex_unlock(&m->lock);
}

double emulated_motor_steps_hz(struct motor *m, bool *held)
{
    double fastest = 0;
    *held = false;
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < MOTOR_AXES; i++) {
        const struct axis *a = &m->axis[i];
        if (!a->moving)
            continue;
        fastest = a->steps_hz > fastest ? a->steps_hz : fastest;
        *held = *held || a->held;
    }
    pthread_mutex_unlock(&m->lock);
    return fastest;
}

/* One pulse to the driver. */
static void pulse(struct motor *m, struct axis *a, int direction)
{
    a->counted += direction;
    if (a->lost > 0 && chance_uniform(&m->chance) < a->lost)
        return;
    double rotor = a->rotor_deg + direction * a->deg_a_microstep, camera = a->camera_deg;
    if (rotor - camera > a->play_deg / 2)
        camera = rotor - a->play_deg / 2;
    else if (camera - rotor > a->play_deg / 2)
        camera = rotor + a->play_deg / 2;
    double low = a->board->min_deg - stop_beyond_deg, high = a->board->max_deg + stop_beyond_deg;
    high = high < a->jam_deg ? high : a->jam_deg;
    a->held = (camera > high && direction > 0) || (camera < low && direction < 0);
    if (a->held)
        return; /* the rotor springs back: this step is lost */
    a->rotor_deg = rotor;
    a->camera_deg = camera;
}

static bool on_sensor(const struct axis *a)
{
    return !a->home_dead && a->camera_deg < a->board->min_deg + a->edge_deg;
}

static void draw(struct motor *m, const struct axis *a, int64_t since_start_ns)
{
    const struct physics *ph = &m->unit->physics;
    double watts = ph->motor_w + (since_start_ns < START_NS ? ph->motor_start_w : 0) +
                   (a->held ? ph->jam_w : 0) +
                   (a->power == POWER_PAN ? ph->pan_short_w : ph->tilt_short_w);
    power_draw(m->unit->power, a->power, watts);
}

/* Pulses in real time until `done` says so or `count` are out. Returns whether done() ended it. */
static bool turn(struct motor *m, struct axis *a, int direction, int64_t count, double speed,
                 bool (*done)(const struct axis *))
{
    int64_t start = clock_mono_ns(), now = start, out = 0;
    bool ended = false;
    pthread_mutex_lock(&m->lock);
    a->moving = true;
    a->steps_hz = speed / MICROSTEPS;
    while (!ended && out < count && !m->stopping) {
        int64_t due = (int64_t)((double)(now - start) / 1e9 * speed);
        for (; out < due && out < count && !ended; out++) {
            ended = done && done(a);
            if (!ended)
                pulse(m, a, direction);
        }
        pthread_mutex_unlock(&m->lock);
        draw(m, a, now - start);
        now += TICK_NS;
        clock_sleep_until_ns(now);
        pthread_mutex_lock(&m->lock);
    }
    a->moving = a->held = false;
    pthread_mutex_unlock(&m->lock);
    power_draw(m->unit->power, a->power, 0);
    return ended;
}

static bool off_sensor(const struct axis *a)
{
    return !on_sensor(a);
}

static double usual_speed(const struct axis *a)
{
    return a->board->speed_dps * a->board->microsteps_per_deg;
}

static void begin(struct motor *m)
{
    pthread_mutex_lock(&m->lock);
    m->stopping = false;
    pthread_mutex_unlock(&m->lock);
}

static int home(struct motor *m, enum motor_axis axis, struct error *err)
{
    if (axis != MOTOR_PAN && axis != MOTOR_TILT)
        return error_set(err, ERROR_INPUT, "there is no axis %d", (int)axis);
    struct axis *a = &m->axis[axis];
    double span = a->board->max_deg - a->board->min_deg + 2 * stop_beyond_deg;
    int64_t whole = (int64_t)(span * 1.1 * a->board->microsteps_per_deg);
    begin(m);
    pthread_mutex_lock(&m->lock);
    a->homed = false;
    a->edge_deg = m->unit->physics.home_repeat_deg * chance_normal(&m->chance);
    bool already = on_sensor(a);
    pthread_mutex_unlock(&m->lock);
    /* The edge counts only when met from the same side, the play taken up. */
    int64_t clear = (int64_t)((stop_beyond_deg + a->play_deg) * 1.5 * a->board->microsteps_per_deg);
    if (already && !turn(m, a, +1, clear, usual_speed(a), off_sensor))
        return error_set(err, ERROR_TIMEOUT, "the homing sensor does not let go");
    if (!turn(m, a, -1, whole, usual_speed(a), on_sensor)) {
        pthread_mutex_lock(&m->lock);
        bool stopped = m->stopping;
        pthread_mutex_unlock(&m->lock);
        return stopped
                   ? error_set(err, ERROR_CANCELLED, "homing was stopped")
                   : error_set(err, ERROR_TIMEOUT,
                               "no edge from the homing sensor within %.0f degrees", span * 1.1);
    }
    pthread_mutex_lock(&m->lock);
    a->counted = 0;
    a->homed = true;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static int move_to(struct motor *m, enum motor_axis axis, int32_t microsteps, double speed,
                   struct error *err)
{
    if (axis != MOTOR_PAN && axis != MOTOR_TILT)
        return error_set(err, ERROR_INPUT, "there is no axis %d", (int)axis);
    struct axis *a = &m->axis[axis];
    double per_deg = a->board->microsteps_per_deg;
    double low = floor(a->board->min_deg * per_deg), high = ceil(a->board->max_deg * per_deg);
    if (microsteps < low || microsteps > high)
        return error_set(err, ERROR_INPUT, "microstep %d is outside %.0f to %.0f", (int)microsteps,
                         low, high);
    if (!(speed >= 0 && speed <= 20 * usual_speed(a)))
        return error_set(err, ERROR_INPUT, "a speed of %g microsteps/s, expected 0 to %.0f", speed,
                         20 * usual_speed(a));
    begin(m);
    pthread_mutex_lock(&m->lock);
    bool homed = a->homed;
    int64_t way = (int64_t)microsteps - a->counted;
    pthread_mutex_unlock(&m->lock);
    if (!homed)
        return error_set(err, ERROR_STATE, "the axis was not homed since it started");
    turn(m, a, way < 0 ? -1 : +1, way < 0 ? -way : way, speed > 0 ? speed : usual_speed(a), NULL);
    return 0;
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
    if (axis != MOTOR_PAN && axis != MOTOR_TILT)
        return ERROR_INPUT;
    pthread_mutex_lock(&m->lock);
    const struct axis *a = &m->axis[axis];
    *out = (struct motor_status){a->counted, a->homed, a->moving, on_sensor(a)};
    pthread_mutex_unlock(&m->lock);
    return 0;
}

const struct motor_ops emulated_motor_ops = {home, move_to, stop, status};
