/* Colour differences against the published pairs; Lab against published sRGB values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "station/measure/color.h"
#include "station/measure/picture.h"

/* Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula" (2005), table 1. */
static const struct {
    struct lab x, y;
    double de;
} pairs[34] = {
    {{50.0000, 2.6772, -79.7751}, {50.0000, 0.0000, -82.7485}, 2.0425},
    {{50.0000, 3.1571, -77.2803}, {50.0000, 0.0000, -82.7485}, 2.8615},
    {{50.0000, 2.8361, -74.0200}, {50.0000, 0.0000, -82.7485}, 3.4412},
    {{50.0000, -1.3802, -84.2814}, {50.0000, 0.0000, -82.7485}, 1.0000},
    {{50.0000, -1.1848, -84.8006}, {50.0000, 0.0000, -82.7485}, 1.0000},
    {{50.0000, -0.9009, -85.5211}, {50.0000, 0.0000, -82.7485}, 1.0000},
    {{50.0000, 0.0000, 0.0000}, {50.0000, -1.0000, 2.0000}, 2.3669},
    {{50.0000, -1.0000, 2.0000}, {50.0000, 0.0000, 0.0000}, 2.3669},
    {{50.0000, 2.4900, -0.0010}, {50.0000, -2.4900, 0.0009}, 7.1792},
    {{50.0000, 2.4900, -0.0010}, {50.0000, -2.4900, 0.0010}, 7.1792},
    {{50.0000, 2.4900, -0.0010}, {50.0000, -2.4900, 0.0011}, 7.2195},
    {{50.0000, 2.4900, -0.0010}, {50.0000, -2.4900, 0.0012}, 7.2195},
    {{50.0000, -0.0010, 2.4900}, {50.0000, 0.0009, -2.4900}, 4.8045},
    {{50.0000, -0.0010, 2.4900}, {50.0000, 0.0010, -2.4900}, 4.8045},
    {{50.0000, -0.0010, 2.4900}, {50.0000, 0.0011, -2.4900}, 4.7461},
    {{50.0000, 2.5000, 0.0000}, {50.0000, 0.0000, -2.5000}, 4.3065},
    {{50.0000, 2.5000, 0.0000}, {73.0000, 25.0000, -18.0000}, 27.1492},
    {{50.0000, 2.5000, 0.0000}, {61.0000, -5.0000, 29.0000}, 22.8977},
    {{50.0000, 2.5000, 0.0000}, {56.0000, -27.0000, -3.0000}, 31.9030},
    {{50.0000, 2.5000, 0.0000}, {58.0000, 24.0000, 15.0000}, 19.4535},
    {{50.0000, 2.5000, 0.0000}, {50.0000, 3.1736, 0.5854}, 1.0000},
    {{50.0000, 2.5000, 0.0000}, {50.0000, 3.2972, 0.0000}, 1.0000},
    {{50.0000, 2.5000, 0.0000}, {50.0000, 1.8634, 0.5757}, 1.0000},
    {{50.0000, 2.5000, 0.0000}, {50.0000, 3.2592, 0.3350}, 1.0000},
    {{60.2574, -34.0099, 36.2677}, {60.4626, -34.1751, 39.4387}, 1.2644},
    {{63.0109, -31.0961, -5.8663}, {62.8187, -29.7946, -4.0864}, 1.2630},
    {{61.2901, 3.7196, -5.3901}, {61.4292, 2.2480, -4.9620}, 1.8731},
    {{35.0831, -44.1164, 3.7933}, {35.0232, -40.0716, 1.5901}, 1.8645},
    {{22.7233, 20.0904, -46.6940}, {23.0331, 14.9730, -42.5619}, 2.0373},
    {{36.4612, 47.8580, 18.3852}, {36.2715, 50.5065, 21.2231}, 1.4146},
    {{90.8027, -2.0831, 1.4410}, {91.1528, -1.6435, 0.0447}, 1.4441},
    {{90.9257, -0.5406, -0.9208}, {88.6381, -0.8985, -0.7239}, 1.5381},
    {{6.7747, -0.2908, -2.4247}, {5.8714, -0.0985, -2.2286}, 0.6377},
    {{2.0776, 0.0795, -1.1350}, {0.9033, -0.0636, -0.5514}, 0.9082},
};

