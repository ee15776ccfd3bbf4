#include "firmware/hal/linux/camera_controls.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>

/* How far apart two values may be and still be the same to a person. */
static const double same_share = 0.05;

static bool query(int fd, uint32_t id, struct v4l2_queryctrl *out)
{
    memset(out, 0, sizeof *out);
    out->id = id;
    return !ioctl(fd, VIDIOC_QUERYCTRL, out) && !(out->flags & V4L2_CTRL_FLAG_DISABLED);
}

static bool get(int fd, uint32_t id, int64_t *out)
{
    struct v4l2_ext_control control = {.id = id};
    struct v4l2_ext_controls controls = {
        .which = V4L2_CTRL_WHICH_CUR_VAL, .count = 1, .controls = &control};
    struct v4l2_queryctrl q;
    bool known = query(fd, id, &q);
    if (!known && id != V4L2_CID_PIXEL_RATE) /* QUERYCTRL says nothing of 64-bit ones */
        return false;
    if (ioctl(fd, VIDIOC_G_EXT_CTRLS, &controls))
        return false;
    *out = id == V4L2_CID_PIXEL_RATE ? control.value64 : control.value;
    return true;
}

static int set(int fd, uint32_t id, int64_t value, const char *what, struct error *err)
{
    struct v4l2_control c = {.id = id, .value = (int32_t)value};
    return ioctl(fd, VIDIOC_S_CTRL, &c)
               ? error_errno(err, ERROR_IO, "the sensor does not take %s %lld", what,
                             (long long)value)
               : 0;
}

/* Milliseconds of a line, from a sensor's own controls; 0 when it does not tell. */
static double line_ms(int fd, uint32_t width_px)
{
    int64_t blank, rate;
    if (!get(fd, V4L2_CID_HBLANK, &blank) || !get(fd, V4L2_CID_PIXEL_RATE, &rate) || rate <= 0)
        return 0;
    return ((double)width_px + (double)blank) * 1000 / (double)rate;
}

static void find_exposure(int fd, uint32_t width_px, struct camera_control *out)
{
    struct v4l2_queryctrl q;
    double line = line_ms(fd, width_px);
    if (query(fd, V4L2_CID_EXPOSURE_ABSOLUTE, &q)) /* in 100 us */
        *out = (struct camera_control){q.id, q.minimum, q.maximum, 0.1};
    else if (line > 0 && query(fd, V4L2_CID_EXPOSURE, &q)) /* in lines */
        *out = (struct camera_control){q.id, q.minimum, q.maximum, line};
}

/* The unit of gain is a driver's own. Sensors count from the base gain as their least value; where
 * that is 0, the default stands for it. */
static void find_gain(int fd, struct camera_control *out)
{
    static const uint32_t ids[] = {V4L2_CID_ANALOGUE_GAIN, V4L2_CID_GAIN};
    struct v4l2_queryctrl q;
    for (int i = 0; i < 2 && !out->id; i++)
        if (query(fd, ids[i], &q)) {
            int32_t base = q.minimum > 0 ? q.minimum : q.default_value > 0 ? q.default_value : 1;
            *out = (struct camera_control){q.id, q.minimum, q.maximum, 1.0 / base};
        }
}

void camera_controls_find(int fd, uint32_t width_px, double frame_ms, struct camera_controls *out)
{
    struct v4l2_queryctrl q;
    *out = (struct camera_controls){.fd = fd, .frame_ms = frame_ms};
    find_exposure(fd, width_px, &out->exposure);
    find_gain(fd, &out->gain);
    if (query(fd, V4L2_CID_EXPOSURE_AUTO, &q))
        out->auto_exposure_id = q.id;
    if (query(fd, V4L2_CID_AUTOGAIN, &q))
        out->auto_gain_id = q.id;
}

static bool in_force(const struct camera_controls *c, const struct camera_control *control,
                     double *out)
{
    int64_t value;
    if (!control->id || !get(c->fd, control->id, &value))
        return false;
    *out = (double)value * control->unit;
    return true;
}

void camera_controls_read(const struct camera_controls *c, double *exposure_ms, double *gain)
{
    if (!in_force(c, &c->exposure, exposure_ms))
        *exposure_ms = c->frame_ms;
    if (!in_force(c, &c->gain, gain))
        *gain = 1;
}

/* Both menus' first choice is "automatic" or "manual" as the standard has it. */
static int set_auto(const struct camera_controls *c, bool on, struct error *err)
{
    int rc = 0;
    if (c->auto_exposure_id)
        rc = set(c->fd, c->auto_exposure_id, on ? V4L2_EXPOSURE_AUTO : V4L2_EXPOSURE_MANUAL,
                 "exposure control", NULL);
    if (rc && on) /* webcams know it by this name */
        rc = set(c->fd, c->auto_exposure_id, V4L2_EXPOSURE_APERTURE_PRIORITY, "exposure control",
                 NULL);
    if (rc)
        rc = error_set(err, ERROR_IO, "the sensor's exposure control cannot be switched %s",
                       on ? "on" : "off");
    if (!rc && c->auto_gain_id)
        rc = set(c->fd, c->auto_gain_id, on, "gain control", err);
    return rc;
}

int camera_controls_auto(const struct camera_controls *c, struct error *err)
{
    return set_auto(c, true, err);
}

static int set_value(const struct camera_controls *c, const struct camera_control *control,
                     double value, double now, const char *what, struct error *err)
{
    if (!control->id)
        return fabs(value - now) <= same_share * now
                   ? 0
                   : error_set(err, ERROR_INPUT,
                               "%s %g: this sensor's driver cannot set it, it is %g", what, value,
                               now);
    double least = (double)control->least * control->unit;
    double most = (double)control->most * control->unit;
    if (!(value >= least * (1 - same_share) && value <= most * (1 + same_share)))
        return error_set(err, ERROR_INPUT, "%s %g, this sensor has %g to %g", what, value, least,
                         most);
    int64_t steps = llround(value / control->unit);
    steps = steps < control->least ? control->least : steps > control->most ? control->most : steps;
    return set(c->fd, control->id, steps, what, err);
}

int camera_controls_manual(const struct camera_controls *c, double exposure_ms, double gain,
                           struct error *err)
{
    double exposure_now, gain_now;
    int rc = set_auto(c, false, err);
    camera_controls_read(c, &exposure_now, &gain_now);
    if (!rc)
        rc = set_value(c, &c->exposure, exposure_ms, exposure_now, "exposure_ms", err);
    if (!rc)
        rc = set_value(c, &c->gain, gain, gain_now, "gain", err);
    return rc;
}
