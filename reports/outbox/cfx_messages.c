#include "reports/outbox/cfx_messages.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"

#define VERSION "1.7"

/* ---- envelopes ------------------------------------------------------------------------------- */

static void add_null_or_text(cJSON *object, const char *name, const char *text)
{
    if (text && *text)
        cJSON_AddStringToObject(object, name, text);
    else
        cJSON_AddNullToObject(object, name);
}

static void add_time(cJSON *object, const char *name, int64_t wall_ms)
{
    char text[25];
    clock_format_utc(wall_ms, text);
    cJSON_AddStringToObject(object, name, text);
}

/* `seed` and the message's name make its id. Takes the body, also when it fails. */
static int wrap(struct cfx_message *m, const char *name, const char *handle, const char *seed,
                int64_t wall_ms, cJSON *body, struct error *err)
{
    char text[200];
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->topic, sizeof m->topic, "%.*s", (int)(strrchr(name, '.') - name), name);
    m->time_ms = wall_ms;
    snprintf(text, sizeof text, "%.100s %s", seed, name);
    int rc = outbox_uuid(text, m->unique_id, err);
    cJSON *e = rc ? NULL : cJSON_CreateObject();
    if (!e || !body) {
        cJSON_Delete(body);
        cJSON_Delete(e);
        return rc ? rc : error_set(err, ERROR_MEMORY, "a CFX message: out of memory");
    }
    cJSON_AddStringToObject(e, "MessageName", name);
    cJSON_AddStringToObject(e, "Version", VERSION);
    add_time(e, "TimeStamp", wall_ms);
    cJSON_AddStringToObject(e, "UniqueID", m->unique_id);
    cJSON_AddStringToObject(e, "Source", handle);
    cJSON_AddNullToObject(e, "Target");
    cJSON_AddNullToObject(e, "RequestID");
    /* $type comes first: readers that stream look for it there. */
    cJSON *typed = cJSON_CreateObject();
    snprintf(text, sizeof text, "%s, CFX", name);
    cJSON_AddStringToObject(typed, "$type", text);
    while (body->child) {
        cJSON *member = cJSON_DetachItemViaPointer(body, body->child);
        cJSON_AddItemToObject(typed, member->string, member);
    }
    cJSON_Delete(body);
    cJSON_AddItemToObject(e, "MessageBody", typed);
    m->envelope = e;
    return 0;
}

