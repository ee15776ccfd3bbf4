/* The identity step against units that keep, lose or change what they were given. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/wire/certificate.h"
#include "protocol/wire/session.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

#define DID  "810000007"
#define MAC  "5c:c3:36:00:00:07"
#define KEY  "00112233445566778899aabbccddeeff"
#define KEY2 "00112233445566778899aabbccddeefe" /* one bit away */

/* ---- a unit that keeps an identity ---- */

struct unit {
    char state[16], did[33], mac[18], key[129], serial[64];
    bool turns_key; /* what is read back differs by a bit */
    bool refuses;   /* the write fails */
    int writes;
    int listen_fd;
    char port[64];
    bool stop;
    pthread_t thread;
    struct credentials credentials;
};

static int serve_hello(void *context, struct request *request, const cJSON *params, cJSON **result,
                       struct error *err)
{
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "version", 1);
    cJSON_AddStringToObject(*result, "agent", "test");
    cJSON_AddStringToObject(*result, "board", "some-board");
    cJSON_AddStringToObject(*result, "chip_id", "c0ffee01");
    cJSON_AddStringToObject(*result, "boot_slot", "a");
    cJSON_AddBoolToObject(*result, "factory_mode", true);
    cJSON_AddStringToObject(*result, "nonce", "00112233445566778899aabbccddeeff");
    return 0;
}

static int serve_enter(void *context, struct request *request, const cJSON *params, cJSON **result,
                       struct error *err)
{
    return strcmp(json_string(params, "token", ""), "let me in") == 0 ? 0 : ERROR_REFUSED;
}

static int get_token(void *context, const char *chip_id, const char *nonce, struct unit_token *out,
                     struct error *err)
{
    strcpy(out->text, "let me in");
    strcpy(out->signature_hex, "00");
    return 0;
}

static int serve_write(void *context, struct request *request, const cJSON *params, cJSON **result,
                       struct error *err)
{
    struct unit *u = context;
    u->writes++;
    if (u->refuses)
        return error_set(err, ERROR_IO, "the identity partition cannot be erased");
    strcpy(u->state, "written");
    snprintf(u->did, sizeof u->did, "%s", json_string(params, "did", ""));
    snprintf(u->mac, sizeof u->mac, "%s", json_string(params, "mac", ""));
    snprintf(u->key, sizeof u->key, "%s", json_string(params, "key", ""));
    snprintf(u->serial, sizeof u->serial, "%s", json_string(params, "serial", ""));
    return 0;
}

static int serve_read(void *context, struct request *request, const cJSON *params, cJSON **result,
                      struct error *err)
{
    struct unit *u = context;
    *result = cJSON_CreateObject();
    cJSON_AddStringToObject(*result, "state", u->state);
    cJSON_AddStringToObject(*result, "did", u->did);
    cJSON_AddStringToObject(*result, "mac", u->mac);
    cJSON_AddStringToObject(*result, "key", u->turns_key && u->writes ? KEY2 : u->key);
    return 0;
}

static const struct method methods[] = {{"hello", true, serve_hello},
                                        {"factory.enter", false, serve_enter},
                                        {"identity.write", false, serve_write},
                                        {"identity.read", false, serve_read},
                                        {0}};

static bool stopping(struct unit *u)
{
    return __atomic_load_n(&u->stop, __ATOMIC_SEQ_CST);
}

static void *serve(void *context)
{
    struct unit *u = context;
    while (!stopping(u)) {
        struct transport *t = NULL;
        struct session *s = NULL;
        struct error err;
        struct pollfd p = {.fd = u->listen_fd, .events = POLLIN};
        const struct session_config config = {.server = true,
                                              .methods = methods,
                                              .method_context = u,
                                              .credentials = &u->credentials,
                                              .require_secure = true};
        if (poll(&p, 1, 20) <= 0 || transport_accept(u->listen_fd, &t, &err) < 0 ||
            session_open(t, &config, &s, &err) < 0)
            continue;
        while (!stopping(u) && session_alive(s))
            clock_sleep_until_ns(clock_mono_ns() + 5000000);
        session_close(s);
    }
    return NULL;
}

/* ---- the engine's side, as the store would see it ---- */

struct record {
    struct step_identity given;
    char advanced[64]; /* "injected confirmed" */
    double matches;    /* -1: not measured */
    char noted_did[33];
};

static int reserve(void *engine, const char *chip_id, struct step_identity *out, struct error *err)
{
    assert_string_equal(chip_id, "c0ffee01");
    *out = ((struct record *)engine)->given;
    return 0;
}

static int advance(void *engine, const char *chip_id, const char *state, struct error *err)
{
    struct record *r = engine;
    const size_t n = strlen(r->advanced);
    snprintf(r->advanced + n, sizeof r->advanced - n, "%s%s", n ? " " : "", state);
    return 0;
}

static void progress(void *engine, double fraction, const char *text)
{
}

static int measured(void *engine, const char *name, double value, const char *unit,
                    struct error *err)
{
    assert_string_equal(name, "read_back_matches");
    ((struct record *)engine)->matches = value;
    return 0;
}

static int noted(void *engine, const char *name, const char *text, struct error *err)
{
    struct record *r = engine;
    if (strcmp(name, "did") == 0)
        snprintf(r->noted_did, sizeof r->noted_did, "%s", text);
    assert_null(strstr(text, KEY)); /* a key is nobody's note */
    return 0;
}

static const struct step_services services = {.identity_reserve = reserve,
                                              .identity_advance = advance,
                                              .progress = progress,
                                              .measured = measured,
                                              .noted = noted};

