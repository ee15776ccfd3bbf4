/* Whether pictures still come, and what is wrong with them. Leaves the stream running. */
#include "fixtures/light.h"
#include "station/measure/picture_fault.h"
#include "station/steps/camera_view.h"
#include "station/steps/step.h"

static const struct step_param params[] = {
    {"scene", PARAM_TEXT, "chart", 0, 0, "what the light shows"},
    {"lux", PARAM_NUMBER, "0", 0, 20000, "of the light on the scene; 0 leaves it as it is, lx"},
    {0}};

static const struct step_measurement measurements[] = {
    {"same_ratio", "ratio", "samples alike in two frames: near 1 is a frozen picture"},
    {"mean_luma", "DN", "of 255"},
    {"bright_luma", "DN", "what 1 % of the samples exceed: a black picture is below 20"},
    {"tear_ratio", "ratio", "how unlike the frames differ above and below some row"},
    {"corrupt_ratio", "ratio", "blocks without any noise or colour"},
    {0}};

static int report(struct step_context *c, const struct picture_fault *f, struct error *err)
{
    int rc = step_value(c, "same_ratio", f->same_ratio, err);
    if (rc == 0)
        rc = step_value(c, "mean_luma", f->mean_luma, err);
    if (rc == 0)
        rc = step_value(c, "bright_luma", f->bright_luma, err);
    if (rc == 0)
        rc = step_value(c, "tear_ratio", f->tear_ratio, err);
    return rc < 0 ? rc : step_value(c, "corrupt_ratio", f->corrupt_ratio, err);
}

static int run(struct step_context *c, struct error *err)
{
    const struct view_settings day = {.stream = true, .auto_exposure = true};
    struct view views[2] = {{0}};
    struct picture_fault fault;
    const double lux = step_number(c, "lux");
    step_progress(c, 0, "two frames");
    int rc = lux > 0 ? light_scene(c->fixture, step_text(c, "scene"), lux, err) : 0;
    if (rc == 0)
        rc = camera_configure(c, &day, err);
    if (rc == 0)
        rc = camera_capture(c, 2, views, err);
    if (rc == 0) {
        const struct nv12 before = view_nv12(&views[0]), after = view_nv12(&views[1]);
        rc = picture_fault_measure(&before, &after, &fault, err);
    }
    view_free(views, 2);
    return rc < 0 ? rc : report(c, &fault, err);
}

const struct step_kind step_picture = {
    .name = "picture",
    .about = "frozen, black, torn or corrupt pictures",
    .params = params,
    .measurements = measurements,
    .run = run,
};
