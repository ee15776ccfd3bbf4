#include "station/cli/run_result.h"

#include <string.h>
#include <unistd.h>

#include "protocol/base/json.h"
#include "station/cli/command.h"

static void copy_text(cJSON *to, const cJSON *from, const char *name)
{
    cJSON_AddStringToObject(to, name, json_string(from, name, ""));
}

static void copy_number(cJSON *to, const cJSON *from, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(from, name);
    if (cJSON_IsNumber(value))
        cJSON_AddNumberToObject(to, name, value->valuedouble);
}

/* The last attempt counts: earlier ones were given another chance. */
static const cJSON *last_attempt(const cJSON *step)
{
    const cJSON *attempts = cJSON_GetObjectItemCaseSensitive(step, "attempts");
    return cJSON_GetArrayItem(attempts, cJSON_GetArraySize(attempts) - 1);
}

static void add_failures(cJSON *failures, const cJSON *step)
{
    const char *verdict = json_string(step, "verdict", "");
    const cJSON *attempt = last_attempt(step), *m;
    bool measured = false;
    if (strcmp(verdict, "pass") == 0 || strcmp(verdict, "skipped") == 0 || !verdict[0])
        return;
    cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(attempt, "measurements"))
    {
        if (strcmp(json_string(m, "verdict", ""), "fail") != 0)
            continue;
        cJSON *failure = cJSON_CreateObject();
        cJSON_AddStringToObject(failure, "step", json_string(step, "id", ""));
        cJSON_AddStringToObject(failure, "measurement", json_string(m, "name", ""));
        copy_number(failure, m, "value");
        copy_text(failure, m, "unit");
        copy_number(failure, m, "low");
        copy_number(failure, m, "high");
        cJSON_AddItemToArray(failures, failure);
        measured = true;
    }
    if (measured)
        return;
    cJSON *failure = cJSON_CreateObject();
    cJSON_AddStringToObject(failure, "step", json_string(step, "id", ""));
    cJSON_AddStringToObject(failure, "verdict", verdict);
    copy_text(failure, attempt, "message");
    cJSON_AddItemToArray(failures, failure);
}

static const char *note(const cJSON *step, const char *name)
{
    const cJSON *n;
    cJSON_ArrayForEach(n, cJSON_GetObjectItemCaseSensitive(last_attempt(step), "notes"))
    {
        if (strcmp(json_string(n, "name", ""), name) == 0)
            return json_string(n, "text", "");
    }
    return NULL;
}

cJSON *run_result(const cJSON *run_document)
{
    cJSON *result = cJSON_CreateObject();
    const char *did = "";
    const cJSON *step;
    copy_number(result, run_document, "slot");
    copy_number(result, run_document, "run");
    copy_text(result, run_document, "serial");
    copy_text(result, run_document, "chip_id");
    copy_text(result, run_document, "verdict");
    copy_text(result, run_document, "message");
    cJSON *failures = cJSON_AddArrayToObject(result, "failures");
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(run_document, "steps"))
    {
        const char *found = note(step, "did");
        did = found ? found : did;
        add_failures(failures, step);
    }
    cJSON_AddStringToObject(result, "did", did);
    return result;
}

static void print_failure(const cJSON *failure, FILE *out)
{
    const cJSON *low = cJSON_GetObjectItemCaseSensitive(failure, "low");
    const cJSON *high = cJSON_GetObjectItemCaseSensitive(failure, "high");
    const char *step = json_string(failure, "step", ""), *unit = json_string(failure, "unit", "");
    const char *measurement = json_string(failure, "measurement", "");
    if (!measurement[0]) {
        fprintf(out, "%s: %s: %s", step, json_string(failure, "verdict", ""),
                json_string(failure, "message", ""));
        return;
    }
    fprintf(out, "%s: %s %.4g %s, limit ", step, measurement, json_number(failure, "value", 0),
            unit);
    if (low && high)
        fprintf(out, "%.4g to %.4g", low->valuedouble, high->valuedouble);
    else if (low)
        fprintf(out, "at least %.4g", low->valuedouble);
    else if (high)
        fprintf(out, "at most %.4g", high->valuedouble);
}

static void print_verdict(const char *verdict, FILE *out)
{
    const bool colour = isatty(fileno(out)) == 1;
    const char *paint = strcmp(verdict, "pass") == 0   ? "\033[1;32m"
                        : strcmp(verdict, "fail") == 0 ? "\033[1;31m"
                                                       : "\033[1;33m";
    fprintf(out, "%s%-8s%s", colour ? paint : "", verdict, colour ? "\033[0m" : "");
}

void run_result_table(const cJSON *results, FILE *out)
{
    enum { BEFORE_WHY = 4 + 2 + 14 + 2 + 18 + 2 + 8 + 2 };
    const cJSON *r, *failure;
    fprintf(out, "%-4s  %-14s  %-18s  %-8s  %s\n", "slot", "serial", "DID", "verdict", "why");
    cJSON_ArrayForEach(r, results)
    {
        bool first = true;
        fprintf(out, "%-4d  %-14s  %-18s  ", (int)json_number(r, "slot", 0),
                json_string(r, "serial", ""), json_string(r, "did", ""));
        print_verdict(json_string(r, "verdict", ""), out);
        cJSON_ArrayForEach(failure, cJSON_GetObjectItemCaseSensitive(r, "failures"))
        {
            if (first)
                fputs("  ", out);
            else
                fprintf(out, "\n%*s", (int)BEFORE_WHY, "");
            print_failure(failure, out);
            first = false;
        }
        if (first && json_string(r, "message", "")[0])
            fprintf(out, "  %s", json_string(r, "message", ""));
        fputc('\n', out);
    }
}

int run_result_status(const cJSON *results)
{
    int status = CLI_OK;
    const cJSON *r;
    cJSON_ArrayForEach(r, results)
    {
        const char *verdict = json_string(r, "verdict", "");
        if (strcmp(verdict, "error") == 0 || strcmp(verdict, "timeout") == 0)
            return CLI_STATION;
        if (strcmp(verdict, "pass") != 0)
            status = CLI_FAILED;
    }
    return status;
}