static void test_ciede2000_gives_sharmas_34_pairs(void **state)
{
    for (size_t i = 0; i < 34; i++) {
        assert_true(fabs(delta_e2000(pairs[i].x, pairs[i].y) - pairs[i].de) < 0.00005 + 1e-9);
        assert_true(fabs(delta_e2000(pairs[i].y, pairs[i].x) - pairs[i].de) < 0.00005 + 1e-9);
    }
    assert_true(fabs(delta_e76(pairs[15].x, pairs[15].y) - 2.5 * sqrt(2)) < 1e-12);
}

static void test_rgb_and_lab_are_each_others_inverse(void **state)
{
    double white[3] = {1, 1, 1};
    struct lab w = lab_from_rgb(white);
    assert_true(fabs(w.l - 100) < 0.001 && fabs(w.a) < 0.01 && fabs(w.b) < 0.01);
    /* Lindbloom's calculator, sRGB to Lab D50 by Bradford: red, green, blue. */
    static const double expected[3][3] = {
        {54.2917, 80.8125, 69.8851}, {87.8181, -79.2873, 80.9902}, {29.5676, 68.2986, -112.0294}};
    for (int i = 0; i < 3; i++) {
        double rgb[3] = {i == 0, i == 1, i == 2}, back[3];
        struct lab c = lab_from_rgb(rgb);
        assert_true(fabs(c.l - expected[i][0]) < 0.01);
        assert_true(fabs(c.a - expected[i][1]) < 0.03);
        assert_true(fabs(c.b - expected[i][2]) < 0.03);
        lab_to_rgb(c, back);
        for (int k = 0; k < 3; k++)
            assert_true(fabs(back[k] - rgb[k]) < 1e-5);
    }
}

/* X-Rite's own 8-bit sRGB figures of the same chart. */
static const uint8_t srgb[COLOR_PATCHES][3] = {
    {115, 82, 68},   {194, 150, 130}, {98, 122, 157}, {87, 108, 67},   {133, 128, 177},
    {103, 189, 170}, {214, 126, 44},  {80, 91, 166},  {193, 90, 99},   {94, 60, 108},
    {157, 188, 64},  {224, 163, 46},  {56, 61, 150},  {70, 148, 73},   {175, 54, 60},
    {231, 199, 31},  {187, 86, 149},  {8, 133, 161},  {243, 243, 242}, {200, 200, 200},
    {160, 160, 160}, {122, 122, 121}, {85, 85, 85},   {52, 52, 52},
};

static void test_the_makers_srgb_figures_are_near_the_makers_lab(void **state)
{
    double rgb[COLOR_PATCHES][3];
    struct color c;
    for (int i = 0; i < COLOR_PATCHES; i++)
        for (int k = 0; k < 3; k++)
            rgb[i][k] = srgb_decode(srgb[i][k] / 255.0);
    color_check(rgb, false, &c);
    print_message("mean %.3f max %.3f (%s)\n", c.de2000_mean, c.de2000_max,
                  color_references[c.worst].name);
    /* Cyan lies outside sRGB, and the 8-bit figures are older than the Lab ones. */
    assert_true(c.de2000_mean < 2 && c.de2000_max < 5);
}

static void test_exposure_is_matched_and_a_colour_cast_is_not(void **state)
{
    double rgb[COLOR_PATCHES][3];
    struct color c;
    for (int i = 0; i < COLOR_PATCHES; i++)
        lab_to_rgb(color_references[i].lab, rgb[i]);
    color_check(rgb, false, &c);
    assert_true(c.de2000_max < 1e-3 && c.white_balance_de < 1e-3);
    for (int i = 0; i < COLOR_PATCHES; i++)
        for (int k = 0; k < 3; k++)
            rgb[i][k] *= 0.6;
    color_check(rgb, true, &c);
    assert_true(c.de2000_max < 1e-3 && fabs(c.exposure - 1 / 0.6) < 1e-4);
    color_check(rgb, false, &c);
    assert_true(c.de2000_mean > 8);
    for (int i = 0; i < COLOR_PATCHES; i++)
        rgb[i][2] *= 1.2; /* blue gain 20 % high */
    color_check(rgb, true, &c);
    assert_true(c.white_balance_de > 4 && c.white_balance_de < 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ciede2000_gives_sharmas_34_pairs),
        cmocka_unit_test(test_rgb_and_lab_are_each_others_inverse),
        cmocka_unit_test(test_the_makers_srgb_figures_are_near_the_makers_lab),
        cmocka_unit_test(test_exposure_is_matched_and_a_colour_cast_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
