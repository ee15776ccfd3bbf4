/* A run as a WATS Standard JSON Format unit-under-test report: one root SequenceCall, a step of it
 * an attempt of ours, its measurements as ET_NLT (one) or ET_MNLT (several); a step without
 * figures is ET_A. */
#include <string.h>

#include "protocol/base/json.h"
#include "reports/outbox/connector.h"

/* Status letters of WSJF: Passed, Failed, Error, Terminated, Skipped, Done. */
static const char *status_of(const char *verdict)
{
    static const struct {
        const char *ours, *theirs;
    } map[] = {{"pass", "P"},    {"fail", "F"},    {"error", "E"},
               {"timeout", "E"}, {"aborted", "T"}, {"skipped", "S"}};
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (strcmp(map[i].ours, verdict) == 0)
            return map[i].theirs;
    return "D";
}

static void add_limits(cJSON *out, const cJSON *m)
{
    const cJSON *low = cJSON_GetObjectItemCaseSensitive(m, "low");
    const cJSON *high = cJSON_GetObjectItemCaseSensitive(m, "high");
    bool has_low = cJSON_IsNumber(low), has_high = cJSON_IsNumber(high);
    cJSON_AddStringToObject(out, "compOp",
                            has_low && has_high ? "GELE"
                            : has_low           ? "GE"
                            : has_high          ? "LE"
                                                : "LOG");
    /* One limit alone is WATS's lowLimit, whichever side it is of. */
    if (has_low || has_high)
        cJSON_AddNumberToObject(out, "lowLimit", has_low ? low->valuedouble : high->valuedouble);
    if (has_low && has_high)
        cJSON_AddNumberToObject(out, "highLimit", high->valuedouble);
}

static void add_measurement(cJSON *list, const cJSON *m, bool named)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(m, "value");
    add_limits(out, m);
    if (named)
        cJSON_AddStringToObject(out, "name", json_string(m, "name", ""));
    cJSON_AddStringToObject(out, "status", status_of(json_string(m, "verdict", "")));
    cJSON_AddStringToObject(out, "unit", json_string(m, "unit", ""));
    if (cJSON_IsNumber(value))
        cJSON_AddNumberToObject(out, "value", value->valuedouble);
    else
        cJSON_AddStringToObject(out, "value", "NaN");
    cJSON_AddItemToArray(list, out);
}

static void add_attempt(cJSON *steps, const cJSON *step, const cJSON *attempt, bool last)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *figures = cJSON_GetObjectItemCaseSensitive(attempt, "measurements"), *m;
    const char *verdict = json_string(attempt, "verdict", "");
    int count = cJSON_GetArraySize(figures);
    cJSON_AddNumberToObject(out, "id", cJSON_GetArraySize(steps) + 1);
    cJSON_AddStringToObject(out, "group", "M");
    cJSON_AddStringToObject(out, "stepType", count == 1 ? "ET_NLT" : count ? "ET_MNLT" : "ET_A");
    cJSON_AddStringToObject(out, "name", json_string(step, "id", ""));
    cJSON_AddStringToObject(out, "start", json_string(attempt, "started", ""));
    cJSON_AddStringToObject(out, "status", status_of(verdict));
    cJSON_AddNumberToObject(out, "totTime", json_number(attempt, "duration_ms", 0) / 1000);
    cJSON_AddBoolToObject(out, "causedUUTFailure",
                          last && (!strcmp(verdict, "fail") || !strcmp(verdict, "error") ||
                                   !strcmp(verdict, "timeout")));
    const char *message = json_string(attempt, "message", "");
    if (*message)
        cJSON_AddStringToObject(out, "reportText", message);
    if (count) {
        cJSON *list = cJSON_AddArrayToObject(out, "numericMeas");
        cJSON_ArrayForEach(m, figures) add_measurement(list, m, count > 1);
    }
    cJSON_AddItemToArray(steps, out);
}

static int write_wsjf(const struct outbox_message *m, struct buffer *out, struct error *err)
{
    const cJSON *run = m->run, *step, *attempt;
    const char *status = status_of(json_string(run, "verdict", ""));
    cJSON *r = cJSON_CreateObject();
    cJSON_AddStringToObject(r, "type", "T");
    cJSON_AddStringToObject(r, "id", m->key);
    cJSON_AddStringToObject(r, "pn", json_string(run, "product", ""));
    cJSON_AddStringToObject(r, "sn", json_string(run, "serial", ""));
    cJSON_AddStringToObject(r, "rev", json_string(run, "product_sha256", ""));
    cJSON_AddNumberToObject(r, "processCode", 10);
    cJSON_AddStringToObject(r, "result", status);
    cJSON_AddStringToObject(r, "machineName", json_string(run, "station", ""));
    cJSON_AddStringToObject(r, "location", json_string(run, "line", ""));
    cJSON_AddStringToObject(r, "purpose", json_string(run, "mode", ""));
    cJSON_AddStringToObject(r, "start", json_string(run, "started", ""));
    cJSON_AddStringToObject(r, "startUTC", json_string(run, "started", ""));
    cJSON *uut = cJSON_AddObjectToObject(r, "uut");
    cJSON_AddStringToObject(uut, "user", json_string(run, "operator", ""));
    cJSON_AddStringToObject(uut, "batchSN", json_string(run, "order", ""));
    cJSON_AddNumberToObject(uut, "testSocketIndex", json_number(run, "slot", 0));
    cJSON_AddNumberToObject(uut, "execTime",
                            (json_number(run, "ended_ms", 0) - json_number(run, "started_ms", 0)) /
                                1000);
    cJSON *root = cJSON_AddObjectToObject(r, "root");
    cJSON_AddNumberToObject(root, "id", 0);
    cJSON_AddStringToObject(root, "group", "M");
    cJSON_AddStringToObject(root, "stepType", "SequenceCall");
    cJSON_AddStringToObject(root, "name", json_string(run, "plan", ""));
    cJSON_AddStringToObject(root, "status", status);
    cJSON *call = cJSON_AddObjectToObject(root, "seqCall");
    cJSON_AddStringToObject(call, "path", json_string(run, "plan_sha256", ""));
    cJSON_AddStringToObject(call, "name", json_string(run, "plan", ""));
    cJSON_AddStringToObject(call, "version", json_string(run, "program_version", ""));
    cJSON *steps = cJSON_AddArrayToObject(root, "steps");
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(run, "steps"))
    {
        cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(step, "attempts"))
            add_attempt(steps, step, attempt, !attempt->next);
    }
    const struct outbox_message as_json = {m->key, r, NULL};
    int rc = outbox_format_json.write(&as_json, out, err);
    cJSON_Delete(r);
    return rc;
}

const struct outbox_format outbox_format_wsjf = {"wsjf", "json", "application/json", write_wsjf};
