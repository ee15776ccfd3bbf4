/* The store in a PostgreSQL database, for stations that share one.
 *
 * A connection that is lost takes its transaction with it; the next begin connects again. Whether a
 * commit whose answer was lost took place cannot be known from here: who must know writes a key
 * with it (store_received). Texts that are not UTF-8 cannot be kept by PostgreSQL: wrong bytes
 * become U+FFFD. */
#include <libpq-fe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/buffer.h"
#include "reports/store/engine.h"
#include "reports/utf8.h"

enum {
    CONNECT_TIMEOUT_S = 5,
    MIGRATE_LOCK = 0x54414b54, /* advisory: one program migrates at a time */
    CALL_BYTES_MAX = 1 << 24,
    PORTION_ROWS = 4096,
    /* Types of columns, pg_type.dat. */
    OID_BIGINT = 20,
    OID_SMALLINT = 21,
    OID_INTEGER = 23,
    OID_REAL = 700,
    OID_DOUBLE = 701,
    OID_NUMERIC = 1700,
};

struct store_connection {
    PGconn *pg;
    char *place;
    bool reader;
    bool begun;          /* between begin and commit */
    bool own;            /* save() began a transaction of its own */
    bool lost;           /* the connection broke within a transaction */
    unsigned generation; /* of the connection: what was prepared before is gone */
    unsigned prepared;   /* names statements */
};

struct store_statement {
    struct store_connection *connection;
    char name[16];
    struct buffer sql;
    unsigned generation; /* in which it was prepared; 0 = never */
    bool again;          /* run before: worth preparing */
    bool portions;       /* rows come from a cursor of its name */
    PGresult *result;
    int row;             /* of the present row, -1 before the first */
    struct buffer texts; /* values on their way out, texts made UTF-8 */
};

