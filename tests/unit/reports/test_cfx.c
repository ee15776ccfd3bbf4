/* A failed run as CFX messages: where IPC-2591 puts what failed, what broke, and who is who. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/outbox/cfx_messages.h"

static const char run_text[] =
    "{\"run\":7,\"serial\":\"\",\"chip_id\":\"c0ffee\",\"slot\":3,\"operator\":\"\",\"plan\":\"p/"
    "line\","
    "\"plan_sha256\":\"ab12\",\"started_ms\":1000,\"ended_ms\":61500,\"verdict\":\"fail\","
    "\"steps\":["
    "{\"index\":0,\"id\":\"image\",\"kind\":\"image\",\"attempts\":[{\"attempt\":1,\"verdict\":"
    "\"timeout\","
    "\"message\":\"\",\"started_ms\":1000,\"duration_ms\":500,\"measurements\":[]},"
    "{\"attempt\":2,\"verdict\":\"fail\",\"message\":\"outside its limits\",\"started_ms\":2000,"
    "\"duration_ms\":40,\"measurements\":["
    "{\"name\":\"mtf\",\"unit\":\"cycles/"
    "px\",\"value\":0.1,\"low\":0.14,\"high\":null,\"verdict\":\"fail\"},"
    "{\"name\":\"snr\",\"unit\":\"dB\",\"value\":null,\"low\":null,\"high\":40,\"verdict\":"
    "\"pass\"}]}]},"
    "{\"index\":1,\"id\":\"label\",\"kind\":\"label\",\"attempts\":[{\"attempt\":1,\"verdict\":"
    "\"skipped\","
    "\"message\":\"\",\"started_ms\":2040,\"duration_ms\":0,\"measurements\":[]}]}]}";

static const cJSON *at(const cJSON *object, const char *path) /* "a.b.0.c" */
{
    char part[64];
    while (object && *path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        object = cJSON_IsArray(object) ? cJSON_GetArrayItem(object, atoi(part))
                                       : cJSON_GetObjectItemCaseSensitive(object, part);
        path += n + (path[n] == '.');
    }
    if (!object)
        fail_msg("nothing at '%s'", path);
    return object;
}

static void is_text(const cJSON *object, const char *path, const char *text)
{
    assert_string_equal(cJSON_GetStringValue(at(object, path)), text);
}

static void test_a_failed_value_stands_with_its_symptom(void **state)
{
    struct cfx_message m[CFX_RUN_MESSAGES], again[CFX_RUN_MESSAGES];
    struct error err = {0};
    cJSON *run = cJSON_Parse(run_text);
    const struct outbox_message message = {.key = "573436d8-97fd-8357-94eb-8f7e1a488b9a",
                                           .run = run};
    assert_int_equal(cfx_run(&message, "A.B.1", m, &err), 0);
    const cJSON *started = m[0].envelope, *tested = m[1].envelope, *completed = m[2].envelope;
    is_text(started, "MessageName", "CFX.Production.WorkStarted");
    is_text(started, "TimeStamp", "1970-01-01T00:00:01.000Z");
    is_text(started, "MessageBody.Units.0.UnitIdentifier", "c0ffee"); /* no serial: its chip */
    is_text(started, "MessageBody.Units.0.PositionName", "SLOT3");
    is_text(completed, "TimeStamp", "1970-01-01T00:01:01.500Z");
    is_text(completed, "MessageBody.TransactionID", message.key);
    is_text(completed, "MessageBody.Result", "Completed"); /* the work; not the unit */

    is_text(tested, "MessageBody.TransactionId", message.key); /* so spelt in the standard */
    assert_true(cJSON_IsNull(at(tested, "MessageBody.Tester.OperatorIdentifier")));
    is_text(tested, "MessageBody.RecipeName", "p/line");
    is_text(tested, "MessageBody.RecipeRevision", "ab12");
    const cJSON *unit = at(tested, "MessageBody.TestedUnits.0"), *tests = at(unit, "Tests");
    is_text(unit, "OverallResult", "Failed");
    assert_int_equal(cJSON_GetArraySize(tests), 3);
    is_text(tests, "0.Result", "Error");
    is_text(tests, "0.Error", "timeout");
    is_text(tests, "0.TestEndTime", "1970-01-01T00:00:01.500Z");
    assert_int_equal(cJSON_GetArraySize(at(tests, "0.SymptomsFound")), 0);
    is_text(tests, "1.Result", "Failed");
    assert_true(cJSON_IsNull(at(tests, "1.Error")));
    assert_int_equal(cJSON_GetArraySize(at(tests, "1.SymptomsFound")), 1);
    is_text(tests, "1.SymptomsFound.0.SymptomCode", "image.mtf");
    const cJSON *bad = at(tests, "1.SymptomsFound.0.RelatedMeasurements.0");
    is_text(bad, "$type", "CFX.Structures.NumericMeasurement, CFX");
    is_text(bad, "Result", "Failed");
    assert_true(at(bad, "MeasuredValue.Value")->valuedouble == 0.1);
    assert_true(at(bad, "MeasuredValue.MinimumAcceptableValue")->valuedouble == 0.14);
    assert_true(cJSON_IsNull(at(bad, "MeasuredValue.MaximumAcceptableValue")));
    assert_int_equal(cJSON_GetArraySize(at(tests, "1.Measurements")), 1);
    is_text(tests, "1.Measurements.0.MeasuredValue.Value", "NaN"); /* as the SDK writes it */
    is_text(tests, "2.Result", "Skipped");

    /* Sent again, it is the same to the last byte; ids are each their own. */
    assert_int_equal(cfx_run(&message, "A.B.1", again, &err), 0);
    for (int i = 0; i < CFX_RUN_MESSAGES; i++) {
        char *one = cJSON_PrintUnformatted(m[i].envelope),
             *two = cJSON_PrintUnformatted(again[i].envelope);
        assert_string_equal(one, two);
        is_text(m[i].envelope, "UniqueID", m[i].unique_id);
        assert_string_not_equal(m[i].unique_id, m[(i + 1) % 3].unique_id);
        assert_int_equal(strlen(m[i].unique_id), 36);
        cJSON_free(one);
        cJSON_free(two);
        cfx_free(&m[i]);
        cfx_free(&again[i]);
    }
    cJSON_Delete(run);
}

static void test_a_heartbeat_says_how_often_it_comes(void **state)
{
    struct cfx_message m, next;
    struct error err = {0};
    assert_int_equal(cfx_heartbeat("A.B.1", 300, 1000, &m, &err), 0);
    is_text(m.envelope, "MessageBody.HeartbeatFrequency", "00:05:00");
    is_text(m.envelope, "MessageBody.CFXHandle", "A.B.1");
    assert_string_equal(m.topic, "CFX");
    assert_int_equal(cfx_heartbeat("A.B.1", 300, 1000, &next, &err), 0);
    assert_string_not_equal(m.unique_id, next.unique_id); /* another one, though of the same time */
    cfx_free(&m);
    cfx_free(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_value_stands_with_its_symptom),
        cmocka_unit_test(test_a_heartbeat_says_how_often_it_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
