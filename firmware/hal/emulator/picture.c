#include "firmware/hal/emulator/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/chance.h"
#include "firmware/hal/emulator/chart.h"
#include "firmware/hal/emulator/room.h"
#include "protocol/base/vector.h"
#include "protocol/world.h"

/* The picture is made in bands of BLOCK rows, and blurred in blocks of BLOCK x BLOCK pixels within
 * which the blur is taken as one Gaussian: from one block to the next sigma moves by a few
 * thousandths of a pixel. The chart's hard edges are drawn at twice the sensor's pitch, so that
 * what lies past the sensor's Nyquist frequency is there to be blurred before it is sampled. */
enum { BLOCK = 32, FINE = 2, PLANES = 4, TAPS_MAX = 2 * 96, LIGHT_STEP = 8 };

/* Infrared of the lamps per visible lux, as the sensor counts it: warm white, part tungsten. */
static const double lamp_infrared = 0.35;

/* A block's blur: weights of fine samples around a pixel's first one. */
struct taps {
    int first, count;
    float weight[TAPS_MAX];
};

struct painter {
    struct physics physics;
    struct lens lens;
    struct chart chart;
    struct room room;
    struct picture picture;
    int fine;           /* samples a pixel each way of the band in work */
    int pad;            /* fine samples the blur reaches beyond a block */
    int columns, rows;  /* of the fine band */
    int padded_width;   /* of the picture, a whole number of blocks */
    float *band;        /* PLANES x rows x columns, fine samples */
    float *cells;       /* coverage of one shape over the band */
    float *split[FINE]; /* one fine row, sorted into its phases */
    float *narrow;      /* rows x padded_width: blurred along the rows */
    float *blurred;     /* PLANES x BLOCK x padded_width */
    struct taps *taps;  /* one a block of the band in work */
    float *shading;     /* padded_width */
    float *infrared;
    float *sites;          /* one row's fixed pattern */
    float *shading_nodes;  /* every LIGHT_STEP pixels both ways, for as long as the lens is this */
    float *infrared_nodes; /* of LEDs at full drive, once they were on */
    bool infrared_known;
    float pattern[CHANCE_NORMALS];
    struct mark mark;
    uint16_t *unmarked; /* the picture's rows there without it, a colour after another; NULL until
                           the mark first shone */
    size_t bytes;
};

/* Touched at once: what is counted as held is then really there. */
static void *hold(struct painter *p, size_t bytes)
{
    void *held = malloc(bytes);
    if (held)
        memset(held, 0, bytes);
    p->bytes += bytes;
    return held;
}

/* ---- light on the sensor, as far as it does not change -------------------------------------- */

/* Shading and the LEDs' light are smooth: worked out every LIGHT_STEP pixels both ways, straight
 * between. */
static size_t light_node_count(const struct painter *p)
{
    const int across = p->padded_width / LIGHT_STEP + 1,
              down = (p->picture.height + LIGHT_STEP - 1) / LIGHT_STEP + 1;
    return (size_t)across * (size_t)down;
}

static void know_shading(struct painter *p)
{
    const int across = p->padded_width / LIGHT_STEP + 1;
    for (size_t i = 0; i < light_node_count(p); i++)
        p->shading_nodes[i] = (float)lens_shading(&p->lens, (int)i % across * LIGHT_STEP + 0.5,
                                                  (int)i / across * LIGHT_STEP + 0.5);
}

static void know_infrared(struct painter *p)
{
    const int across = p->padded_width / LIGHT_STEP + 1;
    double x, y;
    for (size_t i = 0; i < light_node_count(p); i++) {
        lens_unplace(&p->lens, (int)i % across * LIGHT_STEP + 0.5,
                     (int)i / across * LIGHT_STEP + 0.5, &x, &y);
        p->infrared_nodes[i] = (float)room_infrared(&p->physics, &p->lens, 1, x, y);
    }
    p->infrared_known = true;
}

int painter_create(const struct board *board, const struct physics *physics, struct painter **out,
                   struct error *err)
{
    struct painter *p = *out = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated scene");
    p->bytes = sizeof *p;
    p->physics = *physics;
    lens_make(&p->lens, board, physics);
    chart_make(&p->chart, &p->lens);
    room_make(&p->room);
    chance_normal_table(p->pattern);
    int w = (int)board->sensor_width_px, h = (int)board->sensor_height_px;
    p->picture.width = w;
    p->picture.height = h;
    p->padded_width = (w + BLOCK - 1) / BLOCK * BLOCK;

