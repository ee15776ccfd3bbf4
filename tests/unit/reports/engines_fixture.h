/* A store on either engine, so that one test runs on both: ON_BOTH(test), with engines_up and
 * engines_down around the group. */
#ifndef TAKT_TESTS_ENGINES_FIXTURE_H
#define TAKT_TESTS_ENGINES_FIXTURE_H

#include "tests/unit/reports/store_fixture.h"

#include "reports/store/statements.h"
#include "tests/unit/reports/postgres_fixture.h"

static struct postgres_fixture *postgres;

/* *state names the engine. */
static inline struct store_fixture *engine_fixture(void **state)
{
    char address[200];
    if (!strcmp(*state, "sqlite"))
        return store_fixture_new();
    postgres_database(postgres, address);
    return store_fixture_at(address);
}

static inline int64_t count_of(struct store_fixture *f, const char *sql)
{
    const struct store_engine *e = f->store->engine;
    struct store_statement *st = NULL;
    struct error err = {0};
    assert_done(e->prepare(f->store->connection, sql, &st, &err), err);
    assert_done(e->start(st, NULL, 0, &err), err);
    assert_int_equal(e->next(st, &err), 1);
    int64_t n = e->integer(st, 0);
    e->release(st);
    return n;
}

static inline int engines_up(void **state)
{
    postgres = postgres_new();
    return postgres ? 0 : -1;
}

static inline int engines_down(void **state)
{
    postgres_free(postgres);
    return 0;
}

#define ON_BOTH(test)                                                                              \
    {#test " (sqlite)", test, NULL, NULL, "sqlite"},                                               \
    {                                                                                              \
#test " (postgresql)", test, NULL, NULL, "postgresql"                                      \
    }

#endif
