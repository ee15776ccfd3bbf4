/* A label: committed data in ZPL, and no text that leaves its field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "provisioning/label.h"
#include "provisioning/label_picture.h"

static const struct label plain = {
    .product = "ptz-indoor-3mp",
    .did = "483920011",
    .mac = "50:ec:50:12:34:56",
    .serial = "SN24110001",
    .setup = "https://example.com/s?d=483920011",
};

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

static void test_a_label_shows_the_unit_and_its_setup_code(void **state)
{
    (void)state;
    struct buffer b = {0};
    struct error err = {0};
    assert_int_equal(label_zpl(&plain, &b, &err), 0);
    const char *zpl = buffer_text(&b);
    assert_int_equal(strncmp(zpl, "^XA\n", 4), 0);
    assert_string_equal(zpl + strlen(zpl) - 4, "^XZ\n");
    assert_non_null(strstr(zpl, "^FDDID 483920011^FS"));
    assert_non_null(strstr(zpl, "^FDMAC 50:ec:50:12:34:56^FS"));
    assert_non_null(strstr(zpl, "^FDSN SN24110001^FS"));
    assert_non_null(strstr(zpl, "^BQN,2,4^FH_^FDQA,https://example.com/s?d=483920011^FS"));
    assert_int_equal(count(zpl, "^FD"), count(zpl, "^FS"));
    buffer_free(&b);
}

static void test_hostile_text_cannot_leave_its_field(void **state)
{
    (void)state;
    struct buffer b = {0}, before = {0};
    struct error err = {0};
    struct label hostile = plain;
    hostile.serial = "^XZ^XA^FDforged^FS~JR_5E\r\n";
    hostile.product = "\xe7\x9b\xb8\xe6\x9c\xba"; /* two Chinese characters, in UTF-8 */
    assert_int_equal(label_zpl(&hostile, &b, &err), 0);
    assert_int_equal(label_zpl(&plain, &before, &err), 0);
    const char *zpl = buffer_text(&b);
    assert_int_equal(count(zpl, "^"), count(buffer_text(&before), "^"));
    assert_int_equal(count(zpl, "~"), 0);
    assert_non_null(strstr(zpl, "_5EXZ_5EXA_5EFDforged_5EFS_7EJR_5F5E_0D_0A^FS"));
    assert_non_null(strstr(zpl, "_E7_9B_B8_E6_9C_BA"));
    buffer_free(&b);
    buffer_free(&before);
}

static void test_a_label_without_committed_data_is_refused(void **state)
{
    (void)state;
    struct buffer b = {0};
    struct error err = {0};
    struct label l = plain;
    l.did = "";
    assert_int_equal(label_zpl(&l, &b, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "did"));
    l = plain;
    l.mac = NULL;
    assert_int_equal(label_zpl(&l, &b, &err), ERROR_INPUT);
    char longer[LABEL_TEXT_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    l = plain;
    l.serial = longer;
    assert_int_equal(label_zpl(&l, &b, &err), ERROR_INPUT);
    assert_int_equal(b.size, 0);
    buffer_free(&b);
}

static void test_a_code_is_the_labels_to_the_letter_or_not_at_all(void **state)
{
    (void)state;
    const struct label l = {.serial = "SN1",
                            .setup = "takt:cam?did=1&mac=50:ec:50:00:00:01&sn=SN1"};
    assert_true(label_is(&l, "takt:cam?did=1&mac=50:ec:50:00:00:01&sn=SN1", LABEL_SETUP));
    assert_true(label_is(&l, "SN1", LABEL_SERIAL));
    static const char *const others[] = {"", "SN1", "takt:cam?did=1&mac=50:ec:50:00:00:01&sn=SN10",
                                         "takt:cam?did=1&mac=50:ec:50:00:00:01&sn=sn1",
                                         "takt:cam?did=2&mac=50:ec:50:00:00:01&sn=SN1"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(label_is(&l, others[i], LABEL_SETUP));
    assert_false(label_is(&l, "SN", LABEL_SERIAL));
    assert_false(label_is(&(struct label){.setup = ""}, "", LABEL_SETUP));
    assert_false(label_is(&(struct label){.serial = NULL}, "", LABEL_SERIAL));
}

/* What zbar, a reader of other people, sees in the picture. */
static void test_the_picture_shows_the_setup_code(void **state)
{
    struct buffer zpl = {0}, png = {0};
    struct error err = {0};
    struct label l = plain;
    l.setup = "takt:cam?did=~1^_&mac=50:ec:50:12:34:56&sn=SN24110001";
    char path[] = "/tmp/takt-label.XXXXXX", command[160], seen[200] = "";
    assert_int_equal(label_zpl(&l, &zpl, &err), 0);
    if (label_picture(buffer_text(&zpl), &png, &err))
        fail_msg("%s", err.text);
    close(mkstemp(path));
    assert_int_equal(file_write(path, png.data, png.size, 0600, &err), 0);
    snprintf(command, sizeof command, "zbarimg -q --raw -Sdisable -Sqr.enable %s 2>/dev/null",
             path);
    FILE *reader = popen(command, "r");
    assert_non_null(fgets(seen, sizeof seen, reader));
    pclose(reader);
    remove(path);
    seen[strcspn(seen, "\n")] = '\0';
    assert_string_equal(seen, l.setup);
    buffer_free(&zpl);
    buffer_free(&png);
}

static void test_what_cannot_be_drawn_is_named(void **state)
{
    static const struct {
        const char *zpl, *why;
    } cases[] = {{"^XA^XZ", "without its size"},
                 {"^XA^FO1,1^A0N,2,2^FDx^FS^XZ", "before its size"},
                 {"^XA^PW99999999999^LL10^XZ", "expected 1 to 2000 dots"},
                 {"^XA^PW100^LL100^GB1,1^XZ", "^GB1,1 is not drawn"},
                 {"^XA^PW100^LL100^FO1,1^BQN,2,4^FDno^FS^XZ", "expected 'QA,'"},
                 {"^XA^PW100^LL100^FO1,1^BQN,2,999999^FDQA,x^FS^XZ", "is not drawn"},
                 {"^XA^PW100^LL100^FH_^FD_4^FS^XZ", "two hexadecimal digits"},
                 {"^XA^PW100^LL100^FH_^FD_00^FS^XZ", "NUL"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer png = {0};
        struct error err = {0};
        assert_int_equal(label_picture(cases[i].zpl, &png, &err), ERROR_INPUT);
        if (!strstr(err.text, cases[i].why))
            fail_msg("%s: '%s' was expected in '%s'", cases[i].zpl, cases[i].why, err.text);
        assert_int_equal(png.size, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_label_shows_the_unit_and_its_setup_code),
        cmocka_unit_test(test_hostile_text_cannot_leave_its_field),
        cmocka_unit_test(test_a_label_without_committed_data_is_refused),
        cmocka_unit_test(test_a_code_is_the_labels_to_the_letter_or_not_at_all),
        cmocka_unit_test(test_the_picture_shows_the_setup_code),
        cmocka_unit_test(test_what_cannot_be_drawn_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
