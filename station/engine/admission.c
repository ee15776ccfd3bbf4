#include "station/engine/admission.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"

/* ---- asking the store ------------------------------------------------------------------------ */

struct last { /* of the runs that were looked for */
    int64_t run, started_ms, verdict, count;
    char text[128]; /* a column of text, when one was asked for */
};

/* One row of: run, started_ms, verdict, count, text. Texts are bound in their order, `number` last.
 * 1 with a row, 0 without, or a negative error. */
static int look(struct engine *e, struct last *out, struct error *err, const char *sql,
                int64_t number, const char *a, const char *b, const char *c, const char *d)
{
    const char *texts[] = {a, b, c, d};
    sqlite3_stmt *s = NULL;
    int at = 0;
    memset(out, 0, sizeof *out);
    if (sqlite3_prepare_v2(store_handle(e->store), sql, -1, &s, NULL) != SQLITE_OK)
        return error_set(err, ERROR_IO, "what the store knows of a unit: %s",
                         sqlite3_errmsg(store_handle(e->store)));
    for (size_t i = 0; i < 4 && texts[i]; i++)
        sqlite3_bind_text(s, ++at, texts[i], -1, SQLITE_STATIC);
    if (at < sqlite3_bind_parameter_count(s))
        sqlite3_bind_int64(s, at + 1, number);
    int got = sqlite3_step(s), rc = got == SQLITE_ROW;
    if (rc) {
        out->run = sqlite3_column_int64(s, 0);
        out->started_ms = sqlite3_column_int64(s, 1);
        out->verdict = sqlite3_column_int64(s, 2);
        out->count = sqlite3_column_int64(s, 3);
        const char *text = (const char *)sqlite3_column_text(s, 4);
        snprintf(out->text, sizeof out->text, "%s", text ? text : "");
    } else if (got != SQLITE_DONE) {
        rc = error_set(err, ERROR_IO, "what the store knows of a unit: %s",
                       sqlite3_errmsg(store_handle(e->store)));
    }
    sqlite3_finalize(s);
    return rc;
}

/* A unit by its chip where that is known, else by its serial; ?1 chip, ?2 serial. */
#define OF_UNIT                                                                                    \
    " FROM run r LEFT JOIN unit u ON u.id = r.unit JOIN product p ON p.id = r.product"             \
    " JOIN file_version f ON f.id = r.plan"                                                        \
    " WHERE r.mode = 'production' AND ((?1 <> '' AND u.id = (SELECT id FROM unit WHERE"            \
    " chip_id = ?1)) OR (?1 = '' AND ?2 <> '' AND r.unit IN (SELECT id FROM unit WHERE"            \
    " serial = ?2)))"

/* ---- the golden unit ------------------------------------------------------------------------- */

static bool is_golden(const struct plan_policy *policy, const char *serial)
{
    for (size_t i = 0; i < policy->golden_count; i++)
        if (strcmp(policy->golden[i], serial) == 0)
            return true;
    return false;
}

static const char *golden_state(const struct plan_policy *policy, int found, const struct last *l)
{
    const int64_t age_ms = clock_wall_ms() - l->started_ms;
    if (found <= 0)
        return "never";
    if (l->verdict != VERDICT_PASS)
        return "out_of_band";
    /* One from the future tells of a clock that was set back, not of an instrument. */
    return age_ms < 0 || age_ms > (int64_t)policy->golden_every_s * 1000 ? "overdue" : "ok";
}

static int last_golden(struct engine *e, const char *product, const char *plan, struct last *l,
                       struct error *err)
{
    return look(e, l, err,
                "SELECT r.id, r.started_ms, r.verdict, 0, '' FROM run r"
                " JOIN product p ON p.id = r.product JOIN file_version f ON f.id = r.plan"
                " JOIN station s ON s.id = r.station"
                " WHERE r.mode <> 'production' AND r.mode = 'golden' AND r.verdict <> 0"
                " AND p.name = ?1 AND f.name = ?2 AND s.name = ?3 ORDER BY r.id DESC LIMIT 1",
                0, product, plan, e->station->station, NULL);
}

