/* The file identities come in: CSV (RFC 4180, UTF-8 with or without BOM, LF or CRLF) of one or more
 * tables, each with a header in any order; blank lines are skipped.
 *
 *   did,mac,key            one identity a line
 *   did,key                the same, its MAC taken from a range
 *   did,mac  or  did       the same, the unit makes its key itself (device_ca.h)
 *   prefix,first,last      a range of MAC addresses a line, before the identities that need it
 *
 * did: 1 to 32 letters, digits and ". _ : -". mac, first, last: six octets in hex between ':' or
 * '-', neither the group nor the local bit set. key: 16 to 64 bytes in hex. prefix: the IEEE's
 * assignment, 6, 7 or 9 hex digits (mac.h); first and last lie in it. */
#ifndef TAKT_PROVISIONING_POOL_CSV_H
#define TAKT_PROVISIONING_POOL_CSV_H

#include "provisioning/mac.h"
#include "provisioning/pool.h"

struct pool_csv_reader {
    /* State FREE, .mac "" when it is to be taken from a range, key (if any) in clear: wiped after
     * the call. */
    int (*identity)(void *context, int line, const struct identity *i, struct error *err);
    int (*range)(void *context, int line, const struct mac_range *r, struct error *err);
    void *context;
};

/* Calls the reader with every line's number and content, in order; one that fails ends it.
 * ERROR_INPUT with "NAME:LINE: ...", also for a file without any. Pure but for the reader. */
int pool_csv_parse(const char *name, const char *text, size_t size,
                   const struct pool_csv_reader *reader, struct error *err);

#endif
