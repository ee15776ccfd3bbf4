#include "protocol/formats/identity_record.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/digest.h"
#include "protocol/base/little_endian.h"
#include "protocol/wire/crc32c.h"

enum {
    AT_FORMAT = 4,
    AT_FLAGS = 6,
    AT_SEQUENCE = 8,
    AT_DID = 12,
    AT_MAC = 45,
    AT_KEY = 76,
    AT_SERIAL = 140,
    AT_KEY_BYTES = 173,
    AT_CRC = 252,
    AT_CERTIFICATE_BYTES = 256,
    AT_CERTIFICATE = 260,
    AT_END_CRC = IDENTITY_RECORD_BYTES - 4,
    FORMAT_KEY_GIVEN = 1,
    FORMAT_KEY_MADE = 2,
    FLAG_LOCKED = 1,
};

void identity_record_encode(const struct identity_record *record,
                            uint8_t out[IDENTITY_RECORD_BYTES])
{
    memset(out, 0, IDENTITY_RECORD_BYTES);
    memcpy(out, "TKID", 4);
    out[AT_FORMAT] = record->made_here ? FORMAT_KEY_MADE : FORMAT_KEY_GIVEN;
    out[AT_FLAGS] = record->locked ? FLAG_LOCKED : 0;
    le32_put(out + AT_SEQUENCE, record->sequence);
    memcpy(out + AT_DID, record->did, strnlen(record->did, IDENTITY_DID_MAX));
    memcpy(out + AT_MAC, record->mac, sizeof record->mac);
    size_t key_bytes = record->key_bytes < IDENTITY_KEY_MAX ? record->key_bytes : IDENTITY_KEY_MAX;
    memcpy(out + AT_KEY, record->key, key_bytes);
    memcpy(out + AT_SERIAL, record->serial, strnlen(record->serial, IDENTITY_SERIAL_MAX));
    out[AT_KEY_BYTES] = (uint8_t)key_bytes;
    le32_put(out + AT_CRC, crc32c(0, out, AT_CRC));
    if (!record->made_here) {
        memset(out + AT_CERTIFICATE_BYTES, 0xff, IDENTITY_RECORD_BYTES - AT_CERTIFICATE_BYTES);
        return;
    }
    size_t bytes = record->certificate_bytes < UNIT_CERTIFICATE_MAX ? record->certificate_bytes
                                                                    : UNIT_CERTIFICATE_MAX;
    le32_put(out + AT_CERTIFICATE_BYTES, (uint32_t)bytes);
    memcpy(out + AT_CERTIFICATE, record->certificate, bytes);
    le32_put(out + AT_END_CRC, crc32c(0, out, AT_END_CRC));
}

static bool is_erased(const uint8_t *bytes, size_t from)
{
    while (from < IDENTITY_RECORD_BYTES && bytes[from] == 0xff)
        from++;
    return from == IDENTITY_RECORD_BYTES;
}

static int check(const uint8_t *in, size_t crc_at, struct error *err)
{
    const uint32_t stored = le32_get(in + crc_at), found = crc32c(0, in, crc_at);
    return stored == found
               ? 0
               : error_set(err, ERROR_MISMATCH,
                           "the identity record is damaged: its CRC-32C is %08x, stored %08x",
                           found, stored);
}

static int decode_certificate(const uint8_t *in, struct identity_record *out, struct error *err)
{
    int rc = check(in, AT_END_CRC, err);
    const uint32_t bytes = le32_get(in + AT_CERTIFICATE_BYTES);
    if (!rc && (bytes > UNIT_CERTIFICATE_MAX || out->key_bytes != UNIT_KEY_BYTES))
        rc = error_set(err, ERROR_INPUT, "the identity record is not of format 2");
    if (rc)
        return rc;
    out->made_here = true;
    out->certificate_bytes = bytes;
    memcpy(out->certificate, in + AT_CERTIFICATE, bytes);
    return 0;
}

int identity_record_decode(const uint8_t in[IDENTITY_RECORD_BYTES], struct identity_record *out,
                           struct error *err)
{
    memset(out, 0, sizeof *out);
    if (is_erased(in, 0))
        return error_set(err, ERROR_MISSING, "no identity record: erased flash");
    int rc = check(in, AT_CRC, err);
    if (rc)
        return rc;
    const bool made_here = in[AT_FORMAT] == FORMAT_KEY_MADE;
    if (memcmp(in, "TKID", 4) != 0 || (in[AT_FORMAT] != FORMAT_KEY_GIVEN && !made_here) ||
        in[AT_FORMAT + 1] != 0 || in[AT_KEY_BYTES] > IDENTITY_KEY_MAX ||
        in[AT_DID + IDENTITY_DID_MAX] || in[AT_SERIAL + IDENTITY_SERIAL_MAX])
        return error_set(err, ERROR_INPUT, "the identity record is not of format 1 or 2");
    if (!made_here && !is_erased(in, AT_CERTIFICATE_BYTES))
        return error_set(err, ERROR_MISMATCH,
                         "the identity record is damaged: flash behind it is not erased");
    out->sequence = le32_get(in + AT_SEQUENCE);
    out->locked = in[AT_FLAGS] & FLAG_LOCKED;
    memcpy(out->did, in + AT_DID, IDENTITY_DID_MAX);
    memcpy(out->mac, in + AT_MAC, sizeof out->mac);
    out->key_bytes = in[AT_KEY_BYTES];
    memcpy(out->key, in + AT_KEY, out->key_bytes);
    memcpy(out->serial, in + AT_SERIAL, IDENTITY_SERIAL_MAX);
    return made_here ? decode_certificate(in, out, err) : 0;
}

int identity_mac_parse(const char *text, uint8_t mac[6], struct error *err)
{
    static const uint8_t zeros[6];
    char hex[13];
    size_t digits = 0;
    bool shaped = strlen(text) == 17;
    for (size_t i = 0; i < 17 && shaped; i++) {
        if (i % 3 == 2)
            shaped = text[i] == ':';
        else
            hex[digits++] = text[i];
    }
    hex[digits] = '\0';
    if (!shaped || hex_decode(hex, mac, 6))
        return error_set(err, ERROR_INPUT, "'%.32s' is not a MAC, expected six octets as 02:1a:...",
                         text);
    if (mac[0] & 1 || memcmp(mac, zeros, sizeof zeros) == 0)
        return error_set(err, ERROR_INPUT, "'%s' is not the address of one device", text);
    return 0;
}

void identity_mac_format(const uint8_t mac[6], char out[18])
{
    snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}
