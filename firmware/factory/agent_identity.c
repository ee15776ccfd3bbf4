/* identity.write and identity.read; and for a unit that makes its key itself identity.request,
 * identity.certify and identity.prove: that key is never sent. Keys are wiped from memory as soon
 * as they were written or sent. */
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "protocol/base/digest.h"

enum { KEY_BYTES_MIN = 16 };

/* Printable ASCII without space: it is printed, scanned and compared. */
static int check_plain(const char *name, const char *text, struct error *err)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~')
            return error_set(err, ERROR_INPUT,
                             "param '%s' has a byte 0x%02x, expected printable characters", name,
                             (unsigned char)*p);
    return 0;
}

/* did, mac and serial: what both ways have. */
static int read_names(const cJSON *params, struct identity_record *out, struct error *err)
{
    const char *did, *mac, *serial;
    int rc = params_text(params, "did", 1, IDENTITY_DID_MAX, &did, err);
    if (!rc)
        rc = check_plain("did", did, err);
    if (!rc)
        rc = params_text(params, "mac", 17, 17, &mac, err);
    if (!rc)
        rc = identity_mac_parse(mac, out->mac, err);
    if (!rc)
        rc = params_text(params, "serial", 0, IDENTITY_SERIAL_MAX, &serial, err);
    if (!rc)
        rc = check_plain("serial", serial, err);
    if (rc)
        return rc;
    strcpy(out->did, did);
    strcpy(out->serial, serial);
    return 0;
}

/* Bytes in hex, between least and most of them. */
static int read_bytes(const cJSON *params, const char *name, size_t least, size_t most,
                      uint8_t *out, size_t *bytes, struct error *err)
{
    const char *hex;
    int rc = params_text(params, name, 2 * least, 2 * most, &hex, err);
    if (rc)
        return rc;
    const int found = hex_decode_some(hex, out, most);
    *bytes = found < 0 ? 0 : (size_t)found;
    if (found < 0)
        return error_set(err, ERROR_INPUT, "param '%s' is not hex text of whole bytes", name);
    return 0;
}

static int read_params(const cJSON *params, struct identity_record *out, struct error *err)
{
    static const char *const allowed[] = {"did", "mac", "key", "serial", NULL};
    int rc = params_only(params, allowed, err);
    if (!rc)
        rc = read_names(params, out, err);
    return rc ? rc
              : read_bytes(params, "key", KEY_BYTES_MIN, IDENTITY_KEY_MAX, out->key,
                           &out->key_bytes, err);
}

static int write_identity(struct agent *a, struct agent_call *call, struct error *err)
{
    struct identity_record record = {0};
    int rc = read_params(call->params, &record, err);
    if (!rc)
        rc = identity_save(&a->store, &record, err);
    if (!rc)
        agent_log(a, "identity: %s written", record.did);
    explicit_bzero(&record, sizeof record);
    return rc;
}

static int read_identity(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const no_params[] = {NULL};
    struct identity_record record = {0};
    enum identity_state state;
    char mac[18], key[2 * IDENTITY_KEY_MAX + 1], certificate[2 * UNIT_CERTIFICATE_MAX + 1];
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = identity_load(&a->store, &state, &record, err);
    if (!rc)
        answer_text(call, call->result, "state", identity_state_name(state));
    if (!rc && state == IDENTITY_WRITTEN) {
        identity_mac_format(record.mac, mac);
        answer_text(call, call->result, "did", record.did);
        answer_text(call, call->result, "mac", mac);
        answer_text(call, call->result, "serial", record.serial);
    }
    if (!rc && state == IDENTITY_WRITTEN && record.made_here) {
        hex_encode(record.certificate, record.certificate_bytes, certificate);
        answer_text(call, call->result, "certificate", certificate);
    } else if (!rc && state == IDENTITY_WRITTEN) {
        hex_encode(record.key, record.key_bytes, key);
        answer_text(call, call->result, "key", key);
        explicit_bzero(key, sizeof key);
    }
    explicit_bzero(&record, sizeof record);
    return rc;
}