void cfx_free(struct cfx_message *m)
{
    cJSON_Delete(m->envelope);
    m->envelope = NULL;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* TestResult and WorkResult. A unit that failed its tests is work that was completed. */
static const struct {
    const char *ours, *result, *work;
} words[] = {{"pass", "Passed", "Completed"},   {"fail", "Failed", "Completed"},
             {"error", "Error", "Failed"},      {"timeout", "Error", "Failed"},
             {"aborted", "Aborted", "Aborted"}, {"skipped", "Skipped", "Completed"},
             {"", "Passed", "Completed"}};

static size_t word_of(const char *verdict)
{
    size_t i = 0;
    while (*words[i].ours && strcmp(words[i].ours, verdict) != 0)
        i++;
    return i;
}

static const char *result_of(const cJSON *object)
{
    return words[word_of(json_string(object, "verdict", ""))].result;
}

static const char *unit_of(const cJSON *run)
{
    const char *serial = json_string(run, "serial", "");
    return *serial ? serial : json_string(run, "chip_id", "");
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void add_uuid(cJSON *object, const char *name, const char *key, const char *place)
{
    char text[300], uuid[OUTBOX_UUID_TEXT] = "";
    struct error ignored; /* out of memory: shows when the object is printed */
    snprintf(text, sizeof text, "%.60s %.200s", key, place);
    outbox_uuid(text, uuid, &ignored);
    cJSON_AddStringToObject(object, name, uuid);
}

static void add_limit(cJSON *value, const char *name, const cJSON *limit)
{
    if (cJSON_IsNumber(limit))
        cJSON_AddNumberToObject(value, name, limit->valuedouble);
    else
        cJSON_AddNullToObject(value, name);
}

static cJSON *measurement(const cJSON *m, const char *key, const char *place, int sequence)
{
    char own[200];
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "$type", "CFX.Structures.NumericMeasurement, CFX");
    cJSON *value = cJSON_AddObjectToObject(out, "MeasuredValue");
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(m, "value");
    if (cJSON_IsNumber(number))
        cJSON_AddNumberToObject(value, "Value", number->valuedouble);
    else
        cJSON_AddStringToObject(value, "Value", "NaN"); /* as the SDK writes it */
    add_null_or_text(value, "ValueUnits", json_string(m, "unit", ""));
    cJSON_AddNullToObject(value, "ExpectedValue");
    cJSON_AddNullToObject(value, "ExpectedValueUnits");
    add_limit(value, "MinimumAcceptableValue", cJSON_GetObjectItemCaseSensitive(m, "low"));
    add_limit(value, "MaximumAcceptableValue", cJSON_GetObjectItemCaseSensitive(m, "high"));
    snprintf(own, sizeof own, "%.150s %d", place, sequence);
    add_uuid(out, "UniqueIdentifier", key, own);
    cJSON_AddStringToObject(out, "MeasurementName", json_string(m, "name", ""));
    cJSON_AddNullToObject(out, "TimeRecorded");
    cJSON_AddNumberToObject(out, "Sequence", sequence);
    cJSON_AddStringToObject(out, "Result", result_of(m));
    cJSON_AddNullToObject(out, "CRDs");
    return out;
}

static cJSON *symptom(const cJSON *step, const cJSON *m, const char *message, const char *key,
                      const char *place)
{
    char code[200];
    cJSON *out = cJSON_CreateObject();
    const char *name = json_string(m, "name", "");
    add_uuid(out, "UniqueIdentifier", key, place);
    snprintf(code, sizeof code, "%.90s%s%.90s", json_string(step, "id", ""), *name ? "." : "",
             name);
    cJSON_AddStringToObject(out, "SymptomCode", code);
    cJSON_AddStringToObject(out, "SymptomCategory", json_string(step, "kind", ""));
    add_null_or_text(out, "Description", message);
    cJSON_AddNullToObject(out, "Comments");
    cJSON_AddArrayToObject(out, "ComponentsOfInterest");
    cJSON_AddNullToObject(out, "RegionOfInterest");
    cJSON_AddNumberToObject(out, "Priority", 1);
    cJSON_AddArrayToObject(out, "RelatedMeasurements");
    return out;
}

/* An attempt of a step is a test. As the standard has it, a value beside its limits stands with the
 * symptom it is, all others with the test. */
static cJSON *test_of(const cJSON *step, const cJSON *attempt, const char *key)
{
    char place[100], own[160], comment[80];
    cJSON *out = cJSON_CreateObject();
    const cJSON *m;
    const char *verdict = json_string(attempt, "verdict", ""),
               *message = json_string(attempt, "message", "");
    bool broken = !strcmp(verdict, "error") || !strcmp(verdict, "timeout");
    int number = (int)json_number(attempt, "attempt", 1), sequence = 0;
    int64_t start = (int64_t)json_number(attempt, "started_ms", 0);
    snprintf(place, sizeof place, "%d %d", (int)json_number(step, "index", 0), number);
    add_uuid(out, "UniqueIdentifier", key, place);
    cJSON_AddStringToObject(out, "TestName", json_string(step, "id", ""));
    add_time(out, "TestStartTime", start);
    add_time(out, "TestEndTime", start + (int64_t)json_number(attempt, "duration_ms", 0));
    cJSON_AddArrayToObject(out, "TestConditions");
    cJSON_AddNullToObject(out, "TestProcedure");
    snprintf(comment, sizeof comment, "attempt %d", number);
    cJSON_AddStringToObject(out, "Comments", comment);
    cJSON_AddStringToObject(out, "Result", result_of(attempt));
    add_null_or_text(out, "Error", broken ? (*message ? message : verdict) : "");
    cJSON *symptoms = cJSON_AddArrayToObject(out, "SymptomsFound");
    cJSON_AddArrayToObject(out, "DefectsFound");
    cJSON *values = cJSON_AddArrayToObject(out, "Measurements");
    cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(attempt, "measurements"))
    {
        cJSON *value = measurement(m, key, place, ++sequence);
        if (strcmp(json_string(m, "verdict", ""), "fail") != 0) {
            cJSON_AddItemToArray(values, value);
            continue;
        }
        snprintf(own, sizeof own, "%s symptom %d", place, sequence);
        cJSON *s = symptom(step, m, message, key, own);
        cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(s, "RelatedMeasurements"), value);
        cJSON_AddItemToArray(symptoms, s);
    }
    if (!strcmp(verdict, "fail") && !cJSON_GetArraySize(symptoms)) {
        snprintf(own, sizeof own, "%s symptom 0", place);
        cJSON_AddItemToArray(symptoms, symptom(step, NULL, message, key, own));
    }
    return out;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static cJSON *work_started(const struct outbox_message *m)
{
    char place[40];
    cJSON *body = cJSON_CreateObject(), *unit = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "TransactionID", m->key);
    cJSON_AddNullToObject(body, "Lane");
    cJSON_AddNumberToObject(body, "UnitCount", 1);
    cJSON_AddStringToObject(unit, "UnitIdentifier", unit_of(m->run));
    cJSON_AddNumberToObject(unit, "PositionNumber", 1);
    snprintf(place, sizeof place, "SLOT%d", (int)json_number(m->run, "slot", 0));
    cJSON_AddStringToObject(unit, "PositionName", place);
    cJSON_AddNumberToObject(unit, "X", 0);
    cJSON_AddNumberToObject(unit, "Y", 0);
    cJSON_AddNumberToObject(unit, "Rotation", 0);
    cJSON_AddBoolToObject(unit, "FlipX", false);
    cJSON_AddBoolToObject(unit, "FlipY", false);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "Units"), unit);
    return body;
}

