/* CSV (RFC 4180) with a header: a unit gives a line a measurement, an order or a campaign a line a
 * unit. A text
 * that a spreadsheet would take for a formula gets a ' in front. */
#include <string.h>

#include "reports/render_kinds.h"

/* Also in the full width that an East Asian spreadsheet takes for the same. */
static bool begins_formula(const char *text)
{
    static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d",
                                       "\xef\xbc\xa0"};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        if (strncmp(text, wide[i], 3) == 0)
            return true;
    return *text && strchr("=+-@\t\r", *text);
}

static int put_text(struct buffer *out, const char *text)
{
    int rc = 0;
    bool formula = begins_formula(text);
    if (!formula && !strpbrk(text, ",\"\r\n"))
        return buffer_append_text(out, text);
    rc = buffer_append_text(out, formula ? "\"'" : "\"");
    for (const char *p = text; *p && !rc; p++)
        rc = buffer_append(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
    return rc ? rc : buffer_append_text(out, "\"");
}

static int put(struct buffer *out, const cJSON *value)
{
    if (cJSON_IsNumber(value))
        return buffer_printf(out, "%.15g", value->valuedouble);
    return cJSON_IsString(value) ? put_text(out, value->valuestring) : 0;
}

static int put_members(struct buffer *out, const cJSON *object, const char *const *names)
{
    int rc = 0;
    for (; *names && !rc; names++) {
        rc = put(out, member(object, *names));
        if (!rc && names[1])
            rc = buffer_append_text(out, ",");
    }
    return rc;
}

static int put_header(struct buffer *out, const char *const *names, const char *end)
{
    int rc = 0;
    for (; *names && !rc; names++)
        rc = buffer_printf(out, "%s%s", *names, names[1] ? "," : end);
    return rc;
}

static const char *const run_columns[] = {"run",     "order",   "product",  "plan",
                                          "station", "slot",    "operator", "serial",
                                          "chip_id", "started", "verdict",  NULL};
static const char *const measurement_columns[] = {"name", "unit",    "value", "low",
                                                  "high", "verdict", NULL};

static int put_run(struct buffer *out, const cJSON *run)
{
    const cJSON *step, *attempt, *m;
    int rc = 0;
    cJSON_ArrayForEach(step, member(run, "steps"))
    {
        cJSON_ArrayForEach(attempt, member(step, "attempts"))
        {
            const cJSON *list = member(attempt, "measurements");
            int lines = cJSON_GetArraySize(list);
            /* A step without a measurement has a line too: its verdict counts. */
            for (int i = 0; i < (lines ? lines : 1) && !rc; i++) {
                m = cJSON_GetArrayItem(list, i);
                if ((rc = put_members(out, run, run_columns)) ||
                    (rc = buffer_append_text(out, ",")) || (rc = put(out, member(step, "id"))) ||
                    (rc = buffer_append_text(out, ",")) ||
                    (rc = put(out, member(attempt, "attempt"))) ||
                    (rc = buffer_append_text(out, ",")) ||
                    (rc = put(out, member(attempt, "verdict"))) ||
                    (rc = buffer_append_text(out, ",")) ||
                    (rc = put_members(out, m, measurement_columns)) ||
                    (rc = buffer_append_text(out, "\r\n")))
                    break;
            }
        }
    }
    return rc;
}

static int put_runs(struct buffer *out, const cJSON *document)
{
    const cJSON *run;
    int rc = put_header(out, run_columns, ",");
    if (!rc)
        rc = buffer_append_text(out, "step,attempt,step_verdict,measurement,unit,value,low,high,"
                                     "measurement_verdict\r\n");
    if (member_is(document, "document", "run"))
        return rc ? rc : put_run(out, document);
    cJSON_ArrayForEach(run, member(document, "runs"))
    {
        if (!rc)
            rc = put_run(out, run);
    }
    return rc;
}

static int put_units(struct buffer *out, const cJSON *document)
{
    static const char *const watched[] = {"number", "place",     "serial",     "chip_id", "state",
                                          "cause",  "joined_ms", "watched_ms", NULL};
    static const char *const tested[] = {
        "serial",  "chip_id", "runs",    "first_verdict",  "last_verdict",
        "verdict", "run",     "station", "started",        "ended",
        "message", "did",     "mac",     "identity_state", NULL};
    const char *const *columns = member_is(document, "document", "campaign") ? watched : tested;
    const cJSON *row;
    int rc = put_header(out, columns, "\r\n");
    cJSON_ArrayForEach(row, member(document, "units"))
    {
        if (!rc && !(rc = put_members(out, row, columns)))
            rc = buffer_append_text(out, "\r\n");
    }
    return rc;
}

static int render(const cJSON *document, const struct render_options *options, struct buffer *out,
                  struct error *err)
{
    (void)options;
    int rc = member(document, "units") ? put_units(out, document) : put_runs(out, document);
    return rc ? error_set(err, rc, "cannot write the table: out of memory") : 0;
}

const struct renderer render_csv = {"csv", "text/csv; charset=utf-8", render};