static struct certificate ca, station_certificate, unit_certificate;

static int run_step(struct unit *u, struct record *r, const char *state, struct error *err)
{
    const struct credentials station = {.certificate_pem = station_certificate.certificate_pem,
                                        .private_key_pem = station_certificate.private_key_pem};
    const struct unit_link_config config = {
        .port = u->port, .credentials = &station, .token = get_token};
    struct unit_link *link = NULL;
    *err = (struct error){0};
    r->given = (struct step_identity){.did = DID, .mac = MAC, .key_hex = KEY};
    strcpy(r->given.state, state);
    r->matches = -1;
    u->credentials = (struct credentials){.certificate_pem = unit_certificate.certificate_pem,
                                          .private_key_pem = unit_certificate.private_key_pem,
                                          .ca_pem = ca.certificate_pem};
    assert_int_equal(
        transport_listen("tcp://127.0.0.1:0", &u->listen_fd, u->port, sizeof u->port, err), 0);
    pthread_create(&u->thread, NULL, serve, u);
    assert_int_equal(unit_link_create(&config, &link, err), 0);
    cJSON *params = cJSON_CreateObject();
    struct step_context c = {
        .params = params, .serial = "SN7", .unit = link, .services = &services, .engine = r};
    const int rc = step_run(step_kind_find("identity"), &c, err);
    unit_link_free(link);
    cJSON_Delete(params);
    __atomic_store_n(&u->stop, true, __ATOMIC_SEQ_CST);
    pthread_join(u->thread, NULL);
    close(u->listen_fd);
    return rc;
}

/* ---- what is shown ---- */

static void test_an_empty_unit_gets_its_identity_confirmed(void **state)
{
    struct unit u = {.state = "empty"};
    struct record r = {0};
    struct error err;
    assert_int_equal(run_step(&u, &r, "reserved", &err), 0);
    assert_string_equal(r.advanced, "injected confirmed");
    assert_true(r.matches == 1);
    assert_string_equal(r.noted_did, DID);
    assert_string_equal(u.key, KEY);
    assert_string_equal(u.mac, MAC);
    assert_string_equal(u.serial, "SN7");
}

static void test_a_run_killed_after_the_write_goes_on_without_writing(void **state)
{
    struct unit u = {.state = "written", .did = DID, .mac = MAC, .key = KEY};
    struct record r = {0};
    struct error err;
    assert_int_equal(run_step(&u, &r, "reserved", &err), 0);
    assert_int_equal(u.writes, 0);
    assert_string_equal(r.advanced, "injected confirmed");
}

static void test_a_second_pass_of_a_confirmed_unit_only_reads(void **state)
{
    struct unit u = {.state = "written", .did = DID, .mac = "5C:C3:36:00:00:07", .key = KEY};
    struct record r = {0};
    struct error err;
    assert_int_equal(run_step(&u, &r, "confirmed", &err), 0);
    assert_string_equal(r.advanced, "");
    assert_true(r.matches == 1);
}

static void test_one_bit_read_back_otherwise_is_quarantined(void **state)
{
    struct unit u = {.state = "empty", .turns_key = true};
    struct record r = {0};
    struct error err;
    assert_int_equal(run_step(&u, &r, "reserved", &err), 0);
    assert_string_equal(r.advanced, "injected quarantined");
    assert_true(r.matches == 0);
}

static void test_another_identity_on_the_unit_is_left_alone(void **state)
{
    struct unit u = {.state = "written", .did = "999", .mac = MAC, .key = KEY};
    struct record r = {0};
    struct error err;
    assert_int_equal(run_step(&u, &r, "reserved", &err), ERROR_MISMATCH);
    assert_int_equal(u.writes, 0);
    assert_string_equal(r.advanced, "");
    assert_non_null(strstr(err.text, "999"));
    assert_null(strstr(err.text, KEY));
}

static void test_a_refused_write_advances_nothing(void **state)
{
    struct unit u = {.state = "empty", .refuses = true};
    struct record r = {0};
    struct error err;
    assert_int_equal(run_step(&u, &r, "reserved", &err), ERROR_REMOTE);
    assert_string_equal(r.advanced, "");
    assert_non_null(strstr(err.text, "cannot be erased"));
}

static void test_a_locked_identity_is_an_error(void **state)
{
    struct unit u = {.state = "locked", .did = DID, .mac = MAC};
    struct record r = {0};
    struct error err;
    assert_int_equal(run_step(&u, &r, "confirmed", &err), ERROR_STATE);
    assert_int_equal(u.writes, 0);
}

static int make_certificates(void **state)
{
    struct error err = {0};
    return certificate_make_ca("test factory", 10, &ca, &err) < 0 ||
                   certificate_issue(&ca, "test station", "station", 10, &station_certificate,
                                     &err) < 0 ||
                   certificate_make_unit("c0ffee01", &unit_certificate, &err) < 0
               ? -1
               : 0;
}

static int free_certificates(void **state)
{
    certificate_free(&ca);
    certificate_free(&station_certificate);
    certificate_free(&unit_certificate);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_unit_gets_its_identity_confirmed),
        cmocka_unit_test(test_a_run_killed_after_the_write_goes_on_without_writing),
        cmocka_unit_test(test_a_second_pass_of_a_confirmed_unit_only_reads),
        cmocka_unit_test(test_one_bit_read_back_otherwise_is_quarantined),
        cmocka_unit_test(test_another_identity_on_the_unit_is_left_alone),
        cmocka_unit_test(test_a_refused_write_advances_nothing),
        cmocka_unit_test(test_a_locked_identity_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
