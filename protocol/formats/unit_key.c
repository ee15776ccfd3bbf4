#include "protocol/formats/unit_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

static const char proof_heading[] = "takt: this unit has its key\n";
/* RFC 5915: version 1, a key of 32 bytes, the curve 1.2.840.10045.3.1.7; without the public half,
 * which follows from it. */
static const uint8_t head[] = {0x30, 0x31, 0x02, 0x01, 0x01, 0x04, UNIT_KEY_BYTES};
static const uint8_t tail[] = {0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                               0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

static int failed(struct error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return error_set(err, ERROR_MEMORY, "cannot %s: %s", what, reason ? reason : "unknown reason");
}

static EVP_PKEY *load(const uint8_t key[UNIT_KEY_BYTES])
{
    uint8_t der[sizeof head + UNIT_KEY_BYTES + sizeof tail];
    const uint8_t *at = der;
    memcpy(der, head, sizeof head);
    memcpy(der + sizeof head, key, UNIT_KEY_BYTES);
    memcpy(der + sizeof head + UNIT_KEY_BYTES, tail, sizeof tail);
    EVP_PKEY *pair = d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, sizeof der);
    explicit_bzero(der, sizeof der);
    return pair;
}

int unit_key_make(uint8_t key[UNIT_KEY_BYTES], struct error *err)
{
    BIGNUM *scalar = NULL;
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    const bool made = pair && EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
                      BN_bn2binpad(scalar, key, UNIT_KEY_BYTES) == UNIT_KEY_BYTES;
    BN_clear_free(scalar);
    EVP_PKEY_free(pair);
    return made ? 0 : failed(err, "make the unit's key");
}

static bool name_it(X509_NAME *name, const char *did, const char *serial)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)did, -1, -1, 0) == 1 &&
           (!*serial || X509_NAME_add_entry_by_NID(name, NID_serialNumber, MBSTRING_ASC,
                                                   (const unsigned char *)serial, -1, -1, 0) == 1);
}

int unit_key_request(const uint8_t key[UNIT_KEY_BYTES], const char *did, const char *serial,
                     uint8_t out[UNIT_REQUEST_MAX], size_t *size, struct error *err)
{
    int rc = 0, n = 0;
    EVP_PKEY *pair = load(key);
    X509_REQ *request = X509_REQ_new();
    if (!pair || !request)
        rc = failed(err, "make the unit's request");
    else if (!*did || !name_it(X509_REQ_get_subject_name(request), did, serial))
        rc = error_set(err, ERROR_INPUT, "did '%s', serial '%s': no subject of a certificate", did,
                       serial);
    else if (X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
             X509_REQ_set_pubkey(request, pair) != 1 || !X509_REQ_sign(request, pair, EVP_sha256()))
        rc = failed(err, "make the unit's request");
    if (!rc && (n = i2d_X509_REQ(request, NULL)) > UNIT_REQUEST_MAX)
        rc = error_set(err, ERROR_INPUT, "a request of %d bytes, expected at most %d", n,
                       UNIT_REQUEST_MAX);
    if (!rc && (n = i2d_X509_REQ(request, &out)) < 1)
        rc = failed(err, "write the unit's request");
    *size = rc ? 0 : (size_t)n;
    X509_REQ_free(request);
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return rc;
}

static X509 *read_certificate(const uint8_t *der, size_t size)
{
    const uint8_t *at = der;
    X509 *x = size && size <= UNIT_CERTIFICATE_MAX ? d2i_X509(NULL, &at, (long)size) : NULL;
    if (x && at != der + size) {
        X509_free(x);
        x = NULL;
    }
    ERR_clear_error();
    return x;
}

int unit_key_certified(const uint8_t key[UNIT_KEY_BYTES], const char *did,
                       const uint8_t *certificate, size_t size, struct error *err)
{
    int rc = 0;
    char name[65] = "";
    EVP_PKEY *pair = load(key);
    X509 *x = read_certificate(certificate, size);
    if (!pair)
        rc = failed(err, "read the unit's key");
    else if (!x)
        rc = error_set(err, ERROR_INPUT, "%zu bytes that are no certificate, expected X.509 in DER",
                       size);
    else if (X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name,
                                       sizeof name) < 1 ||
             strcmp(name, did) != 0)
        rc = error_set(err, ERROR_MISMATCH, "the certificate is of '%s', this unit is '%s'", name,
                       did);
    else if (EVP_PKEY_eq(X509_get0_pubkey(x), pair) != 1)
        rc = error_set(err, ERROR_MISMATCH, "the certificate is of another key than this unit's");
    X509_free(x);
    EVP_PKEY_free(pair);
    ERR_clear_error();
    return rc;
}

static void compose(const uint8_t nonce[UNIT_NONCE_BYTES],
                    uint8_t out[sizeof proof_heading - 1 + UNIT_NONCE_BYTES])
{
    memcpy(out, proof_heading, sizeof proof_heading - 1);
    memcpy(out + sizeof proof_heading - 1, nonce, UNIT_NONCE_BYTES);
}

int unit_key_prove(const uint8_t key[UNIT_KEY_BYTES], const uint8_t nonce[UNIT_NONCE_BYTES],
                   uint8_t proof[UNIT_PROOF_MAX], size_t *size, struct error *err)
{
    uint8_t text[sizeof proof_heading - 1 + UNIT_NONCE_BYTES];
    EVP_PKEY *pair = load(key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    *size = UNIT_PROOF_MAX;
    compose(nonce, text);
    const bool made = pair && ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pair) == 1 &&
                      EVP_DigestSign(ctx, proof, size, text, sizeof text) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pair);
    return made ? 0 : failed(err, "prove the unit's key");
}

int unit_proof_check(const uint8_t *certificate, size_t certificate_size,
                     const uint8_t nonce[UNIT_NONCE_BYTES], const uint8_t *proof, size_t proof_size,
                     struct error *err)
{
    uint8_t text[sizeof proof_heading - 1 + UNIT_NONCE_BYTES];
    X509 *x = read_certificate(certificate, certificate_size);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    compose(nonce, text);
    const bool right =
        x && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, X509_get0_pubkey(x)) == 1 &&
        EVP_DigestVerify(ctx, proof, proof_size, text, sizeof text) == 1;
    EVP_MD_CTX_free(ctx);
    X509_free(x);
    ERR_clear_error();
    return right ? 0
                 : error_set(err, ERROR_REFUSED,
                             "the unit does not prove the key of its certificate");
}
