/* The first moments of a process forked from taktd. */
#ifndef TAKT_STATION_ENGINE_CHILD_H
#define TAKT_STATION_ENGINE_CHILD_H

#include <sys/types.h>

/* Own process group, default signals, no descriptor of taktd's but standard error (also as
 * standard output) and `keep`, whose new number it returns. Killed when `parent` dies. */
int child_begin(pid_t parent, int keep);
/* The same, but it outlives the parent for as long as it takes to leave things in order: `keep`
 * tells it of the parent's end. */
int child_begin_orderly(pid_t parent, int keep);
/* The same, for a child whose parent ended on purpose. */
int child_begin_orphan(int keep);

#endif
