#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "tests/unit/protocol/peers.h"

static struct certificate ca, other_ca, station, stranger, other_role, unit;

static int make_keys(void **state)
{
    struct error err = {0};
    int rc = certificate_make_ca("Takt factory", 3650, &ca, &err);
    rc = rc ? rc : certificate_make_ca("Another factory", 3650, &other_ca, &err);
    rc = rc ? rc : certificate_issue(&ca, "station-1", "station", 365, &station, &err);
    rc = rc ? rc : certificate_issue(&other_ca, "station-1", "station", 365, &stranger, &err);
    rc = rc ? rc : certificate_issue(&ca, "printer-1", "printer", 365, &other_role, &err);
    rc = rc ? rc : certificate_make_unit("c0ffee", &unit, &err);
    if (rc)
        print_message("%s\n", err.text);
    return rc;
}

static int free_keys(void **state)
{
    certificate_free(&ca);
    certificate_free(&other_ca);
    certificate_free(&station);
    certificate_free(&stranger);
    certificate_free(&other_role);
    certificate_free(&unit);
    return 0;
}

/* Both halves joined by hand, so that the bytes on the wire can be looked at. */
static int shake(const struct certificate *client, struct secure **a, struct secure **b,
                 struct error *err)
{
    struct credentials mine = {client->certificate_pem, client->private_key_pem, NULL};
    struct credentials its = {unit.certificate_pem, unit.private_key_pem, ca.certificate_pem};
    uint8_t data[20000];
    assert_int_equal(secure_create(false, &mine, a, err), 0);
    assert_int_equal(secure_create(true, &its, b, err), 0);
    int rc = secure_start(*a, err);
    for (int i = 0; i < 20 && !rc && !(secure_established(*a) && secure_established(*b)); i++) {
        size_t n = secure_output(*a, data, sizeof data);
        if (n)
            rc = secure_feed(*b, data, n, err);
        n = secure_output(*b, data, sizeof data);
        if (n && !rc)
            rc = secure_feed(*a, data, n, err);
    }
    return rc;
}

static void test_what_goes_in_comes_out_and_is_not_seen_between(void **state)
{
    struct secure *a, *b;
    struct error err = {0};
    static const char secret[] = "did=123456789;key=0123456789abcdef";
    uint8_t wire[4096], plain[4096];
    char seen[65], expected[65];
    assert_int_equal(shake(&station, &a, &b, &err), 0);
    assert_int_equal(secure_write(a, secret, sizeof secret, &err), 0);
    size_t n = secure_output(a, wire, sizeof wire);
    assert_null(memmem(wire, n, "0123456789abcdef", 16));
    assert_int_equal(wire[0], 23); /* application data of TLS */
    assert_int_equal(secure_feed(b, wire, n, &err), 0);
    assert_int_equal(secure_read(b, plain, sizeof plain, &err), sizeof secret);
    assert_string_equal(plain, secret);
    secure_peer_fingerprint(a, seen);
    assert_int_equal(certificate_fingerprint(unit.certificate_pem, expected, &err), 0);
    assert_string_equal(seen, expected);
    secure_free(a);
    secure_free(b);
}

/* All a station said to a unit, said to it once more. */
static void test_a_session_played_again_is_refused(void **state)
{
    struct secure *a, *b, *again;
    struct error err = {0};
    struct credentials mine = {station.certificate_pem, station.private_key_pem, NULL};
    struct credentials its = {unit.certificate_pem, unit.private_key_pem, ca.certificate_pem};
    uint8_t data[20000], said[20000], plain[64];
    size_t heard[8], flights = 0, size = 0;
    assert_int_equal(secure_create(false, &mine, &a, &err), 0);
    assert_int_equal(secure_create(true, &its, &b, &err), 0);
    assert_int_equal(secure_start(a, &err), 0);
    while (!secure_established(a) || !secure_established(b)) {
        size_t n = secure_output(a, said + size, sizeof said - size);
        assert_true(n > 0 && flights < 7);
        assert_int_equal(secure_feed(b, said + size, n, &err), 0);
        heard[flights++] = n;
        size += n;
        n = secure_output(b, data, sizeof data);
        if (n)
            assert_int_equal(secure_feed(a, data, n, &err), 0);
    }
    assert_int_equal(secure_write(a, "the key", 7, &err), 0);
    heard[flights++] = secure_output(a, said + size, sizeof said - size);
    assert_int_equal(secure_feed(b, said + size, heard[flights - 1], &err), 0);
    assert_int_equal(secure_read(b, plain, sizeof plain, &err), 7);

    int rc = 0;
    assert_int_equal(secure_create(true, &its, &again, &err), 0);
    for (size_t i = 0, at = 0; !rc && i < flights; at += heard[i++]) {
        rc = secure_feed(again, said + at, heard[i], &err);
        secure_output(again, data, sizeof data);
    }
    assert_int_equal(rc, ERROR_PROTOCOL);
    assert_false(secure_established(again));
    secure_free(a);
    secure_free(b);
    secure_free(again);
}

