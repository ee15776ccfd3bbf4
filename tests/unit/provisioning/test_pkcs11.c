/* Keys in a PKCS#11 token (SoftHSM): custody seals and opens there, the token key signs there, and
 * neither comes out. */
#include "tests/unit/provisioning/pool_fixture.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "provisioning/cryptoki.h"
#include "provisioning/signer.h"

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"

static char folder[64];

static void run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

static void write_text(const char *name, const char *text, int mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_write(path, text, strlen(text), mode, NULL), 0);
}

static const char *uri(const char *token, const char *object, const char *pin)
{
    static char text[512];
    snprintf(text, sizeof text, "pkcs11:token=%s;object=%s?module-path=" MODULE "&pin-source=%s/%s",
             token, object, folder, pin);
    return text;
}

static int token_made(void **state)
{
    char text[128];
    strcpy(folder, "/tmp/takt-pkcs11.XXXXXX");
    assert_non_null(mkdtemp(folder));
    run("mkdir %s/tokens", folder);
    snprintf(text, sizeof text, "directories.tokendir = %s/tokens\n", folder);
    write_text("softhsm2.conf", text, 0600);
    snprintf(text, sizeof text, "%s/softhsm2.conf", folder);
    setenv("SOFTHSM2_CONF", text, 1);
    write_text("pin", "1234\n", 0600);
    write_text("wrong", "4321\n", 0600);
    write_text("open", "1234\n", 0644);
    run("softhsm2-util --init-token --free --label takt --pin 1234 --so-pin 5678 >/dev/null");
    return 0;
}

static int token_gone(void **state)
{
    run("rm -rf %s", folder);
    return 0;
}

static void test_a_key_sealed_in_the_token_opens_for_its_did_alone(void **state)
{
    struct custody *c;
    struct error err = {0};
    uint8_t key[32], sealed[32 + CUSTODY_OVERHEAD], again[sizeof sealed], opened[sizeof sealed];
    size_t size = 0;
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    assert_done(custody_open(uri("takt", "custody", "pin"), &c, &err), err);
    assert_done(custody_seal(c, "did-1", key, sizeof key, sealed, &err), err);
    assert_done(custody_seal(c, "did-1", key, sizeof key, again, &err), err);
    assert_memory_not_equal(sealed, again, sizeof sealed);
    custody_close(c);
    /* The same key after a restart: it lies in the token. */
    assert_done(custody_open(uri("takt", "custody", "pin"), &c, &err), err);
    assert_done(custody_unseal(c, "did-1", sealed, sizeof sealed, opened, &size, &err), err);
    assert_int_equal(size, sizeof key);
    assert_memory_equal(opened, key, sizeof key);
    assert_int_equal(custody_unseal(c, "did-2", sealed, sizeof sealed, opened, &size, &err),
                     ERROR_REFUSED);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 0x40;
        assert_int_equal(custody_unseal(c, "did-1", sealed, sizeof sealed, opened, &size, &err),
                         ERROR_REFUSED);
        sealed[i] ^= 0x40;
    }
    assert_done(custody_unseal(c, "did-1", again, sizeof again, opened, &size, &err), err);
    custody_close(c);
}

static void test_the_sealing_key_does_not_come_out(void **state)
{
    struct custody *custody;
    struct cryptoki *token;
    CK_OBJECT_HANDLE key;
    struct error err = {0};
    uint8_t value[64];
    CK_ATTRIBUTE secret = {CKA_VALUE, value, sizeof value};
    assert_done(custody_open(uri("takt", "custody", "pin"), &custody, &err), err);
    custody_close(custody);
    assert_done(cryptoki_open("a key", uri("takt", "custody", "pin") + 7, &token, &err), err);
    assert_done(cryptoki_find(token, CKO_SECRET_KEY, &key, &err), err);
    assert_int_equal(
        cryptoki_calls(token)->C_GetAttributeValue(cryptoki_session(token), key, &secret, 1),
        CKR_ATTRIBUTE_SENSITIVE);
    cryptoki_close(token);
}

