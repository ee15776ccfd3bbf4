/* The instruments of a rehearsal: the station's own drivers talk to the bench's virtual instruments
 * by function calls instead of sockets (SCPI, the relay board's and the LED analyser's protocols go
 * through them as they are); sound goes into the air directly. It stands where the fixture process
 * does. */
#ifndef TAKT_TESTS_REHEARSAL_DIRECT_BENCH_H
#define TAKT_TESTS_REHEARSAL_DIRECT_BENCH_H

#include "fixtures/fixture.h"
#include "protocol/formats/board.h"
#include "protocol/world.h"

/* All must outlive the process. The unit begins to live as soon as its channel is switched on. */
int direct_bench_begin(const struct board *board, struct world *world, uint64_t seed,
                       struct error *err);
/* For steps. */
struct fixture *direct_bench_fixture(void);

#endif
