/* ptz.home, ptz.move, ptz.status. Degrees are from the homing edge, as the driver counts them. */
#include <math.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "protocol/base/clock.h"

static const char *const axes[] = {"pan", "tilt", NULL};

static const struct board_axis *axis_of(const struct agent *a, int axis)
{
    return axis == MOTOR_PAN ? &a->board->pan : &a->board->tilt;
}

static int status_of(struct agent *a, int axis, struct motor_status *out, struct error *err)
{
    int rc = a->hal->motor->status(a->hal->motor_state, (enum motor_axis)axis, out);
    return rc ? error_set(err, rc, "the %s motor does not say where it is", axes[axis]) : 0;
}

static int home(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"axis", NULL};
    struct motor_status status;
    int axis;
    int64_t began = clock_mono_ms();
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = params_choice(call->params, "axis", axes, &axis, err);
    if (!rc)
        rc = a->hal->motor->home(a->hal->motor_state, (enum motor_axis)axis, err);
    if (!rc)
        rc = status_of(a, axis, &status, err);
    if (rc)
        return rc;
    answer_number(call, call->result, "microsteps", status.microsteps);
    answer_number(call, call->result, "duration_ms", (double)(clock_mono_ms() - began));
    return 0;
}

static int move(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"pan_deg", "tilt_deg", "speed_dps", NULL};
    static const char *const degrees[] = {"pan_deg", "tilt_deg"};
    static const char *const answers[] = {"pan_microsteps", "tilt_microsteps"};
    const cJSON *p = call->params;
    double target_deg[MOTOR_AXES], speed_dps = 0;
    struct motor_status status;
    int64_t began = clock_mono_ms();
    int rc = params_only(p, allowed, err);
    if (!rc && !params_has(p, "pan_deg") && !params_has(p, "tilt_deg"))
        rc = error_set(err, ERROR_INPUT, "neither 'pan_deg' nor 'tilt_deg' is there");
    /* Slower than 2 degrees/s a turn of the head would outlast any caller. */
    if (!rc && params_has(p, "speed_dps"))
        rc = params_number(p, "speed_dps", 2, 720, &speed_dps, err);
    for (int i = 0; i < MOTOR_AXES && !rc; i++)
        if (params_has(p, degrees[i]))
            rc = params_number(p, degrees[i], axis_of(a, i)->min_deg, axis_of(a, i)->max_deg,
                               &target_deg[i], err);
    for (int i = 0; i < MOTOR_AXES && !rc; i++) {
        double scale = axis_of(a, i)->microsteps_per_deg;
        if (params_has(p, degrees[i]))
            rc = a->hal->motor->move_to(a->hal->motor_state, (enum motor_axis)i,
                                        (int32_t)lround(target_deg[i] * scale), speed_dps * scale,
                                        err);
        if (!rc && request_cancelled(call->request))
            rc = error_set(err, ERROR_CANCELLED, "taken back after %s moved", axes[i]);
    }
    for (int i = 0; i < MOTOR_AXES && !rc; i++) {
        rc = status_of(a, i, &status, err);
        if (!rc)
            answer_number(call, call->result, answers[i], status.microsteps);
    }
    answer_number(call, call->result, "duration_ms", (double)(clock_mono_ms() - began));
    return rc;
}

static int status(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const no_params[] = {NULL};
    struct motor_status s;
    int rc = params_only(call->params, no_params, err);
    for (int i = 0; i < MOTOR_AXES && !rc; i++) {
        rc = status_of(a, i, &s, err);
        if (rc)
            break;
        cJSON *axis = answer_object(call, call->result, axes[i]);
        answer_number(call, axis, "microsteps", s.microsteps);
        answer_number(call, axis, "deg", s.microsteps / axis_of(a, i)->microsteps_per_deg);
        answer_flag(call, axis, "homed", s.homed);
        answer_flag(call, axis, "home_sensor", s.home_sensor);
    }
    return rc;
}

const struct agent_method agent_ptz_methods[] = {
    {"ptz.home", PART_MOTOR, home},
    {"ptz.move", PART_MOTOR, move},
    {"ptz.status", PART_MOTOR, status},
    {0},
};
