/* The pool's tables; docs/records.md says what they mean. Only the pool's own files include this.
 */
#ifndef TAKT_PROVISIONING_POOL_SCHEMA_H
#define TAKT_PROVISIONING_POOL_SCHEMA_H

#include <sqlite3.h>

#include "protocol/base/error.h"

enum { POOL_VERSION = 5 };

/* Makes or migrates; ERROR_STATE for tables of a newer version. */
int pool_schema_migrate(sqlite3 *db, struct error *err);

#endif
