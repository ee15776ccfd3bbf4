/* Certificates for units that make their keys themselves: the factory's CA signs one for each DID,
 * OpenSSL's own commands check what it signed. */
#include "tests/unit/provisioning/pool_fixture.h"

#include <stdarg.h>

#include "provisioning/device_ca.h"

#define CHIP  "5cc336000000000000000000000000a1"
#define OTHER "5cc336000000000000000000000000a2"

struct office {
    struct pool_fixture *f;
    struct device_ca *ca;
    char certificate[112], key[112], address[128];
};

static void run(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0)
        fail_msg("%s", command);
}

/* A CA as OpenSSL's commands make one. */
static void make_ca(struct office *o, const char *kind)
{
    run("openssl req -x509 -newkey %s -nodes -keyout %s -out %s -subj '/CN=Takt device CA' "
        "-addext keyUsage=critical,keyCertSign -days "
        "3650 2>/dev/null && chmod 600 %s",
        kind, o->key, o->certificate, o->key);
}

static void open_office(struct office *o, const char *kind)
{
    struct error err = {0};
    o->f = fixture_new();
    snprintf(o->certificate, sizeof o->certificate, "%s/ca.pem", o->f->folder);
    snprintf(o->key, sizeof o->key, "%s/ca.key", o->f->folder);
    snprintf(o->address, sizeof o->address, "file:%s", o->key);
    make_ca(o, kind);
    assert_done(device_ca_open(o->certificate, o->address, 0, &o->ca, &err), err);
    int count = 0;
    assert_done(fixture_import_text(o->f,
                                    "did,mac\nCAM-1,5c:c3:36:00:00:01\nCAM-2,5c:c3:36:00:00:02\n"
                                    "\ndid,mac,key\n"
                                    "CAM-3,5c:c3:36:00:00:03,000102030405060708090a0b0c0d0e0f\n",
                                    &count, &err),
                err);
    assert_int_equal(count, 3);
}

static void close_office(struct office *o)
{
    device_ca_close(o->ca);
    fixture_free(o->f);
}

static void reserve(struct office *o, const char *chip, const char *did)
{
    struct error err = {0};
    struct identity i;
    const struct pool_request r = {.chip_id = chip,
                                   .serial = "SN-1",
                                   .order = "ORDER-1",
                                   .station = "line 1",
                                   .operator_name = "Wu",
                                   .certifies = true,
                                   .wall_ms = 1795802400000};
    assert_done(pool_reserve(o->f->pool, &r, &i, &err), err);
    assert_string_equal(i.did, did);
    identity_wipe(&i);
}

struct unit {
    uint8_t key[UNIT_KEY_BYTES], request[UNIT_REQUEST_MAX], certificate[UNIT_CERTIFICATE_MAX];
    size_t request_bytes, certificate_bytes;
};

static void ask(struct unit *u, const char *did)
{
    struct error err = {0};
    assert_done(unit_key_make(u->key, &err), err);
    assert_done(unit_key_request(u->key, did, "SN-1", u->request, &u->request_bytes, &err), err);
}

static int certify(struct office *o, struct unit *u, const char *chip, struct error *err)
{
    *err = (struct error){0};
    return device_ca_certify(o->ca, o->f->pool, chip, u->request, u->request_bytes, 1795802400000,
                             u->certificate, &u->certificate_bytes, err);
}

