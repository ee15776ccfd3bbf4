/* identity.write, identity.read. Keys are wiped from memory as soon as they were written or sent.
 */
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

static int read_params(const cJSON *params, struct identity_record *out, struct error *err)
{
    static const char *const allowed[] = {"did", "mac", "key", "serial", NULL};
    const char *did, *mac, *key, *serial;
    int rc = params_only(params, allowed, err);
    if (!rc)
        rc = params_text(params, "did", 1, IDENTITY_DID_MAX, &did, err);
    if (!rc)
        rc = check_plain("did", did, err);
    if (!rc)
        rc = params_text(params, "mac", 17, 17, &mac, err);
    if (!rc)
        rc = identity_mac_parse(mac, out->mac, err);
    if (!rc)
        rc = params_text(params, "key", 2 * KEY_BYTES_MIN, 2 * IDENTITY_KEY_MAX, &key, err);
    if (!rc)
        rc = params_text(params, "serial", 0, IDENTITY_SERIAL_MAX, &serial, err);
    if (!rc)
        rc = check_plain("serial", serial, err);
    if (rc)
        return rc;
    out->key_bytes = strlen(key) / 2;
    if (hex_decode(key, out->key, out->key_bytes))
        return error_set(err, ERROR_INPUT, "param 'key' is not hex text of whole bytes");
    strcpy(out->did, did);
    strcpy(out->serial, serial);
    return 0;
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
    char mac[18], key[2 * IDENTITY_KEY_MAX + 1];
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = identity_load(&a->store, &state, &record, err);
    if (!rc)
        answer_text(call, call->result, "state", identity_state_name(state));
    if (!rc && state == IDENTITY_WRITTEN) {
        identity_mac_format(record.mac, mac);
        hex_encode(record.key, record.key_bytes, key);
        answer_text(call, call->result, "did", record.did);
        answer_text(call, call->result, "mac", mac);
        answer_text(call, call->result, "serial", record.serial);
        answer_text(call, call->result, "key", key);
        explicit_bzero(key, sizeof key);
    }
    explicit_bzero(&record, sizeof record);
    return rc;
}

const struct agent_method agent_identity_methods[] = {
    {"identity.write", PART_FLASH, write_identity},
    {"identity.read", PART_FLASH, read_identity},
    {0},
};
