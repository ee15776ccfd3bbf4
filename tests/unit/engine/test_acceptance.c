/* Changed files take effect only when somebody who may accepts them; unsigned ones not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/formats/signing.h"
#include "station/engine/vocabulary.h"
#include "station/plan/plan_signature.h"
#include "tests/unit/engine/bench_line.h"

enum { CALL_MS = 60000 };
static const char level_5[] = "{'id':'a','step':'quick','deadline_s':60,'params':{'level':5}}";
static const char level_6[] = "{'id':'a','step':'quick','deadline_s':60,'params':{'level':6}}";

static int ask(struct bench_line *l, const char *method, const char *members, cJSON **result,
               struct error *err)
{
    memset(err, 0, sizeof *err);
    return client_call(l->client, method, cJSON_Parse(members), CALL_MS, result, err);
}

static void does(struct bench_line *l, const char *method, const char *members)
{
    struct error err;
    if (ask(l, method, members, NULL, &err))
        fail_msg("%s %s: %s", method, members, err.text);
    if (strcmp(method, "run.start") == 0)
        line_wait_idle(l, 60000);
}

static void refused(struct bench_line *l, const char *method, const char *members, const char *says)
{
    struct error err;
    int rc = ask(l, method, members, NULL, &err);
    if (rc != ERROR_REFUSED || !strstr(err.text, says))
        fail_msg("%s: %d '%s', expected '%s'", method, rc, err.text, says);
}

static void sign_in(struct bench_line *l, const char *name, const char *pin)
{
    char members[200];
    struct error err;
    cJSON *result = NULL;
    snprintf(members, sizeof members, "{\"name\":\"%s\",\"pin\":\"%s\"}", name, pin);
    if (ask(l, "operator.sign_in", members, &result, &err))
        fail_msg("%s", err.text);
    client_session(l->client, json_string(result, "session", ""));
    cJSON_Delete(result);
}

static const char run[] = "{\"plan\":\"cam/p\",\"order\":\"O1\"}";
static const char trial[] = "{\"plan\":\"cam/p\",\"order\":\"O1\",\"mode\":\"engineering\"}";
static const char accept[] = "{\"plan\":\"cam/p\"}";

static void a_change_waits_for_a_technician(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p", level_5, "");
    line_start(&l);
    does(&l, "operator.first", "{\"name\":\"li\",\"pin\":\"271828\"}");
    sign_in(&l, "li", "271828");
    does(&l, "operator.put", "{\"name\":\"wang\",\"role\":\"operator\",\"pin\":\"907214\"}");
    does(&l, "operator.put", "{\"name\":\"chen\",\"role\":\"technician\",\"pin\":\"161803\"}");
    sign_in(&l, "wang", "907214");
    does(&l, "run.start", run);

    line_plan(&l, "p", level_6, "");
    refused(&l, "run.start", run, "cam/p was changed (plan) and nobody has accepted that");
    line_write(&l, "products/cam/limits.json", "{\"a\":{\"level\":{\"min\":4,\"unit\":\"V\"}}}");
    refused(&l, "run.start", run, "cam/p was changed (plan, limits)");
    refused(&l, "plan.accept", accept, "wang is operator: plan.accept is for technician");
    /* Nothing was run by the changed files; a restart accepts nothing, either. */
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run"), "1");
    line_kill(&l);
    line_start(&l);
    sign_in(&l, "wang", "907214");
    refused(&l, "run.start", run, "cam/p was changed (plan, limits)");

    sign_in(&l, "chen", "161803");
    refused(&l, "run.start", run, "a technician looks at it"); /* starting is not accepting */
    does(&l, "run.start", trial);
    refused(&l, "run.start", run, "cam/p was changed (plan, limits)");
    does(&l, "plan.accept", accept);
    sign_in(&l, "wang", "907214");
    does(&l, "run.start", run);
    assert_string_equal(
        line_sql(&l, "SELECT group_concat(actor, ' ') FROM audit WHERE action = 'plan.accept'"),
        "wang chen");
    /* The record names the version that was accepted. */
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM run r JOIN file_version f ON f.id ="
                                     " r.plan JOIN accepted_plan a ON a.plan_sha256 = f.sha256"
                                     " WHERE r.mode = 'production'"),
                        "1");
    line_close(&l);
}

