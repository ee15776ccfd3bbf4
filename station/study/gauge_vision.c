/* gauge-vision: the picture, infrared, pan and tilt. What becomes of the picture on its way out is
 * gauge-streams'. */
#include <math.h>

#include "protocol/base/json.h"
#include "station/study/study.h"

/* What is so of a unit, out of its parameters: definitions of the quantities, none of the way by
 * which they are measured. */

enum {
    WIDTH_PX = 2304,
    HEIGHT_PX = 1296,
    FOCAL_PX = 1440,
    PAN_RANGE_DEG = 350,
    TILT_RANGE_DEG = 100
};

static double of(const cJSON *unit, const char *parameter, double nominal)
{
    return json_number(unit, parameter, nominal);
}

/* What diffraction leaves of a point: 0.42 wavelengths times the f-number, by a pixel's width. */
static const double diffraction_px = 0.42 * 0.55 * 2 / 2.5;

/* Where a Gaussian of lens, diffraction and `defocus_px`, times a pixel's width, leaves half of the
 * contrast. */
static double mtf50(const cJSON *u, double defocus_px)
{
    const double blur_px = of(u, "lens_blur_px", 0.5);
    const double square =
        blur_px * blur_px + diffraction_px * diffraction_px + defocus_px * defocus_px;
    double low = 1e-6, high = 1;
    for (int i = 0; i < 50; i++) {
        const double f = (low + high) / 2;
        const double left = exp(-2 * M_PI * M_PI * square * f * f) * sin(M_PI * f) / (M_PI * f);
        *(left > 0.5 ? &low : &high) = f;
    }
    return low;
}

static double mtf50_centre(const cJSON *u)
{
    return mtf50(u, of(u, "defocus_px", 0));
}

/* Of the four corner squares, by how the printed chart lies about the axis: defocus grows with the
 * field's square to the sensor's corner, and by the tilts to its edges. */
static double mtf50_corner_spread(const cJSON *u)
{
    static const double across = 1 - 2 * 1.6 / 16, down = 1 - 2 * 1.4 / 9;
    static const double wide = (double)WIDTH_PX * WIDTH_PX, high_px = (double)HEIGHT_PX * HEIGHT_PX;
    const double size = 1 + of(u, "focal_error", 0);
    const double field =
        size * size * (across * across * wide + down * down * high_px) / (wide + high_px);
    double low = INFINITY, high = 0, sum = 0;
    for (int corner = 0; corner < 4; corner++) {
        const double x = corner & 1 ? across : -across, y = corner & 2 ? down : -down;
        const double at =
            mtf50(u, of(u, "defocus_px", 0) + of(u, "field_blur_px", 0.45) * field +
                         size * (of(u, "tilt_px", 0) * x + of(u, "tilt_vertical_px", 0) * y));
        low = fmin(low, at);
        high = fmax(high, at);
        sum += at;
    }
    return (high - low) / (sum / 4);
}

static double light_middle_percent(const cJSON *u)
{
    return 100 * hypot(of(u, "decentre_x_px", 0), of(u, "decentre_y_px", 0)) / WIDTH_PX;
}

/* The angle between what lands on the left edge and what lands on the right one. Light of field
 * height u (1 at the corner) lands at u + distortion u^3. */
static double field_of_view_deg(const cJSON *u)
{
    const double corner_px = hypot(WIDTH_PX, HEIGHT_PX) / 2, edge = WIDTH_PX / 2.0 / corner_px;
    const double distortion = of(u, "distortion", -0.010);
    double low = 0, high = 2;
    for (int i = 0; i < 50; i++) {
        const double field = (low + high) / 2;
        *(field + distortion * field * field * field < edge ? &low : &high) = field;
    }
    return 2 * atan(low * corner_px / (FOCAL_PX * (1 + of(u, "focal_error", 0)))) * 180 / M_PI;
}

static double dead_pixels(const cJSON *u)
{
    const double side = floor(of(u, "dead_cluster_px", 0));
    return floor(of(u, "dead_pixels", 3)) + side * side;
}

static double hot_pixels(const cJSON *u)
{
    return floor(of(u, "hot_pixels", 3));
}

static double cut_ms(const cJSON *u)
{
    return of(u, "ir_cut_ms", 120);
}

static double pan_backlash_deg(const cJSON *u)
{
    return of(u, "pan_backlash_deg", 0.15);
}

/* What the gears make of the motor's way, less their play, which the first turn upwards takes. */
static double pan_range_deg(const cJSON *u)
{
    const double geared = PAN_RANGE_DEG * (1 + of(u, "pan_gear_error", 0)) - pan_backlash_deg(u);
    return fmin(of(u, "pan_jam_deg", 1000), geared);
}

/* From home, which is come to from above: a way up lacks the play, and what gears and lost steps
 * make of it grows with it. */
static double axis_accuracy_deg(double range_deg, double gear_error, double lost_per_1000,
                                double backlash_deg)
{
    const double far = range_deg * ((1 + gear_error) * (1 - lost_per_1000 / 1000) - 1);
    return fmax(fmax(fabs(far), fabs(far - backlash_deg)), backlash_deg);
}