    double widest = 0;
    for (int i = 0; i <= 32; i++)
        for (int j = 0; j <= 18; j++)
            widest = fmax(widest, lens_sigma(&p->lens, w * i / 32.0, h * j / 18.0));
    p->pad = (int)ceil(widest * FINE * 3.5) + FINE;
    if (2 * p->pad + 2 > TAPS_MAX)
        p->pad = TAPS_MAX / 2 - 1;
    p->columns = p->padded_width * FINE + 2 * p->pad;
    p->rows = BLOCK * FINE + 2 * p->pad;

    size_t band = (size_t)p->columns * (size_t)p->rows * sizeof(float);
    size_t wide = (size_t)p->padded_width * sizeof(float);
    p->band = hold(p, PLANES * band);
    p->cells = hold(p, ((size_t)p->columns + 2) * (size_t)p->rows * sizeof(float));
    for (int i = 0; i < FINE; i++)
        p->split[i] = hold(p, ((size_t)p->columns / FINE + 2) * sizeof(float));
    p->narrow = hold(p, (size_t)p->rows * wide);
    p->blurred = hold(p, PLANES * BLOCK * wide);
    p->taps = hold(p, (size_t)(p->padded_width / BLOCK) * sizeof *p->taps);
    p->shading = hold(p, wide);
    p->infrared = hold(p, wide);
    p->sites = hold(p, wide);
    p->shading_nodes = hold(p, light_node_count(p) * sizeof(float));
    p->infrared_nodes = hold(p, light_node_count(p) * sizeof(float));
    bool whole = p->band && p->cells && p->split[0] && p->split[1] && p->narrow && p->blurred &&
                 p->taps && p->shading && p->infrared && p->sites && p->shading_nodes &&
                 p->infrared_nodes;
    for (int c = 0; c < 3; c++) {
        p->picture.plane[c] = hold(p, (size_t)w * (size_t)h * sizeof(uint16_t));
        whole = whole && p->picture.plane[c];
    }
    p->picture.bytes = p->bytes;
    if (whole) {
        know_shading(p);
        return 0;
    }
    painter_free(p);
    *out = NULL;
    return error_set(err, ERROR_MEMORY, "no memory for an emulated picture of %dx%d", w, h);
}

void painter_free(struct painter *p)
{
    if (!p)
        return;
    for (int c = 0; c < 3; c++)
        free(p->picture.plane[c]);
    for (int i = 0; i < FINE; i++)
        free(p->split[i]);
    free(p->band);
    free(p->cells);
    free(p->narrow);
    free(p->blurred);
    free(p->taps);
    free(p->shading);
    free(p->infrared);
    free(p->sites);
    free(p->shading_nodes);
    free(p->infrared_nodes);
    free(p->unmarked);
    free(p);
}

size_t painter_bytes(const struct painter *p)
{
    return p->bytes;
}

static float *band_row(struct painter *p, int plane, int row)
{
    return p->band + ((size_t)plane * (size_t)p->rows + (size_t)row) * (size_t)p->columns;
}

/* ---- what stands before the lens ------------------------------------------------------------ */

static void draw_shape(struct painter *p, const struct chart_shape *s, double top)
{
    double left = -(double)p->pad / FINE, height = (double)p->rows / FINE;
    if (s->bottom <= top || s->top >= top + height)
        return;
    struct point fine[CHART_POINTS_MAX];
    for (size_t i = 0; i < s->count; i++)
        fine[i] = (struct point){(s->points[i].x - left) * FINE, (s->points[i].y - top) * FINE};
    int x0 = (int)fmax(0, floor((s->left - left) * FINE)),
        x1 = (int)fmin(p->columns, ceil((s->right - left) * FINE) + 1);
    int y0 = (int)fmax(0, floor((s->top - top) * FINE)),
        y1 = (int)fmin(p->rows, ceil((s->bottom - top) * FINE) + 1);
    if (x0 >= x1 || y0 >= y1)
        return;
    size_t stride = (size_t)(x1 - x0) + 2;
    memset(p->cells, 0, stride * (size_t)(y1 - y0) * sizeof(float));
    coverage_add(fine, s->count, x0, y0, x1 - x0, y1 - y0, p->cells);
    const float colour[PLANES] = {s->red, s->green, s->blue, s->infrared};
    for (int y = y0; y < y1; y++) {
        const float *cell = p->cells + (size_t)(y - y0) * stride;
        float *row[PLANES], covered = 0;
        for (int c = 0; c < PLANES; c++)
            row[c] = band_row(p, c, y);
        for (int x = x0; x < x1; x++) {
            covered += cell[x - x0];
            for (int c = 0; c < PLANES; c++)
                row[c][x] += covered * (colour[c] - row[c][x]);
        }
    }
}

