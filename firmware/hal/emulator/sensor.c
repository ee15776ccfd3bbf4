#include "firmware/hal/emulator/sensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/chance.h"
#include "protocol/base/vector.h"

enum { ADC_FULL = 1023, ISP_BLACK = 64, CODES = ADC_FULL + 1, PATTERN = 4096 };

/* A draw of 64 bits is noise for five pixels. */
enum { A_DRAW = 5, A_DRAW_BITS = 12 };

/* 683 lm/W at 555 nm and 3.58e-19 J a photon there: photons a square micrometre a lux second. A
 * colour filter lets half of them through. */
static const double photons_um2_lxs = 4.09e3;
static const double filter_pass = 0.5;

struct sensor {
    struct physics physics;
    int width, height;
    double electrons_a_lxs;
    uint16_t code[CODES];         /* sRGB code of an ADC value, 255 << 6 for white */
    float normal[CHANCE_NORMALS]; /* times an ADC value's noise */
    float *dark_pattern;          /* PATTERN + width: dark current of a photosite over the mean */
    float *signal;                /* one row of one colour */
    float *sigma;
    float *noise;       /* of sigma 1, up to whole draws */
    uint16_t *read;     /* ADC values */
    uint16_t *coded[3]; /* two rows of each colour */
    struct sensor_defect *defects;
    size_t defect_count, bytes;
};

static int by_row(const void *a, const void *b)
{
    const struct sensor_defect *p = a, *q = b;
    return p->y != q->y ? (p->y > q->y) - (p->y < q->y) : (p->x > q->x) - (p->x < q->x);
}

static void plant_defects(struct sensor *s)
{
    const struct physics *ph = &s->physics;
    struct chance c;
    chance_start(&c, (uint64_t)ph->seed, 0x64656164);
    size_t n = 0;
    int dead = (int)ph->dead_pixels, hot = (int)ph->hot_pixels, side = (int)ph->dead_cluster_px;
    for (int i = 0; i < dead + hot; i++) {
        int x = (int)(chance_uniform(&c) * s->width), y = (int)(chance_uniform(&c) * s->height);
        s->defects[n++] = (struct sensor_defect){x, y, i < dead ? SENSOR_DEAD : SENSOR_HOT};
    }
    int x0 = (int)(chance_uniform(&c) * (s->width - side)),
        y0 = (int)(chance_uniform(&c) * (s->height - side));
    for (int i = 0; i < side * side; i++)
        s->defects[n++] = (struct sensor_defect){x0 + i % side, y0 + i / side, SENSOR_DEAD};
    s->defect_count = n;
    qsort(s->defects, n, sizeof *s->defects, by_row);
}

static void *hold(struct sensor *s, size_t bytes)
{
    void *held = malloc(bytes ? bytes : 1);
    if (held)
        memset(held, 0, bytes);
    s->bytes += bytes;
    return held;
}

int sensor_create(const struct board *board, const struct physics *physics, struct sensor **out,
                  struct error *err)
{
    struct sensor *s = *out = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated sensor");
    s->bytes = sizeof *s;
    s->physics = *physics;
    s->width = (int)board->sensor_width_px;
    s->height = (int)board->sensor_height_px;
    s->electrons_a_lxs = photons_um2_lxs * board->pixel_um * board->pixel_um * filter_pass *
                         physics->quantum_efficiency;
    size_t w = (size_t)s->width;
    size_t defects = (size_t)(physics->dead_pixels + physics->hot_pixels +
                              physics->dead_cluster_px * physics->dead_cluster_px);
    s->dark_pattern = hold(s, (PATTERN + w) * sizeof(float));
    s->signal = hold(s, w * sizeof(float));
    s->sigma = hold(s, w * sizeof(float));
    s->noise = hold(s, (w + A_DRAW) * sizeof(float));
    s->read = hold(s, w * sizeof(uint16_t));
    s->defects = hold(s, defects * sizeof *s->defects);
    bool whole = s->dark_pattern && s->signal && s->sigma && s->noise && s->read && s->defects;
    for (int c = 0; c < 3; c++) {
        s->coded[c] = hold(s, 2 * w * sizeof(uint16_t));
        whole = whole && s->coded[c];
    }
    if (!whole) {
        sensor_free(s);
        *out = NULL;
        return error_set(err, ERROR_MEMORY, "no memory for the emulated sensor");
    }
    chance_normal_table(s->normal);
    for (int i = 0; i < CODES; i++) {
        double v = fmax(0, (double)(i - ISP_BLACK) / (ADC_FULL - ISP_BLACK));
        v = v <= 0.0031308 ? 12.92 * v : 1.055 * pow(v, 1 / 2.4) - 0.055;
        s->code[i] = (uint16_t)lround(v * 255 * 64);
    }
    struct chance c;
    chance_start(&c, (uint64_t)physics->seed, 0x6461726b);
    for (size_t i = 0; i < PATTERN; i++) {
        double d = 1 + physics->dark_spread * chance_normal(&c);
        s->dark_pattern[i] = d > 0 ? (float)d : 0;
    }
    for (size_t i = 0; i < w; i++)
        s->dark_pattern[PATTERN + i] = s->dark_pattern[i % PATTERN];
    plant_defects(s);
    return 0;
}

