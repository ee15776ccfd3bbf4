/* What an order used, as the platform gets it: checked by OpenSSL's own command. */
#include "tests/unit/provisioning/pool_fixture.h"

#include "protocol/formats/signing.h"
#include "provisioning/pool_report.h"

static void test_an_order_is_told_row_by_row(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    struct buffer csv = {0};
    int64_t rows = 0;
    fixture_import(f, 0, 4);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    assert_done(fixture_reserve(f, "chip-b", &i, &err), err);
    const struct pool_request other = {
        .chip_id = "chip-c", .serial = "S", .order = "P", .station = "bench", .wall_ms = 1};
    assert_done(pool_reserve(f->pool, &other, &i, &err), err);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_INJECTED, NULL, 1790000001000, &err), err);
    assert_done(pool_advance(f->pool, "chip-a", IDENTITY_CONFIRMED, NULL, 1790000002000, &err),
                err);
    assert_done(pool_advance(f->pool, "chip-b", IDENTITY_QUARANTINED, "said \"no\", twice",
                             1790000003000, &err),
                err);
    assert_done(pool_report_csv(f->db, "O", &csv, &rows, &err), err);
    assert_int_equal(rows, 2);
    /* 1790000000 s is 2026-09-21T14:13:20Z (date -u -d @1790000000). */
    assert_string_equal(
        buffer_text(&csv),
        "did,mac,state,serial,chip_id,order,station,operator,reserved,injected,confirmed,"
        "quarantined,scrapped,reason\r\n"
        "100000,50:ec:50:00:00:00,confirmed,S,chip-a,O,bench,,2026-09-21T14:13:20.000Z,"
        "2026-09-21T14:13:21.000Z,2026-09-21T14:13:22.000Z,,,\r\n"
        "100001,50:ec:50:00:00:01,quarantined,S,chip-b,O,bench,,2026-09-21T14:13:20.000Z,,,"
        "2026-09-21T14:13:23.000Z,,\"said \"\"no\"\", twice\"\r\n");
    buffer_free(&csv);
    assert_int_equal(pool_report_csv(f->db, "nobody's", &csv, &rows, &err), ERROR_MISSING);
    buffer_free(&csv);
    fixture_free(f);
}

static void test_an_export_is_signed_and_on_record_before_it_is_there(void **state)
{
    (void)state;
    struct pool_fixture *f = fixture_new();
    struct error err = {0};
    struct identity i;
    struct signing_key key;
    struct signer *signer = NULL;
    char path[96], address[128], command[512];
    int64_t rows = 0, entries = 0;
    fixture_import(f, 0, 1);
    assert_done(fixture_reserve(f, "chip-a", &i, &err), err);
    assert_done(signing_key_make(&key, &err), err);
    snprintf(path, sizeof path, "%s/token.key", f->folder);
    assert_done(file_write(path, key.private_pem, strlen(key.private_pem), 0600, &err), err);
    snprintf(address, sizeof address, "file:%s", path);
    snprintf(path, sizeof path, "%s/token.pem", f->folder);
    assert_done(file_write(path, key.public_pem, strlen(key.public_pem), 0644, &err), err);
    signing_key_free(&key);
    assert_done(signer_open(address, &signer, &err), err);

    snprintf(path, sizeof path, "%s/nowhere/o.csv", f->folder);
    assert_int_not_equal(pool_report_export(f->pool, signer, "O", path, "li", 5, &rows, &err), 0);
    snprintf(path, sizeof path, "%s/o.csv", f->folder);
    assert_done(pool_report_export(f->pool, signer, "O", path, "li", 6, &rows, &err), err);
    assert_int_equal(rows, 1);
    snprintf(command, sizeof command,
             "cd %s && openssl dgst -sha256 -verify token.pem -signature o.csv.sig o.csv >said && "
             "grep -q 'Verified OK' said && sed -i s/chip-a/chip-b/ o.csv && "
             "! openssl dgst -sha256 -verify token.pem -signature o.csv.sig o.csv >said 2>&1",
             f->folder);
    assert_int_equal(system(command), 0);
    /* Import, reservation, and both exports: the one that could not be written as well. */
    assert_done(audit_verify(f->db, &entries, &err), err);
    assert_int_equal(entries, 4);
    signer_close(signer);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_order_is_told_row_by_row),
        cmocka_unit_test(test_an_export_is_signed_and_on_record_before_it_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
