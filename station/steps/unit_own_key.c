#include "station/steps/unit_own_key.h"

#include <openssl/rand.h>
#include <string.h>
#include <strings.h>

#include "protocol/base/digest.h"
#include "protocol/base/json.h"
#include "station/steps/unit_link.h"

enum { CALL_MS = 10000 };

/* The unit's request, and taktd's certificate for it. Both are the same again for the same unit. */
static int have_certified(struct step_context *c, const char *chip_id,
                          const struct step_identity *id,
                          char certificate_hex[2 * UNIT_CERTIFICATE_MAX + 1], struct error *err)
{
    cJSON *answer = NULL, *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "did", id->did);
    cJSON_AddStringToObject(params, "mac", id->mac);
    cJSON_AddStringToObject(params, "serial", c->serial);
    int rc = unit_call(c->unit, "identity.request", params, CALL_MS, &answer, err);
    if (rc == 0)
        rc = c->services->identity_certify(c->engine, chip_id, json_string(answer, "request", ""),
                                           certificate_hex, err);
    cJSON_Delete(answer);
    return rc;
}

int unit_own_key_write(struct step_context *c, const char *chip_id, const struct step_identity *id,
                       char certificate_hex[2 * UNIT_CERTIFICATE_MAX + 1], struct error *err)
{
    step_section(c, true); /* an identity half written is a unit nobody may trust */
    int rc = have_certified(c, chip_id, id, certificate_hex, err);
    if (rc == 0) {
        cJSON *params = cJSON_CreateObject();
        cJSON_AddStringToObject(params, "certificate", certificate_hex);
        rc = unit_call(c->unit, "identity.certify", params, CALL_MS, NULL, err);
    }
    step_section(c, false);
    return rc;
}

static int check_proof(struct step_context *c, const char *certificate_hex, bool *proved,
                       struct error *err)
{
    uint8_t nonce[UNIT_NONCE_BYTES], proof[UNIT_PROOF_MAX], certificate[UNIT_CERTIFICATE_MAX];
    char hex[2 * UNIT_NONCE_BYTES + 1];
    cJSON *answer = NULL, *params;
    struct error why = {0};
    *proved = false;
    if (RAND_bytes(nonce, sizeof nonce) != 1)
        return error_set(err, ERROR_IO, "no randomness to try the unit's key with");
    hex_encode(nonce, sizeof nonce, hex);
    params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "nonce", hex);
    int rc = unit_call(c->unit, "identity.prove", params, CALL_MS, &answer, err);
    if (rc == 0) {
        const int size = hex_decode_some(json_string(answer, "proof", ""), proof, sizeof proof),
                  bytes = hex_decode_some(certificate_hex, certificate, sizeof certificate);
        *proved =
            size > 0 && bytes > 0 &&
            unit_proof_check(certificate, (size_t)bytes, nonce, proof, (size_t)size, &why) == 0;
    }
    cJSON_Delete(answer);
    return rc;
}

int unit_own_key_matches(struct step_context *c, const struct step_identity *id,
                         const char *certificate_hex, bool *matches, struct error *err)
{
    cJSON *found = NULL;
    *matches = false;
    int rc = unit_call(c->unit, "identity.read", NULL, CALL_MS, &found, err);
    const bool same = rc == 0 && strcmp(json_string(found, "state", ""), "written") == 0 &&
                      strcmp(json_string(found, "did", ""), id->did) == 0 &&
                      strcasecmp(json_string(found, "mac", ""), id->mac) == 0 &&
                      strcasecmp(json_string(found, "certificate", ""), certificate_hex) == 0;
    cJSON_Delete(found);
    return rc < 0 || !same ? rc : check_proof(c, certificate_hex, matches, err);
}
