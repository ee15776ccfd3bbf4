/* unit.json: nominal where silent, refused where wrong; and the randomness it seeds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/hal/emulator/chance.h"
#include "firmware/hal/emulator/physics.h"

static int load(const char *text, struct physics *out, struct error *err)
{
    char path[] = "/tmp/takt-unit-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int rc = physics_load(path, out, err);
    unlink(path);
    return rc;
}

static void test_every_nominal_value_is_in_its_range(void **state)
{
    int count = 0;
    for (const struct physics_parameter *p = physics_parameters(); p->name; p++, count++)
        assert_true(p->low <= p->nominal && p->nominal <= p->high && *p->about);
    assert_true(count > 50);
}

static void test_a_unit_says_only_what_differs(void **state)
{
    struct physics p;
    struct error err = {0};
    assert_int_equal(load("{ // lens\n \"defocus_px\": 1.5, \"chip_id\": \"00ff\"}", &p, &err), 0);
    assert_true(p.defocus_px == 1.5);
    assert_true(p.lens_blur_px == 0.50);
    assert_string_equal(p.chip_id, "00ff");
    assert_int_equal(physics_load("/nonexistent/unit.json", &p, &err), 0);
    assert_true(p.defocus_px == 0);
}

static void test_seeds_make_different_chips(void **state)
{
    struct physics a, b;
    struct error err = {0};
    assert_int_equal(load("{\"seed\": 7}", &a, &err), 0);
    assert_int_equal(load("{\"seed\": 8}", &b, &err), 0);
    assert_int_equal(strlen(a.chip_id), 32);
    assert_string_not_equal(a.chip_id, b.chip_id);
}

static void test_what_is_wrong_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *line, *says;
    } wrong[] = {
        {"{\n\"defocus_pix\": 1}", ":2:", "defocus_px"},
        {"{\n\n\"defocus_px\": 1e9}", ":3:", "defocus_px"},
        {"{\"defocus_px\": \"soft\"}", ":1:", "number"},
        {"{\n\"chip_id\": \"XYZ\"}", ":2:", "hex"},
        {"[]", ":1:", "object"},
    };
    struct physics p;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error err = {0};
        assert_int_equal(load(wrong[i].text, &p, &err), ERROR_INPUT);
        assert_non_null(strstr(err.text, wrong[i].line));
        assert_non_null(strstr(err.text, wrong[i].says));
    }
}

/* Quantiles as every table of the normal distribution prints them. */
static void test_the_normal_table_is_normal(void **state)
{
    static float table[CHANCE_NORMALS];
    chance_normal_table(table);
    double sum = 0, squares = 0;
    for (int i = 0; i < CHANCE_NORMALS; i++) {
        sum += table[i];
        squares += (double)table[i] * table[i];
    }
    assert_true(fabs(sum) < 1e-2);
    assert_true(fabs(squares / CHANCE_NORMALS - 1) < 1e-5);
    assert_true(fabs(table[(int)(0.975 * CHANCE_NORMALS)] - 1.95996) < 0.01);
    assert_true(fabs(table[(int)(0.841345 * CHANCE_NORMALS)] - 1.0) < 0.01);
}

static void test_a_stream_comes_again_from_its_seed(void **state)
{
    struct chance a, b;
    chance_start(&a, 5, 1);
    chance_start(&b, 5, 1);
    double sum = 0, squares = 0;
    for (int i = 0; i < 100000; i++) {
        double x = chance_normal(&a);
        assert_true(x == chance_normal(&b));
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / 100000) < 0.015);
    assert_true(fabs(squares / 100000 - 1) < 0.02);
    chance_start(&b, 5, 2);
    assert_true(chance_next(&a) != chance_next(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_nominal_value_is_in_its_range),
        cmocka_unit_test(test_a_unit_says_only_what_differs),
        cmocka_unit_test(test_seeds_make_different_chips),
        cmocka_unit_test(test_what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(test_the_normal_table_is_normal),
        cmocka_unit_test(test_a_stream_comes_again_from_its_seed),
    };
    return cmocka_run_group_tests_name("physics", tests, NULL, NULL);
}
