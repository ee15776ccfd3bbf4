/* The link to a unit that does not behave: every trouble is one clear error, and never a hang. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/wire/certificate.h"
#include "protocol/wire/link.h"
#include "protocol/wire/message.h"
#include "protocol/wire/session.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"

/* ---- a unit, well behaved unless told otherwise ---- */

struct rogue {
    const char *chip_id[4]; /* by connection; the last one stays */
    int hello_delay_ms;
    bool locked;         /* its lock is set */
    const char *closed;  /* why factory mode is closed, without a lock */
    const char *refuses; /* why no token is good enough */
    int entered;         /* how often a token let somebody in */
    bool rubbish;        /* bytes of no meaning instead of a session */
    bool wrong_id;       /* answers requests that were never made */
    bool hang_up;        /* closes every connection at once */
    int vanish_after_ms; /* closes the connection during a call of "work" */
    int listen_fd;
    char port[64];
    pthread_t thread;
    int connections; /* atomic */
    bool stop;       /* atomic */
    struct credentials credentials;
};

static struct certificate ca, station_certificate, unit_certificate;
static struct credentials station_credentials;

static const char *chip_of(const struct rogue *r, int connection)
{
    const char *id = "c0ffee01";
    for (int i = 0; i < 4 && r->chip_id[i] && i < connection; i++)
        id = r->chip_id[i];
    return id;
}

/* One for each connection; kept until the next one. */
static const char *nonce_of(struct rogue *r)
{
    static __thread char nonce[33];
    snprintf(nonce, sizeof nonce, "%032x", __atomic_load_n(&r->connections, __ATOMIC_SEQ_CST));
    return nonce;
}

static int serve_hello(void *context, struct request *request, const cJSON *params, cJSON **result,
                       struct error *err)
{
    struct rogue *r = context;
    if (r->hello_delay_ms && request_sleep(request, r->hello_delay_ms) < 0)
        return error_set(err, ERROR_CANCELLED, "given up");
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "version", 1);
    cJSON_AddStringToObject(*result, "agent", "test");
    cJSON_AddStringToObject(*result, "board", "some-board");
    cJSON_AddStringToObject(*result, "chip_id",
                            chip_of(r, __atomic_load_n(&r->connections, __ATOMIC_SEQ_CST)));
    cJSON_AddStringToObject(*result, "boot_slot", "a");
    cJSON_AddBoolToObject(*result, "factory_mode", !r->locked && !r->closed);
    cJSON_AddBoolToObject(*result, "locked", r->locked);
    if (r->locked || r->closed)
        cJSON_AddStringToObject(*result, "closed", r->closed ? r->closed : "closed for good");
    else
        cJSON_AddStringToObject(*result, "nonce", nonce_of(r));
    return 0;
}

/* What get_token() below writes, for this chip and this connection. */
static int serve_enter(void *context, struct request *request, const cJSON *params, cJSON **result,
                       struct error *err)
{
    struct rogue *r = context;
    char expected[128];
    if (r->refuses)
        return error_set(err, ERROR_REFUSED, "%s", r->refuses);
    snprintf(expected, sizeof expected, "a token for %s in %s",
             chip_of(r, __atomic_load_n(&r->connections, __ATOMIC_SEQ_CST)), nonce_of(r));
    if (strcmp(json_string(params, "token", ""), expected) != 0 ||
        strcmp(json_string(params, "signature", ""), "5167") != 0)
        return error_set(err, ERROR_REFUSED, "the token is not one for this session");
    r->entered++;
    return 0;
}

static int serve_work(void *context, struct request *request, const cJSON *params, cJSON **result,
                      struct error *err)
{
    return request_sleep(request, (int)json_number(params, "ms", 0));
}

static const struct method methods[] = {{"hello", true, serve_hello},
                                        {"factory.enter", false, serve_enter},
                                        {"work", false, serve_work},
                                        {0}};

static void pause_ms(int ms)
{
    clock_sleep_until_ns(clock_mono_ns() + ms * INT64_C(1000000));
}

