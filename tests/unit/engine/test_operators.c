/* Accounts, PINs and roles, through taktd's socket as every client has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provisioning/audit.h"
#include "station/engine/operators.h"
#include "tests/unit/engine/bench_line.h"

enum { CALL_MS = 60000 };

/* Pairs of member and value, up to a NULL. */
static cJSON *params_of(const char *member, ...)
{
    cJSON *params = cJSON_CreateObject();
    va_list pairs;
    va_start(pairs, member);
    for (; member; member = va_arg(pairs, const char *))
        cJSON_AddStringToObject(params, member, va_arg(pairs, const char *));
    va_end(pairs);
    return params;
}

static int ask(struct bench_line *l, const char *method, cJSON *params, cJSON **result,
               struct error *err)
{
    memset(err, 0, sizeof *err);
    return client_call(l->client, method, params, CALL_MS, result, err);
}

/* From now on the client speaks as this one. */
static int sign_in(struct bench_line *l, const char *name, const char *pin, struct error *err)
{
    cJSON *result = NULL;
    int rc = ask(l, "operator.sign_in", params_of("name", name, "pin", pin, NULL), &result, err);
    client_session(l->client, rc ? "" : json_string(result, "session", ""));
    cJSON_Delete(result);
    return rc;
}

static int put(struct bench_line *l, const char *name, const char *role, const char *pin,
               struct error *err)
{
    return ask(l, "operator.put", params_of("name", name, "role", role, "pin", pin, NULL), NULL,
               err);
}

static int first(struct bench_line *l, const char *name, const char *pin, struct error *err)
{
    return ask(l, "operator.first", params_of("name", name, "pin", pin, "badge", "B-1", NULL), NULL,
               err);
}

static int quota(struct bench_line *l, struct error *err)
{
    cJSON *params = params_of("kind", "order", "name", "O1", NULL);
    cJSON_AddNumberToObject(params, "allowed", 10);
    return ask(l, "pool.quota", params, NULL, err);
}

static void open_line(struct bench_line *l)
{
    line_open(l, 1);
    line_plan(l, "p", "{'id':'a','step':'quick','deadline_s':60}", "");
    line_start(l);
}

static void the_first_account_closes_an_open_station(void **state)
{
    struct bench_line l;
    struct error err;
    open_line(&l);
    assert_int_equal(quota(&l, &err), 0);
    assert_int_equal(first(&l, "li", "123456", &err), ERROR_INPUT);
    assert_int_equal(first(&l, "li", "777777", &err), ERROR_INPUT);
    assert_int_equal(first(&l, "li", "8642", &err), ERROR_INPUT);
    assert_int_equal(first(&l, "", "271828", &err), ERROR_INPUT);
    assert_int_equal(first(&l, "li", "271828", &err), 0);
    assert_int_equal(first(&l, "eve", "314159", &err), ERROR_STATE);
    assert_int_equal(quota(&l, &err), ERROR_STATE);
    assert_non_null(strstr(err.text, "sign in first"));
    assert_int_equal(ask(&l, "run.start", line_start_params("cam/p"), NULL, &err), ERROR_STATE);
    assert_int_equal(sign_in(&l, "li", "271828", &err), 0);
    assert_int_equal(quota(&l, &err), 0);
    assert_string_equal(line_sql(&l, "SELECT actor FROM audit WHERE action = 'operator.first'"),
                        "li");
    line_close(&l);
}

