/* The store's tables and how an older store becomes the present one, for every engine.
 * docs/records.md says what every table means. */
#ifndef TAKT_REPORTS_STORE_SCHEMA_H
#define TAKT_REPORTS_STORE_SCHEMA_H

#include "reports/store_schema.h"

/* What the tables refuse, whoever holds the handle: `when` (an expression over old and new) before
 * `event` on `table`. */
struct store_rule {
    const char *name, *event, *table;
    const char *when; /* NULL = always */
    const char *message;
};

/* Version n+1 is reached by store_migrations[n]: tables in SQLite's words (PostgreSQL's engine
 * knows INTEGER PRIMARY KEY, INTEGER, REAL, TEXT, STRICT and WITHOUT ROWID in its own), then the
 * rules, NULL name last. */
struct store_migration {
    const char *tables;
    const struct store_rule *rules;
};
extern const struct store_migration store_migrations[STORE_VERSION];

/* The rule as a trigger of SQLite. */
int store_rule_make(sqlite3 *db, const struct store_rule *r, struct error *err);

#endif
