#include "provisioning/session_refusal.h"

#include <stdio.h>

#include <cjson/cJSON.h>

#include "provisioning/audit.h"
#include "provisioning/database.h"
#include "provisioning/pool.h"

/* 1 = *chip_id has it, 0 there is none. */
static int finalized_unit(sqlite3 *db, const char *serial, char chip_id[33], struct error *err)
{
    sqlite3_stmt *st = database_prepare(
        db, err, "SELECT chip_id FROM identity WHERE serial=?1 AND ?1<>'' AND state=?2", "ti",
        serial, (sqlite3_int64)IDENTITY_CONFIRMED);
    if (!st)
        return err->code;
    const int rc = database_step(db, st, err, "cannot look for a finalized unit");
    if (rc == 1)
        snprintf(chip_id, 33, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return rc;
}

int session_refused(sqlite3 *db, const struct session_refusal *r, struct error *err)
{
    char finalized[33] = "";
    if (!r->chip_id[0]) {
        const int found = finalized_unit(db, r->serial, finalized, err);
        if (found != 1)
            return found;
    }
    cJSON *detail = cJSON_CreateObject();
    cJSON_AddStringToObject(detail, "gate", r->gate);
    cJSON_AddStringToObject(detail, "why", r->why);
    cJSON_AddStringToObject(detail, "order", r->order);
    cJSON_AddStringToObject(detail, "station", r->station);
    cJSON_AddNumberToObject(detail, "slot", r->slot);
    const struct audit_entry entry = {.wall_ms = r->wall_ms,
                                      .actor = r->actor,
                                      .action = "session.refuse",
                                      .subject = r->chip_id[0] ? r->chip_id : finalized};
    return audit_append_object(db, entry, detail, err);
}