static double accuracy_deg(const cJSON *u)
{
    return fmax(axis_accuracy_deg(PAN_RANGE_DEG, of(u, "pan_gear_error", 0),
                                  of(u, "pan_lost_per_1000", 0), pan_backlash_deg(u)),
                axis_accuracy_deg(TILT_RANGE_DEG, of(u, "tilt_gear_error", 0), 0,
                                  of(u, "tilt_backlash_deg", 0.12)));
}

enum {
    MTF50,
    SPREAD,
    MIDDLE,
    VIEW,
    SPOT,
    DEAD,
    HOT,
    BALANCE_DE,
    SNR,
    DYNAMIC_RANGE,
    CORNERS,
    FILTER,
    AWAY,
    BACKLASH,
    STEP_LOSS,
    ACCURACY,
    RANGE,
    NOISE,
    FIGURES
};

static const struct study_figure figures[FIGURES] = {
    [MTF50] = {"image", "mtf50_centre", mtf50_centre, 0},
    [SPREAD] = {"image", "mtf50_corner_spread", mtf50_corner_spread, 0},
    [MIDDLE] = {"image", "light_middle_percent", light_middle_percent, 0},
    [VIEW] = {"image", "field_of_view_deg", field_of_view_deg, 0},
    [SPOT] = {"image", "spot_worst_percent", NULL, 0},
    [DEAD] = {"image", "dead_pixels", dead_pixels, 0},
    [HOT] = {"infrared", "hot_pixels", hot_pixels, 0},
    [BALANCE_DE] = {"image", "white_balance_de", NULL, 0},
    [SNR] = {"image", "snr_db", NULL, 0},
    [DYNAMIC_RANGE] = {"image", "dynamic_range_db", NULL, 0},
    [CORNERS] = {"infrared", "corner_balance", NULL, 0},
    [FILTER] = {"infrared", "ir_cut_ratio", NULL, 0},
    [AWAY] = {"infrared", "cut_away_ms", cut_ms, 0},
    [BACKLASH] = {"ptz", "pan_backlash_deg", pan_backlash_deg, 0},
    [STEP_LOSS] = {"ptz", "pan_step_loss_deg", NULL, 0},
    [ACCURACY] = {"ptz", "accuracy_deg_max", accuracy_deg, 0},
    [RANGE] = {"ptz", "pan_range_deg", pan_range_deg, 0},
    [NOISE] = {"ptz", "noise_over_silence_db", NULL, 0},
};

static const struct study_kind kinds[] = {
    {"blur", "the lens is out of focus", {{"defocus_px", 0, 3, false}}, false, MTF50, 0.25},
    {"tilt", "the sensor is tilted", {{"tilt_px", 0, 3.5, false}}, false, SPREAD, 0.3},
    {"decentre", "the lens sits beside", {{"decentre_x_px", 0, 120, false}}, false, MIDDLE, 0.4},
    {"wrong_focal", "another lens", {{"focal_error", 0, 0.07, false}}, false, VIEW, 0.4},
    {"dust",
     "a speck on the sensor's glass",
     {{"dust_depth", 0.005, 0.3, true}, {"dust_radius_px", 24, 24, false}},
     false,
     SPOT,
     0.6},
    {"dead_pixels", "pixels are dead", {{"dead_pixels", 2, 250, true}}, false, DEAD, 0.6},
    {"hot_pixels", "pixels glow", {{"hot_pixels", 2, 250, true}}, false, HOT, 0.6},
    {"tint", "the colour filter is off", {{"blue_gain", 1, 1.7, false}}, false, BALANCE_DE, 0.3},
    {"noisy_sensor",
     "the sensor reads with noise",
     {{"read_noise_e", 2.5, 160, true}},
     false,
     DYNAMIC_RANGE,
     0.7},
    {"weak_ir_led", "one LED is weak", {{"ir_led_3", 1, 0.05, false}}, false, CORNERS, 0.4},
    {"failed_ir_led", "one LED is dark", {{"ir_led_2", 1, 0, false}}, true, CORNERS, 0},
    {"stuck_ir_cut", "the filter does not move", {{"ir_cut_stuck", 0, 1, false}}, true, FILTER, 0},
    {"slow_ir_cut", "the filter is slow", {{"ir_cut_ms", 120, 900, false}}, false, AWAY, 0.15},
    {"backlash",
     "the pan gear has play",
     {{"pan_backlash_deg", 0.1, 2, false}},
     false,
     BACKLASH,
     0.2},
    {"lost_steps",
     "the pan motor loses steps",
     {{"pan_lost_per_1000", 0.02, 40, true}},
     false,
     ACCURACY,
     0},
    {"jam", "pan stops on its way", {{"pan_jam_deg", 352, 60, false}}, false, RANGE, 0},
    {"grinding_gears",
     "the motors are loud",
     {{"motor_noise_db", 45, 75, false}},
     false,
     NOISE,
     0.4},
};

const struct study study_gauge_vision = {
    .name = "gauge-vision",
    .product = "ptz-indoor-3mp",
    .plan = "vision",
    .kinds = kinds,
    .kind_count = sizeof kinds / sizeof *kinds,
    .figures = figures,
    .figure_count = FIGURES,
};
