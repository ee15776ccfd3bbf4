#include "station/measure/contrast.h"

#include <math.h>

int contrast_wedge(const struct contrast_step *steps, size_t count, struct contrast *out,
                   struct error *err)
{
    const struct contrast_step *dark = NULL, *light = NULL;
    double n = 0, lx = 0, ly = 0, lxx = 0, lxy = 0; /* logarithms */
    double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0; /* a line, in relative error */

    *out = (struct contrast){0};
    if (count > CONTRAST_STEPS_MAX)
        return error_set(err, ERROR_INPUT, "a wedge of %zu steps: at most %d expected", count,
                         CONTRAST_STEPS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct contrast_step *s = &steps[i];
        if (s->mean >= 0.98) {
            out->clipped_steps++;
            continue;
        }
        if (!(s->mean > 0) || !(s->reflectance > 0))
            continue;
        dark = !dark || s->reflectance < dark->reflectance ? s : dark;
        light = !light || s->reflectance > light->reflectance ? s : light;
        double x = log(s->reflectance), y = log(s->mean), weight = 1 / (s->mean * s->mean);
        n++;
        lx += x;
        ly += y;
        lxx += x * x;
        lxy += x * y;
        w += weight;
        wx += weight * s->reflectance;
        wy += weight * s->mean;
        wxx += weight * s->reflectance * s->reflectance;
        wxy += weight * s->reflectance * s->mean;
    }
    double log_det = n * lxx - lx * lx, det = w * wxx - wx * wx;
    if (n < 3 || !(log_det > 0) || !(det > 0))
        return error_set(err, ERROR_INPUT,
                         "of %zu wedge steps %.0f are neither clipped nor black, 3 needed", count,
                         n);
    out->ratio = light->mean / dark->mean;
    out->expected_ratio = light->reflectance / dark->reflectance;
    out->gamma = (n * lxy - lx * ly) / log_det;
    out->black_level = (wy * wxx - wx * wxy) / det;
    out->dynamic_range_db = dark->sigma > 0 ? -20 * log10(dark->sigma) : INFINITY;
    return 0;
}
