/* How a station that is not taktd shows its token. */
#ifndef TAKT_TESTS_INTEGRATION_ENTER_H
#define TAKT_TESTS_INTEGRATION_ENTER_H

#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/json.h"
#include "protocol/formats/signing.h"
#include "protocol/formats/token.h"
#include "protocol/wire/session.h"

enum { ENTER_MS = 10000, TOKEN_LIFE_S = 600 };

/* `hello` is the unit's answer; `spoilt` NULL, or what is wrong with the token: "expired", "chip",
 * "nonce". The signature is the key's. */
static inline int enter_unit(struct session *s, const cJSON *hello, const char *token_key_pem,
                             const char *spoilt, struct error *err)
{
    int64_t now_s = clock_wall_ms() / 1000;
    struct token t = {.order = "TEST", .issued_s = now_s, .expires_s = now_s + TOKEN_LIFE_S};
    char text[TOKEN_TEXT_MAX + 1], hex[2 * SIGNATURE_BYTES_MAX + 1];
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t size;
    snprintf(t.chip_id, sizeof t.chip_id, "%s", json_string(hello, "chip_id", ""));
    snprintf(t.nonce, sizeof t.nonce, "%s", json_string(hello, "nonce", ""));
    if (spoilt && strcmp(spoilt, "expired") == 0) {
        t.issued_s = now_s - 2 * TOKEN_LIFE_S;
        t.expires_s = now_s - TOKEN_LIFE_S;
    } else if (spoilt && strcmp(spoilt, "chip") == 0) {
        t.chip_id[0] = t.chip_id[0] == '0' ? '1' : '0';
    } else if (spoilt && strcmp(spoilt, "nonce") == 0) {
        memset(t.nonce, '0', TOKEN_NONCE_TEXT - 1);
    }
    int rc = token_write(&t, text, err);
    if (!rc)
        rc = signing_sign(token_key_pem, text, strlen(text), signature, &size, err);
    if (rc)
        return rc;
    hex_encode(signature, size, hex);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "token", text);
    cJSON_AddStringToObject(params, "signature", hex);
    const struct call call = {.method = "factory.enter", .params = params, .timeout_ms = ENTER_MS};
    rc = session_call(s, &call, NULL, err);
    cJSON_Delete(params);
    return rc;
}

#endif
