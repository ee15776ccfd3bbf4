/* The version of the programs of this build, stamped into every run and hello. */
#ifndef TAKT_PROTOCOL_BASE_VERSION_H
#define TAKT_PROTOCOL_BASE_VERSION_H

extern const char takt_version[];

#endif
