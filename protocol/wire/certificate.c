#include "protocol/wire/certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/digest.h"
#include "protocol/wire/certificate_parts.h"

enum { DAY_SECONDS = 24 * 60 * 60, SERIAL_BITS = 127, NAME_MAX_BYTES = 64 /* RFC 5280 ub */ };

struct wish {
    const char *common_name, *role;
    int days; /* 0: without end */
    bool ca;
    EVP_PKEY *issuer_key; /* NULL: itself */
    X509 *issuer;
};

static int failed(struct error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return error_set(err, ERROR_MEMORY, "certificate: cannot %s: %s", what,
                     reason ? reason : "unknown reason");
}

static char *text_of(BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    char *text = size > 0 ? malloc((size_t)size + 1) : NULL;
    if (text) {
        memcpy(text, data, (size_t)size);
        text[size] = '\0';
    }
    return text;
}

static bool set_dates(X509 *x, int days)
{
    if (!days)
        return ASN1_TIME_set_string(X509_getm_notBefore(x), "20000101000000Z") == 1 &&
               ASN1_TIME_set_string(X509_getm_notAfter(x), "99991231235959Z") == 1;
    return X509_gmtime_adj(X509_getm_notBefore(x), -DAY_SECONDS) &&
           X509_time_adj_ex(X509_getm_notAfter(x), days, 0, NULL);
}

static bool set_name(X509_NAME *name, const struct wish *w)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)w->common_name, -1, -1, 0) == 1 &&
           (!w->role || X509_NAME_add_entry_by_NID(name, NID_organizationalUnitName, MBSTRING_UTF8,
                                                   (const unsigned char *)w->role, -1, -1, 0) == 1);
}

bool certificate_set_serial(X509 *x)
{
    BIGNUM *serial = BN_new();
    bool ok = serial && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x));
    BN_free(serial);
    return ok;
}

bool certificate_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension && X509_add_ext(x, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool describe(X509 *x, EVP_PKEY *key, const struct wish *w)
{
    X509 *issuer = w->issuer ? w->issuer : x;
    return X509_set_version(x, X509_VERSION_3) == 1 && certificate_set_serial(x) &&
           set_dates(x, w->days) && set_name(X509_get_subject_name(x), w) &&
           X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
           X509_set_pubkey(x, key) == 1 &&
           certificate_extend(x, issuer, NID_basic_constraints,
                              w->ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
           certificate_extend(x, issuer, NID_key_usage,
                              w->ca ? "critical,keyCertSign,cRLSign"
                                    : "critical,digitalSignature") &&
           certificate_extend(x, issuer, NID_subject_key_identifier, "hash") &&
           (!w->issuer ||
            certificate_extend(x, issuer, NID_authority_key_identifier, "keyid:always"));
}

static int make(const struct wish *w, struct certificate *out, struct error *err)
{
    int rc = 0;
    BIO *certificate_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_secmem());
    EVP_PKEY *key = NULL;
    X509 *x = X509_new();
    memset(out, 0, sizeof *out);
    if (!*w->common_name || strlen(w->common_name) > NAME_MAX_BYTES) {
        rc = error_set(err, ERROR_INPUT, "certificate: the name '%s' is not of 1 to %d bytes",
                       w->common_name, NAME_MAX_BYTES);
        goto out;
    }
    key = EVP_EC_gen("P-256");
    if (!certificate_bio || !key_bio || !x || !key || !describe(x, key, w) ||
        !X509_sign(x, w->issuer_key ? w->issuer_key : key, EVP_sha256())) {
        rc = failed(err, "make it");
        goto out;
    }
    if (PEM_write_bio_X509(certificate_bio, x) != 1 ||
        PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        rc = failed(err, "write it as PEM");
        goto out;
    }
    out->certificate_pem = text_of(certificate_bio);
    out->private_key_pem = text_of(key_bio);
    if (!out->certificate_pem || !out->private_key_pem) {
        certificate_free(out);
        rc = error_set(err, ERROR_MEMORY, "certificate: out of memory");
    }
out:
    X509_free(x);
    EVP_PKEY_free(key);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    return rc;
}

int certificate_make_ca(const char *common_name, int days, struct certificate *out,
                        struct error *err)
{
    return make(&(struct wish){.common_name = common_name, .days = days, .ca = true}, out, err);
}

int certificate_make_unit(const char *chip_id, struct certificate *out, struct error *err)
{
    return make(&(struct wish){.common_name = chip_id, .role = "unit"}, out, err);
}

int certificate_issue(const struct certificate *ca, const char *common_name, const char *role,
                      int days, struct certificate *out, struct error *err)
{
    int rc;
    BIO *certificate_bio = BIO_new_mem_buf(ca->certificate_pem, -1);
    BIO *key_bio = BIO_new_mem_buf(ca->private_key_pem, -1);
    X509 *issuer = certificate_bio ? PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL) : NULL;
    memset(out, 0, sizeof *out);
    if (!issuer || !key || X509_check_private_key(issuer, key) != 1) {
        ERR_clear_error();
        rc = error_set(err, ERROR_INPUT, "certificate: the CA's certificate and key do not fit");
    } else {
        rc = make(&(struct wish){.common_name = common_name,
                                 .role = role,
                                 .days = days,
                                 .issuer = issuer,
                                 .issuer_key = key},
                  out, err);
    }
    EVP_PKEY_free(key);
    X509_free(issuer);
    BIO_free(key_bio);
    BIO_free(certificate_bio);
    return rc;
}

void certificate_free(struct certificate *c)
{
    free(c->certificate_pem);
    if (c->private_key_pem)
        OPENSSL_cleanse(c->private_key_pem, strlen(c->private_key_pem));
    free(c->private_key_pem);
    memset(c, 0, sizeof *c);
}

int certificate_fingerprint(const char *certificate_pem, char out[65], struct error *err)
{
    BIO *bio = BIO_new_mem_buf(certificate_pem, -1);
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    uint8_t digest[DIGEST_BYTES];
    unsigned size = sizeof digest;
    int rc = 0;
    if (!x || X509_digest(x, EVP_sha256(), digest, &size) != 1) {
        ERR_clear_error();
        rc = error_set(err, ERROR_INPUT, "certificate: it is no PEM");
    } else {
        hex_encode(digest, size, out);
    }
    X509_free(x);
    BIO_free(bio);
    return rc;
}
