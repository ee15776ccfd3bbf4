/* The factory token: written in one way, read in one way, and admitted only by the door it was
 * made for. The signature it is held against first was made by another program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/base/digest.h"
#include "protocol/formats/signing.h"
#include "protocol/formats/token.h"

/* Made with OpenSSL's command line: openssl dgst -sha256 -sign key.pem token.json */
static const char openssl_public[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWqqoN+jTT3c8CbpCanUgese8xHo4\n"
    "bKKb02M1RvNQts1b0elhO5A+7BbyD8bwQrRazLwXwDYxrIAQA+Sx+5bDSA==\n"
    "-----END PUBLIC KEY-----\n";
static const char openssl_text[] =
    "{\"format\":1,\"chip_id\":\"5cc336000000000000000000000000a1\",\"order\":\"A \\\"1\\\" \\\\ "
    "\xe6\x9d\xbf\",\"station\":\"line 2\",\"issued\":1795802400,\"expires\":1795803000,"
    "\"nonce\":\"0123456789abcdef0123456789abcdef\"}";
static const char openssl_signature[] =
    "3046022100b06780562d114d8c35aa88dfd378a721d04622ed4efd36853f81ea0401aa34a7022100a7f3"
    "204ec9fa797b8695496f4cdff6f4a87ef1f83795f32cb9ec9535fda89743";

static struct token example(void)
{
    return (struct token){.chip_id = "5cc336000000000000000000000000a1",
                          .order = "A \"1\" \\ \xe6\x9d\xbf",
                          .station = "line 2",
                          .issued_s = 1795802400,
                          .expires_s = 1795803000,
                          .nonce = "0123456789abcdef0123456789abcdef"};
}

static void same(const struct token *a, const struct token *b)
{
    assert_string_equal(a->chip_id, b->chip_id);
    assert_string_equal(a->order, b->order);
    assert_string_equal(a->station, b->station);
    assert_string_equal(a->nonce, b->nonce);
    assert_int_equal(a->issued_s, b->issued_s);
    assert_int_equal(a->expires_s, b->expires_s);
}

static const struct token_door example_door = {.public_key_pem = openssl_public,
                                               .chip_id = "5cc336000000000000000000000000a1",
                                               .nonce = "0123456789abcdef0123456789abcdef",
                                               .now_s = 1795802399};

static void test_a_token_is_written_in_its_one_way(void **state)
{
    struct token t = example(), back;
    char text[TOKEN_TEXT_MAX + 1];
    assert_int_equal(token_write(&t, text, NULL), 0);
    assert_string_equal(text, openssl_text);
    assert_int_equal(token_read(text, strlen(text), &back, NULL), 0);
    same(&back, &t);
    t.station[0] = '\0';
    assert_int_equal(token_write(&t, text, NULL), 0);
    assert_null(strstr(text, "station"));
    assert_int_equal(token_read(text, strlen(text), &back, NULL), 0);
    assert_string_equal(back.station, "");
}

static void test_what_openssl_signed_is_admitted(void **state)
{
    struct token t, expected = example();
    struct error err = {0};
    uint8_t signature[sizeof openssl_signature / 2];
    assert_int_equal(hex_decode(openssl_signature, signature, sizeof signature), 0);
    int rc = token_admit(&example_door, openssl_text, strlen(openssl_text), signature,
                         sizeof signature, &t, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    same(&t, &expected);
}

/* Each ground for refusal has words of its own. */
static void test_each_refusal_says_its_reason(void **state)
{
    const char other_nonce[] = "0123456789abcdef0123456789abcdee";
    uint8_t good[sizeof openssl_signature / 2], bad[sizeof good];
    hex_decode(openssl_signature, good, sizeof good);
    memcpy(bad, good, sizeof good);
    bad[sizeof bad - 1] ^= 1;
    struct signing_key other;
    assert_int_equal(signing_key_make(&other, NULL), 0);
    const struct {
        struct token_door door;
        const uint8_t *signature;
        size_t size;
        const char *words;
    } cases[] = {
        {example_door, bad, sizeof bad, "signature is not one of this factory"},
        {example_door, good, 0, "signature is not one of this factory"},
        {example_door, good, sizeof good - 1, "signature is not one of this factory"},
        {{other.public_pem, example_door.chip_id, example_door.nonce, 0},
         good,
         sizeof good,
         "signature is not one of this factory"},
        {{openssl_public, "5cc336000000000000000000000000a2", example_door.nonce, 0},
         good,
         sizeof good,
         "the token is for chip 5cc336000000000000000000000000a1, this is chip "
         "5cc336000000000000000000000000a2"},
        {{openssl_public, example_door.chip_id, other_nonce, 0},
         good,
         sizeof good,
         "made for another session"},
        {{openssl_public, example_door.chip_id, example_door.nonce, 1795803000},
         good,
         sizeof good,
         "expired at 2026-11-27T18:10:00Z, and it is 2026-11-27T18:10:00Z or later"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct token t;
        struct error err = {0};
        int rc = token_admit(&cases[i].door, openssl_text, strlen(openssl_text), cases[i].signature,
                             cases[i].size, &t, &err);
        if (rc != ERROR_REFUSED || !strstr(err.text, cases[i].words))
            fail_msg("case %zu: %d '%s'", i, rc, err.text);
        assert_string_equal(t.chip_id, "");
    }
    /* Its last second is one of its own. */
    struct token_door last = example_door;
    struct token t;
    last.now_s = 1795802999;
    assert_int_equal(
        token_admit(&last, openssl_text, strlen(openssl_text), good, sizeof good, &t, NULL), 0);
    signing_key_free(&other);
}

/* Any byte changed, left out or put in: refused by the signature; and nearly always as text. */
static void test_no_altered_byte_is_admitted(void **state)
{
    uint8_t signature[sizeof openssl_signature / 2];
    struct token t;
    char text[sizeof openssl_text + 1];
    size_t size = strlen(openssl_text);
    hex_decode(openssl_signature, signature, sizeof signature);
    for (size_t i = 0; i < size; i++) {
        memcpy(text, openssl_text, size);
        text[i] ^= 1;
        assert_int_equal(
            token_admit(&example_door, text, size, signature, sizeof signature, &t, NULL),
            ERROR_REFUSED);
    }
    for (size_t n = 0; n < size; n++)
        assert_int_equal(token_read(openssl_text, n, &t, NULL), ERROR_INPUT);
}

static void test_every_other_spelling_is_refused(void **state)
{
#define HEAD "{\"format\":1,\"chip_id\":\"c1\",\"order\":\"o\","
#define TAIL "\"nonce\":\"0123456789abcdef0123456789abcdef\"}"
    static const char *const wrong[] = {
        "",
        "{}",
        " " HEAD "\"issued\":1,\"expires\":2," TAIL,
        HEAD "\"issued\":1,\"expires\":2," TAIL "\n",
        HEAD "\"issued\": 1,\"expires\":2," TAIL,
        HEAD "\"issued\":01,\"expires\":2," TAIL,
        HEAD "\"issued\":1.0,\"expires\":2," TAIL,
        HEAD "\"issued\":-1,\"expires\":2," TAIL,
        HEAD "\"issued\":,\"expires\":2," TAIL,
        HEAD "\"expires\":2,\"issued\":1," TAIL,
        HEAD "\"issued\":1,\"expires\":99999999999999999999999999," TAIL,
        HEAD "\"issued\":1,\"expires\":2,\"expires\":3," TAIL,
        HEAD "\"station\":\"\",\"issued\":1,\"expires\":2," TAIL,
        HEAD "\"station\":\"a\\u0062\",\"issued\":1,\"expires\":2," TAIL,
        HEAD "\"station\":\"a\nb\",\"issued\":1,\"expires\":2," TAIL,
        HEAD "\"issued\":2,\"expires\":2," TAIL,
        HEAD "\"issued\":1,\"expires\":86402," TAIL,
        HEAD "\"issued\":1,\"expires\":2,\"nonce\":\"0123456789ABCDEF0123456789ABCDEF\"}",
        HEAD "\"issued\":1,\"expires\":2,\"nonce\":\"0123456789abcdef\"}",
        "{\"format\":2,\"chip_id\":\"c1\",\"order\":\"o\",\"issued\":1,\"expires\":2," TAIL,
        "{\"format\":1,\"chip_id\":\"\",\"order\":\"o\",\"issued\":1,\"expires\":2," TAIL,
        "{\"format\":1,\"chip_id\":\"c1\",\"issued\":1,\"expires\":2," TAIL,
        "{\"format\":1,\"chip_id\":\"000000000000000000000000000000000\",\"order\":\"o\","
        "\"issued\":1,\"expires\":2," TAIL,
    };
    struct token t;
    struct error err;
    const char right[] = HEAD "\"issued\":1,\"expires\":86401," TAIL;
    assert_int_equal(token_read(right, strlen(right), &t, NULL), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        err = (struct error){0};
        if (token_read(wrong[i], strlen(wrong[i]), &t, &err) != ERROR_INPUT || !err.text[0])
            fail_msg("taken: %s", wrong[i]);
    }
    char *huge = malloc(TOKEN_TEXT_MAX + 2);
    memset(huge, ' ', TOKEN_TEXT_MAX + 2);
    assert_int_equal(token_read(huge, TOKEN_TEXT_MAX + 1, &t, NULL), ERROR_INPUT);
    free(huge);
}

static void test_what_cannot_be_written_is_refused(void **state)
{
    char text[TOKEN_TEXT_MAX + 1];
    struct token t = example();
    t.order[0] = '\0';
    assert_int_equal(token_write(&t, text, NULL), ERROR_INPUT);
    t = example();
    t.order[1] = '\t';
    assert_int_equal(token_write(&t, text, NULL), ERROR_INPUT);
    t = example();
    t.nonce[3] = 'g';
    assert_int_equal(token_write(&t, text, NULL), ERROR_INPUT);
    t = example();
    t.expires_s = t.issued_s;
    assert_int_equal(token_write(&t, text, NULL), ERROR_INPUT);
    /* The longest of everything fits. */
    t = example();
    memset(t.order, '"', TOKEN_NAME_MAX);
    memset(t.station, '\\', TOKEN_NAME_MAX);
    t.issued_s = 253402300798;
    t.expires_s = 253402300799;
    assert_int_equal(token_write(&t, text, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_written_in_its_one_way),
        cmocka_unit_test(test_what_openssl_signed_is_admitted),
        cmocka_unit_test(test_each_refusal_says_its_reason),
        cmocka_unit_test(test_no_altered_byte_is_admitted),
        cmocka_unit_test(test_every_other_spelling_is_refused),
        cmocka_unit_test(test_what_cannot_be_written_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
