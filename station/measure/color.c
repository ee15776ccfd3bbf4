#include "station/measure/color.h"

#include <math.h>

/* ICC's D50: the white of all Lab figures here. */
static const double white_d50[3] = {0.96422, 1.0, 0.82521};

/* sRGB to XYZ (D65) and Bradford from D65 to D50 in one matrix (Lindbloom, "RGB/XYZ matrices",
 * sRGB D50), and its inverse. */
static const double rgb_to_xyz_d50[3][3] = {
    {0.4360747, 0.3850649, 0.1430804},
    {0.2225045, 0.7168786, 0.0606169},
    {0.0139322, 0.0971045, 0.7141733},
};
static const double xyz_d50_to_rgb[3][3] = {
    {3.1338561, -1.6168667, -0.4906146},
    {-0.9787684, 1.9161415, 0.0334540},
    {0.0719453, -0.2289914, 1.4052427},
};

static void multiply(const double m[3][3], const double v[3], double out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
}

static const double epsilon = 216.0 / 24389.0, kappa = 24389.0 / 27.0;

static double lab_f(double t)
{
    return t > epsilon ? cbrt(t) : (kappa * t + 16) / 116;
}

static double lab_f_inverse(double f)
{
    return f * f * f > epsilon ? f * f * f : (116 * f - 16) / kappa;
}

struct lab lab_from_rgb(const double rgb[3])
{
    double xyz[3], f[3];
    multiply(rgb_to_xyz_d50, rgb, xyz);
    for (int i = 0; i < 3; i++)
        f[i] = lab_f(xyz[i] / white_d50[i]);
    return (struct lab){116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])};
}

void lab_to_rgb(struct lab c, double rgb[3])
{
    double fy = (c.l + 16) / 116;
    double f[3] = {fy + c.a / 500, fy, fy - c.b / 200}, xyz[3];
    for (int i = 0; i < 3; i++)
        xyz[i] = lab_f_inverse(f[i]) * white_d50[i];
    multiply(xyz_d50_to_rgb, xyz, rgb);
}

double delta_e76(struct lab x, struct lab y)
{
    double l = x.l - y.l, a = x.a - y.a, b = x.b - y.b;
    return sqrt(l * l + a * a + b * b);
}

static double hue_deg(double b, double a)
{
    if (a == 0 && b == 0)
        return 0;
    double h = atan2(b, a) * 180 / M_PI;
    return h < 0 ? h + 360 : h;
}

static double sin_deg(double deg)
{
    return sin(deg * M_PI / 180);
}

static double cos_deg(double deg)
{
    return cos(deg * M_PI / 180);
}

/* Names and equation numbers as in Sharma, Wu and Dalal. */
double delta_e2000(struct lab x, struct lab y)
{
    double c_mean = (hypot(x.a, x.b) + hypot(y.a, y.b)) / 2;       /* (2), (3) */
    double c7 = pow(c_mean, 7), limit = 6103515625.0;              /* 25^7 */
    double g = 0.5 * (1 - sqrt(c7 / (c7 + limit)));                /* (4) */
    double a1 = (1 + g) * x.a, a2 = (1 + g) * y.a;                 /* (5) */
    double c1 = hypot(a1, x.b), c2 = hypot(a2, y.b);               /* (6) */
    double h1 = hue_deg(x.b, a1), h2 = hue_deg(y.b, a2);           /* (7) */
    double dl = y.l - x.l, dc = c2 - c1, dh = 0, h_mean = h1 + h2; /* (8), (9) */
    if (c1 * c2 > 0) {                                             /* (10), (14) */
        dh = h2 - h1;
        if (dh > 180)
            dh -= 360;
        else if (dh < -180)
            dh += 360;
        if (fabs(h1 - h2) <= 180)
            h_mean /= 2;
        else
            h_mean = h_mean < 360 ? (h_mean + 360) / 2 : (h_mean - 360) / 2;
    }
    double dh_big = 2 * sqrt(c1 * c2) * sin_deg(dh / 2);      /* (11) */
    double l_mean = (x.l + y.l) / 2, c_mean1 = (c1 + c2) / 2; /* (12), (13) */
    double t = 1 - 0.17 * cos_deg(h_mean - 30) + 0.24 * cos_deg(2 * h_mean) +
               0.32 * cos_deg(3 * h_mean + 6) - 0.20 * cos_deg(4 * h_mean - 63); /* (15) */
    double around = (h_mean - 275) / 25;
    double theta = 30 * exp(-around * around); /* (16) */
    double cm7 = pow(c_mean1, 7);
    double rc = 2 * sqrt(cm7 / (cm7 + limit)); /* (17) */
    double l50 = (l_mean - 50) * (l_mean - 50);
    double sl = 1 + 0.015 * l50 / sqrt(20 + l50);                  /* (18) */
    double sc = 1 + 0.045 * c_mean1, sh = 1 + 0.015 * c_mean1 * t; /* (19), (20) */
    double rt = -sin_deg(2 * theta) * rc;                          /* (21) */
    double l = dl / sl, c = dc / sc, h = dh_big / sh;
    return sqrt(fmax(0, l * l + c * c + h * h + rt * c * h)); /* (22) */
}

