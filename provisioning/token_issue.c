#include "provisioning/token_issue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "protocol/base/digest.h"
#include "provisioning/audit.h"

static int record(sqlite3 *db, const struct token_wish *w, const struct token *t, struct error *err)
{
    cJSON *detail = cJSON_CreateObject();
    cJSON_AddStringToObject(detail, "order", t->order);
    cJSON_AddStringToObject(detail, "station", t->station);
    cJSON_AddNumberToObject(detail, "issued", (double)t->issued_s);
    cJSON_AddNumberToObject(detail, "expires", (double)t->expires_s);
    cJSON_AddStringToObject(detail, "nonce", t->nonce);
    const struct audit_entry entry = {
        .wall_ms = w->wall_ms, .actor = w->actor, .action = "token.issue", .subject = t->chip_id};
    return audit_append_object(db, entry, detail, err);
}

static int take(const char *what, const char *text, char *out, size_t size, struct error *err)
{
    if (strlen(text) >= size)
        return error_set(err, ERROR_INPUT, "issuing a token: %s of %zu bytes, expected at most %zu",
                         what, strlen(text), size - 1);
    strcpy(out, text);
    return 0;
}

int token_issue(sqlite3 *db, struct signer *signer, const struct token_wish *wish,
                struct token_issued *out, struct error *err)
{
    struct token t = {.issued_s = wish->wall_ms / 1000,
                      .expires_s = wish->wall_ms / 1000 + wish->life_s};
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t size;
    int rc = take("a chip id", wish->chip_id, t.chip_id, sizeof t.chip_id, err);
    if (!rc)
        rc = take("a nonce", wish->nonce, t.nonce, sizeof t.nonce, err);
    if (!rc)
        rc = take("an order", wish->order, t.order, sizeof t.order, err);
    if (!rc)
        rc = take("a station", wish->station, t.station, sizeof t.station, err);
    if (!rc)
        rc = token_write(&t, out->text, err);
    if (!rc)
        rc = signer_sign(signer, out->text, strlen(out->text), signature, &size, err);
    if (!rc)
        rc = record(db, wish, &t, err);
    if (!rc)
        hex_encode(signature, size, out->signature_hex);
    return rc;
}