static void draw_chart(struct painter *p, int first_row)
{
    size_t samples = (size_t)PLANES * (size_t)p->rows * (size_t)p->columns;
    for (size_t i = 0; i < samples; i++)
        p->band[i] = p->chart.background;
    double top = first_row - (double)p->pad / FINE;
    for (size_t i = 0; i < CHART_SHAPES; i++)
        draw_shape(p, &p->chart.shapes[i], top);
}

/* Rows that the blur reaches into were painted with the band above. */
static void draw_room(struct painter *p, const struct view *view, int first_row)
{
    const int known = first_row ? 2 * p->pad : 0;
    if (known)
        memmove(band_row(p, 0, 0), band_row(p, 0, BLOCK),
                (size_t)known * (size_t)p->columns * sizeof(float));
    const struct room_view part = {.pan_deg = view->pan_deg,
                                   .tilt_deg = view->tilt_deg,
                                   .left = -p->pad,
                                   .top = first_row - p->pad + known,
                                   .columns = p->padded_width + 2 * p->pad,
                                   .rows = BLOCK + 2 * p->pad - known};
    room_paint(&p->room, &p->lens, &part, band_row(p, 0, known), (size_t)p->columns);
}

/* ---- blur ----------------------------------------------------------------------------------- */

/* The Gaussian and, where the samples are finer than a pixel, the pixel's own width. */
static void blur_weights(double sigma, int fine, int pad, struct taps *taps)
{
    double s = sigma * fine, sum = 0;
    int reach = (int)ceil(3.5 * s) + 1;
    if (reach > pad - fine)
        reach = pad - fine;
    double value[TAPS_MAX];
    taps->first = -reach;
    taps->count = 2 * reach + fine;
    for (int i = 0; i < taps->count; i++) {
        int j = i - reach;
        value[i] = 0;
        if (fine == 1) /* the sample stands for a pixel: the Gaussian's integral over it */
            value[i] = erf((j + 0.5) / (s * M_SQRT2)) - erf((j - 0.5) / (s * M_SQRT2));
        else /* each of the `fine` parts of the pixel gathers its own Gaussian */
            for (int k = 0; k < fine; k++)
                value[i] += exp(-(j - k) * (j - k) / (2 * s * s));
        sum += value[i];
    }
    for (int i = 0; i < taps->count; i++)
        taps->weight[i] = (float)(value[i] / sum);
}

static void focus_band(struct painter *p, int first_row)
{
    for (int b = 0; b < p->padded_width / BLOCK; b++) {
        double sigma = lens_sigma(&p->lens, (b + 0.5) * BLOCK, first_row + BLOCK / 2.0);
        blur_weights(sigma, p->fine, p->pad, &p->taps[b]);
    }
}

static inline void add_weighted(float *restrict out, const float *restrict in, float weight,
                                bool first)
{
    if (first)
        for (int x = 0; x < BLOCK; x++)
            out[x] = weight * in[x];
    else
        for (int x = 0; x < BLOCK; x++)
            out[x] += weight * in[x];
}

static VECTORIZED void blur_band(struct painter *p, int plane)
{
    int fine = p->fine, blocks = p->padded_width / BLOCK, rows = BLOCK * fine + 2 * p->pad;
    size_t width = (size_t)p->padded_width;
    for (int y = 0; y < rows; y++) {
        const float *row = band_row(p, plane, y);
        if (fine == FINE)
            for (int x = 0; x < p->columns / FINE; x++) {
                p->split[0][x] = row[2 * x];
                p->split[1][x] = row[2 * x + 1];
            }
        for (int b = 0; b < blocks; b++) {
            const struct taps *t = &p->taps[b];
            float *out = p->narrow + (size_t)y * width + (size_t)b * BLOCK;
            for (int i = 0; i < t->count; i++) {
                int at = b * BLOCK * fine + p->pad + t->first + i;
                const float *in = fine == 1 ? row + at : p->split[at % FINE] + at / FINE;
                add_weighted(out, in, t->weight[i], i == 0);
            }
        }
    }
    for (int b = 0; b < blocks; b++) {
        const struct taps *t = &p->taps[b];
        for (int y = 0; y < BLOCK; y++) {
            float *out =
                p->blurred + ((size_t)plane * BLOCK + (size_t)y) * width + (size_t)b * BLOCK;
            for (int i = 0; i < t->count; i++) {
                size_t at = (size_t)(y * fine + p->pad + t->first + i);
                add_weighted(out, p->narrow + at * width + (size_t)b * BLOCK, t->weight[i], i == 0);
            }
        }
    }
}