static void test_one_altered_byte_ends_it(void **state)
{
    struct secure *a, *b;
    struct error err = {0};
    uint8_t wire[4096], plain[64];
    assert_int_equal(shake(&station, &a, &b, &err), 0);
    assert_int_equal(secure_write(a, "hello", 5, &err), 0);
    size_t n = secure_output(a, wire, sizeof wire);
    wire[n - 1] ^= 1;
    secure_feed(b, wire, n, &err);
    assert_int_equal(secure_read(b, plain, sizeof plain, &err), ERROR_PROTOCOL);
    secure_free(a);
    secure_free(b);
}

static void test_only_tls_1_3_is_spoken(void **state)
{
    struct secure *b;
    struct error err = {0};
    struct credentials its = {unit.certificate_pem, unit.private_key_pem, ca.certificate_pem};
    uint8_t wire[4096];
    assert_int_equal(secure_create(true, &its, &b, &err), 0);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    int n = BIO_read(out, wire, sizeof wire);
    assert_true(n > 0);
    assert_int_equal(secure_feed(b, wire, (size_t)n, &err), ERROR_PROTOCOL);
    SSL_free(ssl);
    SSL_CTX_free(context);
    secure_free(b);
}

static void test_rubbish_is_not_tls(void **state)
{
    struct secure *b;
    struct error err = {0};
    struct credentials its = {unit.certificate_pem, unit.private_key_pem, ca.certificate_pem};
    assert_int_equal(secure_create(true, &its, &b, &err), 0);
    assert_int_equal(secure_feed(b, "GET / HTTP/1.1\r\n\r\n", 18, &err), ERROR_PROTOCOL);
    secure_free(b);
}

static void test_credentials_that_do_not_fit_are_refused(void **state)
{
    struct secure *s;
    struct error err = {0};
    struct credentials c = {station.certificate_pem, unit.private_key_pem, NULL};
    assert_int_equal(secure_create(false, &c, &s, &err), ERROR_INPUT);
    c.private_key_pem = "not PEM";
    assert_int_equal(secure_create(false, &c, &s, &err), ERROR_INPUT);
    c = (struct credentials){unit.certificate_pem, unit.private_key_pem, NULL};
    assert_int_equal(secure_create(true, &c, &s, &err), ERROR_INPUT); /* a unit without the CA */
}

/* The OpenSSL program reads the certificates and finds the chain good. */
static void test_the_chain_is_good_to_openssl_verify(void **state)
{
    char folder[] = "/tmp/takt-cert-XXXXXX", command[300];
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"ca", "station", "stranger"};
        const struct certificate *const c[] = {&ca, &station, &stranger};
        snprintf(command, sizeof command, "%s/%s", folder, names[i]);
        FILE *f = fopen(command, "w");
        fputs(c[i]->certificate_pem, f);
        fclose(f);
    }
    snprintf(command, sizeof command,
             "openssl verify -x509_strict -CAfile %s/ca %s/station >/dev/null 2>&1", folder,
             folder);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "openssl verify -CAfile %s/ca %s/stranger >/dev/null 2>&1",
             folder, folder);
    assert_int_not_equal(system(command), 0);
    snprintf(command, sizeof command,
             "openssl x509 -in %s/station -noout -subject | grep -q 'CN = station-1, OU = station'",
             folder);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* ---- in a session -----------------------------------------------------------------------------
 */

static int open_with(struct peers *p, const struct certificate *client, struct error *err)
{
    static struct credentials mine, its;
    mine = (struct credentials){client->certificate_pem, client->private_key_pem, NULL};
    its = (struct credentials){unit.certificate_pem, unit.private_key_pem, ca.certificate_pem};
    struct peers_wish wish = {.station = &mine, .unit = &its, .require_secure = true};
    return peers_pair(p, &wish, err);
}

