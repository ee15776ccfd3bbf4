/* What a database must do to hold a store: one ops table an engine (SQLite, PostgreSQL), the same
 * tables and the same statements over both.
 *
 * Statements are written in the SQL that both understand, parameters as ?1, ?2, ...; what SQLite's
 * planner must be told ("INDEXED BY name") the other leaves out. A call outside begin() and
 * commit() is a transaction of its own. Only the store's and the query's own files include this. */
#ifndef TAKT_REPORTS_STORE_ENGINE_H
#define TAKT_REPORTS_STORE_ENGINE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "reports/store/schema.h"

enum { STATEMENT_VALUES_MAX = 16 };

enum store_kind { VALUE_NULL, VALUE_INTEGER, VALUE_REAL, VALUE_TEXT };

struct store_value {
    enum store_kind kind;
    int64_t integer;
    double real; /* infinite ones are kept, not-a-number becomes NULL */
    const char *text;
};

/* An engine's own; each embeds nothing of the other's. */
struct store_connection;
struct store_statement;

struct store_engine {
    const char *name;
    bool (*takes)(const char *place); /* is this text a store of this engine? */
    /* A writer's connection, its tables made or migrated; or, for a reader, one through which
     * every write is refused (ERROR_MISSING when there is no store). */
    int (*open)(const char *place, bool reader, struct store_connection **out, struct error *err);
    void (*close)(struct store_connection *c);
    sqlite3 *(*handle)(struct store_connection *c); /* NULL where it is not SQLite */

    int (*begin)(struct store_connection *c, struct error *err);
    int (*commit)(struct store_connection *c, struct error *err); /* durable on return */
    void (*rollback)(struct store_connection *c);
    /* Several reads as of one moment, up to rollback(). Where a transaction is open already they
     * join it, and *began is false. */
    int (*snapshot)(struct store_connection *c, bool *began, struct error *err);
    /* What one call writes, kept or taken back as a whole within a transaction or as one. */
    int (*save)(struct store_connection *c, struct error *err);
    int (*keep)(struct store_connection *c, int rc, struct error *err);

    /* Prepared once, run as often as wanted: start, next while it answers 1, finish. Texts stay
     * the caller's until then. */
    int (*prepare)(struct store_connection *c, const char *sql, struct store_statement **out,
                   struct error *err);
    int (*start)(struct store_statement *s, const struct store_value *values, size_t count,
                 struct error *err);
    int (*next)(struct store_statement *s, struct error *err); /* 1 a row, 0 the end, negative */
    void (*finish)(struct store_statement *s);
    /* Before start(), within a snapshot: rows come a few thousand at a time, however many. */
    void (*in_portions)(struct store_statement *s);
    void (*release)(struct store_statement *s);

    /* Columns of the present row, from 0; texts live until next() or finish(). */
    int (*columns)(struct store_statement *s);
    const char *(*column)(struct store_statement *s, int column);
    enum store_kind (*kind)(struct store_statement *s, int column);
    int64_t (*integer)(struct store_statement *s, int column);
    double (*real)(struct store_statement *s, int column);
    const char *(*text)(struct store_statement *s, int column); /* "" for NULL */
};

extern const struct store_engine store_engine_sqlite, store_engine_postgresql;
const struct store_engine *store_engine_of(const char *place);

#endif