/* ---- light on the sensor -------------------------------------------------------------------- */

static void between_nodes(const float *above, const float *below, float down, int width, float *out)
{
    for (int i = 0; i < width / LIGHT_STEP; i++) {
        const float left = above[i] + down * (below[i] - above[i]),
                    right = above[i + 1] + down * (below[i + 1] - above[i + 1]);
        for (int k = 0; k < LIGHT_STEP; k++)
            out[i * LIGHT_STEP + k] = left + (float)k / LIGHT_STEP * (right - left);
    }
}

static void light_row(struct painter *p, int y)
{
    const int across = p->padded_width / LIGHT_STEP + 1;
    const size_t above = (size_t)(y / LIGHT_STEP) * (size_t)across, below = above + (size_t)across;
    const float down = (float)(y % LIGHT_STEP) / LIGHT_STEP;
    between_nodes(p->shading_nodes + above, p->shading_nodes + below, down, p->padded_width,
                  p->shading);
    between_nodes(p->infrared_nodes + above, p->infrared_nodes + below, down, p->padded_width,
                  p->infrared);
}

/* The brightest focal-plane light that can come of this view: what a full count stands for. */
static double brightest_lux(const struct painter *p, const struct view *view)
{
    double pass = view->ir_filter ? p->physics.ir_cut_leak : 1;
    double led = 0;
    for (int y = 0; y <= 8 && view->ir_drive > 0; y++)
        for (int x = 0; x <= 16; x++)
            led = fmax(led, room_infrared(&p->physics, &p->lens, view->ir_drive,
                                          (x / 16.0 - 0.5) * p->lens.width_px,
                                          (y / 8.0 - 0.5) * p->lens.height_px));
    double lux =
        view->illuminance_lux * (1 + lamp_infrared * pass) + 1.1 * led * pass + view->mark_lux;
    return lux * p->lens.lux_factor * (1 + 4 * p->physics.prnu) + 1e-9;
}

/* What each photosite of a row answers over the mean one, less 1. */
static void fixed_pattern(const struct painter *p, int colour, int y, float *out)
{
    const uint64_t start = chance_hash((uint64_t)p->physics.seed, 0x70726e75, (uint64_t)y);
    for (int x = 0; x < p->picture.width; x++) {
        uint64_t h = (start + (uint64_t)x * 3 + (uint64_t)colour) * 0x9e3779b97f4a7c15u;
        h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
        out[x] = p->pattern[h >> 52];
    }
}

struct light_on_row {
    const float *own, *next, *other, *ir; /* reflectance in this colour, the others, infrared */
    const float *shading, *infrared, *pattern;
    float lamp, lamp_ir, drive, pass, stay, mix, scale, prnu;
};

static VECTORIZED void count_light(const struct light_on_row *l, int width, uint16_t *restrict out)
{
    const float *restrict own = l->own, *restrict next = l->next, *restrict other = l->other,
                          *restrict ir = l->ir, *restrict shading = l->shading,
                          *restrict infrared = l->infrared, *restrict pattern = l->pattern;
    const float lamp = l->lamp, lamp_ir = l->lamp_ir, drive = l->drive, pass = l->pass,
                stay = l->stay, mix = l->mix, scale = l->scale, prnu = l->prnu;
    for (int x = 0; x < width; x++) {
        const float seen = stay * own[x] + mix * (next[x] + other[x]);
        const float light = lamp * seen + pass * (lamp_ir + drive * infrared[x]) * ir[x];
        float count = light * shading[x] * scale * (1 + prnu * pattern[x]) + 0.5f;
        count = count > 65535 ? 65535 : count;
        out[x] = (uint16_t)(int)count;
    }
}

static void store_row(struct painter *p, const struct view *view, int row, int y)
{
    const struct physics *ph = &p->physics;
    const float mix = (float)ph->colour_mixing / 2, lamp = (float)view->illuminance_lux;
    struct light_on_row l = {.shading = p->shading,
                             .infrared = p->infrared,
                             .pattern = p->sites,
                             .lamp = lamp,
                             .lamp_ir = (float)(lamp * lamp_infrared),
                             .drive = (float)view->ir_drive,
                             .pass = view->ir_filter ? (float)ph->ir_cut_leak : 1,
                             .stay = 1 - 2 * mix,
                             .mix = mix,
                             .scale = (float)(p->lens.lux_factor / p->picture.lux_a_count),
                             .prnu = (float)ph->prnu};
    const size_t w = (size_t)p->padded_width;
    const float *v[PLANES];
    for (int c = 0; c < PLANES; c++)
        v[c] = p->blurred + ((size_t)(p->picture.planes == 3 ? c : 0) * BLOCK + (size_t)row) * w;
    l.ir = v[3];
    for (int c = 0; c < p->picture.planes; c++) {
        l.own = v[c];
        l.next = v[(c + 1) % 3];
        l.other = v[(c + 2) % 3];
        fixed_pattern(p, c, y, p->sites);
        count_light(&l, p->picture.width,
                    p->picture.plane[c] + (size_t)y * (size_t)p->picture.width);
    }
}