/* ---- a key of the unit's own ---------------------------------------------------------------- */

/* The key is in the flash before anything is said of it: asked again, the unit has the same one. */
static int request_certificate(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"did", "mac", "serial", NULL};
    struct identity_record wanted = {0}, record = {0};
    enum identity_state state;
    uint8_t request[UNIT_REQUEST_MAX];
    char hex[2 * UNIT_REQUEST_MAX + 1];
    size_t size = 0;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = read_names(call->params, &wanted, err);
    if (!rc)
        rc = identity_load(&a->store, &state, &record, err);
    const bool there = !rc && state == IDENTITY_WRITTEN && record.made_here &&
                       strcmp(record.did, wanted.did) == 0 &&
                       memcmp(record.mac, wanted.mac, sizeof wanted.mac) == 0 &&
                       strcmp(record.serial, wanted.serial) == 0;
    if (!rc && !there && state == IDENTITY_WRITTEN)
        rc = error_set(err, ERROR_STATE, "this unit is %s already", record.did);
    if (!rc && !there) {
        record = wanted;
        record.made_here = true;
        record.key_bytes = UNIT_KEY_BYTES;
        rc = unit_key_make(record.key, err);
        if (!rc)
            rc = identity_save(&a->store, &record, err);
        if (!rc)
            agent_log(a, "identity: %s made its key", record.did);
    }
    if (!rc)
        rc = unit_key_request(record.key, record.did, record.serial, request, &size, err);
    if (!rc) {
        hex_encode(request, size, hex);
        answer_text(call, call->result, "request", hex);
    }
    explicit_bzero(&record, sizeof record);
    return rc;
}

static int load_own(struct agent *a, struct identity_record *record, struct error *err)
{
    enum identity_state state;
    int rc = identity_load(&a->store, &state, record, err);
    if (!rc && (state != IDENTITY_WRITTEN || !record->made_here))
        rc = error_set(err, ERROR_STATE, "this unit made no key: identity.request comes first");
    return rc;
}

static int take_certificate(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"certificate", NULL};
    struct identity_record record = {0};
    uint8_t certificate[UNIT_CERTIFICATE_MAX];
    size_t bytes = 0;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = read_bytes(call->params, "certificate", 1, UNIT_CERTIFICATE_MAX, certificate, &bytes,
                        err);
    if (!rc)
        rc = load_own(a, &record, err);
    if (!rc)
        rc = unit_key_certified(record.key, record.did, certificate, bytes, err);
    if (!rc) {
        memset(record.certificate, 0, sizeof record.certificate);
        memcpy(record.certificate, certificate, bytes);
        record.certificate_bytes = bytes;
        rc = identity_save(&a->store, &record, err);
    }
    if (!rc)
        agent_log(a, "identity: %s has its certificate", record.did);
    explicit_bzero(&record, sizeof record);
    return rc;
}

static int prove_key(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const allowed[] = {"nonce", NULL};
    struct identity_record record = {0};
    uint8_t nonce[UNIT_NONCE_BYTES], proof[UNIT_PROOF_MAX];
    char hex[2 * UNIT_PROOF_MAX + 1];
    size_t bytes;
    int rc = params_only(call->params, allowed, err);
    if (!rc)
        rc = read_bytes(call->params, "nonce", UNIT_NONCE_BYTES, UNIT_NONCE_BYTES, nonce, &bytes,
                        err);
    if (!rc)
        rc = load_own(a, &record, err);
    if (!rc)
        rc = unit_key_prove(record.key, nonce, proof, &bytes, err);
    if (!rc) {
        hex_encode(proof, bytes, hex);
        answer_text(call, call->result, "proof", hex);
    }
    explicit_bzero(&record, sizeof record);
    return rc;
}

const struct agent_method agent_identity_methods[] = {
    {"identity.write", PART_FLASH, write_identity},
    {"identity.read", PART_FLASH, read_identity},
    {"identity.request", PART_FLASH, request_certificate},
    {"identity.certify", PART_FLASH, take_certificate},
    {"identity.prove", PART_FLASH, prove_key},
    {0},
};
