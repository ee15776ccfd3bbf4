/* The sealing key in a PKCS#11 token: an AES-256 key that is made there, says that it is sensitive
 * and cannot be extracted, and seals and opens there. */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "provisioning/cryptoki.h"
#include "provisioning/custody.h"
#include "provisioning/custody_backend.h"

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16 };

static const char what[] = "the custody key";

struct keeper {
    struct cryptoki *token;
    CK_OBJECT_HANDLE key;
};

static int make_key(struct keeper *k, struct error *err)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ULONG bytes = KEY_BYTES;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    const char *label = cryptoki_label(k->token);
    CK_ATTRIBUTE key[] = {
        {CKA_CLASS, &class, sizeof class},     {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE_LEN, &bytes, sizeof bytes}, {CKA_LABEL, (void *)label, strlen(label)},
        {CKA_TOKEN, &yes, sizeof yes},         {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_SENSITIVE, &yes, sizeof yes},     {CKA_EXTRACTABLE, &no, sizeof no},
        {CKA_ENCRYPT, &yes, sizeof yes},       {CKA_DECRYPT, &yes, sizeof yes},
    };
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    const CK_RV rv = cryptoki_calls(k->token)->C_GenerateKey(
        cryptoki_session(k->token), &mechanism, key, sizeof key / sizeof key[0], &k->key);
    return rv == CKR_OK ? 0 : cryptoki_fail(k->token, rv, err, "make a key");
}

/* A key that could be read out is no better than a file, and would be taken for better. */
static int check_key(struct keeper *k, struct error *err)
{
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_KEY_TYPE type = 0;
    CK_ULONG bytes = 0;
    CK_ATTRIBUTE said[] = {{CKA_SENSITIVE, &sensitive, sizeof sensitive},
                           {CKA_EXTRACTABLE, &extractable, sizeof extractable},
                           {CKA_KEY_TYPE, &type, sizeof type},
                           {CKA_VALUE_LEN, &bytes, sizeof bytes}};
    const CK_RV rv =
        cryptoki_calls(k->token)->C_GetAttributeValue(cryptoki_session(k->token), k->key, said, 4);
    if (rv != CKR_OK)
        return cryptoki_fail(k->token, rv, err, "say what its key is");
    if (type != CKK_AES || bytes != KEY_BYTES)
        return error_set(err, ERROR_INPUT, "%s '%s' is no AES-256 key", what,
                         cryptoki_label(k->token));
    if (!sensitive || extractable)
        return error_set(err, ERROR_REFUSED,
                         "%s '%s' can be read out of its token: expected CKA_SENSITIVE and not "
                         "CKA_EXTRACTABLE",
                         what, cryptoki_label(k->token));
    return 0;
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
    struct error none = {0};
    if (!k)
        return error_set(err, ERROR_MEMORY, "%s: out of memory", what);
    int rc = cryptoki_open(what, uri, &k->token, err);
    if (!rc) {
        rc = cryptoki_find(k->token, CKO_SECRET_KEY, &k->key, &none);
        if (rc == ERROR_MISSING)
            rc = make_key(k, err);
        else if (rc && err)
            *err = none;
    }
    if (!rc)
        rc = check_key(k, err);
    if (rc)
        close_keeper(k);
    else
        *out = k;
    return rc;
}

static CK_MECHANISM gcm(CK_GCM_PARAMS *params, uint8_t *nonce, const char *did)
{
    *params = (CK_GCM_PARAMS){.iv_ptr = nonce,
                              .iv_len = NONCE_BYTES,
                              .iv_bits = NONCE_BYTES * 8,
                              .aad_ptr = (unsigned char *)did,
                              .aad_len = strlen(did),
                              .tag_bits = TAG_BYTES * 8};
    return (CK_MECHANISM){CKM_AES_GCM, params, sizeof *params};
}

static int seal(void *keeper, const char *did, const uint8_t *key, size_t size, uint8_t *sealed,
                struct error *err)
{
    struct keeper *k = keeper;
    int rc = cryptoki_here(k->token, err);
    if (rc)
        return rc;
    CK_FUNCTION_LIST *calls = cryptoki_calls(k->token);
    CK_GCM_PARAMS params;
    CK_ULONG n = size + TAG_BYTES;
    /* Random 96-bit nonces: NIST SP 800-38D 8.3 allows 2^32 seals under one key. */
    if (RAND_bytes(sealed, NONCE_BYTES) != 1)
        return error_set(err, ERROR_IO, "no randomness to seal the key of %s", did);
    CK_MECHANISM mechanism = gcm(&params, sealed, did);
    CK_RV rv = calls->C_EncryptInit(cryptoki_session(k->token), &mechanism, k->key);
    if (rv == CKR_OK)
        rv = calls->C_Encrypt(cryptoki_session(k->token), (unsigned char *)key, size,
                              sealed + NONCE_BYTES, &n);
    if (rv != CKR_OK)
        return cryptoki_fail(k->token, rv, err, "seal a key");
    return n == size + TAG_BYTES
               ? 0
               : error_set(err, ERROR_PROTOCOL, "%s: the token sealed %zu bytes into %lu", what,
                           size, n);
}

static int unseal(void *keeper, const char *did, const uint8_t *sealed, size_t size, uint8_t *key,
                  struct error *err)
{
    struct keeper *k = keeper;
    uint8_t nonce[NONCE_BYTES];
    int rc = cryptoki_here(k->token, err);
    if (rc)
        return rc;
    CK_FUNCTION_LIST *calls = cryptoki_calls(k->token);
    CK_GCM_PARAMS params;
    CK_ULONG n = size + TAG_BYTES; /* what custody_unseal()'s caller has room for */
    memcpy(nonce, sealed, sizeof nonce);
    CK_MECHANISM mechanism = gcm(&params, nonce, did);
    CK_RV rv = calls->C_DecryptInit(cryptoki_session(k->token), &mechanism, k->key);
    if (rv == CKR_OK)
        rv = calls->C_Decrypt(cryptoki_session(k->token), (unsigned char *)sealed + NONCE_BYTES,
                              size + TAG_BYTES, key, &n);
    if (rv == CKR_OK && n == size)
        return 0;
    explicit_bzero(key, size);
    if (rv == CKR_DEVICE_REMOVED || rv == CKR_TOKEN_NOT_PRESENT)
        return cryptoki_fail(k->token, rv, err, "open a sealed key");
    return error_set(err, ERROR_REFUSED,
                     "the sealed key of %s does not open: it was altered, is another DID's, or was "
                     "sealed under another custody key",
                     did);
}

const struct custody_backend custody_pkcs11 = {
    .scheme = "pkcs11",
    .open = open_keeper,
    .close = close_keeper,
    .seal = seal,
    .unseal = unseal,
};