/* The rows that the time mark's light reaches, before it does. */
static int keep_unmarked(struct painter *p, struct error *err)
{
    if (!p->unmarked) {
        mark_make(&p->mark, &p->lens);
        const size_t rows = (size_t)(p->mark.bottom - p->mark.top);
        p->unmarked = hold(p, rows * (size_t)p->picture.width * 3 * sizeof *p->unmarked);
        if (!p->unmarked)
            return error_set(err, ERROR_MEMORY, "no memory for the time mark");
        p->picture.bytes = p->bytes;
    }
    const size_t w = (size_t)p->picture.width, strip = (size_t)(p->mark.bottom - p->mark.top) * w;
    for (size_t c = 0; c < 3; c++)
        memcpy(p->unmarked + c * strip, p->picture.plane[c] + (size_t)p->mark.top * w,
               strip * sizeof *p->unmarked);
    return 0;
}

int painter_paint(struct painter *p, const struct view *view, const struct picture **out,
                  struct error *err)
{
    struct picture *pic = &p->picture;
    bool chart = view->scene == WORLD_SCENE_CHART, room = view->scene == WORLD_SCENE_PANORAMA;
    if (!chart && !room && view->scene != WORLD_SCENE_DARK_ROOM && view->scene != WORLD_SCENE_FLAT)
        return error_set(err, ERROR_INPUT, "the bench shows scene %d, which is none of this build",
                         view->scene);
    pic->planes = chart ? 3 : 1;
    pic->lux_a_count = brightest_lux(p, view) / 65535;
    p->fine = chart ? FINE : 1;
    if (view->ir_drive > 0 && !p->infrared_known)
        know_infrared(p);
    for (int top = 0; top < pic->height; top += BLOCK) {
        if (chart)
            draw_chart(p, top);
        else if (room)
            draw_room(p, view, top);
        if (chart || room)
            focus_band(p, top);
        for (int c = 0; c < (chart ? PLANES : 1); c++) {
            if (chart || room)
                blur_band(p, c);
            else
                for (int i = 0; i < BLOCK * p->padded_width; i++)
                    p->blurred[i] = room_wall_reflectance;
        }
        for (int y = 0; y < BLOCK && top + y < pic->height; y++) {
            light_row(p, top + y);
            store_row(p, view, y, top + y);
        }
    }
    *out = pic;
    return view->mark_lux > 0 ? keep_unmarked(p, err) : 0;
}

double painter_mark_row(const struct painter *p, int led)
{
    return p->mark.y[led];
}

/* Light adds up, the sensor has not counted yet: so much on top of each pixel of the strip. */
int painter_mark(struct painter *p, const struct view *view, const float lit[MARK_LEDS],
                 struct error *err)
{
    struct picture *pic = &p->picture;
    const size_t w = (size_t)pic->width, strip = (size_t)(p->mark.bottom - p->mark.top) * w;
    if (!p->unmarked || pic->planes != 3)
        return error_set(err, ERROR_STATE, "the time mark hangs behind the chart alone");
    const float scale = (float)(view->mark_lux * p->lens.lux_factor / pic->lux_a_count);
    for (int y = p->mark.top; y < p->mark.bottom; y++) {
        float *light = p->narrow; /* one row of it */
        mark_light_row(&p->mark, lit, y, pic->width, light);
        light_row(p, y);
        for (int c = 0; c < 3; c++) {
            const uint16_t *without =
                p->unmarked + (size_t)c * strip + (size_t)(y - p->mark.top) * w;
            uint16_t *out = pic->plane[c] + (size_t)y * w;
            fixed_pattern(p, c, y, p->sites);
            for (size_t x = 0; x < w; x++) {
                const float more =
                    light[x] * scale * p->shading[x] * (1 + (float)p->physics.prnu * p->sites[x]);
                const float count = without[x] + more + 0.5f;
                out[x] = (uint16_t)(int)(count > 65535 ? 65535 : count);
            }
        }
    }
    return 0;
}
