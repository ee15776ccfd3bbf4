#include "station/steps/chart_picture.h"

#include <math.h>
#include <stdlib.h>

static double distance(struct point a, struct point b)
{
    return hypot(a.x - b.x, a.y - b.y);
}

double chart_picture_shift_percent(const struct chart_picture *p)
{
    const struct point middle = chart_pixel(&p->chart, 8, 4.5);
    return 100 *
           hypot(middle.x - (p->plane.width_px - 1) / 2.0,
                 middle.y - (p->plane.height_px - 1) / 2.0) /
           p->plane.width_px;
}

/* How much longer one side of the fiducials' rectangle is than the one across. */
static double keystone_percent(const struct chart *c)
{
    const struct point *f = c->fiducial;
    const double wide = distance(f[0], f[1]) / distance(f[2], f[3]);
    const double high = distance(f[0], f[2]) / distance(f[1], f[3]);
    return 100 * fmax(fmax(wide, 1 / wide) - 1, fmax(high, 1 / high) - 1);
}

static int placement(const struct step_context *c, const struct chart_picture *p, struct error *err)
{
    const struct {
        const char *param, *what, *unit;
        double value;
    } checks[] = {
        {"placement_turn_deg", "turned by", "degrees", fabs(p->chart.rotation_deg)},
        {"placement_shift_percent", "off the middle by", "% of the width",
         chart_picture_shift_percent(p)},
        {"placement_size_percent", "larger or smaller by", "%",
         fabs(100 * (p->chart.unit_px * 16 / p->plane.width_px - 1))},
        {"placement_keystone_percent", "seen askew by", "%", keystone_percent(&p->chart)},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i].value > step_number(c, checks[i].param))
            return error_set(err, ERROR_MISSING,
                             "fixture: the chart is %s %.2f %s, at most %g expected; no unit is "
                             "judged by it",
                             checks[i].what, checks[i].value, checks[i].unit,
                             step_number(c, checks[i].param));
    return 0;
}

int chart_picture_find(const struct step_context *c, const struct nv12 *frame,
                       struct chart_picture *out, struct error *err)
{
    *out = (struct chart_picture){.frame = *frame};
    int rc = nv12_plane(frame, &out->luma, &out->plane, err);
    if (rc < 0)
        return rc;
    rc = chart_find(out->plane, &out->chart, err);
    if (rc == ERROR_MISSING)
        return error_context(err, "fixture");
    return rc < 0 ? rc : placement(c, out, err);
}

void chart_picture_free(struct chart_picture *p)
{
    free(p->luma);
    p->luma = NULL;
}

int chart_picture_sharpness(struct chart_picture *p, int squares, struct error *err)
{
    for (int square = 0; square < squares; square++)
        for (int edge = 0; edge < CHART_EDGES; edge++) {
            struct plane part;
            struct region *r = &p->edges[square][edge];
            int rc = chart_edge(&p->chart, p->plane, square, edge, r, err);
            if (rc == 0)
                rc = plane_crop(p->plane, *r, &part, err);
            if (rc == 0)
                rc = sharpness_edge(part, &p->sharp[square][edge], err);
            if (rc < 0)
                return error_context(err, "square %d, edge %d", square, edge);
        }
    return 0;
}

double chart_picture_mtf50(const struct chart_picture *p, int square, enum chart_way way)
{
    double sum = 0;
    int n = 0;
    for (int edge = way == CHART_DOWN ? 1 : 0; edge < CHART_EDGES;
         edge += way == CHART_BOTH ? 1 : 2) {
        sum += p->sharp[square][edge].mtf50_cpp;
        n++;
    }
    return sum / n;
}

int chart_picture_colour(const struct chart_picture *p, struct color *out, struct error *err)
{
    double rgb[COLOR_PATCHES][3];
    for (int i = 0; i < COLOR_PATCHES; i++) {
        struct region r;
        int rc = chart_patch(&p->chart, p->plane, i, &r, err);
        if (rc == 0)
            rc = nv12_mean_rgb(&p->frame, r, rgb[i], err);
        if (rc < 0)
            return rc;
    }
    color_check(rgb, true, out);
    return 0;
}