static void test_before_it_is_secure_only_hello_is_served(void **state)
{
    struct peers p;
    struct error err = {0};
    char seen[65], expected[65];
    assert_int_equal(open_with(&p, &station, &err), 0);
    assert_int_equal(call_json(p.station, "hello", NULL, 5000, NULL, &err), 0);
    assert_int_equal(call_json(p.station, "echo", NULL, 5000, NULL, &err), ERROR_REMOTE);
    assert_string_equal(err.text, "echo: it needs a secure session: call session.secure first");
    session_peer_fingerprint(p.station, seen);
    assert_string_equal(seen, "");
    assert_int_equal(session_secure(p.station, 5000, &err), 0);
    assert_true(session_is_secure(p.station));
    assert_true(session_is_secure(p.unit));
    assert_int_equal(call_json(p.station, "echo", NULL, 5000, NULL, &err), 0);
    session_peer_fingerprint(p.station, seen);
    assert_int_equal(certificate_fingerprint(unit.certificate_pem, expected, &err), 0);
    assert_string_equal(seen, expected);
    session_peer_fingerprint(p.unit, seen);
    assert_int_equal(certificate_fingerprint(station.certificate_pem, expected, &err), 0);
    assert_string_equal(seen, expected);
    assert_int_equal(session_secure(p.station, 5000, &err), ERROR_STATE);
    peers_close(&p);
}

static void expect_refused(const struct certificate *client, const char *why)
{
    struct peers p;
    struct error err = {0};
    assert_int_equal(open_with(&p, client, &err), 0);
    assert_int_equal(call_json(p.station, "hello", NULL, 5000, NULL, &err), 0);
    assert_int_equal(session_secure(p.station, 5000, &err), ERROR_REFUSED);
    if (!strstr(err.text, why))
        fail_msg("'%s' was expected in '%s'", why, err.text);
    assert_false(session_is_secure(p.unit));
    assert_int_not_equal(call_json(p.station, "echo", NULL, 1000, NULL, &err), 0);
    peers_close(&p);
}

static void test_a_station_of_another_factory_is_refused(void **state)
{
    expect_refused(&stranger, "unknown ca");
}

static void test_a_certificate_of_another_role_is_refused(void **state)
{
    expect_refused(&other_role, "the unit refused us");
}

static void test_a_side_without_credentials_says_so(void **state)
{
    struct peers p;
    struct error err = {0};
    struct credentials mine = {station.certificate_pem, station.private_key_pem, NULL};
    struct peers_wish wish = {.station = &mine};
    assert_int_equal(peers_pair(&p, &wish, &err), 0);
    assert_int_equal(session_secure(p.station, 5000, &err), ERROR_REMOTE);
    assert_non_null(strstr(err.text, "no credentials"));
    assert_int_equal(call_json(p.station, "echo", NULL, 5000, NULL, &err), 0); /* still in clear */
    assert_int_equal(session_secure(p.unit, 5000, &err), ERROR_STATE);
    peers_close(&p);
}

static void test_attachments_pass_through_tls(void **state)
{
    struct peers p;
    struct error err = {0};
    struct stream in = {.seed = 5};
    struct attachment_sink sink = {stream_begin, stream_write, &in};
    assert_int_equal(open_with(&p, &station, &err), 0);
    assert_int_equal(session_secure(p.station, 5000, &err), 0);
    cJSON *params = cJSON_Parse("{\"bytes\":1000003,\"seed\":5,\"count\":3}");
    struct call call = {.method = "give", .params = params, .timeout_ms = 30000, .sink = &sink};
    assert_int_equal(session_call(p.station, &call, NULL, &err), 0);
    assert_int_equal(in.total, 3 * 1000003);
    assert_int_equal(in.wrong, 0);
    cJSON_Delete(params);
    peers_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_goes_in_comes_out_and_is_not_seen_between),
        cmocka_unit_test(test_a_session_played_again_is_refused),
        cmocka_unit_test(test_one_altered_byte_ends_it),
        cmocka_unit_test(test_only_tls_1_3_is_spoken),
        cmocka_unit_test(test_rubbish_is_not_tls),
        cmocka_unit_test(test_credentials_that_do_not_fit_are_refused),
        cmocka_unit_test(test_the_chain_is_good_to_openssl_verify),
        cmocka_unit_test(test_before_it_is_secure_only_hello_is_served),
        cmocka_unit_test(test_a_station_of_another_factory_is_refused),
        cmocka_unit_test(test_a_certificate_of_another_role_is_refused),
        cmocka_unit_test(test_a_side_without_credentials_says_so),
        cmocka_unit_test(test_attachments_pass_through_tls),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
