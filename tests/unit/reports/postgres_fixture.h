/* A real PostgreSQL of this machine in a temporary folder, reached by its socket alone. It refuses
 * to run as root: root becomes `nobody` for it. Include after cmocka.h. */
#ifndef TAKT_TESTS_POSTGRES_FIXTURE_H
#define TAKT_TESTS_POSTGRES_FIXTURE_H

#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"

struct postgres_fixture {
    char folder[64];
    int databases;
};

static inline int postgres_run(const struct postgres_fixture *p, const char *command)
{
    char whole[1024];
    snprintf(whole, sizeof whole,
             "cd %s && PATH=$PATH:/usr/lib/postgresql/15/bin && %s sh -c '%s' >>%s/log 2>&1",
             p->folder, getuid() ? "" : "setpriv --reuid nobody --regid nogroup --clear-groups",
             command, p->folder);
    return system(whole);
}

static inline int postgres_start(const struct postgres_fixture *p)
{
    char command[256];
    snprintf(command, sizeof command,
             "pg_ctl -D %s/data -w -t 30 -l %s/server.log -o \"-k %s -h \\\"\\\"\" start",
             p->folder, p->folder, p->folder);
    return postgres_run(p, command);
}

/* `mode`: "fast", or "immediate", which is a crash: the next start recovers from its log. */
static inline int postgres_stop(const struct postgres_fixture *p, const char *mode)
{
    char command[200];
    snprintf(command, sizeof command, "pg_ctl -D %s/data -w -t 30 -m %s stop", p->folder, mode);
    return postgres_run(p, command);
}

/* A server in p's folder, which is there. */
static inline int postgres_begin(const struct postgres_fixture *p)
{
    char command[512];
    snprintf(command, sizeof command,
             "chmod 755 %s && touch %s/log && chmod 666 %s/log && if [ $(id -u) = 0 ]; then chown "
             "nobody %s; fi",
             p->folder, p->folder, p->folder, p->folder);
    if (system(command))
        return -1;
    if (postgres_run(p, "initdb -D data -U takt -A trust -E UTF8 --locale=C -N") ||
        postgres_start(p)) {
        snprintf(command, sizeof command, "cat %s/log >&2", p->folder);
        if (system(command))
            perror("log");
        return -1;
    }
    return 0;
}

static inline struct postgres_fixture *postgres_new(void)
{
    struct postgres_fixture *p = calloc(1, sizeof *p);
    strcpy(p->folder, "/tmp/takt-pg-XXXXXX");
    if (!mkdtemp(p->folder) || postgres_begin(p)) {
        free(p);
        return NULL;
    }
    return p;
}

static inline void postgres_free(struct postgres_fixture *p)
{
    char command[128];
    if (!p)
        return;
    if (postgres_stop(p, "immediate"))
        fprintf(stderr, "PostgreSQL in %s did not stop\n", p->folder);
    snprintf(command, sizeof command, "rm -rf %s", p->folder);
    if (system(command))
        perror(p->folder);
    free(p);
}

static inline void postgres_sql(const struct postgres_fixture *p, const char *database,
                                const char *sql)
{
    char address[200];
    snprintf(address, sizeof address, "postgresql:///%s?host=%s&user=takt", database, p->folder);
    PGconn *c = PQconnectdb(address);
    PGresult *r = PQexec(c, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

/* A new, empty database; its address in out. */
static inline void postgres_database(struct postgres_fixture *p, char out[200])
{
    char sql[64];
    snprintf(sql, sizeof sql, "CREATE DATABASE t%d", ++p->databases);
    postgres_sql(p, "postgres", sql);
    snprintf(out, 200, "postgresql:///t%d?host=%s&user=takt", p->databases, p->folder);
}

#endif
