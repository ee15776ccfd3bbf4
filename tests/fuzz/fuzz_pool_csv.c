/* Any bytes as a file of identities: refused with file and line, or identities that hold what
 * pool_csv.h promises. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provisioning/pool_csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *context, int line, const struct identity *i, struct error *err)
{
    unsigned octet = 0;
    int *last = context;
    if (line <= *last || !i->did[0] || !memchr(i->did, '\0', sizeof i->did) ||
        (i->mac[0] &&
         (strlen(i->mac) != 17 || sscanf(i->mac, "%2x", &octet) != 1 || (octet & 3))) ||
        (i->key_bytes && i->key_bytes < 16) || i->key_bytes > IDENTITY_KEY_MAX)
        abort();
    *last = line;
    return 0;
}

static int check_range(void *context, int line, const struct mac_range *r, struct error *err)
{
    int *last = context;
    if (line <= *last || r->first > r->last || r->last >> 48 || (r->first >> 40 & 3) ||
        r->first >> 24 != r->last >> 24)
        abort();
    *last = line;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    int line = 1; /* the header is before the first identity */
    const struct pool_csv_reader reader = {check, check_range, &line};
    int rc = pool_csv_parse("fuzz", (const char *)data, size, &reader, &err);
    if (rc && strncmp(err.text, "fuzz:", 5) != 0)
        abort();
    if (!rc && line == 1)
        abort();
    return 0;
}
