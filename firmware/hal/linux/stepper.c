#include "firmware/hal/linux/stepper.h"

#include <math.h>

/* Microsteps from one change of the phases to the next. */
static int32_t stride(int microstepping)
{
    return microstepping >= 2 ? microstepping / 2 : 1;
}

static int32_t floor_div(int32_t a, int32_t b)
{
    return a / b - (a % b < 0);
}

unsigned stepper_phases(int32_t microstep, int microstepping)
{
    static const unsigned half[8] = {0x1, 0x3, 0x2, 0x6, 0x4, 0xc, 0x8, 0x9};
    static const unsigned full[4] = {0x3, 0x6, 0xc, 0x9};
    int32_t at = floor_div(microstep, stride(microstepping));
    return microstepping >= 2 ? half[(uint32_t)at & 7] : full[(uint32_t)at & 3];
}

int32_t stepper_next(int32_t microstep, int direction, int microstepping)
{
    const int32_t n = stride(microstepping);
    int32_t at = floor_div(microstep, n) * n;
    if (direction > 0)
        return at + n;
    return at == microstep ? at - n : at;
}

double stepper_due(const struct stepper_ramp *r, int32_t done)
{
    /* v^2 = start^2 + 2 a s: the way to the cruise speed, at most half of all. */
    double to_cruise = (r->cruise * r->cruise - r->start * r->start) / (2 * r->acceleration);
    double rise = fmin(to_cruise, r->distance / 2.0);
    double top = sqrt(r->start * r->start + 2 * r->acceleration * rise);
    double s = done, left = r->distance - s;
    double rising = (top - r->start) / r->acceleration;
    if (s <= rise)
        return (sqrt(r->start * r->start + 2 * r->acceleration * s) - r->start) / r->acceleration;
    double level = (r->distance - 2 * rise) / top;
    if (left >= rise)
        return rising + (s - rise) / top;
    return 2 * rising + level -
           (sqrt(r->start * r->start + 2 * r->acceleration * left) - r->start) / r->acceleration;
}
