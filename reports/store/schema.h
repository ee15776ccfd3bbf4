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

/* The tallies from the runs alone: for a store that had none, and where runs left it or were lost.
 * Each is what store_run_close() adds to. STORE_TALLY and its like select what a table must hold.
 */
#define STORE_TALLY                                                                                \
    "SELECT started_ms / 900000, ended_ms / 60000, station, count(*),"                             \
    " sum(CASE WHEN verdict = 1 THEN 1 ELSE 0 END), min(id)"                                       \
    " FROM run WHERE mode = 'production' AND verdict BETWEEN 1 AND 4 GROUP BY 1, 2, 3"
#define STORE_TALLY_FAILURE                                                                        \
    "SELECT r.started_ms / 900000, s.name, coalesce(m.figure, 0), r.station, count(*)"             \
    " FROM run r JOIN step s ON s.run = r.id LEFT JOIN measurement m ON m.run = s.run AND"         \
    " m.step = s.step AND m.attempt = s.attempt AND m.verdict = 2 WHERE"                           \
    " r.mode = 'production' AND r.verdict IN (2, 3, 4)"                                            \
    " AND s.verdict IN (2, 3, 4) AND s.attempt = (SELECT max(l.attempt) FROM step l WHERE"         \
    " l.run = s.run AND l.step = s.step) GROUP BY 1, 2, 3, 4"
#define STORE_RUN_AGAIN                                                                            \
    "SELECT id, previous FROM (SELECT id, lag(id) OVER (PARTITION BY unit ORDER BY id) AS"         \
    " previous FROM run WHERE unit IS NOT NULL AND mode = 'production' AND verdict BETWEEN 1 AND " \
    "4) q"                                                                                         \
    " WHERE previous IS NOT NULL"
#define STORE_TALLIES_FILL                                                                         \
    "INSERT INTO tally " STORE_TALLY ";"                                                           \
    "INSERT INTO tally_failure " STORE_TALLY_FAILURE ";"                                           \
    "INSERT INTO run_again " STORE_RUN_AGAIN ";"
#define STORE_TALLIES_EMPTY "DELETE FROM tally; DELETE FROM tally_failure; DELETE FROM run_again;"

/* The rule as a trigger of SQLite. */
int store_rule_make(sqlite3 *db, const struct store_rule *r, struct error *err);

#endif
