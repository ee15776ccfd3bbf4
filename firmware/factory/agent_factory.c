/* factory.enter and factory.lock: the first call that a station makes under TLS, and the last that
 * a unit ever takes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/version.h"
#include "protocol/formats/signing.h"
#include "protocol/formats/token.h"

static const char newest_issued[] = "factory_time";

/* ---- entering ---------------------------------------------------------------------------------
 */

static int64_t remembered_s(const struct agent *a)
{
    const char *text = slots_variable(&a->slots, newest_issued);
    return text ? strtoll(text, NULL, 10) : 0;
}

/* A unit has no clock that it can trust, but it is at least as late as each of these. */
static int64_t latest_s(const struct agent *a)
{
    int64_t now = a->config.wall_s ? a->config.wall_s() : clock_wall_ms() / 1000;
    if (takt_build_time_s > now)
        now = takt_build_time_s;
    return remembered_s(a) > now ? remembered_s(a) : now;
}

static int read_params(const cJSON *params, const char **text, uint8_t *signature, size_t *size,
                       struct error *err)
{
    static const char *const allowed[] = {"token", "signature", NULL};
    const char *hex;
    int rc = params_only(params, allowed, err);
    if (!rc)
        rc = params_text(params, "token", 1, TOKEN_TEXT_MAX, text, err);
    if (!rc)
        rc = params_text(params, "signature", 2, 2 * SIGNATURE_BYTES_MAX, &hex, err);
    if (rc)
        return rc;
    const int bytes = hex_decode_some(hex, signature, SIGNATURE_BYTES_MAX);
    *size = bytes < 0 ? 0 : (size_t)bytes;
    if (bytes < 0)
        return error_set(err, ERROR_INPUT, "param 'signature' is not hex text of whole bytes");
    return 0;
}

/* What an accepted token changes in the flash. That a station came in again also takes back a
 * finalizing that was cut short before it went past the credentials. */
static int remember(struct agent *a, const struct token *t, struct error *err)
{
    char text[24];
    const char *loader = slots_variable(&a->slots, "loader");
    int rc = 0;
    snprintf(text, sizeof text, "%" PRId64, t->issued_s);
    if (t->issued_s > remembered_s(a))
        rc = slots_set_variable(&a->slots, newest_issued, text, err);
    if (!rc && loader && strcmp(loader, "closing") == 0)
        rc = slots_set_variable(&a->slots, "loader", NULL, err);
    return rc;
}

static int enter(struct agent *a, struct agent_call *call, struct error *err)
{
    struct agent_session *s = call->session;
    const struct token_door door = {.public_key_pem = a->credentials.token_key_pem,
                                    .chip_id = a->chip_id,
                                    .nonce = s->nonce,
                                    .now_s = latest_s(a)};
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t size;
    const char *text;
    struct token token;
    int rc = read_params(call->params, &text, signature, &size, err);
    if (!rc)
        rc = token_admit(&door, text, strlen(text), signature, size, &token, err);
    if (rc) {
        s->refusals++;
        return rc;
    }
    rc = agent_take_place(call, &token, err);
    if (!rc)
        rc = remember(a, &token, err);
    if (rc)
        return rc;
    s->entered = true;
    agent_log(a, "factory: entered for order %s%s%s", token.order, token.station[0] ? " by " : "",
              token.station);
    return 0;
}

/* ---- leaving for good ---------------------------------------------------------------------------
 */

static int lock(struct agent *a, struct agent_call *call, struct error *err)
{
    static const char *const no_params[] = {NULL};
    const struct finalize f = agent_finalize(a);
    struct identity_record record;
    enum identity_state state;
    int rc = params_only(call->params, no_params, err);
    if (rc)
        return rc;
    rc = finalize_now(&f, err);
    /* A failed write may have locked the unit all the same: then it is locked. */
    if (identity_load(&a->store, &state, &record, NULL) == 0 && state == IDENTITY_LOCKED)
        a->locked = a->finalized = true;
    explicit_bzero(&record, sizeof record);
    if (rc)
        return rc;
    writer_free(a->writer);
    a->writer = NULL;
    answer_flag(call, call->result, "locked", true);
    agent_log(a, "factory: locked; factory mode is closed");
    return 0;
}

const struct agent_method agent_factory_methods[] = {
    {"factory.enter", PART_FLASH, enter},
    {"factory.lock", PART_FLASH, lock},
    {0},
};