static bool stopping(struct rogue *r)
{
    return __atomic_load_n(&r->stop, __ATOMIC_SEQ_CST);
}

static void talk(struct rogue *r, struct transport *t)
{
    struct session *s = NULL;
    struct error err;
    const struct session_config config = {.server = true,
                                          .methods = methods,
                                          .method_context = r,
                                          .credentials = &r->credentials,
                                          .require_secure = true};
    const int64_t since = clock_mono_ms();
    if (session_open(t, &config, &s, &err) < 0)
        return;
    while (!stopping(r) && session_alive(s)) {
        pause_ms(5);
        if (r->vanish_after_ms && clock_mono_ms() - since > r->vanish_after_ms)
            break;
    }
    session_close(s);
}

static void talk_rubbish(struct rogue *r, struct transport *t)
{
    struct error err;
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    while (!stopping(r) && transport_write(t, bytes, sizeof bytes, &err) >= 0 &&
           transport_read(t, bytes, sizeof bytes, &err) >= 0)
        pause_ms(5);
    transport_close(t);
}

/* One record of the stream: kind 1 is a message. */
static void answer_other_request(struct link *l, const uint8_t *record, size_t size)
{
    struct message m;
    struct error err;
    if (size < 4 || message_parse((const char *)record + 4, size - 4, &m, &err) < 0)
        return;
    cJSON *nothing = cJSON_CreateObject();
    char *text = message_build_result(m.id + 1000, nothing);
    const size_t length = strlen(text);
    const uint8_t header[4] = {record[0], (uint8_t)length, (uint8_t)(length >> 8),
                               (uint8_t)(length >> 16)};
    link_write(l, header, sizeof header);
    link_write(l, text, length);
    cJSON_free(text);
    cJSON_Delete(nothing);
    message_free(&m);
}

static void talk_wrong_id(struct rogue *r, struct transport *t)
{
    const struct link_config config = {
        .server = true, .reliable = true, .nonce = 0x5eed, .name = "rogue"};
    struct link *l = NULL;
    struct error err;
    uint8_t in[4096], out[20000];
    assert_int_equal(link_create(&config, clock_mono_ms(), &l), 0);
    while (!stopping(r) && link_state(l) != LINK_CLOSED) {
        int n = transport_read(t, in, sizeof in, &err);
        if (n < 0)
            break;
        link_feed(l, clock_mono_ms(), in, (size_t)n);
        const size_t got = link_read(l, in, sizeof in);
        if (got)
            answer_other_request(l, in, got);
        const size_t size = link_output(l, clock_mono_ms(), out, sizeof out);
        for (size_t sent = 0; sent < size;) {
            n = transport_write(t, out + sent, size - sent, &err);
            if (n < 0)
                break;
            sent += (size_t)n;
        }
        if (!got && !size)
            pause_ms(2);
    }
    link_free(l);
    transport_close(t);
}

static void *serve(void *context)
{
    struct rogue *r = context;
    while (!stopping(r)) {
        struct transport *t = NULL;
        struct error err;
        struct pollfd p = {.fd = r->listen_fd, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0 || transport_accept(r->listen_fd, &t, &err) < 0)
            continue;
        __atomic_add_fetch(&r->connections, 1, __ATOMIC_SEQ_CST);
        if (stopping(r) || r->hang_up)
            transport_close(t);
        else if (r->rubbish)
            talk_rubbish(r, t);
        else if (r->wrong_id)
            talk_wrong_id(r, t);
        else
            talk(r, t);
    }
    return NULL;
}

static void rogue_start(struct rogue *r)
{
    struct error err = {0};
    r->credentials = (struct credentials){.certificate_pem = unit_certificate.certificate_pem,
                                          .private_key_pem = unit_certificate.private_key_pem,
                                          .ca_pem = ca.certificate_pem};
    if (transport_listen("tcp://127.0.0.1:0", &r->listen_fd, r->port, sizeof r->port, &err) < 0)
        fail_msg("%s", err.text);
    pthread_create(&r->thread, NULL, serve, r);
}

