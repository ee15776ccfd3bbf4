#include <stdio.h>
#include <string.h>

#include "protocol/base/digest.h"
#include "reports/outbox/connector.h"

int outbox_uuid(const char *text, char out[OUTBOX_UUID_TEXT], struct error *err)
{
    char hex[DIGEST_TEXT];
    uint8_t hash[DIGEST_BYTES];
    if (digest_bytes(text, strlen(text), hash))
        return error_set(err, ERROR_MEMORY, "a message's key: out of memory");
    hash[6] = (uint8_t)((hash[6] & 0x0f) | 0x80);
    hash[8] = (uint8_t)((hash[8] & 0x3f) | 0x80);
    hex_encode(hash, 16, hex);
    snprintf(out, OUTBOX_UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return 0;
}