static bool takes(const char *place)
{
    return !strncmp(place, "postgresql://", 13) || !strncmp(place, "postgres://", 11);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* SQLSTATE classes: PostgreSQL 15, appendix A. */
static int code_of(const char *state)
{
    static const struct {
        const char *prefix;
        int code;
    } codes[] = {
        {"23", ERROR_STATE},                                /* integrity constraint */
        {"P0001", ERROR_STATE},                             /* raised by a rule of the schema */
        {"42501", ERROR_REFUSED}, {"25006", ERROR_REFUSED}, /* privilege, read-only */
        {"28", ERROR_REFUSED},                              /* who are you */
        {"53100", ERROR_FULL},    {"53200", ERROR_MEMORY},
        {"40", ERROR_BUSY}, /* deadlock, serialization: try again */
        {"55P03", ERROR_BUSY},    {"57014", ERROR_TIMEOUT},
        {"57P", ERROR_CLOSED}, /* shutting down, starting up */
        {"08", ERROR_CLOSED},     {"22", ERROR_INPUT},
        {"3D000", ERROR_MISSING}, {"42P01", ERROR_MISSING}, /* database, table */
    };
    for (size_t i = 0; state && i < sizeof codes / sizeof codes[0]; i++)
        if (!strncmp(state, codes[i].prefix, strlen(codes[i].prefix)))
            return codes[i].code;
    return ERROR_IO;
}

/* libpq ends its messages with a newline and may put several lines into one. */
static int fail(struct store_connection *c, const PGresult *result, struct error *err)
{
    char text[360];
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *said = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    bool broken = PQstatus(c->pg) != CONNECTION_OK;
    snprintf(text, sizeof text, "%s", said ? said : PQerrorMessage(c->pg));
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = p[1] ? ' ' : '\0';
    if (broken && (c->begun || c->own))
        c->lost = true;
    int code = broken && !state ? ERROR_CLOSED : code_of(state);
    const char *host = PQhost(c->pg), *database = PQdb(c->pg);
    return error_set(err, code, "the store %s at %s: %s%s%s%s", database ? database : "",
                     host ? host : "", text, state ? " (" : "", state ? state : "",
                     state ? ")" : "");
}

static int execute(struct store_connection *c, const char *sql, struct error *err)
{
    PGresult *r = PQexec(c->pg, sql);
    ExecStatusType status = PQresultStatus(r);
    int rc = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : fail(c, r, err);
    PQclear(r);
    return rc;
}

/* The first column of the first row, `fallback` where there is none. */
static int number(struct store_connection *c, const char *sql, int64_t *out, int64_t fallback,
                  struct error *err)
{
    PGresult *r = PQexec(c->pg, sql);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : fail(c, r, err);
    if (!rc)
        *out = PQntuples(r) > 0 && !PQgetisnull(r, 0, 0) ? strtoll(PQgetvalue(r, 0, 0), NULL, 10)
                                                         : fallback;
    PQclear(r);
    return rc;
}

/* ---- the tables ------------------------------------------------------------------------------ */

/* SQLite's words for PostgreSQL's, the longest first. */
static const struct {
    const char *theirs, *ours;
} words[] = {
    {"INTEGER PRIMARY KEY CHECK", "BIGINT PRIMARY KEY CHECK"},
    {"INTEGER PRIMARY KEY", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"},
    {"INTEGER", "BIGINT"},
    {"REAL", "DOUBLE PRECISION"},
    {" STRICT, WITHOUT ROWID", ""},
    {" STRICT", ""},
};

static int append_tables(struct buffer *sql, const char *tables)
{
    int rc = 0;
    while (!rc && *tables) {
        size_t i = 0, n = sizeof words / sizeof words[0];
        while (i < n && strncmp(tables, words[i].theirs, strlen(words[i].theirs)) != 0)
            i++;
        if (i < n) {
            rc = buffer_append_text(sql, words[i].ours);
            tables += strlen(words[i].theirs);
        } else {
            rc = buffer_append(sql, tables++, 1);
        }
    }
    return rc;
}

static int append_rule(struct buffer *sql, const struct store_rule *r)
{
    int rc = buffer_printf(sql,
                           "CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                           " RAISE EXCEPTION '%s'; END $$;"
                           "CREATE TRIGGER %s BEFORE %s ON %s FOR EACH ROW",
                           r->name, r->message, r->name, r->event, r->table);
    if (!rc && r->when)
        rc = buffer_printf(sql, " WHEN (%s)", r->when);
    return rc ? rc : buffer_printf(sql, " EXECUTE FUNCTION %s();", r->name);
}

static int version_of(struct store_connection *c, int64_t *version, struct error *err)
{
    int64_t there = 0;
    *version = 0;
    int rc = number(c,
                    "SELECT count(*) FROM pg_class WHERE relname='store_version'"
                    " AND relnamespace=current_schema()::regnamespace",
                    &there, 0, err);
    if (!rc && there)
        rc = number(c, "SELECT version FROM store_version", version, 0, err);
    if (!rc && *version > STORE_VERSION)
        rc = error_set(err, ERROR_STATE,
                       "the store %s is of version %lld, this program knows up to %d: use the "
                       "newer program",
                       PQdb(c->pg), (long long)*version, STORE_VERSION);
    return rc;
}

static int migrate_once(struct store_connection *c, int64_t version, struct error *err)
{
    struct buffer sql = {0};
    int rc = buffer_append_text(&sql, version == 0
                                          ? "CREATE TABLE store_version(version BIGINT NOT NULL);"
                                            "INSERT INTO store_version VALUES (0);"
                                          : "");
    if (!rc)
        rc = append_tables(&sql, store_migrations[version].tables);
    for (const struct store_rule *r = store_migrations[version].rules; !rc && r->name; r++)
        rc = append_rule(&sql, r);
    if (!rc)
        rc = buffer_printf(&sql, "UPDATE store_version SET version=%lld;", (long long)version + 1);
    const char *text = rc ? NULL : buffer_text(&sql);
    rc = text ? execute(c, text, err)
              : error_set(err, ERROR_MEMORY, "cannot make the store's tables: out of memory");
    buffer_free(&sql);
    return rc;
}

/* The dashboard's role, where the database has one, may read everything and write nothing. */
static const char grants[] =
    "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname='takt_reader') THEN"
    " EXECUTE format('GRANT USAGE ON SCHEMA %I TO takt_reader', current_schema());"
    " EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO takt_reader', current_schema());"
    " END IF; END $$";

static int migrate(struct store_connection *c, struct error *err)
{
    char sql[64];
    int64_t version = 0;
    int rc = version_of(c, &version, err);
    if (rc || version == STORE_VERSION)
        return rc;
    snprintf(sql, sizeof sql, "BEGIN; SELECT pg_advisory_xact_lock(%d)", MIGRATE_LOCK);
    rc = execute(c, sql, err);
    if (!rc)
        rc = version_of(c, &version, err); /* another program may have migrated meanwhile */
    for (; !rc && version < STORE_VERSION; version++)
        rc = migrate_once(c, version, err);
    if (!rc)
        rc = execute(c, grants, err);
    if (!rc)
        rc = execute(c, "COMMIT", err);
    else
        PQclear(PQexec(c->pg, "ROLLBACK"));
    return rc;
}

/* ---- the connection -------------------------------------------------------------------------- */

static void quiet(void *context, const PGresult *result)
{
    (void)context; /* "already exists, skipping" is nobody's concern */
    (void)result;
}

/* A commit is on the disk before it is answered, whatever the server's default says. */
static int set_up(struct store_connection *c, struct error *err)
{
    PQsetNoticeReceiver(c->pg, quiet, NULL);
    c->generation++;
    int rc = execute(c,
                     "SET synchronous_commit=on; SET client_encoding='UTF8';"
                     " SET lock_timeout='10s'; SET statement_timeout='60s';"
                     " SET standard_conforming_strings=on; SET cursor_tuple_fraction=1",
                     err);
    if (!rc && c->reader)
        rc = execute(c, "SET default_transaction_read_only=on", err);
    return rc;
}

static int connect_again(struct store_connection *c, struct error *err)
{
    if (PQstatus(c->pg) == CONNECTION_OK)
        return 0;
    PQreset(c->pg);
    return PQstatus(c->pg) == CONNECTION_OK ? set_up(c, err) : fail(c, NULL, err);
}

static void close_connection(struct store_connection *c)
{
    if (!c)
        return;
    PQfinish(c->pg);
    free(c->place);
    free(c);
}

static int open_connection(const char *place, bool reader, struct store_connection **out,
                           struct error *err)
{
    struct store_connection *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(err, ERROR_MEMORY, "cannot open the store: out of memory");
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", CONNECT_TIMEOUT_S);
    /* The address comes second, so that what it says wins. */
    const char *const names[] = {"connect_timeout",
                                 "application_name",
                                 "tcp_user_timeout",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "dbname",
                                 NULL};
    const char *const values[] = {timeout, "takt", "10000", "10", "5", place, NULL};
    c->reader = reader;
    c->pg = PQconnectdbParams(names, values, 1);
    int rc = !c->pg ? error_set(err, ERROR_MEMORY, "cannot open the store: out of memory")
             : PQstatus(c->pg) != CONNECTION_OK ? fail(c, NULL, err)
                                                : set_up(c, err);
    if (!rc && !reader)
        rc = migrate(c, err);
    if (!rc && reader) {
        int64_t version = 0;
        rc = version_of(c, &version, err);
        if (!rc && version == 0)
            rc = error_set(err, ERROR_MISSING, "the database %s holds no store", PQdb(c->pg));
        else if (!rc && version < STORE_VERSION)
            rc = error_set(err, ERROR_STATE,
                           "the store %s is of version %lld, this program reads version %d: a "
                           "station that sends to it brings it forward, and so does takt store "
                           "migrate",
                           PQdb(c->pg), (long long)version, STORE_VERSION);
    }
    if (rc)
        close_connection(c);
    else
        *out = c;
    return rc;
}

/* ---- transactions ---------------------------------------------------------------------------- */

static int refuse_lost(struct store_connection *c, struct error *err)
{
    return c->lost
               ? error_set(err, ERROR_CLOSED, "the store's transaction went with its connection")
               : 0;
}

static void roll_back(struct store_connection *c)
{
    c->begun = c->own = c->lost = false;
    if (PQstatus(c->pg) == CONNECTION_OK && PQtransactionStatus(c->pg) != PQTRANS_IDLE)
        PQclear(PQexec(c->pg, "ROLLBACK"));
}

static int begin(struct store_connection *c, struct error *err)
{
    if (c->begun)
        return error_set(err, ERROR_STATE, "the store is in a transaction already");
    int rc = connect_again(c, err);
    if (!rc)
        rc = execute(c, "BEGIN", err);
    c->begun = rc == 0;
    c->lost = false;
    return rc;
}

/* PostgreSQL answers COMMIT with ROLLBACK when a statement before it failed. */
static int end(struct store_connection *c, struct error *err)
{
    PGresult *r = PQexec(c->pg, "COMMIT");
    int rc = 0;
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        rc = fail(c, r, err);
    else if (strcmp(PQcmdStatus(r), "COMMIT") != 0)
        rc = error_set(err, ERROR_IO, "the store's transaction was taken back by PostgreSQL");
    PQclear(r);
    return rc;
}

static int snapshot(struct store_connection *c, bool *began, struct error *err)
{
    *began = false;
    if (c->begun || c->own)
        return 0;
    int rc = connect_again(c, err);
    if (!rc)
        rc = execute(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    *began = c->begun = rc == 0;
    c->lost = false;
    return rc;
}

static int commit(struct store_connection *c, struct error *err)
{
    if (!c->begun)
        return error_set(err, ERROR_STATE, "no transaction of the store is open");
    int rc = refuse_lost(c, err);
    if (!rc)
        rc = end(c, err);
    roll_back(c);
    return rc;
}

static int save(struct store_connection *c, struct error *err)
{
    int rc = refuse_lost(c, err);
    if (!rc && !c->begun) {
        rc = connect_again(c, err);
        if (!rc)
            rc = execute(c, "BEGIN", err);
        c->own = rc == 0;
        return rc;
    }
    return rc ? rc : execute(c, "SAVEPOINT record", err);
}

static int keep(struct store_connection *c, int rc, struct error *err)
{
    if (c->own) {
        if (rc == 0)
            rc = refuse_lost(c, err);
        if (rc == 0)
            rc = end(c, err);
        roll_back(c);
        return rc;
    }
    if (rc == 0 && (rc = execute(c, "RELEASE record", err)) == 0)
        return 0;
    if (!c->lost)
        execute(c, "ROLLBACK TO record; RELEASE record", NULL);
    return rc;
}

/* ---- statements ------------------------------------------------------------------------------ */

static int prepare(struct store_connection *c, const char *sql, struct store_statement **out,
                   struct error *err)
{
    struct store_statement *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "the store's statements: out of memory");
    s->connection = c;
    s->texts.limit_bytes = CALL_BYTES_MAX;
    snprintf(s->name, sizeof s->name, "s%u", ++c->prepared);
    int rc = 0;
    static const char hint[] = " INDEXED BY ";
    while (*sql && !rc) {
        if (!strncmp(sql, hint, sizeof hint - 1)) {
            sql += sizeof hint - 1;
            sql += strcspn(sql, " ");
            continue;
        }
        rc = buffer_append(&s->sql, *sql == '?' ? "$" : sql, 1);
        sql++;
    }
    if (rc || !buffer_text(&s->sql)) {
        buffer_free(&s->sql);
        free(s);
        return error_set(err, ERROR_MEMORY, "the store's statements: out of memory");
    }
    *out = s;
    return 0;
}

static void finish(struct store_statement *s)
{
    char sql[32];
    if (s->portions && s->result && PQtransactionStatus(s->connection->pg) == PQTRANS_INTRANS) {
        snprintf(sql, sizeof sql, "CLOSE %s", s->name);
        execute(s->connection, sql, NULL);
    }
    PQclear(s->result);
    s->result = NULL;
    s->row = -1;
}

static void in_portions(struct store_statement *s)
{
    s->portions = true;
}

static int fetch(struct store_statement *s, struct error *err)
{
    char sql[48];
    snprintf(sql, sizeof sql, "FETCH %d FROM %s", PORTION_ROWS, s->name);
    PQclear(s->result);
    s->row = -1;
    s->result = PQexec(s->connection->pg, sql);
    if (PQresultStatus(s->result) == PGRES_TUPLES_OK)
        return 0;
    int rc = fail(s->connection, s->result, err);
    PQclear(s->result);
    s->result = NULL;
    return rc;
}

/* A statement that is run once leaves nothing behind on the server. */
static int prepare_there(struct store_statement *s, struct error *err)
{
    struct store_connection *c = s->connection;
    if (s->generation == c->generation)
        return 0;
    PGresult *r = PQprepare(c->pg, s->name, buffer_text(&s->sql), 0, NULL);
    int rc = PQresultStatus(r) == PGRES_COMMAND_OK ? 0 : fail(c, r, err);
    PQclear(r);
    if (!rc)
        s->generation = c->generation;
    return rc;
}

static int send(struct store_statement *s, const char *const *given, int count, struct error *err)
{
    struct store_connection *c = s->connection;
    struct buffer sql = {0};
    int rc = 0;
    if (s->portions) {
        rc = buffer_printf(&sql, "DECLARE %s NO SCROLL CURSOR FOR %s", s->name,
                           buffer_text(&s->sql));
        const char *text = rc ? NULL : buffer_text(&sql);
        if (!text)
            return error_set(err, ERROR_MEMORY, "the store's statements: out of memory");
        s->result = PQexecParams(c->pg, text, count, NULL, given, NULL, NULL, 0);
        buffer_free(&sql);
    } else if (s->again) {
        if ((rc = prepare_there(s, err)))
            return rc;
        s->result = PQexecPrepared(c->pg, s->name, count, given, NULL, NULL, 0);
    } else {
        s->again = true;
        s->result = PQexecParams(c->pg, buffer_text(&s->sql), count, NULL, given, NULL, NULL, 0);
    }
    ExecStatusType status = PQresultStatus(s->result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        rc = fail(c, s->result, err);
        PQclear(s->result);
        s->result = NULL;
    }
    return rc || !s->portions ? rc : fetch(s, err);
}

static int put_value(struct buffer *b, const struct store_value *v)
{
    int rc;
    if (v->kind == VALUE_INTEGER)
        rc = buffer_printf(b, "%lld", (long long)v->integer);
    else if (v->kind == VALUE_REAL && isinf(v->real))
        rc = buffer_append_text(b, v->real > 0 ? "Infinity" : "-Infinity");
    else if (v->kind == VALUE_REAL)
        rc = buffer_printf(b, "%.17g", v->real);
    else
        rc = utf8_append_clean(b, v->text);
    return rc ? rc : buffer_append(b, "", 1);
}

static int start(struct store_statement *s, const struct store_value *values, size_t count,
                 struct error *err)
{
    struct store_connection *c = s->connection;
    size_t at[STATEMENT_VALUES_MAX];
    const char *given[STATEMENT_VALUES_MAX];
    int rc = refuse_lost(c, err);
    finish(s);
    /* Within a transaction a broken connection stays broken until the transaction is given up. */
    if (!rc && !c->begun && !c->own)
        rc = connect_again(c, err);
    s->texts.size = 0;
    for (size_t i = 0; !rc && i < count; i++) {
        at[i] = s->texts.size;
        if (values[i].kind != VALUE_NULL && put_value(&s->texts, &values[i]))
            rc = error_set(err, ERROR_MEMORY, "a call's values: too large, or out of memory");
    }
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++)
        given[i] = values[i].kind == VALUE_NULL ? NULL : (const char *)s->texts.data + at[i];
    return send(s, given, (int)count, err);
}

static int next(struct store_statement *s, struct error *err)
{
    if (s->result && ++s->row < PQntuples(s->result))
        return 1;
    if (!s->result || !s->portions || PQntuples(s->result) < PORTION_ROWS)
        return 0;
    int rc = fetch(s, err);
    return rc ? rc : ++s->row < PQntuples(s->result);
}

static void release(struct store_statement *s)
{
    struct store_connection *c = s->connection;
    char sql[32];
    finish(s);
    if (s->generation && s->generation == c->generation && PQstatus(c->pg) == CONNECTION_OK &&
        PQtransactionStatus(c->pg) != PQTRANS_INERROR) {
        snprintf(sql, sizeof sql, "DEALLOCATE %s", s->name);
        execute(c, sql, NULL);
    }
    buffer_free(&s->sql);
    buffer_free(&s->texts);
    free(s);
}

static int columns(struct store_statement *s)
{
    return PQnfields(s->result);
}

static const char *column(struct store_statement *s, int column)
{
    return PQfname(s->result, column);
}

static enum store_kind kind(struct store_statement *s, int column)
{
    if (PQgetisnull(s->result, s->row, column))
        return VALUE_NULL;
    switch (PQftype(s->result, column)) {
    case OID_BIGINT:
    case OID_SMALLINT:
    case OID_INTEGER:
        return VALUE_INTEGER;
    case OID_REAL:
    case OID_DOUBLE:
    case OID_NUMERIC: /* a sum */
        return VALUE_REAL;
    default:
        return VALUE_TEXT;
    }
}

static const char *text(struct store_statement *s, int column)
{
    return PQgetvalue(s->result, s->row, column); /* "" for NULL */
}

static int64_t integer(struct store_statement *s, int column)
{
    return strtoll(text(s, column), NULL, 10);
}

static double real(struct store_statement *s, int column)
{
    return strtod(text(s, column), NULL); /* knows "Infinity" */
}

const struct store_engine store_engine_postgresql = {
    .name = "postgresql",
    .takes = takes,
    .open = open_connection,
    .close = close_connection,
    .begin = begin,
    .commit = commit,
    .rollback = roll_back,
    .snapshot = snapshot,
    .save = save,
    .keep = keep,
    .prepare = prepare,
    .start = start,
    .next = next,
    .finish = finish,
    .in_portions = in_portions,
    .release = release,
    .columns = columns,
    .column = column,
    .kind = kind,
    .integer = integer,
    .real = real,
    .text = text,
};