void sensor_free(struct sensor *s)
{
    if (!s)
        return;
    for (int c = 0; c < 3; c++)
        free(s->coded[c]);
    free(s->dark_pattern);
    free(s->signal);
    free(s->sigma);
    free(s->noise);
    free(s->read);
    free(s->defects);
    free(s);
}

size_t sensor_bytes(const struct sensor *s)
{
    return s->bytes;
}

const struct sensor_defect *sensor_defects(const struct sensor *s, size_t *count)
{
    *count = s->defect_count;
    return s->defects;
}

static double response(const struct sensor *s, int colour)
{
    return colour == 0 ? s->physics.red_gain : colour == 2 ? s->physics.blue_gain : 1;
}

double sensor_meter(const struct sensor *s, const struct picture *light, double exposure_gain_ms)
{
    double sum = 0, scale = light->lux_a_count * exposure_gain_ms / 1000 * s->electrons_a_lxs /
                            s->physics.full_well_e;
    int count = 0;
    const uint16_t *green = light->plane[light->planes == 3 ? 1 : 0];
    for (int y = 16; y < light->height; y += 32)
        for (int x = 16; x < light->width; x += 32, count++)
            sum += fmin(1, green[(size_t)y * (size_t)light->width + (size_t)x] * scale);
    return count ? sum / count : 0;
}

struct exposure {
    double count_e; /* electrons a count of light */
    double dark_e;  /* mean dark charge */
    double hot_e;
    float e_to_dn, black_dn, read_var, full_e;
};

/* Charge of one row of one colour, and the sigma of what will be read, both in ADC values. */
static VECTORIZED void charge_row(const struct exposure *e, const uint16_t *restrict light, float k,
                                  const float *restrict dark, int width, float *restrict signal,
                                  float *restrict sigma)
{
    const float dark_e = (float)e->dark_e, full = e->full_e, read_var = e->read_var,
                e_to_dn = e->e_to_dn, black_dn = e->black_dn;
    for (int x = 0; x < width; x++) {
        float q = light[x] * k + dark_e * dark[x];
        q = q > full ? full : q;
        sigma[x] = sqrtf(q + read_var) * e_to_dn;
        signal[x] = q * e_to_dn + black_dn;
    }
}

static size_t spoil_row(struct sensor *s, const struct exposure *e, int y, size_t at)
{
    for (; at < s->defect_count && s->defects[at].y == y; at++) {
        int x = s->defects[at].x;
        if (s->defects[at].kind == SENSOR_DEAD) {
            s->signal[x] = e->black_dn;
            s->sigma[x] = sqrtf(e->read_var) * e->e_to_dn;
        } else {
            s->signal[x] += (float)e->hot_e * e->e_to_dn;
        }
    }
    return at;
}

static void draw_noise(const struct sensor *s, struct chance *chance)
{
    const float *normal = s->normal;
    float *noise = s->noise;
    for (int x = 0; x < s->width; x += A_DRAW) {
        uint64_t random = chance_next(chance);
        for (int i = 0; i < A_DRAW; i++, random >>= A_DRAW_BITS)
            noise[x + i] = normal[random % CHANCE_NORMALS];
    }
}

static VECTORIZED void convert_row(const float *restrict signal, const float *restrict sigma,
                                   const float *restrict noise, int width, uint16_t *restrict read)
{
    for (int x = 0; x < width; x++) {
        float dn = signal[x] + sigma[x] * noise[x];
        dn = dn < 0 ? 0 : dn;
        dn = dn > ADC_FULL ? ADC_FULL : dn;
        read[x] = (uint16_t)(int)(dn + 0.5f);
    }
}

/* Noise, conversion and gamma of one row of one colour. */
static void read_row(const struct sensor *s, struct chance *chance, uint16_t *restrict coded)
{
    const uint16_t *read = s->read;
    draw_noise(s, chance);
    convert_row(s->signal, s->sigma, s->noise, s->width, s->read);
    for (int x = 0; x < s->width; x++)
        coded[x] = s->code[read[x]];
}

static VECTORIZED void write_luma(const uint16_t *restrict red, const uint16_t *restrict green,
                                  const uint16_t *restrict blue, size_t width,
                                  uint8_t *restrict luma)
{
    for (size_t x = 0; x < width; x++)
        luma[x] =
            (uint8_t)((red[x] * 13933u + green[x] * 46871u + blue[x] * 4732u + (1u << 21)) >> 22);
}

