/* The clock of a rehearsal: time that passes only while every thread waits for it. One thread runs
 * at a time, and whoever has to wake first goes on next, so that the same unit gives the same
 * figures however busy the machine is. It stands where protocol/base/clock.c does, and threads that
 * are made while it runs belong to it (pthread_create and pthread_join are wrapped by the linker).
 * Such threads wait for the clock, for another's end or for an event of their own, for nothing
 * else. */
#ifndef TAKT_TESTS_REHEARSAL_SIMULATED_CLOCK_H
#define TAKT_TESTS_REHEARSAL_SIMULATED_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* The caller is the first thread, of life 0. */
void simulated_clock_begin(void);

/* Threads made from now on by this one are of that life; those they make, too. A life ends as a
 * process does: by _exit() in any of its threads, or from outside. None of them runs any further;
 * what they held stays held. */
void simulated_life_begin(int life);
void simulated_life_end(int life);
/* Told in the dying thread, before it stands still. */
void simulated_on_exit(void (*died)(int life));

/* Waits for simulated_wake() of the same address, or until then; either way it may be early. */
void simulated_wait(const void *event, int64_t until_ns);
void simulated_wake(const void *event);

#endif