static int check_golden(struct engine *e, const struct plan *plan, struct error *err)
{
    struct last l;
    const struct plan_policy *policy = &plan->policy;
    if (!policy->golden_count)
        return 0;
    int found = last_golden(e, plan->product, plan->name, &l, err);
    if (found < 0)
        return found;
    const char *state = golden_state(policy, found, &l);
    if (strcmp(state, "ok") == 0)
        return 0;
    if (strcmp(state, "never") == 0)
        return error_set(err, ERROR_REFUSED,
                         "production waits for the golden unit %s, which was never run here: put "
                         "it in and run it in mode golden",
                         policy->golden[0]);
    if (strcmp(state, "overdue") == 0)
        return error_set(err, ERROR_REFUSED,
                         "production is stopped: the golden unit %s is overdue (every %g h): run "
                         "it in mode golden",
                         policy->golden[0], policy->golden_every_s / 3600.0);
    return error_set(err, ERROR_REFUSED,
                     "production is stopped: the golden unit was out of its band in run %lld: look "
                     "at the fixture and its instruments, then run it again in mode golden",
                     (long long)l.run);
}

cJSON *admission_golden(struct engine *e, const char *product, const char *plan,
                        const struct plan_policy *policy)
{
    struct last l;
    struct error ignored;
    if (!policy->golden_count)
        return NULL;
    int found = last_golden(e, product, plan, &l, &ignored);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "plan", plan);
    cJSON *serials = cJSON_AddArrayToObject(o, "serials");
    for (size_t i = 0; i < policy->golden_count; i++)
        cJSON_AddItemToArray(serials, cJSON_CreateString(policy->golden[i]));
    cJSON_AddStringToObject(o, "state", golden_state(policy, found, &l));
    if (found > 0) {
        cJSON_AddNumberToObject(o, "run", (double)l.run);
        cJSON_AddNumberToObject(o, "last_ms", (double)l.started_ms);
        cJSON_AddNumberToObject(o, "due_ms",
                                (double)l.started_ms + policy->golden_every_s * 1000.0);
    }
    return o;
}

/* ---- the order ------------------------------------------------------------------------------- */

int admission_open(struct engine *e, const struct plan *plan, const char *order, const char *mode,
                   struct error *err)
{
    struct last l;
    if (strcmp(mode, "production") != 0)
        return 0;
    int found = look(e, &l, err,
                     "SELECT w.id, 0, 0, 0, p.name FROM work_order w JOIN product p"
                     " ON p.id = w.product WHERE w.name = ?1",
                     0, order, NULL, NULL, NULL);
    if (found < 0)
        return found;
    if (found && strcmp(l.text, plan->product) != 0)
        return error_set(err, ERROR_REFUSED,
                         "order %s is for product %s, not for %s: scan the order of these units, "
                         "or choose a plan of %s",
                         order, l.text, plan->product, l.text);
    return check_golden(e, plan, err);
}

int64_t admission_ordinal(struct engine *e, const struct run *run)
{
    struct last l;
    struct error ignored;
    if (strcmp(run->mode, "production") != 0)
        return 0;
    int found = look(e, &l, &ignored,
                     "SELECT 0, 0, 0, count(*), '' FROM run r JOIN work_order w"
                     " ON w.id = r.work_order JOIN file_version f ON f.id = r.plan"
                     " WHERE w.name = ?1 AND f.name = ?2 AND r.mode = 'production' AND r.id < ?3",
                     run->id ? run->id : INT64_MAX, run->order, run->plan->name, NULL, NULL);
    return found > 0 ? l.count + 1 : 0;
}

/* ---- the unit -------------------------------------------------------------------------------- */

static const char *name_of(const struct run *run)
{
    return run->serial[0] ? run->serial : run->chip_id;
}

static int check_product(struct engine *e, const struct run *run, struct error *err)
{
    struct last l;
    int found = look(e, &l, err,
                     "SELECT r.id, r.started_ms, r.verdict, 0, p.name" OF_UNIT
                     " AND p.name <> ?3 AND r.id <> ?4 ORDER BY r.id DESC LIMIT 1",
                     run->id, run->chip_id, run->serial, run->plan->product, NULL);
    if (found <= 0)
        return found;
    return error_set(err, ERROR_REFUSED,
                     "unit %s is a %s (run %lld), not a %s: take it out and put it back to the "
                     "units of its product",
                     name_of(run), l.text, (long long)l.run, run->plan->product);
}

static int check_duplicate(struct engine *e, const struct run *run, struct error *err)
{
    struct last l;
    if (!run->chip_id[0] || !run->serial[0])
        return 0;
    int found = look(e, &l, err,
                     "SELECT r.id, 0, 0, 0, u.chip_id FROM unit u JOIN run r ON r.unit = u.id"
                     " WHERE u.serial = ?1 AND u.chip_id <> ?2 AND r.mode = 'production'"
                     " AND r.verdict = 1 ORDER BY r.id DESC LIMIT 1",
                     0, run->serial, run->chip_id, NULL, NULL);
    if (found <= 0)
        return found;
    return error_set(err, ERROR_REFUSED,
                     "serial %s belongs to chip %s, which passed in run %lld, and this is chip %s: "
                     "two units bear one label; set this one aside for a technician",
                     run->serial, l.text, (long long)l.run, run->chip_id);
}

