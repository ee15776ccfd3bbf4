#include "protocol/formats/token.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/formats/signing.h"

static const int64_t last_second_s = 253402300799; /* 9999-12-31T23:59:59Z */

/* ---- reading: one way to write it, so one way to read it --------------------------------------
 */

struct reader {
    const char *text;
    size_t size, at;
};

static bool literal(struct reader *r, const char *expected)
{
    size_t n = strlen(expected);
    if (r->size - r->at < n || memcmp(r->text + r->at, expected, n) != 0)
        return false;
    r->at += n;
    return true;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* Up to and with the closing quote; 1 to most bytes. */
static bool string(struct reader *r, char *out, size_t most)
{
    size_t n = 0;
    while (r->at < r->size && r->text[r->at] != '"') {
        char c = r->text[r->at++];
        if (c == '\\') {
            if (r->at == r->size || (r->text[r->at] != '"' && r->text[r->at] != '\\'))
                return false;
            c = r->text[r->at++];
        }
        if (is_control((unsigned char)c) || n == most)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n > 0 && literal(r, "\"");
}

static bool seconds(struct reader *r, int64_t *out)
{
    size_t first = r->at;
    *out = 0;
    for (; r->at < r->size && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++) {
        *out = *out * 10 + (r->text[r->at] - '0');
        if (*out > last_second_s)
            return false;
    }
    return r->at > first && r->text[first] != '0';
}

static bool is_nonce(const char *text)
{
    return strlen(text) == TOKEN_NONCE_TEXT - 1 &&
           strspn(text, "0123456789abcdef") == TOKEN_NONCE_TEXT - 1;
}

static int expected(const struct reader *r, const char *what, struct error *err)
{
    return error_set(err, ERROR_INPUT,
                     "the token is not written as one: at byte %zu of %zu, "
                     "expected %s",
                     r->at, r->size, what);
}

static int check_life(const struct token *t, struct error *err)
{
    if (t->expires_s <= t->issued_s)
        return error_set(err, ERROR_INPUT,
                         "the token expires at %" PRId64 ", but was issued at %" PRId64,
                         t->expires_s, t->issued_s);
    if (t->expires_s - t->issued_s > TOKEN_LIFE_MAX_S)
        return error_set(err, ERROR_INPUT,
                         "the token would last %" PRId64 " s, expected at most %d",
                         t->expires_s - t->issued_s, TOKEN_LIFE_MAX_S);
    return 0;
}

int token_read(const char *text, size_t size, struct token *out, struct error *err)
{
    struct reader r = {text, size, 0};
    struct token t = {0};
    memset(out, 0, sizeof *out);
    if (size > TOKEN_TEXT_MAX)
        return error_set(err, ERROR_INPUT, "a token of %zu bytes, expected at most %d", size,
                         TOKEN_TEXT_MAX);
    if (!literal(&r, "{\"format\":1,\"chip_id\":\""))
        return expected(&r, "{\"format\":1,\"chip_id\":\"", err);
    if (!string(&r, t.chip_id, TOKEN_CHIP_ID_MAX))
        return expected(&r, "a chip id of 1 to 32 bytes", err);
    if (!literal(&r, ",\"order\":\"") || !string(&r, t.order, TOKEN_NAME_MAX))
        return expected(&r, "\"order\" with 1 to 64 bytes", err);
    if (literal(&r, ",\"station\":\"") && !string(&r, t.station, TOKEN_NAME_MAX))
        return expected(&r, "\"station\" with 1 to 64 bytes", err);
    if (!literal(&r, ",\"issued\":") || !seconds(&r, &t.issued_s))
        return expected(&r, "\"issued\" in whole seconds", err);
    if (!literal(&r, ",\"expires\":") || !seconds(&r, &t.expires_s))
        return expected(&r, "\"expires\" in whole seconds", err);
    if (!literal(&r, ",\"nonce\":\"") || !string(&r, t.nonce, TOKEN_NONCE_TEXT - 1) ||
        !is_nonce(t.nonce))
        return expected(&r, "\"nonce\" with 32 lower-case hex digits", err);
    if (!literal(&r, "}") || r.at != r.size)
        return expected(&r, "} and the end", err);
    int rc = check_life(&t, err);
    if (!rc)
        *out = t;
    return rc;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static size_t escaped(const char *from, size_t most, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < most && from[i]; i++) {
        if (from[i] == '"' || from[i] == '\\')
            out[n++] = '\\';
        out[n++] = from[i];
    }
    out[n] = '\0';
    return n;
}

int token_write(const struct token *t, char text[TOKEN_TEXT_MAX + 1], struct error *err)
{
    char chip_id[2 * TOKEN_CHIP_ID_MAX + 1], order[2 * TOKEN_NAME_MAX + 1],
        station[2 * TOKEN_NAME_MAX + 1];
    struct token back;
    struct error why = {0};
    escaped(t->chip_id, TOKEN_CHIP_ID_MAX, chip_id);
    escaped(t->order, TOKEN_NAME_MAX, order);
    bool placed = escaped(t->station, TOKEN_NAME_MAX, station) > 0;
    int n = snprintf(text, TOKEN_TEXT_MAX + 1,
                     "{\"format\":1,\"chip_id\":\"%s\",\"order\":\"%s\"%s%s%s,\"issued\":%" PRId64
                     ",\"expires\":%" PRId64 ",\"nonce\":\"%s\"}",
                     chip_id, order, placed ? ",\"station\":\"" : "", station, placed ? "\"" : "",
                     t->issued_s, t->expires_s, t->nonce);
    /* Its own reader says whether all of it can be read again. */
    int rc = token_read(text, (size_t)n, &back, &why);
    return rc ? error_set(err, ERROR_INPUT, "no token can be made of this: %s", why.text) : 0;
}

/* ---- the door ----------------------------------------------------------------------------------
 */

static int refuse_time(const struct token *t, int64_t now_s, struct error *err)
{
    char expires[25], now[25];
    clock_format_utc(t->expires_s * 1000, expires);
    clock_format_utc(now_s * 1000, now);
    return error_set(err, ERROR_REFUSED,
                     "the token expired at %.19sZ, and it is %.19sZ or later by what this unit "
                     "knows",
                     expires, now);
}

int token_admit(const struct token_door *door, const char *text, size_t size,
                const uint8_t *signature, size_t signature_size, struct token *out,
                struct error *err)
{
    struct token t;
    memset(out, 0, sizeof *out);
    int rc = signing_verify(door->public_key_pem, text, size, signature, signature_size, err);
    if (rc == ERROR_REFUSED)
        return error_set(err, rc, "the token's signature is not one of this factory's token key");
    if (!rc)
        rc = token_read(text, size, &t, err);
    if (rc)
        return rc;
    if (strcmp(t.chip_id, door->chip_id) != 0)
        return error_set(err, ERROR_REFUSED, "the token is for chip %s, this is chip %s", t.chip_id,
                         door->chip_id);
    if (strcmp(t.nonce, door->nonce) != 0)
        return error_set(err, ERROR_REFUSED,
                         "the token was made for another session: its nonce is not the one of "
                         "this session's hello");
    if (t.expires_s <= door->now_s)
        return refuse_time(&t, door->now_s, err);
    *out = t;
    return 0;
}
