/* The token key in a PKCS#11 token: P-256 or RSA-3072, as signing.h has them; it signs there. */
#include <openssl/ecdsa.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "provisioning/cryptoki.h"
#include "provisioning/signer_backend.h"

enum { P256_BYTES = 32, RSA3072_BYTES = 384 };

static const char what[] = "the token key";
/* DER of the curve's object identifier, 1.2.840.10045.3.1.7 (RFC 5480, 2.1.1.1). */
static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

struct keeper {
    struct cryptoki *token;
    CK_OBJECT_HANDLE key;
    CK_KEY_TYPE type;
};

static CK_RV attribute(struct keeper *k, CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG *size)
{
    CK_ATTRIBUTE a = {type, value, *size};
    const CK_RV rv =
        cryptoki_calls(k->token)->C_GetAttributeValue(cryptoki_session(k->token), k->key, &a, 1);
    *size = a.ulValueLen;
    return rv;
}

static int check_key(struct keeper *k, struct error *err)
{
    uint8_t value[1024];
    CK_ULONG size = sizeof k->type;
    CK_RV rv = attribute(k, CKA_KEY_TYPE, &k->type, &size);
    bool good = false;
    size = sizeof value;
    if (rv == CKR_OK && k->type == CKK_EC) {
        rv = attribute(k, CKA_EC_PARAMS, value, &size);
        good = rv == CKR_OK && size == sizeof p256 && memcmp(value, p256, sizeof p256) == 0;
    } else if (rv == CKR_OK && k->type == CKK_RSA) {
        rv = attribute(k, CKA_MODULUS, value, &size);
        good = rv == CKR_OK && size == RSA3072_BYTES;
    }
    if (rv != CKR_OK)
        return cryptoki_fail(k->token, rv, err, "say what its key is");
    return good ? 0
                : error_set(err, ERROR_INPUT, "%s '%s' is of another kind: expected " SIGNING_KINDS,
                            what, cryptoki_label(k->token));
}

static void close_keeper(void *keeper)
{
    struct keeper *k = keeper;
    if (k)
        cryptoki_close(k->token);
    free(k);
}

static int open_keeper(const char *uri, void **out, struct error *err)
{
    struct keeper *k = calloc(1, sizeof *k);
    int rc = k ? cryptoki_open(what, uri, &k->token, err)
               : error_set(err, ERROR_MEMORY, "%s: out of memory", what);
    if (!rc)
        rc = cryptoki_find(k->token, CKO_PRIVATE_KEY, &k->key, err);
    if (!rc)
        rc = check_key(k, err);
    if (rc)
        close_keeper(k);
    else
        *out = k;
    return rc;
}

/* PKCS#11 gives r and s side by side; everybody else takes them in DER. */
static int to_der(const uint8_t raw[2 * P256_BYTES], uint8_t *signature, size_t *size,
                  struct error *err)
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, P256_BYTES, NULL),
           *s = BN_bin2bn(raw + P256_BYTES, P256_BYTES, NULL);
    int n = -1;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        n = i2d_ECDSA_SIG(pair, &signature);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    *size = n > 0 ? (size_t)n : 0;
    return n > 0 ? 0 : error_set(err, ERROR_MEMORY, "%s: out of memory", what);
}

static int sign(void *keeper, const void *data, size_t size, uint8_t signature[SIGNATURE_BYTES_MAX],
                size_t *signature_size, struct error *err)
{
    struct keeper *k = keeper;
    int rc = cryptoki_here(k->token, err);
    if (rc)
        return rc;
    CK_FUNCTION_LIST *calls = cryptoki_calls(k->token);
    const CK_SESSION_HANDLE session = cryptoki_session(k->token);
    const bool ec = k->type == CKK_EC;
    CK_MECHANISM mechanism = {ec ? CKM_ECDSA : CKM_SHA256_RSA_PKCS, NULL, 0};
    uint8_t hash[SHA256_DIGEST_LENGTH], raw[SIGNATURE_BYTES_MAX];
    CK_ULONG n = sizeof raw;
    SHA256(data, size, hash);
    CK_RV rv = calls->C_SignInit(session, &mechanism, k->key);
    if (rv == CKR_OK)
        rv = calls->C_Sign(session, ec ? hash : (unsigned char *)data,
                           ec ? sizeof hash : (CK_ULONG)size, raw, &n);
    if (rv != CKR_OK)
        return cryptoki_fail(k->token, rv, err, "sign");
    if (n != (ec ? 2 * P256_BYTES : RSA3072_BYTES))
        return error_set(err, ERROR_PROTOCOL, "%s: the token's signature has %lu bytes", what, n);
    if (ec)
        return to_der(raw, signature, signature_size, err);
    memcpy(signature, raw, n);
    *signature_size = n;
    return 0;
}

const struct signer_backend signer_pkcs11 = {
    .scheme = "pkcs11",
    .open = open_keeper,
    .close = close_keeper,
    .sign = sign,
};
