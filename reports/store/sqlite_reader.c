/* A reader's handle: it sees committed states, and cannot write. */
#include <errno.h>
#include <unistd.h>

#include "reports/store.h"
#include "reports/store_schema.h"

int store_file_open(const char *store_path, sqlite3 **out, struct error *err)
{
    if (store_is_address(store_path))
        return error_set(err, ERROR_INPUT,
                         "%s is the address of a line's store: this needs a station's own, a file",
                         store_path);
    sqlite3 *db = NULL;
    int rc = 0, version = 0;
    if (access(store_path, F_OK))
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "no store at %s",
                           store_path);
    if (sqlite3_open_v2(store_path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        rc = store_fail(db, err, "cannot open the store to read it");
        goto out;
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 5000);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (sqlite3_exec(db, "PRAGMA query_only=ON", NULL, NULL, NULL) != SQLITE_OK) {
        rc = store_fail(db, err, "cannot read the store");
        goto out;
    }
    rc = store_schema_check(db, store_path, &version, err);
    if (!rc && version == 0)
        rc = error_set(err, ERROR_MISSING, "%s is an empty store", store_path);
out:
    if (rc)
        sqlite3_close(db);
    else
        *out = db;
    return rc;
}
