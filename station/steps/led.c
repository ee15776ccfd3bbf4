/* One indicator LED, lit and dark, as the fixture's light guide sees it. That the pin was set
 * proves nothing; what came out of the LED does. */
#include <math.h>

#include "fixtures/led_sensor.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

static const struct step_param params[] = {
    {"led", PARAM_TEXT, "status_blue", 0, 0, "the board's name for it"},
    {"nominal", PARAM_NUMBER, "21000", 1, 99999, "counts of the analyser for a good LED"},
    {"settle_ms", PARAM_NUMBER, "60", 0, 5000, "from switching to looking, ms"},
    {0}};

static const struct step_measurement measurements[] = {
    {"light_on", "ratio", "over that of a good LED, lit"},
    {"light_off", "ratio", "the same, dark: what leaks in, or an LED that stays lit"},
    {"hue_deg", "deg", "of its colour: 0 red, 120 green, 240 blue; 0 when it is dark"},
    {"saturation", "ratio", "0 white or dark, 1 one colour alone"},
    {0}};

static int look(struct step_context *c, bool on, struct led_reading *out, struct error *err)
{
    cJSON *p = cJSON_CreateObject();
    cJSON_AddStringToObject(p, "led", step_text(c, "led"));
    cJSON_AddBoolToObject(p, "on", on);
    int rc = unit_call(c->unit, "led.set", p, 5000, NULL, err);
    if (rc == 0)
        rc = step_wait(c, (int)step_number(c, "settle_ms"), err);
    return rc < 0 ? rc : led_sensor_read(c->fixture, step_text(c, "led"), out, err);
}

/* The hexagon of hue, as in HSV. */
static double hue_deg(const struct led_reading *r, double most, double spread)
{
    if (!(spread > 0))
        return 0;
    double h = most == r->red     ? (r->green - r->blue) / spread
               : most == r->green ? (r->blue - r->red) / spread + 2
                                  : (r->red - r->green) / spread + 4;
    return h < 0 ? 60 * (h + 6) : 60 * h;
}

static int run(struct step_context *c, struct error *err)
{
    struct led_reading on, off;
    struct error ignored = {0};
    const double nominal = step_number(c, "nominal");
    int rc = look(c, true, &on, err);
    const int dark = look(c, false, &off, rc == 0 ? err : &ignored);
    rc = rc < 0 ? rc : dark;
    if (rc < 0)
        return rc;
    const double most = fmax(on.red, fmax(on.green, on.blue));
    const double spread = most - fmin(on.red, fmin(on.green, on.blue));
    rc = step_value(c, "light_on", on.intensity / nominal, err);
    if (rc == 0)
        rc = step_value(c, "light_off", off.intensity / nominal, err);
    if (rc == 0)
        rc = step_value(c, "hue_deg", hue_deg(&on, most, spread), err);
    if (rc == 0)
        rc = step_value(c, "saturation", most > 0 ? spread / most : 0, err);
    return rc;
}

const struct step_kind step_led = {
    .name = "led",
    .about = "an indicator's brightness and colour, as the fixture sees them",
    .params = params,
    .measurements = measurements,
    .run = run,
};