/* Of two rows of each colour. */
static VECTORIZED void write_chroma(const uint16_t *restrict red, const uint16_t *restrict green,
                                    const uint16_t *restrict blue, size_t width,
                                    uint8_t *restrict chroma)
{
    const size_t w = width;
    for (size_t i = 0; i < width / 2; i++) {
        const size_t x = 2 * i;
        const int r = red[x] + red[x + 1] + red[w + x] + red[w + x + 1];
        const int g = green[x] + green[x + 1] + green[w + x] + green[w + x + 1];
        const int b = blue[x] + blue[x + 1] + blue[w + x] + blue[w + x + 1];
        const int y = (int)((unsigned)(r * 1742 + g * 5859 + b * 591) / 8192); /* 256 a code */
        int u = (b - y) * 1000 / 1856, v = (r - y) * 1000 / 1575;
        u = (u + 128 * 256 + 128) >> 8;
        v = (v + 128 * 256 + 128) >> 8;
        u = u < 0 ? 0 : u;
        v = v < 0 ? 0 : v;
        chroma[x] = (uint8_t)(u > 255 ? 255 : u);
        chroma[x + 1] = (uint8_t)(v > 255 ? 255 : v);
    }
}

/* Two coded rows to two rows of luma and one of chroma; BT.709 weights of 65536. */
static void write_rows(const struct sensor *s, int y, uint8_t *nv12)
{
    const size_t w = (size_t)s->width;
    const uint16_t *const *c = (const uint16_t *const *)s->coded;
    for (size_t r = 0; r < 2; r++)
        write_luma(c[0] + r * w, c[1] + r * w, c[2] + r * w, w, nv12 + ((size_t)y + r) * w);
    write_chroma(c[0], c[1], c[2], w, nv12 + w * (size_t)s->height + (size_t)(y / 2) * w);
}

/* What a row gathers of light that swings, over the steady light's: the swing's mean over the time
 * the row is open, which is none over whole swings. */
static double lamp_light(const struct physics *ph, double opened_s, double seconds)
{
    const double hz = 2 * ph->mains_hz, half = M_PI * hz * seconds;
    const double kept = half > 0 ? sin(half) / half : 1;
    return 1 + ph->lamp_flicker * kept * cos(2 * M_PI * hz * (opened_s + seconds / 2));
}

void sensor_expose(struct sensor *s, const struct picture *light, double exposure_ms, double gain,
                   double temperature_c, uint32_t sequence, uint8_t *nv12)
{
    const struct physics *ph = &s->physics;
    double seconds = exposure_ms / 1000, warm = exp2((temperature_c - 25) / 7);
    struct exposure e = {
        .count_e = light->lux_a_count * seconds * s->electrons_a_lxs,
        .dark_e = ph->dark_current_e_s * seconds * warm,
        .hot_e = ph->hot_pixel_e_s * seconds * warm,
        .e_to_dn = (float)(gain * (ADC_FULL - ISP_BLACK) / ph->full_well_e),
        .black_dn = (float)ph->black_level_dn,
        .read_var = (float)(ph->read_noise_e * ph->read_noise_e),
        .full_e = (float)ph->full_well_e,
    };
    /* Rows are read one after another over nine tenths of a frame's time. */
    const double row_s = 0.9 / ph->frame_rate_hz / s->height,
                 start_s = sequence / ph->frame_rate_hz;
    const float black_dn = e.black_dn;
    struct chance noise;
    chance_start(&noise, (uint64_t)ph->seed,
                 (uint64_t)ph->power_ups << 40 | (uint64_t)sequence << 8 | 0x6e);
    size_t w = (size_t)s->width, defect = 0;
    for (int y = 0; y < s->height; y++) {
        size_t next = defect;
        if (ph->ripple_dn > 0)
            e.black_dn = black_dn + (float)(ph->ripple_dn *
                                            sin(2 * M_PI * ph->ripple_hz * (start_s + y * row_s)));
        const double row_light =
            ph->lamp_flicker > 0 ? lamp_light(ph, start_s + y * row_s, seconds) : 1;
        for (int c = 0; c < 3; c++) {
            const uint16_t *counts = light->plane[light->planes == 3 ? c : 0] + (size_t)y * w;
            uint64_t at = chance_hash((uint64_t)ph->seed, 0x726f77, (uint64_t)y * 3 + (uint64_t)c);
            charge_row(&e, counts, (float)(e.count_e * row_light * response(s, c)),
                       s->dark_pattern + at % PATTERN, s->width, s->signal, s->sigma);
            next = spoil_row(s, &e, y, defect);
            read_row(s, &noise, s->coded[c] + (size_t)(y & 1) * w);
        }
        defect = next;
        if (y & 1)
            write_rows(s, y - 1, nv12);
    }
}