static int64_t number(struct office *o, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(o->f->db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    const int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void openssl_agrees(struct office *o, const struct unit *u)
{
    char path[112];
    snprintf(path, sizeof path, "%s/unit.der", o->f->folder);
    assert_int_equal(file_write(path, u->certificate, u->certificate_bytes, 0644, NULL), 0);
    run("openssl x509 -inform DER -in %s -out %s/unit.pem && openssl verify -x509_strict -CAfile "
        "%s "
        "%s/unit.pem >/dev/null",
        path, o->f->folder, o->certificate, o->f->folder);
    run("openssl x509 -in %s/unit.pem -noout -text -certopt no_pubkey >%s/text && grep -q 'CN = "
        "CAM-1, serialNumber = SN-1' %s/text && grep -q 'CA:FALSE' %s/text && grep -q 'Digital "
        "Signature' %s/text && grep -q 'Not After : Dec 31 23:59:59 9999' %s/text",
        o->f->folder, o->f->folder, o->f->folder, o->f->folder, o->f->folder, o->f->folder);
}

static void whole_way(const char *kind)
{
    struct office o;
    struct unit u;
    struct error err = {0};
    uint8_t nonce[UNIT_NONCE_BYTES] = {7}, proof[UNIT_PROOF_MAX];
    size_t size;
    open_office(&o, kind);
    reserve(&o, CHIP, "CAM-1");
    ask(&u, "CAM-1");
    assert_done(certify(&o, &u, CHIP, &err), err);
    openssl_agrees(&o, &u);
    assert_done(unit_key_certified(u.key, "CAM-1", u.certificate, u.certificate_bytes, &err), err);
    assert_done(unit_key_prove(u.key, nonce, proof, &size, &err), err);
    assert_done(unit_proof_check(u.certificate, u.certificate_bytes, nonce, proof, size, &err),
                err);
    nonce[0]++;
    assert_int_equal(unit_proof_check(u.certificate, u.certificate_bytes, nonce, proof, size, &err),
                     ERROR_REFUSED);
    assert_int_equal(number(&o, "SELECT count(*) FROM audit WHERE action='identity.certify' AND "
                                "detail ->> 'did' = 'CAM-1'"),
                     1);
    close_office(&o);
}

static void test_a_p256_ca_signs_what_openssl_verifies(void **state)
{
    whole_way("ec -pkeyopt ec_paramgen_curve:P-256");
}

static void test_an_rsa_ca_does_too(void **state)
{
    whole_way("rsa:3072");
}

static void test_a_ca_in_a_token_signs_there(void **state)
{
    struct office o;
    struct unit u;
    struct error err = {0};
    char address[512], path[128], text[160];
    open_office(&o, "ec -pkeyopt ec_paramgen_curve:P-256");
    snprintf(path, sizeof path, "%s/softhsm2.conf", o.f->folder);
    run("mkdir %s/tokens", o.f->folder);
    snprintf(text, sizeof text, "directories.tokendir = %s/tokens\n", o.f->folder);
    assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
    setenv("SOFTHSM2_CONF", path, 1);
    snprintf(path, sizeof path, "%s/pin", o.f->folder);
    assert_int_equal(file_write(path, "1234\n", 5, 0600, NULL), 0);
    run("softhsm2-util --init-token --free --label takt --pin 1234 --so-pin 5678 >/dev/null && "
        "openssl pkcs8 -topk8 -nocrypt -in %s -out %s/pkcs8 && softhsm2-util --import %s/pkcs8 "
        "--token takt --label devices --id 01 --pin 1234 >/dev/null && rm %s %s/pkcs8",
        o.key, o.f->folder, o.f->folder, o.key, o.f->folder);
    device_ca_close(o.ca);
    snprintf(address, sizeof address,
             "pkcs11:token=takt;object=devices?module-path=/usr/lib/softhsm/"
             "libsofthsm2.so&pin-source=%s",
             path);
    assert_done(device_ca_open(o.certificate, address, 0, &o.ca, &err), err);
    reserve(&o, CHIP, "CAM-1");
    ask(&u, "CAM-1");
    assert_done(certify(&o, &u, CHIP, &err), err);
    openssl_agrees(&o, &u);
    close_office(&o);
}

static void test_the_same_key_gets_the_same_certificate_and_no_other_key_any(void **state)
{
    struct office o;
    struct unit first, second;
    struct error err;
    uint8_t before[UNIT_CERTIFICATE_MAX];
    open_office(&o, "ec -pkeyopt ec_paramgen_curve:P-256");
    reserve(&o, CHIP, "CAM-1");
    ask(&first, "CAM-1");
    assert_done(certify(&o, &first, CHIP, &err), err);
    memcpy(before, first.certificate, first.certificate_bytes);
    const size_t bytes = first.certificate_bytes;
    fixture_close(o.f); /* killed, and started again */
    fixture_open(o.f);
    assert_done(certify(&o, &first, CHIP, &err), err);
    assert_int_equal(first.certificate_bytes, bytes);
    assert_memory_equal(first.certificate, before, bytes);
    ask(&second, "CAM-1");
    assert_int_equal(certify(&o, &second, CHIP, &err), ERROR_MISMATCH);
    assert_int_equal(number(&o, "SELECT count(*) FROM identity_certificate"), 1);
    assert_int_not_equal(
        sqlite3_exec(o.f->db, "UPDATE identity_certificate SET der=x'00'", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_not_equal(
        sqlite3_exec(o.f->db, "DELETE FROM identity_certificate", NULL, NULL, NULL), SQLITE_OK);
    close_office(&o);
}

static void test_what_gets_no_certificate(void **state)
{
    struct office o;
    struct unit u;
    struct error err;
    open_office(&o, "ec -pkeyopt ec_paramgen_curve:P-256");
    ask(&u, "CAM-1");
    assert_int_equal(certify(&o, &u, CHIP, &err), ERROR_MISSING); /* nothing reserved */
    reserve(&o, CHIP, "CAM-1");
    ask(&u, "CAM-2");
    assert_int_equal(certify(&o, &u, CHIP, &err), ERROR_REFUSED); /* another's name */
    ask(&u, "CAM-1");
    for (size_t i = 0; i < u.request_bytes; i++) { /* altered anywhere */
        u.request[i] ^= 1;
        assert_int_equal(certify(&o, &u, CHIP, &err), ERROR_REFUSED);
        u.request[i] ^= 1;
    }
    u.request_bytes--;
    assert_int_equal(certify(&o, &u, CHIP, &err), ERROR_REFUSED);
    u.request_bytes++;
    reserve(&o, OTHER, "CAM-2");
    reserve(&o, "c3", "CAM-3"); /* came with a key */
    ask(&u, "CAM-3");
    assert_int_equal(certify(&o, &u, "c3", &err), ERROR_STATE);
    ask(&u, "CAM-2");
    assert_done(pool_advance(o.f->pool, OTHER, IDENTITY_QUARANTINED, "doubt", 1, &err), err);
    assert_int_equal(certify(&o, &u, OTHER, &err), ERROR_STATE);
    assert_int_equal(number(&o, "SELECT count(*) FROM identity_certificate"), 0);
    close_office(&o);
}

static void test_without_a_ca_an_identity_without_a_key_is_not_taken(void **state)
{
    struct office o;
    struct error err = {0};
    struct identity i;
    struct pool_counts counts;
    const struct pool_request r = {.chip_id = CHIP, .order = "ORDER-1", .station = "line 1"};
    open_office(&o, "ec -pkeyopt ec_paramgen_curve:P-256");
    assert_int_equal(pool_reserve(o.f->pool, &r, &i, &err), ERROR_MISSING);
    assert_non_null(strstr(err.text, "device_ca"));
    assert_done(pool_counts(o.f->pool, &counts, &err), err);
    assert_int_equal(counts.of[IDENTITY_FREE], 3);
    assert_int_equal(number(&o, "SELECT count(*) FROM audit WHERE action='identity.reserve'"), 0);
    close_office(&o);
}

static void test_a_ca_whose_key_is_anothers_is_found_at_the_start(void **state)
{
    struct office o;
    struct device_ca *ca;
    struct error err = {0};
    open_office(&o, "ec -pkeyopt ec_paramgen_curve:P-256");
    run("openssl ecparam -name prime256v1 -genkey -noout -out %s", o.key);
    assert_int_equal(device_ca_open(o.certificate, o.address, 0, &ca, &err), ERROR_MISMATCH);
    assert_int_equal(device_ca_open(o.key, o.address, 0, &ca, &err), ERROR_INPUT);
    close_office(&o);
}

static void test_an_orders_certificates_go_to_the_platform(void **state)
{
    struct office o;
    struct unit u;
    struct error err;
    struct buffer pem = {0};
    int64_t count;
    open_office(&o, "ec -pkeyopt ec_paramgen_curve:P-256");
    assert_int_equal(device_ca_export(o.f->db, "ORDER-1", &pem, &count, &err), ERROR_MISSING);
    reserve(&o, CHIP, "CAM-1");
    ask(&u, "CAM-1");
    assert_done(certify(&o, &u, CHIP, &err), err);
    reserve(&o, OTHER, "CAM-2");
    ask(&u, "CAM-2");
    assert_done(certify(&o, &u, OTHER, &err), err);
    assert_done(device_ca_export(o.f->db, "ORDER-1", &pem, &count, &err), err);
    assert_int_equal(count, 2);
    assert_memory_equal(pem.data, "# CAM-1\n-----BEGIN CERTIFICATE-----\n", 36);
    buffer_free(&pem);
    close_office(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_p256_ca_signs_what_openssl_verifies),
        cmocka_unit_test(test_an_rsa_ca_does_too),
        cmocka_unit_test(test_a_ca_in_a_token_signs_there),
        cmocka_unit_test(test_the_same_key_gets_the_same_certificate_and_no_other_key_any),
        cmocka_unit_test(test_what_gets_no_certificate),
        cmocka_unit_test(test_without_a_ca_an_identity_without_a_key_is_not_taken),
        cmocka_unit_test(test_a_ca_whose_key_is_anothers_is_found_at_the_start),
        cmocka_unit_test(test_an_orders_certificates_go_to_the_platform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