const struct color_reference color_references[COLOR_PATCHES] = {
    {"dark skin", {37.986, 13.555, 14.059}},     {"light skin", {65.711, 18.130, 17.810}},
    {"blue sky", {49.927, -4.880, -21.925}},     {"foliage", {43.139, -13.095, 21.905}},
    {"blue flower", {55.112, 8.844, -25.399}},   {"bluish green", {70.719, -33.397, -0.199}},
    {"orange", {62.661, 36.067, 57.096}},        {"purplish blue", {40.020, 10.410, -45.964}},
    {"moderate red", {51.124, 48.239, 16.248}},  {"purple", {30.325, 22.976, -21.587}},
    {"yellow green", {72.532, -23.709, 57.255}}, {"orange yellow", {71.941, 19.363, 67.857}},
    {"blue", {28.778, 14.179, -50.297}},         {"green", {55.261, -38.342, 31.370}},
    {"red", {42.101, 53.378, 28.190}},           {"yellow", {81.733, 4.039, 79.819}},
    {"magenta", {51.935, 49.986, -14.574}},      {"cyan", {51.038, -28.631, -28.638}},
    {"white 9.5", {96.539, -0.425, 1.186}},      {"neutral 8", {81.257, -0.638, -0.335}},
    {"neutral 6.5", {66.766, -0.734, -0.504}},   {"neutral 5", {50.867, -0.153, -0.270}},
    {"neutral 3.5", {35.656, -0.421, -1.231}},   {"black 2", {20.461, -0.079, -0.973}},
};

static double luminance(const double rgb[3])
{
    const double *row = rgb_to_xyz_d50[1];
    return row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2];
}

static double exposure_factor(double rgb[COLOR_PATCHES][3])
{
    double sum = 0;
    int n = 0;
    for (int i = COLOR_WHITE; i < COLOR_PATCHES - 1; i++) {
        double measured = luminance(rgb[i]);
        double reference = lab_f_inverse((color_references[i].lab.l + 16) / 116);
        if (measured > 0) {
            sum += log(reference / measured);
            n++;
        }
    }
    return n ? exp(sum / n) : 1;
}

void color_check(double rgb[COLOR_PATCHES][3], bool match_exposure, struct color *out)
{
    *out = (struct color){.exposure = match_exposure ? exposure_factor(rgb) : 1};
    for (int i = 0; i < COLOR_PATCHES; i++) {
        double scaled[3];
        for (int c = 0; c < 3; c++)
            scaled[c] = rgb[i][c] * out->exposure;
        out->lab[i] = lab_from_rgb(scaled);
        out->de2000[i] = delta_e2000(out->lab[i], color_references[i].lab);
        out->de2000_mean += out->de2000[i] / COLOR_PATCHES;
        if (out->de2000[i] > out->de2000_max) {
            out->de2000_max = out->de2000[i];
            out->worst = i;
        }
        if (i > COLOR_WHITE && i < COLOR_PATCHES - 1) {
            struct lab grey = color_references[i].lab;
            grey.l = out->lab[i].l;
            out->white_balance_de += delta_e2000(out->lab[i], grey) / 4;
        }
    }
}
