#include "protocol/formats/signing.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

static char *bio_text(BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    return size > 0 ? strndup(data, (size_t)size) : NULL;
}

int signing_key_make(struct signing_key *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    int rc = ERROR_MEMORY;
    EVP_PKEY *key = EVP_EC_gen("P-256");
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

/* The key in the PEM text, if it is one of P-256: another curve or kind would verify too, but is
 * not what the factory agreed on. */
static int read_key(const char *pem, int is_private, EVP_PKEY **out, struct error *err)
{
    const char *kind = is_private ? "private" : "public";
    char group[32] = "";
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
                         kind);
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        strcmp(group, "prime256v1") != 0) {
        EVP_PKEY_free(key);
        ERR_clear_error();
        return error_set(err, ERROR_INPUT, "the %s key is not of the curve P-256", kind);
    }
    *out = key;
    return 0;
}

int signing_sign(const char *private_pem, const void *data, size_t size,
                 uint8_t signature[SIGNATURE_BYTES_MAX], size_t *signature_size, struct error *err)
{
    EVP_PKEY *key = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int rc = ctx ? read_key(private_pem, 1, &key, err)
                 : error_set(err, ERROR_MEMORY, "signing: out of memory");
    *signature_size = SIGNATURE_BYTES_MAX;
    if (!rc && (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
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
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int rc = ctx ? read_key(public_pem, 0, &key, err)
                 : error_set(err, ERROR_MEMORY, "checking a signature: out of memory");
    if (!rc && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) != 1)
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
    EVP_PKEY *key;
    int rc = read_key(pem, is_private, &key, err);
    EVP_PKEY_free(key);
    return rc;
}

int signing_public_key_check(const char *public_pem, struct error *err)
{
    return check_key(public_pem, 0, err);
}

int signing_private_key_check(const char *private_pem, struct error *err)
{
    return check_key(private_pem, 1, err);
}
