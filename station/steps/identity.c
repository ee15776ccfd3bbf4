/* DID, MAC and key into the unit, and the proof that they are there. Without a key the unit makes
 * one (unit_own_key.h).
 *
 * Reserved (committed) -> written over TLS -> injected (committed) -> read back and compared ->
 * confirmed (committed). Killed anywhere between, the next run of this chip gets the same identity
 * again, finds on the unit what it had written, and goes on; no other unit can ever get it. What
 * was read back and differs is quarantined: the key left the station and nobody knows where it is.
 */
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "protocol/base/digest.h"
#include "protocol/base/json.h"
#include "protocol/base/secrecy.h"
#include "station/steps/step.h"
#include "station/steps/unit_link.h"
#include "station/steps/unit_own_key.h"

enum { CALL_MS = 10000, KEY_MAX = 64 };

static const struct step_measurement measurements[] = {
    {"read_back_matches", "bool",
     "1 when the unit returned DID, MAC and key (or its certificate, and proved its own key) as "
     "reserved"},
    {0}};

static void wipe_and_delete(cJSON *object)
{
    cJSON *key = cJSON_GetObjectItemCaseSensitive(object, "key");
    if (cJSON_IsString(key))
        OPENSSL_cleanse(key->valuestring, strlen(key->valuestring));
    cJSON_Delete(object);
}

/* In constant time: how long it takes must not tell how much of a key was right. */
static bool same_key(const char *a_hex, const char *b_hex)
{
    uint8_t a[KEY_MAX], b[KEY_MAX];
    const size_t size = strlen(a_hex) / 2;
    const bool same = size > 0 && size <= KEY_MAX && strlen(b_hex) == strlen(a_hex) &&
                      hex_decode(a_hex, a, size) == 0 && hex_decode(b_hex, b, size) == 0 &&
                      CRYPTO_memcmp(a, b, size) == 0;
    OPENSSL_cleanse(a, sizeof a);
    OPENSSL_cleanse(b, sizeof b);
    return same;
}

static bool same_identity(const cJSON *read, const struct step_identity *id)
{
    return strcmp(json_string(read, "did", ""), id->did) == 0 &&
           strcasecmp(json_string(read, "mac", ""), id->mac) == 0 &&
           same_key(id->key_hex, json_string(read, "key", ""));
}

static int write_given_key(struct step_context *c, const struct step_identity *id,
                           struct error *err)
{
    int rc = 0;
    cJSON *params = cJSON_CreateObject();
    if (!cJSON_AddStringToObject(params, "did", id->did) ||
        !cJSON_AddStringToObject(params, "mac", id->mac) ||
        !cJSON_AddStringToObject(params, "key", id->key_hex) ||
        !cJSON_AddStringToObject(params, "serial", c->serial))
        rc = error_set(err, ERROR_MEMORY, "identity.write: out of memory");
    const struct call call = {.method = "identity.write", .params = params, .timeout_ms = CALL_MS};
    step_section(c, true); /* a key half written is a unit nobody may trust */
    if (rc == 0)
        rc = unit_exchange(c->unit, &call, NULL, err);
    step_section(c, false);
    wipe_and_delete(params);
    return rc;
}

/* Empty: write. Written with this very identity: a run before this one got as far. Anything else is
 * not for a step to overwrite. */
static int write_unless_there(struct step_context *c, const struct step_identity *id,
                              struct error *err)
{
    cJSON *found = NULL;
    int rc = unit_call(c->unit, "identity.read", NULL, CALL_MS, &found, err);
    if (rc < 0)
        return rc;
    const char *state = json_string(found, "state", "");
    if (strcmp(state, "empty") == 0)
        rc = write_given_key(c, id, err);
    else if (strcmp(state, "written") == 0 && same_identity(found, id))
        rc = 0;
    else if (strcmp(state, "written") == 0)
        rc =
            error_set(err, ERROR_MISMATCH, "the unit carries DID %s already, reserved for it is %s",
                      json_string(found, "did", "?"), id->did);
    else
        rc =
            error_set(err, ERROR_STATE, "the unit's identity is \"%s\", expected \"empty\"", state);
    wipe_and_delete(found);
    return rc;
}

static int read_given_key(struct step_context *c, const struct step_identity *id, bool *matches,
                          struct error *err)
{
    cJSON *found = NULL;
    int rc = unit_call(c->unit, "identity.read", NULL, CALL_MS, &found, err);
    *matches = rc == 0 && same_identity(found, id);
    wipe_and_delete(found);
    return rc;
}

static int confirm(struct step_context *c, const char *chip_id, const struct step_identity *id,
                   const char *certificate_hex, struct error *err)
{
    const struct step_services *s = c->services;
    bool matches;
    int rc = id->key_hex[0] ? read_given_key(c, id, &matches, err)
                            : unit_own_key_matches(c, id, certificate_hex, &matches, err);
    if (rc < 0)
        return rc; /* stays injected: the next run of this chip reads again */
    if (matches && strcmp(id->state, "confirmed") != 0)
        rc = s->identity_advance(c->engine, chip_id, "confirmed", err);
    if (!matches)
        rc = s->identity_advance(c->engine, chip_id, "quarantined", err);
    return rc < 0 ? rc : step_value(c, "read_back_matches", matches, err);
}

static int give(struct step_context *c, struct error *err)
{
    const struct step_services *s = c->services;
    struct step_identity id = {0};
    char certificate_hex[2 * UNIT_CERTIFICATE_MAX + 1] = "";
    struct session *session;
    step_progress(c, 0, "reserving");
    int rc = unit_link_session(c->unit, CALL_MS, &session, err);
    if (rc < 0)
        return rc;
    const char *chip_id = unit_link_facts(c->unit)->chip_id;
    rc = s->identity_reserve(c->engine, chip_id, &id, err);
    if (rc == 0) {
        step_progress(c, 0.3, "writing");
        rc = id.key_hex[0] ? write_unless_there(c, &id, err)
                           : unit_own_key_write(c, chip_id, &id, certificate_hex, err);
    }
    if (rc == 0 && strcmp(id.state, "reserved") == 0)
        rc = s->identity_advance(c->engine, chip_id, "injected", err);
    if (rc == 0) {
        step_progress(c, 0.6, "reading back");
        rc = confirm(c, chip_id, &id, certificate_hex, err);
    }
    if (rc == 0)
        rc = step_noted(c, "did", id.did, err);
    if (rc == 0)
        rc = step_noted(c, "mac", id.mac, err);
    OPENSSL_cleanse(&id, sizeof id);
    return rc;
}

/* The worker's memory stays out of swap while a key is in it: not for longer, since other steps
 * hold pictures of many megabytes. taktd has said where that cannot be. */
static int run(struct step_context *c, struct error *err)
{
    struct error ignored;
    const bool locked = secrecy_lock_memory(&ignored) == 0;
    const int rc = give(c, err);
    if (locked)
        secrecy_unlock_memory();
    return rc;
}

const struct step_kind step_identity_write = {
    .name = "identity",
    .about = "DID, MAC and key: reserved, written, read back, confirmed",
    .measurements = measurements,
    .uninterruptible = true,
    .needs_identity = true,
    .run = run,
};