static cJSON *units_tested(const struct outbox_message *m)
{
    const cJSON *step, *attempt;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "TransactionId", m->key);
    cJSON_AddStringToObject(body, "TestMethod", "Automated");
    cJSON *tester = cJSON_AddObjectToObject(body, "Tester");
    add_null_or_text(tester, "OperatorIdentifier", json_string(m->run, "operator", ""));
    cJSON_AddStringToObject(tester, "ActorType", "Human");
    cJSON_AddNullToObject(tester, "LastName");
    cJSON_AddNullToObject(tester, "FirstName");
    add_null_or_text(tester, "LoginName", json_string(m->run, "operator", ""));
    add_null_or_text(body, "RecipeName", json_string(m->run, "plan", ""));
    add_null_or_text(body, "RecipeRevision", json_string(m->run, "plan_sha256", ""));
    cJSON *sampling = cJSON_AddObjectToObject(body, "SamplingInformation");
    cJSON_AddStringToObject(sampling, "SamplingMethod", "NoSampling");
    cJSON_AddNullToObject(sampling, "LotSize");
    cJSON_AddNullToObject(sampling, "SampleSize");
    cJSON *unit = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "TestedUnits"), unit);
    cJSON_AddStringToObject(unit, "UnitIdentifier", unit_of(m->run));
    cJSON_AddNumberToObject(unit, "UnitPositionNumber", 1);
    cJSON_AddStringToObject(unit, "OverallResult", result_of(m->run));
    cJSON *tests = cJSON_AddArrayToObject(unit, "Tests");
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(m->run, "steps"))
    {
        cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(step, "attempts"))
            cJSON_AddItemToArray(tests, test_of(step, attempt, m->key));
    }
    return body;
}

static cJSON *work_completed(const struct outbox_message *m)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "TransactionID", m->key);
    cJSON_AddStringToObject(body, "Result",
                            words[word_of(json_string(m->run, "verdict", ""))].work);
    return body;
}

int cfx_run(const struct outbox_message *m, const char *handle,
            struct cfx_message out[CFX_RUN_MESSAGES], struct error *err)
{
    static const struct {
        const char *name, *when;
        cJSON *(*body)(const struct outbox_message *m);
    } kinds[CFX_RUN_MESSAGES] = {
        {"CFX.Production.WorkStarted", "started_ms", work_started},
        {"CFX.Production.TestAndInspection.UnitsTested", "ended_ms", units_tested},
        {"CFX.Production.WorkCompleted", "ended_ms", work_completed},
    };
    int rc = 0;
    memset(out, 0, CFX_RUN_MESSAGES * sizeof *out);
    for (int i = 0; i < CFX_RUN_MESSAGES && !rc; i++)
        rc = wrap(&out[i], kinds[i].name, handle, m->key,
                  (int64_t)json_number(m->run, kinds[i].when, 0), kinds[i].body(m), err);
    for (int i = 0; rc && i < CFX_RUN_MESSAGES; i++)
        cfx_free(&out[i]);
    return rc;
}

/* ---- of the endpoint itself ------------------------------------------------------------------ */

static int endpoint(struct cfx_message *out, const char *name, const char *handle, int64_t wall_ms,
                    cJSON *body, struct error *err)
{
    char seed[200];
    memset(out, 0, sizeof *out);
    snprintf(seed, sizeof seed, "%.60s %lld %lld", handle, (long long)wall_ms,
             (long long)clock_mono_ns());
    return wrap(out, name, handle, seed, wall_ms, body, err);
}

int cfx_connected(const char *handle, const char *broker, const char *address, int64_t wall_ms,
                  struct cfx_message *out, struct error *err)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "CFXHandle", handle);
    cJSON_AddStringToObject(body, "RequestNetworkUri", broker);
    cJSON_AddStringToObject(body, "RequestTargetAddress", address);
    return endpoint(out, "CFX.EndpointConnected", handle, wall_ms, body, err);
}

int cfx_leaving(const char *handle, int64_t wall_ms, struct cfx_message *out, struct error *err)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "CFXHandle", handle);
    return endpoint(out, "CFX.EndpointShuttingDown", handle, wall_ms, body, err);
}

int cfx_heartbeat(const char *handle, int every_s, int64_t wall_ms, struct cfx_message *out,
                  struct error *err)
{
    char span[32];
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "CFXHandle", handle);
    snprintf(span, sizeof span, "%02d:%02d:%02d", every_s / 3600, every_s / 60 % 60, every_s % 60);
    cJSON_AddStringToObject(body, "HeartbeatFrequency", span);
    cJSON_AddNullToObject(body, "ActiveFaults"); /* not known here */
    cJSON_AddNullToObject(body, "ActiveRecipes");
    return endpoint(out, "CFX.Heartbeat", handle, wall_ms, body, err);
}
