#include "provisioning/audit_witness.h"

#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/json.h"

enum { FORMAT = 1 };

int audit_witness_make(sqlite3 *db, struct signer *signer, const char *station, int64_t wall_ms,
                       struct buffer *out, struct error *err)
{
    struct audit_head head;
    uint8_t signature[SIGNATURE_BYTES_MAX];
    char hex[2 * SIGNATURE_BYTES_MAX + 1], at[25];
    size_t size;
    int rc = audit_head(db, &head, err);
    if (rc)
        return rc;
    if (head.entries == 0)
        return error_set(err, ERROR_MISSING, "the audit chain has no entry yet");
    clock_format_utc(wall_ms, at);
    cJSON *line = cJSON_CreateObject();
    cJSON_AddNumberToObject(line, "format", FORMAT);
    cJSON_AddStringToObject(line, "station", station);
    cJSON_AddNumberToObject(line, "entries", (double)head.entries);
    cJSON_AddStringToObject(line, "hash", head.hash);
    char *text = cJSON_AddStringToObject(line, "at", at) ? cJSON_PrintUnformatted(line) : NULL;
    cJSON_Delete(line);
    if (!text)
        return error_set(err, ERROR_MEMORY, "audit witness: out of memory");
    rc = signer_sign(signer, text, strlen(text), signature, &size, err);
    if (!rc) {
        hex_encode(signature, size, hex);
        rc = buffer_printf(out, "%s\n%s\n", text, hex);
    }
    cJSON_free(text);
    return rc;
}

/* The signature's line, behind the first. */
static int check_signature(const char *name, const char *text, const char *line_end,
                           const char *public_key_pem, struct error *err)
{
    uint8_t signature[SIGNATURE_BYTES_MAX];
    char hex[2 * SIGNATURE_BYTES_MAX + 1];
    const char *from = line_end + 1;
    const size_t digits = strcspn(from, "\r\n");
    if (digits < 2 || digits % 2 || digits >= sizeof hex)
        return error_set(err, ERROR_INPUT, "%s:2: expected a signature in hex", name);
    memcpy(hex, from, digits);
    hex[digits] = '\0';
    if (hex_decode(hex, signature, digits / 2))
        return error_set(err, ERROR_INPUT, "%s:2: expected a signature in hex", name);
    const int rc =
        signing_verify(public_key_pem, text, (size_t)(line_end - text), signature, digits / 2, err);
    if (rc)
        error_context(err, "%s", name);
    return rc;
}

static int read_head(const char *name, const char *text, size_t size, struct audit_head *out,
                     struct error *err)
{
    cJSON *line = cJSON_ParseWithLength(text, size);
    const double entries = json_number(line, "entries", 0);
    const char *hash = json_string(line, "hash", "");
    int rc = 0;
    if (json_number(line, "format", 0) != FORMAT || entries < 1 || entries > 9e15 ||
        strlen(hash) != sizeof out->hash - 1)
        rc = error_set(err, ERROR_INPUT, "%s:1: expected a head of the audit chain, format %d",
                       name, FORMAT);
    if (!rc) {
        out->entries = (int64_t)entries;
        strcpy(out->hash, hash);
    }
    cJSON_Delete(line);
    return rc;
}

int audit_witness_check(sqlite3 *db, const char *name, const char *text, size_t size,
                        const char *public_key_pem, struct audit_head *out, struct error *err)
{
    struct audit_head now;
    char whole[AUDIT_WITNESS_BYTES_MAX + 1];
    if (size > AUDIT_WITNESS_BYTES_MAX)
        return error_set(err, ERROR_INPUT, "%s has %zu bytes, expected at most %d", name, size,
                         AUDIT_WITNESS_BYTES_MAX);
    memcpy(whole, text, size);
    whole[size] = '\0';
    const char *end = strchr(whole, '\n');
    if (!end)
        return error_set(err, ERROR_INPUT, "%s: expected two lines, a head and its signature",
                         name);
    int rc = check_signature(name, whole, end, public_key_pem, err);
    if (!rc)
        rc = read_head(name, whole, (size_t)(end - whole), out, err);
    if (rc)
        return rc;
    rc = audit_at(db, out->entries, &now, err);
    if (rc == ERROR_MISSING)
        return error_set(err, ERROR_MISMATCH,
                         "the chain ends before entry %lld, which %s is a witness of",
                         (long long)out->entries, name);
    if (!rc && strcmp(now.hash, out->hash) != 0)
        rc = error_set(err, ERROR_MISMATCH,
                       "entry %lld is not the one that %s is a witness of: the chain was rewritten "
                       "up to there",
                       (long long)out->entries, name);
    return rc;
}