static void rogue_stop(struct rogue *r)
{
    __atomic_store_n(&r->stop, true, __ATOMIC_SEQ_CST);
    pthread_join(r->thread, NULL);
    close(r->listen_fd);
}

/* What taktd would sign; refused when the context says why. */
static int get_token(void *context, const char *chip_id, const char *nonce, struct unit_token *out,
                     struct error *err)
{
    if (context)
        return error_set(err, ERROR_MISSING, "%s", (const char *)context);
    snprintf(out->text, sizeof out->text, "a token for %s in %s", chip_id, nonce);
    strcpy(out->signature_hex, "5167");
    return 0;
}

/* The last refusal that was told. */
static struct {
    int times;
    char chip_id[33], gate[32], why[256];
} told;

static void take_refusal(void *context, const char *chip_id, const char *gate, const char *why)
{
    told.times++;
    snprintf(told.chip_id, sizeof told.chip_id, "%s", chip_id);
    snprintf(told.gate, sizeof told.gate, "%s", gate);
    snprintf(told.why, sizeof told.why, "%s", why);
}

static struct unit_link *link_to(const struct rogue *r, const bool *cancel)
{
    struct unit_link *l = NULL;
    struct error err;
    const struct unit_link_config config = {.port = r->port,
                                            .credentials = &station_credentials,
                                            .cancel = cancel,
                                            .token = get_token,
                                            .refused = take_refusal};
    memset(&told, 0, sizeof told);
    assert_int_equal(unit_link_create(&config, &l, &err), 0);
    return l;
}

/* ---- what is shown ---- */

