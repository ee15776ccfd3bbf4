/* The next message for a destination, made from the record. */
#include <stdio.h>
#include <string.h>

#include "reports/outbox.h"
#include "reports/outbox/connector.h"
#include "reports/query.h"
#include "reports/query_rows.h"

/* The key: a UUID of the store's name, the run, and when it began. A store
 * that was put back from a copy uses run numbers again, but not at the same times. */
static int key_of(struct store *s, int64_t run, char key[OUTBOX_UUID_TEXT], struct error *err)
{
    char text[120];
    struct rows *st = rows_open(s, err,
                                "SELECT i.name, r.started_ms FROM store_identity i, run r"
                                " WHERE r.id=?1",
                                "i", run);
    int rc = st ? rows_next(st, err) : err->code;
    if (rc == 1) {
        snprintf(text, sizeof text, "%.32s %lld %lld", rows_bytes(st, 0), (long long)run,
                 (long long)rows_integer(st, 1));
        rc = outbox_uuid(text, key, err);
    } else if (rc == 0) {
        rc = error_set(err, ERROR_MISSING, "the store has no run %lld", (long long)run);
    }
    rows_close(st);
    return rc;
}

static int compose(struct store *s, int64_t run, char key[OUTBOX_UUID_TEXT], cJSON **out,
                   struct error *err)
{
    int rc = key_of(s, run, key, err);
    if (!rc)
        rc = query_run(s, run, out, err);
    if (rc)
        return rc;
    rc = rows_array(rows_open(s, err,
                              "SELECT i.class, i.name, i.serial, c.certificate, c.calibrated_on,"
                              " c.due_on FROM run r JOIN tooling_part p ON p.tooling=r.tooling"
                              " JOIN calibration c ON c.id=p.calibration JOIN instrument i ON"
                              " i.id=c.instrument WHERE r.id=?1 ORDER BY c.id",
                              "i", run),
                    *out, "instruments", err);
    if (rc)
        cJSON_Delete(*out);
    return rc;
}

int outbox_next(struct store *s, const char *destination, cJSON **out, struct error *err)
{
    char key[OUTBOX_UUID_TEXT];
    cJSON *run = NULL;
    int64_t id = 0, number = 0;
    struct rows *st = rows_open(s, err,
                                "SELECT o.id, o.run FROM outbox o WHERE o.state=0 AND"
                                " o.destination=(SELECT id FROM destination WHERE name=?1)"
                                " ORDER BY o.id LIMIT 1",
                                "t", destination);
    int rc = st ? rows_next(st, err) : err->code;
    if (rc == 1) {
        id = rows_integer(st, 0);
        number = rows_integer(st, 1);
    }
    rows_close(st);
    *out = NULL;
    if (rc != 1 || (rc = compose(s, number, key, &run, err)))
        return rc;
    *out = cJSON_CreateObject();
    cJSON_AddStringToObject(*out, "destination", destination);
    cJSON_AddNumberToObject(*out, "id", (double)id);
    cJSON_AddStringToObject(*out, "key", key);
    cJSON_AddItemToObject(*out, "run", run);
    return 0;
}
