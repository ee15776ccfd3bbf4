#include "protocol/formats/signing.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { RSA_BITS = 3072 };

/* A kind of key. What is_one() leaves open is settled for all: the digest is SHA-256. */
struct signing_kind {
    const char *name;
    EVP_PKEY *(*make)(void);
    bool (*is_one)(const EVP_PKEY *key);
    /* On the key's context before signing or verifying; NULL when there is nothing to set. */
    bool (*prepare)(EVP_PKEY_CTX *ctx);
};

static EVP_PKEY *p256_make(void)
{
    return EVP_EC_gen("P-256");
}

static bool p256_is_one(const EVP_PKEY *key)
{
    char group[32] = "";
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static EVP_PKEY *rsa_make(void)
{
    return EVP_RSA_gen(RSA_BITS);
}

static bool rsa_is_one(const EVP_PKEY *key)
{
    BIGNUM *exponent = NULL;
    bool right = EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == RSA_BITS &&
                 EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
                 BN_is_word(exponent, RSA_F4);
    BN_free(exponent);
    return right;
}

static bool rsa_prepare(EVP_PKEY_CTX *ctx)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
}

static const struct signing_kind kinds[] = {
    {"p256", p256_make, p256_is_one, NULL},
    {"rsa3072", rsa_make, rsa_is_one, rsa_prepare},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static char *bio_text(BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    return size > 0 ? strndup(data, (size_t)size) : NULL;
}

int signing_key_make(struct signing_key *out, struct error *err)
{
    return signing_key_make_kind(kinds[0].name, out, err);
}

int signing_key_make_kind(const char *kind, struct signing_key *out, struct error *err)
{
    size_t k = 0;
    memset(out, 0, sizeof *out);
    while (k < KIND_COUNT && strcmp(kinds[k].name, kind) != 0)
        k++;
    if (k == KIND_COUNT)
        return error_set(err, ERROR_INPUT, "a key of kind '%.20s', expected " SIGNING_KINDS, kind);
    int rc = ERROR_MEMORY;
    EVP_PKEY *key = kinds[k].make();
    BIO *private_bio = BIO_new(BIO_s_secmem()), *public_bio = BIO_new(BIO_s_mem());
    if (!key || !private_bio || !public_bio)
        goto out;
    if (PEM_write_bio_PKCS8PrivateKey(private_bio, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_PUBKEY(public_bio, key) != 1)
        goto out;
    out->private_pem = bio_text(private_bio);
    out->public_pem = bio_text(public_bio);
    rc = out->private_pem && out->public_pem ? 0 : ERROR_MEMORY;
out:
    if (rc) {
        error_set(err, rc, "cannot make a signing key");
        signing_key_free(out);
    }
    BIO_free(private_bio);
    BIO_free(public_bio);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return rc;
}

void signing_key_free(struct signing_key *key)
{
    if (key->private_pem)
        OPENSSL_cleanse(key->private_pem, strlen(key->private_pem));
    free(key->private_pem);
    free(key->public_pem);
    memset(key, 0, sizeof *key);
}

/* A passphrase is never asked for on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *context)
{
    return -1;
}

/* The key in the PEM text, and its kind. */
static int read_key(const char *pem, int is_private, EVP_PKEY **out,
                    const struct signing_kind **out_kind, struct error *err)
{
    const char *half = is_private ? "private" : "public";
    *out = NULL;
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    EVP_PKEY *key = NULL;
    if (bio)
        key = is_private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                         : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (!key)
        return error_set(err, ERROR_INPUT, "the %s key is not PEM text of an unencrypted key",
                         half);
    size_t k = 0;
    while (k < KIND_COUNT && !kinds[k].is_one(key))
        k++;
    ERR_clear_error();
    if (k == KIND_COUNT) {
        EVP_PKEY_free(key);
        return error_set(err, ERROR_INPUT,
                         "the %s key is neither one of the curve P-256 nor of RSA with 3072 bits "
                         "and the exponent 65537",
                         half);
    }
    *out = key;
    *out_kind = &kinds[k];
    return 0;
}

static bool is_ready(const struct signing_kind *kind, EVP_PKEY_CTX *ctx)
{
    return !kind->prepare || kind->prepare(ctx);
}

int signing_sign(const char *private_pem, const void *data, size_t size,
                 uint8_t signature[SIGNATURE_BYTES_MAX], size_t *signature_size, struct error *err)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *key_ctx = NULL; /* ctx owns it */
    const struct signing_kind *kind = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int rc = ctx ? read_key(private_pem, 1, &key, &kind, err)
                 : error_set(err, ERROR_MEMORY, "signing: out of memory");
    *signature_size = SIGNATURE_BYTES_MAX;
    if (!rc && (EVP_DigestSignInit(ctx, &key_ctx, EVP_sha256(), NULL, key) != 1 ||
                !is_ready(kind, key_ctx) ||
                EVP_DigestSign(ctx, signature, signature_size, data, size) != 1))
        rc = error_set(err, ERROR_MEMORY, "signing %zu bytes failed", size);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return rc;
}

int signing_verify(const char *public_pem, const void *data, size_t size, const uint8_t *signature,
                   size_t signature_size, struct error *err)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *key_ctx = NULL; /* ctx owns it */
    const struct signing_kind *kind = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int rc = ctx ? read_key(public_pem, 0, &key, &kind, err)
                 : error_set(err, ERROR_MEMORY, "checking a signature: out of memory");
    if (!rc && (EVP_DigestVerifyInit(ctx, &key_ctx, EVP_sha256(), NULL, key) != 1 ||
                !is_ready(kind, key_ctx)))
        rc = error_set(err, ERROR_MEMORY, "checking a signature failed");
    if (!rc && EVP_DigestVerify(ctx, signature, signature_size, data, size) != 1)
        rc = error_set(err, ERROR_REFUSED,
                       "the signature over the %zu bytes is not one of the key given", size);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return rc;
}

static int check_key(const char *pem, int is_private, struct error *err)
{
    const struct signing_kind *kind;
    EVP_PKEY *key;
    int rc = read_key(pem, is_private, &key, &kind, err);
    EVP_PKEY_free(key);
    return rc;
}

int signing_public_key_check(const char *public_pem, struct error *err)
{
    return check_key(public_pem, 0, err);
}

int signing_key_fingerprint(const char *public_pem, char hex[DIGEST_TEXT], struct error *err)
{
    const struct signing_kind *kind;
    EVP_PKEY *key = NULL;
    unsigned char *der = NULL;
    uint8_t hash[DIGEST_BYTES];
    int rc = read_key(public_pem, 0, &key, &kind, err);
    if (rc)
        return rc;
    int size = i2d_PUBKEY(key, &der);
    if (size <= 0 || digest_bytes(der, (size_t)size, hash))
        rc = error_set(err, ERROR_MEMORY, "a key's fingerprint: out of memory");
    else
        hex_encode(hash, sizeof hash, hex);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return rc;
}

int signing_private_key_check(const char *private_pem, struct error *err)
{
    return check_key(private_pem, 1, err);
}
