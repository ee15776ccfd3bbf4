/* The version of the programs of this build, stamped into every run and hello. */
#ifndef TAKT_PROTOCOL_BASE_VERSION_H
#define TAKT_PROTOCOL_BASE_VERSION_H

extern const char takt_version[];
/* When the source was committed, seconds since 1970 UTC: no program runs earlier than that. The
 * commit's time and not the build's, so that two builds are the same bytes. 0 when unknown. */
extern const long long takt_build_time_s;

#endif
