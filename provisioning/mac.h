/* MAC addresses, 48 bits as a number: 50:ec:50:01:02:03 is 0x50ec50010203. Pure. */
#ifndef TAKT_PROVISIONING_MAC_H
#define TAKT_PROVISIONING_MAC_H

#include <stdint.h>

enum { MAC_TEXT = 18 };

/* NULL when `text` is an assigned address of one device; else what is wrong with it: its shape (six
 * octets in hex between ':' or '-'), its group bit, its local bit, or all zeros. */
const char *mac_parse(const char *text, uint64_t *out);
void mac_format(uint64_t mac, char out[MAC_TEXT]); /* lower-case, colons */

/* A range of addresses within one assignment of the IEEE. */
struct mac_range {
    uint64_t first, last;
    char prefix[14]; /* "50:ec:50" (MA-L, 24 bits), "50:ec:50:1" (MA-M, 28), "50:ec:50:12:3" (MA-S,
                        36) */
};
/* NULL, or what is wrong: a prefix of another length, with its group or local bit; an address that
 * is none or outside the prefix; a last before the first. */
const char *mac_range_parse(const char *prefix, const char *first, const char *last,
                            struct mac_range *out);

#endif