static void where_nobody_has_an_account_the_start_is_on_record(void **state)
{
    struct bench_line l;
    line_open(&l, 1);
    line_plan(&l, "p", level_5, "");
    line_start(&l);
    does(&l, "run.start", run);
    does(&l, "run.start", run);
    line_plan(&l, "p", level_6, "");
    does(&l, "run.start", run);
    assert_string_equal(line_sql(&l, "SELECT count(*) FROM audit WHERE action = 'plan.accept'"),
                        "2");
    line_close(&l);
}

/* Signs cam/p as it lies in the line's folder. */
static void sign(const struct bench_line *l, const char *private_pem)
{
    struct vocabulary words;
    struct plan *plan = NULL;
    struct error err = {0};
    char products[100];
    snprintf(products, sizeof products, "%s/products", l->root);
    vocabulary_fill(&words, kinds_of_a_bad_day);
    if (plan_load(products, "cam/p", &words.words, &plan, &err) ||
        plan_signature_write(products, plan, private_pem, &err))
        fail_msg("%s", err.text);
    plan_free(plan);
}

static void an_unsigned_plan_is_not_run(void **state)
{
    struct bench_line l;
    struct signing_key key = {0}, other = {0};
    struct buffer station = {0};
    struct error err = {0};
    char text[8192];
    assert_int_equal(signing_key_make(&key, &err), 0);
    assert_int_equal(signing_key_make(&other, &err), 0);
    line_open(&l, 1);
    line_plan(&l, "p", level_5, "");
    line_write(&l, "plan.pem",
               key.public_pem); /* no unit is connected to: the others are not used */
    assert_int_equal(file_read(l.station, &station, &err), 0);
    snprintf(text, sizeof text,
             "{ \"credentials\": { \"certificate\": \"plan.pem\", \"key\": \"plan.pem\","
             " \"plan_key\": \"plan.pem\" },%s",
             strchr(buffer_text(&station), '{') + 1);
    line_write(&l, "station.json", text);
    line_start(&l);
    refused(&l, "run.start", run, "plan cam/p is not signed");
    refused(&l, "plan.accept", accept, "plan cam/p is not signed");
    sign(&l, other.private_pem);
    refused(&l, "run.start", run, "another key signed them");
    sign(&l, key.private_pem);
    does(&l, "run.start", run);
    /* The record names the key, as OpenSSL's own tools do. */
    char command[200], fingerprint[80] = "";
    snprintf(command, sizeof command,
             "openssl pkey -pubin -in %s/plan.pem -outform DER | sha256sum | cut -c1-64", l.root);
    FILE *asked = popen(command, "r");
    assert_non_null(asked);
    assert_non_null(fgets(fingerprint, sizeof fingerprint, asked));
    pclose(asked);
    fingerprint[strcspn(fingerprint, "\n")] = '\0';
    assert_string_equal(line_sql(&l, "SELECT plan_signer FROM run"), fingerprint);
    /* A byte of any of the three files, and it is another plan. */
    line_write(&l, "products/cam/limits.json", "{} ");
    refused(&l, "run.start", run, "not those that were signed");
    does(&l, "run.start", trial);
    sign(&l, key.private_pem);
    does(&l, "run.start", run);
    assert_string_equal(
        line_sql(&l, "SELECT group_concat(mode || ':' || (plan_signer IS NOT NULL), ' ') FROM run"),
        "production:1 engineering:0 production:1");
    line_write(&l, "products/cam/p.sig", "{ \"signature\": \"zz\" }");
    refused(&l, "run.start", run, "is not hexadecimal");
    buffer_free(&station);
    signing_key_free(&key);
    signing_key_free(&other);
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_waits_for_a_technician),
        cmocka_unit_test(where_nobody_has_an_account_the_start_is_on_record),
        cmocka_unit_test(an_unsigned_plan_is_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
