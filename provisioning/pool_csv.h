/* The file identities come in: CSV (RFC 4180, UTF-8 with or without BOM, LF or CRLF) with the
 * header did,mac,key in any order and one identity a line; blank lines are skipped.
 *
 * did: 1 to 32 letters, digits and ". _ : -". mac: six octets in hex between ':' or '-', neither
 * the group nor the local bit set. key: 16 to 64 bytes in hex. */
#ifndef TAKT_PROVISIONING_POOL_CSV_H
#define TAKT_PROVISIONING_POOL_CSV_H

#include "provisioning/pool.h"

/* Calls `each` with the line number and the identity (state FREE, key in clear: wiped after the
 * call) of every line, in order; a failing `each` ends it. ERROR_INPUT with "NAME:LINE: ...", also
 * for a file without identities. Pure but for `each`. */
int pool_csv_parse(const char *name, const char *text, size_t size,
                   int (*each)(void *context, int line, const struct identity *i,
                               struct error *err),
                   void *context, struct error *err);

#endif