static int check_route(struct engine *e, const struct run *run, struct error *err)
{
    const struct plan_policy *policy = &run->plan->policy;
    for (size_t i = 0; i < policy->route_count; i++) {
        struct last l;
        int found = look(e, &l, err,
                         "SELECT r.id, r.started_ms, r.verdict, 0, ''" OF_UNIT
                         " AND p.name = ?3 AND f.name = ?4 AND r.verdict <> 0"
                         " ORDER BY r.id DESC LIMIT 1",
                         0, run->chip_id, run->serial, run->plan->product, policy->route[i]);
        if (found < 0)
            return found;
        if (found && l.verdict == VERDICT_PASS)
            continue;
        return error_set(err, ERROR_REFUSED, "unit %s has not %s plan %s: take it there first",
                         name_of(run), found ? "passed its last run of" : "been through",
                         policy->route[i]);
    }
    return 0;
}

/* How often it came since it last passed, or since its last repair. */
static int check_retest(struct engine *e, const struct run *run, struct error *err)
{
    const struct plan_policy *policy = &run->plan->policy;
    struct last l;
    if (policy->retests < 0 && !policy->pass_is_final)
        return 0;
    int found =
        look(e, &l, err,
             "SELECT r.id, r.started_ms, r.verdict, 0, ''" OF_UNIT
             " AND f.name = ?3 AND r.verdict <> 0 AND r.id <> ?4 ORDER BY r.id DESC LIMIT 1",
             run->id, run->chip_id, run->serial, run->plan->name, NULL);
    if (found <= 0)
        return found;
    if (l.verdict == VERDICT_PASS)
        return !policy->pass_is_final
                   ? 0
                   : error_set(err, ERROR_REFUSED,
                               "unit %s passed already, in run %lld: put it to the good ones; a "
                               "technician may have it tested again",
                               name_of(run), (long long)l.run);
    if (policy->retests < 0)
        return 0;
    /* Failures since the last pass; with after_repair since the last repair, if that is later. */
    const char *since = policy->after_repair
                            ? "SELECT 0, 0, 0, count(*), ''" OF_UNIT
                              " AND f.name = ?3 AND r.verdict IN (2, 3, 4) AND r.id <> ?4"
                              " AND r.ended_ms > ifnull((SELECT max(x.done_ms) FROM repair x"
                              " JOIN defect d ON d.id = x.defect WHERE d.unit = r.unit), -1)"
                            : "SELECT 0, 0, 0, count(*), ''" OF_UNIT
                              " AND f.name = ?3 AND r.verdict IN (2, 3, 4) AND r.id <> ?4";
    found = look(e, &l, err, since, run->id, run->chip_id, run->serial, run->plan->name, NULL);
    if (found < 0 || l.count <= policy->retests)
        return found < 0 ? found : 0;
    return error_set(err, ERROR_REFUSED,
                     "unit %s did not pass %lld times, %d retests are allowed: %s", name_of(run),
                     (long long)l.count, policy->retests,
                     policy->after_repair
                         ? "it goes to repair; once that is on record (takt repair) it may come "
                           "again"
                         : "set it aside; a technician may have it tested again");
}

int admission_unit(struct engine *e, const struct run *run, bool again, struct error *err)
{
    const bool golden = is_golden(&run->plan->policy, run->serial);
    if (strcmp(run->mode, "golden") == 0 && run->serial[0] && !golden)
        return error_set(
            err, ERROR_REFUSED, "%s is none of the golden units of plan %s (%s): put that one in",
            run->serial, run->plan->name,
            run->plan->policy.golden_count ? run->plan->policy.golden[0] : "it names none");
    if (strcmp(run->mode, "production") != 0)
        return 0;
    if (golden)
        return error_set(err, ERROR_REFUSED,
                         "%s is the golden unit: it is not for production; run it in mode golden",
                         run->serial);
    int rc = check_product(e, run, err);
    if (!rc)
        rc = check_duplicate(e, run, err);
    if (!rc)
        rc = check_route(e, run, err);
    if (!rc && !again)
        rc = check_retest(e, run, err);
    return rc;
}