static void signs_with(const char *kind)
{
    struct signing_key key;
    struct signer *s;
    struct error err = {0};
    char name[32];
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t size;
    assert_int_equal(signing_key_make_kind(kind, &key, NULL), 0);
    snprintf(name, sizeof name, "%s.pem", kind);
    write_text(name, key.private_pem, 0600);
    run("openssl pkcs8 -topk8 -nocrypt -in %s/%s -out %s/pk8 && softhsm2-util --import %s/pk8 "
        "--token takt --label %s --id %s --pin 1234 >/dev/null",
        folder, name, folder, folder, kind, strcmp(kind, "p256") ? "02" : "01");
    assert_done(signer_open(uri("takt", kind, "pin"), &s, &err), err);
    for (int i = 0; i < 20; i++) { /* r and s with their first bit set and not */
        assert_done(signer_sign(s, &i, sizeof i, signature, &size, &err), err);
        assert_done(signing_verify(key.public_pem, &i, sizeof i, signature, size, &err), err);
        const int other = i + 1;
        assert_int_equal(
            signing_verify(key.public_pem, &other, sizeof other, signature, size, NULL),
            ERROR_REFUSED);
    }
    signer_close(s);
    signing_key_free(&key);
}

static void test_the_token_key_signs_in_the_token(void **state)
{
    signs_with("p256");
    signs_with("rsa3072");
}

static void test_a_key_of_another_kind_is_refused(void **state)
{
    struct signer *s;
    struct error err = {0};
    run("openssl ecparam -genkey -name secp384r1 -noout | openssl pkcs8 -topk8 -nocrypt -out "
        "%s/p384 && softhsm2-util --import %s/p384 --token takt --label p384 --id 03 --pin 1234 "
        ">/dev/null",
        folder, folder);
    assert_int_equal(signer_open(uri("takt", "p384", "pin"), &s, &err), ERROR_INPUT);
    assert_non_null(strstr(err.text, "expected p256 or rsa3072"));
}

static void refused(int code, const char *address, const char *words)
{
    struct custody *c = NULL;
    struct error err = {0};
    assert_int_equal(custody_open(address, &c, &err), code);
    assert_null(c);
    if (!strstr(err.text, words))
        fail_msg("'%s' does not say '%s'", err.text, words);
    assert_null(strstr(err.text, "1234"));
}

static void test_what_is_wrong_is_said_and_never_the_pin(void **state)
{
    struct signer *s;
    struct error err = {0};
    refused(ERROR_MISSING, uri("none", "custody", "pin"), "no PKCS#11 token 'none'");
    refused(ERROR_REFUSED, uri("takt", "custody", "wrong"), "PIN");
    refused(ERROR_REFUSED, uri("takt", "custody", "open"), "0600");
    refused(ERROR_MISSING, uri("takt", "custody", "nothing"), "nothing");
    refused(ERROR_INPUT, "pkcs11:token=takt", "names no object");
    refused(ERROR_INPUT, "pkcs11:token=takt;object=custody", "module-path");
    refused(ERROR_INPUT, "pkcs11:token=%zz", "RFC 7512");
    refused(ERROR_REFUSED, "pkcs11:token=takt;object=custody?pin-value=1234", "file of mode 0600");
    refused(ERROR_MISSING,
            "pkcs11:token=takt;object=c?module-path=/nowhere/module.so&pin-source=/nowhere/pin",
            "/nowhere/module.so");
    assert_int_equal(signer_open(uri("takt", "nobody", "pin"), &s, &err), ERROR_MISSING);
    assert_non_null(strstr(err.text, "no key 'nobody'"));
}

static void test_a_forked_process_cannot_use_it(void **state)
{
    struct custody *c;
    struct error err = {0};
    uint8_t sealed[16 + CUSTODY_OVERHEAD];
    static const uint8_t key[16] = "sixteen bytes..";
    int status;
    assert_done(custody_open(uri("takt", "custody", "pin"), &c, &err), err);
    const pid_t child = fork();
    if (child == 0)
        _exit(custody_seal(c, "did-1", key, sizeof key, sealed, NULL) == ERROR_STATE ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_done(custody_seal(c, "did-1", key, sizeof key, sealed, &err), err);
    custody_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_sealed_in_the_token_opens_for_its_did_alone),
        cmocka_unit_test(test_the_sealing_key_does_not_come_out),
        cmocka_unit_test(test_the_token_key_signs_in_the_token),
        cmocka_unit_test(test_a_key_of_another_kind_is_refused),
        cmocka_unit_test(test_what_is_wrong_is_said_and_never_the_pin),
        cmocka_unit_test(test_a_forked_process_cannot_use_it),
    };
    return cmocka_run_group_tests(tests, token_made, token_gone);
}
