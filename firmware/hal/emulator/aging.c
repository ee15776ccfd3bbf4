#include "firmware/hal/emulator/aging.h"

#include <math.h>

/* What a camera of this class has in all. */
static const double memory_bytes = 128.0 * 1024 * 1024;

size_t aging_leak_bytes(const struct physics *p, double hours)
{
    return (size_t)fmin(fmax(p->leak_kb_h * hours, 0) * 1024, memory_bytes);
}

double aging_defocus_px(const struct physics *p, double hours)
{
    const double px = p->defocus_px + p->lens_loosening_px_kh * hours / 1000;
    return px > 12 ? 12 : px;
}

double aging_frame_rate_hz(const struct physics *p, double hours)
{
    return fmax(p->frame_rate_hz * (1 - p->sensor_slowing_kh * hours / 1000), 0.5);
}

uint64_t aging_bad_blocks(const struct physics *p, double hours)
{
    return (uint64_t)fmax(p->flash_wear_kh * hours / 1000, 0);
}