static void a_role_does_its_own_work_and_no_more(void **state)
{
    struct bench_line l;
    struct error err;
    open_line(&l);
    assert_int_equal(first(&l, "li", "271828", &err), 0);
    assert_int_equal(sign_in(&l, "li", "271828", &err), 0);
    assert_int_equal(put(&l, "wang", "operator", "907214", &err), 0);
    assert_int_equal(put(&l, "zhao", "boss", "907214", &err), ERROR_INPUT);
    assert_int_equal(sign_in(&l, "wang", "907214", &err), 0);
    assert_int_equal(quota(&l, &err), ERROR_REFUSED);
    assert_string_equal(err.text, "wang is operator: pool.quota is for engineer");
    assert_int_equal(put(&l, "wang", "engineer", "907214", &err), ERROR_REFUSED);
    cJSON *rework = line_start_params("cam/p");
    cJSON_AddStringToObject(rework, "mode", "rework");
    assert_int_equal(ask(&l, "run.start", rework, NULL, &err), ERROR_REFUSED);
    /* What the client says of itself does not count any more. */
    assert_int_equal(ask(&l, "run.start", line_start_params("cam/p"), NULL, &err), 0);
    line_wait_idle(&l, 60000);
    assert_string_equal(line_sql(&l, "SELECT name FROM operator"), "wang");
    line_close(&l);
}

static void wrong_pins_lock_and_a_restart_opens_nothing(void **state)
{
    struct bench_line l;
    struct error err;
    open_line(&l);
    assert_int_equal(first(&l, "li", "271828", &err), 0);
    assert_int_equal(sign_in(&l, "li", "271828", &err), 0);
    assert_int_equal(put(&l, "chen", "engineer", "161803", &err), 0);
    assert_int_equal(sign_in(&l, "nobody", "271828", &err), ERROR_REFUSED);
    assert_string_equal(err.text, "the name or the PIN is wrong");
    for (int i = 0; i < OPERATOR_TRIES; i++) {
        assert_int_equal(sign_in(&l, "li", "271829", &err), ERROR_REFUSED);
        assert_string_equal(err.text, "the name or the PIN is wrong");
    }
    assert_int_equal(sign_in(&l, "li", "271828", &err), ERROR_REFUSED);
    assert_non_null(strstr(err.text, "li is locked for"));
    line_kill(&l);
    line_start(&l);
    assert_int_equal(sign_in(&l, "li", "271828", &err), ERROR_REFUSED);
    assert_non_null(strstr(err.text, "li is locked for"));
    assert_int_equal(ask(&l, "operator.pin",
                         params_of("name", "li", "old", "271828", "pin", "141421", NULL), NULL,
                         &err),
                     ERROR_REFUSED);
    /* An engineer opens it with a new PIN. */
    assert_int_equal(sign_in(&l, "chen", "161803", &err), 0);
    assert_int_equal(put(&l, "li", "engineer", "141421", &err), 0);
    assert_int_equal(sign_in(&l, "li", "271828", &err), ERROR_REFUSED);
    assert_int_equal(sign_in(&l, "li", "141421", &err), 0);
    assert_string_equal(
        line_sql(&l, "SELECT count(*) FROM audit WHERE action = 'operator.wrong_pin'"), "6");
    line_close(&l);
}

static void a_session_ends_with_what_it_was_given_for(void **state)
{
    struct bench_line l;
    struct error err;
    open_line(&l);
    assert_int_equal(first(&l, "li", "271828", &err), 0);
    assert_int_equal(sign_in(&l, "li", "271828", &err), 0);
    assert_int_equal(put(&l, "chen", "engineer", "161803", &err), 0);
    struct client *chen = NULL;
    cJSON *result = NULL;
    assert_int_equal(client_connect(l.socket, &chen, &err), 0);
    assert_int_equal(client_call(chen, "operator.sign_in",
                                 params_of("name", "chen", "pin", "161803", NULL), CALL_MS, &result,
                                 &err),
                     0);
    client_session(chen, json_string(result, "session", ""));
    cJSON_Delete(result);
    assert_int_equal(client_call(chen, "operator.who", NULL, CALL_MS, NULL, &err), 0);
    /* Another role, another PIN: sign in again. */
    assert_int_equal(put(&l, "chen", "operator", "161803", &err), 0);
    assert_int_equal(client_call(chen, "operator.who", NULL, CALL_MS, NULL, &err), ERROR_STATE);
    assert_int_equal(ask(&l, "operator.remove", params_of("name", "li", NULL), NULL, &err),
                     ERROR_STATE);
    assert_string_equal(err.text, "li is the last engineer: make another one first");
    assert_int_equal(put(&l, "li", "qa", "271828", &err), ERROR_STATE);
    assert_int_equal(ask(&l, "operator.remove", params_of("name", "chen", NULL), NULL, &err), 0);
    assert_int_equal(ask(&l, "operator.sign_out", NULL, NULL, &err), 0);
    assert_int_equal(quota(&l, &err), ERROR_STATE);
    client_close(chen);
    line_close(&l);
}

