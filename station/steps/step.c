#include "station/steps/step.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"

int step_run(const struct step_kind *kind, struct step_context *c, struct error *err)
{
    c->kind = kind;
    c->outside = false;
    return kind->run(c, err);
}

double step_number(const struct step_context *c, const char *name)
{
    return json_number(c->params, name, 0);
}

const char *step_text(const struct step_context *c, const char *name)
{
    return json_string(c->params, name, "");
}

bool step_flag(const struct step_context *c, const char *name)
{
    return json_bool(c->params, name, false);
}

int step_measured(struct step_context *c, const char *name, double value, const char *unit,
                  struct error *err)
{
    if (!isfinite(value))
        return error_set(err, ERROR_STATE, "%s: %s came out as %g, not a finite number",
                         c->kind->name, name, value);
    double low, high;
    step_limits(c, name, &low, &high);
    c->outside = c->outside || value < low || value > high;
    return c->services->measured(c->engine, name, value, unit, err);
}

int step_value(struct step_context *c, const char *name, double value, struct error *err)
{
    for (const struct step_measurement *m = c->kind->measurements; m && m->name; m++)
        if (strcmp(m->name, name) == 0)
            return step_measured(c, name, value, m->unit, err);
    return error_set(err, ERROR_STATE, "step \"%s\" lists no measurement \"%s\"", c->kind->name,
                     name);
}

void step_limits(const struct step_context *c, const char *name, double *low, double *high)
{
    *low = -INFINITY;
    *high = INFINITY;
    if (c->services->limits)
        c->services->limits(c->engine, name, low, high);
}

const char *step_unit(const struct step_context *c, const char *name)
{
    for (const struct step_measurement *m = c->kind->measurements; m && m->name; m++)
        if (strcmp(m->name, name) == 0)
            return m->unit;
    return "";
}

int step_noted(struct step_context *c, const char *name, const char *text, struct error *err)
{
    return c->services->noted(c->engine, name, text, err);
}

void step_section(struct step_context *c, bool inside)
{
    if (c->services->section)
        c->services->section(c->engine, inside);
}

bool step_cancelled(const struct step_context *c)
{
    return c->cancel && __atomic_load_n(c->cancel, __ATOMIC_RELAXED);
}

uint64_t step_seed(const struct step_context *c)
{
    return c->services && c->services->seed ? c->services->seed(c->engine) : 1;
}

double step_commanded(const struct step_context *c, const char *condition)
{
    return c->services->commanded ? c->services->commanded(c->engine, condition) : NAN;
}

int step_wait(const struct step_context *c, int ms, struct error *err)
{
    enum { PART_NS = 20000000 };
    const int64_t until = clock_mono_ns() + (int64_t)ms * 1000000;
    for (;;) {
        if (step_cancelled(c))
            return error_set(err, ERROR_CANCELLED, "%s: aborted by the operator", c->kind->name);
        const int64_t now = clock_mono_ns();
        if (now >= until)
            return 0;
        clock_sleep_until_ns(until - now > PART_NS ? now + PART_NS : until);
    }
}

void step_progress(struct step_context *c, double fraction, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->services->progress(c->engine, fraction, text);
}
