/* A store on either engine, so that one test runs on both: ON_BOTH(test), with engines_up and
 * engines_down around the group. */
#ifndef TAKT_TESTS_ENGINES_FIXTURE_H
#define TAKT_TESTS_ENGINES_FIXTURE_H

#include "tests/unit/reports/store_fixture.h"

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
