/* The picture as the sensor and the ISP make it: a test chart for lens, colour, tones and noise, a
 * plain panel for shading, dirt, pixels and time.
 *
 * A chart that cannot be found or is not in place is the fixture's trouble and an error, never the
 * unit's fail. What the encoder makes of the picture is the stream step's. */
#include "station/steps/image.h"

#include "fixtures/light.h"
#include "station/steps/camera_view.h"
#include "station/steps/chart_picture.h"

static const struct step_param params[] = {
    {"lux", PARAM_NUMBER, "500", 1, 20000, "on the chart, lx"},
    {"frames", PARAM_NUMBER, "2", 2, VIEW_FRAMES_MAX, "of the chart; noise is read between two"},
    {"panel_frames", PARAM_NUMBER, "6", 3, VIEW_FRAMES_MAX, "of the panel"},
    {"distortion_percent", PARAM_NUMBER, "-1", -20, 20,
     "of the lens by its data sheet, at the corners; barrels have less than 0, %"},
    {"spot_contrast", PARAM_NUMBER, "0.012", 0.002, 0.5,
     "of a spot against its surroundings that counts, as a fraction"},
    CHART_PLACEMENT_PARAMS,
    {0}};

static const struct step_measurement measurements[] = {
    {"mtf50_centre", "cycles/px", "mean of the centre square's edges"},
    {"mtf50_centre_across", "cycles/px", "of its upright edges: detail across the picture"},
    {"mtf50_centre_down", "cycles/px", "of its level edges: detail down the picture"},
    {"mtf50_corner_min", "cycles/px", "of the least sharp corner square"},
    {"mtf50_corner_ratio", "ratio", "mean of the corners over the centre"},
    {"mtf50_corner_spread", "ratio", "sharpest less least sharp corner, over their mean: tilt"},
    {"mtf50_tilt_across", "ratio", "right corners less left ones, over their mean"},
    {"mtf50_tilt_down", "ratio", "lower corners less upper ones, over their mean"},
    {"de2000_mean", "dE2000", "of the 24 patches"},
    {"de2000_max", "dE2000", "of the worst patch"},
    {"white_balance_de", "dE", "of the greys, in a and b alone"},
    {"contrast_kept", "ratio", "of the grey wedge: ratio in the picture over the chart's"},
    {"tone_gamma", "ratio", "slope of the wedge's tones, 1 when linear light stays linear"},
    {"dynamic_range_db", "dB", "full scale over the noise of the wedge's darkest step"},
    {"snr_db", "dB", "temporal, on the plain band"},
    {"corner_light_min", "ratio", "darkest corner's background over the centre's"},
    {"chart_rotation_deg", "deg", "of the chart in the picture"},
    {"chart_shift_percent", "%", "the chart's middle off the picture's, of the width"},
    {"field_of_view_deg", "deg", "from the picture's left edge to its right one"},
    {"exposure_ms", "ms", "the exposure control's choice"},
    {"panel_corner_min", "ratio", "darkest corner block of the panel over the centre block"},
    {"light_middle_percent", "%",
     "the light's middle off the picture's, of the width: optical centre"},
    {"spot_worst_percent", "%", "largest contrast of any spot against its surroundings"},
    {"spots", "count", "that stand out by spot_contrast"},
    {"dead_pixels", "count", "below half of their neighbours"},
    {"bright_pixels", "count", "above one and a half times their neighbours"},
    {"defect_cluster_px", "px", "pixels of the largest cluster"},
    {"fixed_pattern_percent", "%", "of the signal, shading taken off"},
    {"flicker_percent", "%", "of brightness, from frame to frame"},
    {"banding_percent", "%", "of the rows, from frame to frame, beyond noise"},
    {"standing_bands_percent", "%", "of the rows, the same in all frames, shading taken off"},
    {"frame_rate_hz", "Hz", "by the frames' own times"},
    {"frozen_frames", "count", "the same to the last bit as the frame before"},
    {0}};

static int run(struct step_context *c, struct error *err)
{
    struct error ignored = {0};
    int frozen = 0, rc = image_chart(c, &frozen, err);
    if (rc == 0)
        rc = image_panel(c, frozen, err);
    camera_restore(c);
    light_scene(c->fixture, "dark", 0, &ignored);
    return rc;
}

const struct step_kind step_image = {
    .name = "image",
    .about = "sharpness, colour, tones, noise, shading, spots, pixels and flicker",
    .params = params,
    .measurements = measurements,
    .run = run,
};