static void test_a_good_unit_is_met_and_asked(void **state)
{
    struct rogue r = {.chip_id = {"aa01"}};
    struct error err = {0};
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    int rc = unit_link_session(l, 5000, &s, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_true(session_is_secure(s));
    assert_string_equal(unit_link_facts(l)->chip_id, "aa01");
    assert_string_equal(unit_link_facts(l)->board, "some-board");
    assert_int_equal(unit_call(l, "work", cJSON_CreateObject(), 2000, NULL, &err), 0);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_each_session_gets_a_token_of_its_own(void **state)
{
    struct rogue r = {.chip_id = {"aa01"}};
    struct error err = {0};
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    for (int i = 1; i <= 3; i++) {
        if (unit_link_session(l, 5000, &s, &err))
            fail_msg("%s", err.text);
        assert_int_equal(r.entered, i);
        unit_link_drop(l);
    }
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_without_a_token_there_is_no_session_and_the_reason_is_told(void **state)
{
    struct rogue r = {.chip_id = {"aa01"}};
    struct error err = {0};
    struct session *s;
    struct unit_link *l = NULL;
    rogue_start(&r);
    const struct unit_link_config config = {.port = r.port,
                                            .credentials = &station_credentials,
                                            .token = get_token,
                                            .context = (void *)"no token_key here"};
    assert_int_equal(unit_link_create(&config, &l, &err), 0);
    assert_int_equal(unit_link_session(l, 5000, &s, &err), ERROR_REFUSED);
    assert_non_null(strstr(err.text, "no token for unit aa01: no token_key here"));
    assert_int_equal(r.entered, 0);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_an_absent_unit_is_a_timeout_in_time(void **state)
{
    struct rogue r = {0};
    struct error err;
    struct session *s;
    rogue_start(&r);
    rogue_stop(&r); /* its port is closed again: nobody answers there */
    struct unit_link *l = link_to(&r, NULL);
    const int64_t began = clock_mono_ms();
    assert_int_equal(unit_link_session(l, 400, &s, &err), ERROR_TIMEOUT);
    assert_in_range(clock_mono_ms() - began, 200, 3000);
    assert_non_null(strstr(err.text, r.port));
    unit_link_free(l);
}

static void test_a_unit_that_hangs_up_is_a_timeout(void **state)
{
    struct rogue r = {.hang_up = true};
    struct error err;
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    assert_int_equal(unit_link_session(l, 400, &s, &err), ERROR_TIMEOUT);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_a_late_hello_is_a_timeout(void **state)
{
    struct rogue r = {.hello_delay_ms = 5000};
    struct error err;
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    const int64_t began = clock_mono_ms();
    assert_int_equal(unit_link_session(l, 500, &s, &err), ERROR_TIMEOUT);
    assert_in_range(clock_mono_ms() - began, 400, 3000);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_a_late_answer_ends_only_its_call(void **state)
{
    struct rogue r = {0};
    struct error err = {0};
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    cJSON *slow = cJSON_CreateObject();
    cJSON_AddNumberToObject(slow, "ms", 600);
    assert_int_equal(unit_call(l, "work", slow, 200, NULL, &err), ERROR_TIMEOUT);
    assert_non_null(strstr(err.text, "work"));
    err = (struct error){0};
    int rc = unit_call(l, "work", cJSON_CreateObject(), 3000, NULL, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_rubbish_is_an_error_in_time(void **state)
{
    struct rogue r = {.rubbish = true};
    struct error err;
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    const int64_t began = clock_mono_ms();
    int rc = unit_link_session(l, 600, &s, &err);
    assert_true(rc == ERROR_TIMEOUT || rc == ERROR_PROTOCOL);
    assert_in_range(clock_mono_ms() - began, 0, 4000);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_an_answer_to_another_request_is_a_protocol_error(void **state)
{
    struct rogue r = {.wrong_id = true};
    struct error err;
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    int rc = unit_link_session(l, 5000, &s, &err);
    assert_int_equal(rc, ERROR_PROTOCOL);
    assert_non_null(strstr(err.text, "never made"));
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_a_unit_that_vanishes_in_a_call_closes_it(void **state)
{
    struct rogue r = {.vanish_after_ms = 400};
    struct error err;
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    assert_int_equal(unit_link_session(l, 5000, &s, &err), 0);
    cJSON *slow = cJSON_CreateObject();
    cJSON_AddNumberToObject(slow, "ms", 5000);
    const int64_t began = clock_mono_ms();
    assert_int_equal(unit_call(l, "work", slow, 8000, NULL, &err), ERROR_CLOSED);
    assert_in_range(clock_mono_ms() - began, 0, 3000);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_another_unit_in_its_place_is_a_mismatch(void **state)
{
    struct rogue r = {.chip_id = {"aa01", "bb02"}};
    struct error err;
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    assert_int_equal(unit_link_session(l, 5000, &s, &err), 0);
    unit_link_drop(l);
    assert_int_equal(unit_link_session(l, 5000, &s, &err), ERROR_MISMATCH);
    assert_non_null(strstr(err.text, "aa01"));
    assert_non_null(strstr(err.text, "bb02"));
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_a_run_gone_on_with_expects_its_unit(void **state)
{
    struct rogue r = {.chip_id = {"bb02"}};
    struct error err;
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    unit_link_expect(l, "aa01");
    assert_int_equal(unit_link_session(l, 5000, &s, &err), ERROR_MISMATCH);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_a_locked_unit_says_hello_and_nothing_else(void **state)
{
    struct rogue r = {.chip_id = {"aa01"}, .locked = true};
    struct error err = {0};
    struct session *s;
    struct unit_facts facts;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    assert_int_equal(unit_link_hello(l, 5000, &facts, &err), 0);
    assert_false(facts.factory_mode);
    assert_int_equal(unit_link_session(l, 5000, &s, &err), ERROR_STATE);
    unit_link_free(l);
    rogue_stop(&r);
}

/* What the lock step reports, and nothing else of the engine. */
static int take_locked(void *engine, const char *name, double value, const char *unit,
                       struct error *err)
{
    assert_string_equal(name, "locked");
    *(double *)engine = value;
    return 0;
}

static void no_progress(void *engine, double fraction, const char *text)
{
}

static void test_a_unit_locked_by_a_run_that_was_killed_counts_as_locked(void **state)
{
    struct rogue r = {.chip_id = {"aa01"}, .locked = true};
    struct error err = {0};
    double locked = -1;
    const struct step_services services = {.measured = take_locked, .progress = no_progress};
    const struct step_kind *lock = step_kind_find("lock");
    rogue_start(&r);
    struct step_context c = {.services = &services, .engine = &locked, .unit = link_to(&r, NULL)};
    /* Nothing says that this run locked it. */
    assert_int_equal(step_run(lock, &c, &err), ERROR_STATE);
    unit_link_expect(c.unit, "aa01");
    assert_int_equal(step_run(lock, &c, &err), 0);
    assert_true(locked == 1);
    unit_link_expect(c.unit, "bb02");
    assert_int_equal(step_run(lock, &c, &err), ERROR_MISMATCH);
    unit_link_free(c.unit);
    rogue_stop(&r);
}

/* Closed for another reason than a lock: that is not what the step promises. */
static void test_a_unit_that_is_closed_but_not_locked_does_not_count_as_locked(void **state)
{
    struct rogue r = {.chip_id = {"aa01"}, .closed = "the factory credentials are damaged"};
    struct error err = {0};
    double locked = -1;
    const struct step_services services = {.measured = take_locked, .progress = no_progress};
    rogue_start(&r);
    struct step_context c = {.services = &services, .engine = &locked, .unit = link_to(&r, NULL)};
    assert_int_equal(step_run(step_kind_find("lock"), &c, &err), ERROR_STATE);
    assert_non_null(strstr(err.text, "credentials are damaged"));
    unit_link_expect(c.unit, "aa01");
    assert_int_equal(step_run(step_kind_find("lock"), &c, &err), 0);
    assert_true(locked == 0);
    unit_link_free(c.unit);
    rogue_stop(&r);
}

/* ---- who was not let in is told ---- */

static void expect_refusal(struct rogue *r, const char *gate, const char *why)
{
    struct error err = {0};
    struct session *s;
    rogue_start(r);
    struct unit_link *l = link_to(r, NULL);
    assert_true(unit_link_session(l, 5000, &s, &err) < 0);
    assert_int_equal(told.times, 1);
    assert_string_equal(told.chip_id, "aa01");
    assert_string_equal(told.gate, gate);
    if (!strstr(told.why, why))
        fail_msg("'%s' was expected in '%s'", why, told.why);
    unit_link_free(l);
    rogue_stop(r);
}

static void test_a_refusal_is_told_with_its_gate_and_words(void **state)
{
    struct rogue closed = {.chip_id = {"aa01"}, .closed = "the credentials are damaged"};
    expect_refusal(&closed, "factory mode", "the credentials are damaged");
    struct rogue token = {.chip_id = {"aa01"}, .refuses = "the token expired at noon"};
    expect_refusal(&token, "token", "the token expired at noon");

    struct certificate other_ca = {0}, stranger = {0};
    const struct credentials ours = station_credentials;
    struct error err = {0};
    assert_int_equal(certificate_make_ca("another factory", 10, &other_ca, &err), 0);
    assert_int_equal(certificate_issue(&other_ca, "station", "station", 10, &stranger, &err), 0);
    station_credentials.certificate_pem = stranger.certificate_pem;
    station_credentials.private_key_pem = stranger.private_key_pem;
    struct rogue certificate = {.chip_id = {"aa01"}};
    expect_refusal(&certificate, "certificate", "unknown ca");
    station_credentials = ours;
    certificate_free(&other_ca);
    certificate_free(&stranger);
}

static void test_a_unit_that_is_only_late_has_refused_nothing(void **state)
{
    struct rogue r = {.chip_id = {"aa01"}, .hang_up = true};
    struct error err;
    struct session *s;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    assert_int_equal(unit_link_session(l, 400, &s, &err), ERROR_TIMEOUT);
    assert_int_equal(told.times, 0);
    unit_link_free(l);
    rogue_stop(&r);
}

struct canceller {
    bool *flag;
};

static void *cancel_soon(void *context)
{
    pause_ms(300);
    __atomic_store_n(((struct canceller *)context)->flag, true, __ATOMIC_SEQ_CST);
    return NULL;
}

static void test_an_abort_ends_the_wait(void **state)
{
    struct rogue r = {.hang_up = true};
    struct error err;
    struct session *s;
    bool flag = false;
    struct canceller c = {&flag};
    pthread_t thread;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, &flag);
    const int64_t began = clock_mono_ms();
    pthread_create(&thread, NULL, cancel_soon, &c);
    assert_int_equal(unit_link_session(l, 20000, &s, &err), ERROR_CANCELLED);
    assert_in_range(clock_mono_ms() - began, 200, 4000);
    pthread_join(thread, NULL);
    unit_link_free(l);
    rogue_stop(&r);
}

static void test_an_errand_runs_beside_other_calls(void **state)
{
    struct rogue r = {0};
    struct error err = {0};
    struct unit_errand *e = NULL;
    rogue_start(&r);
    struct unit_link *l = link_to(&r, NULL);
    cJSON *slow = cJSON_CreateObject();
    cJSON_AddNumberToObject(slow, "ms", 500);
    const struct call call = {.method = "work", .params = slow, .timeout_ms = 4000};
    assert_int_equal(unit_errand_start(l, &call, &e, &err), 0);
    const int64_t began = clock_mono_ms();
    assert_int_equal(unit_call(l, "work", cJSON_CreateObject(), 2000, NULL, &err), 0);
    assert_in_range(clock_mono_ms() - began, 0, 400);
    assert_int_equal(unit_errand_end(e, NULL, &err), 0);
    cJSON_Delete(slow);
    unit_link_free(l);
    rogue_stop(&r);
}

static int make_certificates(void **state)
{
    struct error err = {0};
    if (certificate_make_ca("test factory", 10, &ca, &err) < 0 ||
        certificate_issue(&ca, "test station", "station", 10, &station_certificate, &err) < 0 ||
        certificate_make_unit("c0ffee01", &unit_certificate, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    station_credentials =
        (struct credentials){.certificate_pem = station_certificate.certificate_pem,
                             .private_key_pem = station_certificate.private_key_pem};
    return 0;
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
        cmocka_unit_test(test_a_good_unit_is_met_and_asked),
        cmocka_unit_test(test_each_session_gets_a_token_of_its_own),
        cmocka_unit_test(test_without_a_token_there_is_no_session_and_the_reason_is_told),
        cmocka_unit_test(test_an_absent_unit_is_a_timeout_in_time),
        cmocka_unit_test(test_a_unit_that_hangs_up_is_a_timeout),
        cmocka_unit_test(test_a_late_hello_is_a_timeout),
        cmocka_unit_test(test_a_late_answer_ends_only_its_call),
        cmocka_unit_test(test_rubbish_is_an_error_in_time),
        cmocka_unit_test(test_an_answer_to_another_request_is_a_protocol_error),
        cmocka_unit_test(test_a_unit_that_vanishes_in_a_call_closes_it),
        cmocka_unit_test(test_another_unit_in_its_place_is_a_mismatch),
        cmocka_unit_test(test_a_run_gone_on_with_expects_its_unit),
        cmocka_unit_test(test_a_locked_unit_says_hello_and_nothing_else),
        cmocka_unit_test(test_a_unit_locked_by_a_run_that_was_killed_counts_as_locked),
        cmocka_unit_test(test_a_unit_that_is_closed_but_not_locked_does_not_count_as_locked),
        cmocka_unit_test(test_a_refusal_is_told_with_its_gate_and_words),
        cmocka_unit_test(test_a_unit_that_is_only_late_has_refused_nothing),
        cmocka_unit_test(test_an_abort_ends_the_wait),
        cmocka_unit_test(test_an_errand_runs_beside_other_calls),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
