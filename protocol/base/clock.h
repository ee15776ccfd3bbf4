/* The two clocks: monotonic for durations and deadlines, wall for records. Only the edge of a
 * program reads them; pure code is handed the time. */
#ifndef TAKT_PROTOCOL_BASE_CLOCK_H
#define TAKT_PROTOCOL_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);
int64_t clock_boot_ms(void); /* as the monotonic one, and goes on while the system is suspended */
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */

/* "2026-11-22T20:31:05.123Z"; out has room for 25 bytes. */
void clock_format_utc(int64_t wall_ms, char out[25]);

/* Waits until the monotonic clock shows `until_ns`, also when signals arrive. */
void clock_sleep_until_ns(int64_t until_ns);

#endif