static void a_badge_stands_for_one_name(void **state)
{
    struct bench_line l;
    struct error err;
    cJSON *result = NULL;
    open_line(&l);
    assert_int_equal(first(&l, "li", "271828", &err), 0);
    assert_int_equal(sign_in(&l, "li", "271828", &err), 0);
    assert_int_equal(
        ask(&l, "operator.put",
            params_of("name", "wang", "role", "operator", "pin", "907214", "badge", "B-1", NULL),
            NULL, &err),
        ERROR_INPUT);
    assert_non_null(strstr(err.text, "the badge is li's already"));
    assert_int_equal(put(&l, "B-1", "engineer", "907214", &err), ERROR_INPUT);
    assert_int_equal(ask(&l, "operator.sign_in", params_of("badge", "B-1", "pin", "271828", NULL),
                         &result, &err),
                     0);
    assert_string_equal(json_string(result, "name", ""), "li");
    cJSON_Delete(result);
    line_close(&l);
}

static void no_pin_is_in_the_store_and_the_chain_holds(void **state)
{
    struct bench_line l;
    struct error err;
    struct buffer all = {0};
    sqlite3 *db = NULL;
    int64_t entries = 0;
    open_line(&l);
    assert_int_equal(first(&l, "li", "27182818", &err), 0);
    assert_int_equal(sign_in(&l, "li", "31415926", &err), ERROR_REFUSED);
    assert_int_equal(sign_in(&l, "li", "27182818", &err), 0);
    line_stop(&l);
    assert_int_equal(file_read(l.store, &all, &err), 0);
    assert_null(memmem(all.data, all.size, "27182818", 8));
    assert_null(memmem(all.data, all.size, "31415926", 8));
    buffer_free(&all);
    assert_int_equal(sqlite3_open(l.store, &db), SQLITE_OK);
    assert_int_equal(audit_verify(db, &entries, &err), 0);
    assert_int_equal(entries, 3);
    sqlite3_close(db);
    line_close(&l);
}

/* Against python3's hashlib.scrypt(b'271828', salt=bytes(range(16)), n=32768, r=8, p=1, dklen=32).
 */
static void the_hash_is_scrypt(void **state)
{
    static const uint8_t expected[PIN_HASH_BYTES] = {
        0xc3, 0xcf, 0x6b, 0x3a, 0xaa, 0x15, 0xc9, 0x0f, 0x3e, 0xec, 0x26,
        0x56, 0x2c, 0x5b, 0x7b, 0x29, 0xb4, 0xcc, 0xf5, 0x9b, 0xf1, 0x5b,
        0xcb, 0x91, 0xa2, 0x1a, 0xd1, 0xea, 0xe8, 0xd7, 0x55, 0xe0};
    struct pin_hash h = {.log2_n = PIN_LOG2_N, .r = PIN_R, .p = PIN_P};
    struct error err;
    for (int i = 0; i < PIN_SALT_BYTES; i++)
        h.salt[i] = (uint8_t)i;
    assert_int_equal(pin_derive("271828", &h, h.hash, &err), 0);
    assert_memory_equal(h.hash, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_account_closes_an_open_station),
        cmocka_unit_test(a_role_does_its_own_work_and_no_more),
        cmocka_unit_test(wrong_pins_lock_and_a_restart_opens_nothing),
        cmocka_unit_test(a_session_ends_with_what_it_was_given_for),
        cmocka_unit_test(a_badge_stands_for_one_name),
        cmocka_unit_test(no_pin_is_in_the_store_and_the_chain_holds),
        cmocka_unit_test(the_hash_is_scrypt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
