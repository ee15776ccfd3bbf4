#include "provisioning/device_ca.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "protocol/wire/certificate_parts.h"
#include "provisioning/database.h"
#include "provisioning/pool_parts.h"

enum { DAYS_A_YEAR = 365 };

struct device_ca {
    X509 *certificate;
    struct signer *signer;
    int years;
};

static int failed(struct error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return error_set(err, ERROR_MEMORY, "device CA: cannot %s: %s", what,
                     reason ? reason : "unknown reason");
}

/* ---- signing -------------------------------------------------------------------------------- */

/* What signer_sign() makes with this key: RFC 5758, 3.2 (no parameters) and RFC 4055, 5 (NULL). */
static bool name_algorithm(const struct device_ca *ca, X509_ALGOR *out)
{
    const bool rsa = EVP_PKEY_is_a(X509_get0_pubkey(ca->certificate), "RSA");
    return X509_ALGOR_set0(out,
                           OBJ_nid2obj(rsa ? NID_sha256WithRSAEncryption : NID_ecdsa_with_SHA256),
                           rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL) == 1;
}

/* The key may be in a token, which OpenSSL does not know: the signature is put in by hand. OpenSSL
 * gives both of its places for reading alone. */
static int sign(const struct device_ca *ca, X509 *x, struct error *err)
{
    const ASN1_BIT_STRING *place;
    const X509_ALGOR *algorithm;
    uint8_t signature[SIGNATURE_BYTES_MAX], *body = NULL;
    size_t size = 0;
    X509_get0_signature(&place, &algorithm, x);
    if (!name_algorithm(ca, (X509_ALGOR *)X509_get0_tbs_sigalg(x)) ||
        !name_algorithm(ca, (X509_ALGOR *)algorithm))
        return failed(err, "name the kind of its signature");
    const int n = i2d_re_X509_tbs(x, &body);
    if (n < 1)
        return failed(err, "write a certificate");
    int rc = signer_sign(ca->signer, body, (size_t)n, signature, &size, err);
    OPENSSL_free(body);
    if (rc)
        return rc;
    ASN1_BIT_STRING *bits = (ASN1_BIT_STRING *)place;
    if (ASN1_STRING_set(bits, signature, (int)size) != 1)
        return failed(err, "write a signature");
    bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 7); /* all eight bits of the last byte count */
    bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
    /* Also the proof that the key in the token is the certificate's. */
    if (X509_verify(x, X509_get0_pubkey(ca->certificate)) == 1)
        return 0;
    ERR_clear_error();
    return error_set(err, ERROR_MISMATCH, "device CA: its key is not that of its certificate");
}

/* RFC 5280, 4.1.2.5: 99991231235959Z stands for no end. */
static bool set_dates(const struct device_ca *ca, X509 *x, int64_t wall_ms)
{
    time_t from = (time_t)(wall_ms / 1000);
    if (!ASN1_TIME_set(X509_getm_notBefore(x), from))
        return false;
    return ca->years
               ? X509_time_adj_ex(X509_getm_notAfter(x), ca->years * DAYS_A_YEAR, 0, &from) != NULL
               : ASN1_TIME_set_string(X509_getm_notAfter(x), "99991231235959Z") == 1;
}

static int issue(const struct device_ca *ca, X509_NAME *subject, EVP_PKEY *key, int64_t wall_ms,
                 X509 **out, struct error *err)
{
    X509 *x = *out = X509_new();
    if (!x || X509_set_version(x, X509_VERSION_3) != 1 || !certificate_set_serial(x) ||
        !set_dates(ca, x, wall_ms) || X509_set_subject_name(x, subject) != 1 ||
        X509_set_issuer_name(x, X509_get_subject_name(ca->certificate)) != 1 ||
        X509_set_pubkey(x, key) != 1 ||
        !certificate_extend(x, ca->certificate, NID_basic_constraints, "critical,CA:FALSE") ||
        !certificate_extend(x, ca->certificate, NID_key_usage, "critical,digitalSignature") ||
        !certificate_extend(x, ca->certificate, NID_subject_key_identifier, "hash") ||
        !certificate_extend(x, ca->certificate, NID_authority_key_identifier, "keyid:always"))
        return failed(err, "make a certificate");
    return sign(ca, x, err);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* One certificate is signed for nobody: a key that is not the CA's is found at the start, not with
 * the first unit. */
static int try_key(const struct device_ca *ca, struct error *err)
{
    X509 *x = NULL;
    int rc = issue(ca, X509_get_subject_name(ca->certificate), X509_get0_pubkey(ca->certificate), 0,
                   &x, err);
    X509_free(x);
    return rc;
}

int device_ca_open(const char *certificate_path, const char *key_address, int years,
                   struct device_ca **out, struct error *err)
{
    struct buffer pem = {0};
    struct device_ca *ca = calloc(1, sizeof *ca);
    *out = NULL;
    if (!ca)
        return error_set(err, ERROR_MEMORY, "device CA: out of memory");
    ca->years = years;
    int rc = file_read(certificate_path, &pem, err);
    BIO *bio = rc ? NULL : BIO_new_mem_buf(pem.data, (int)pem.size);
    if (bio)
        ca->certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    buffer_free(&pem);
    if (!rc && (!ca->certificate || X509_check_ca(ca->certificate) != 1))
        rc = error_set(err, ERROR_INPUT, "%s: not the certificate (PEM) of a CA", certificate_path);
    ERR_clear_error();
    if (!rc)
        rc = signer_open(key_address, &ca->signer, err);
    if (!rc)
        rc = try_key(ca, err);
    if (rc)
        device_ca_close(ca);
    else
        *out = ca;
    return rc;
}

void device_ca_close(struct device_ca *ca)
{
    if (!ca)
        return;
    X509_free(ca->certificate);
    signer_close(ca->signer);
    free(ca);
}

/* ---- certifying ----------------------------------------------------------------------------- */

static int check_request(X509_REQ *request, const struct identity *i, struct error *err)
{
    char name[65] = "", group[32] = "";
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;
    int rc = 0;
    if (!key || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        rc =
            error_set(err, ERROR_REFUSED,
                      "did %s: what the unit sent is no request (PKCS#10) for a P-256 key", i->did);
    else if (X509_REQ_verify(request, key) != 1)
        rc = error_set(err, ERROR_REFUSED, "did %s: the request is not signed by its own key",
                       i->did);
    else if (X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(request), NID_commonName, name,
                                       sizeof name) < 1 ||
             strcmp(name, i->did) != 0)
        rc = error_set(err, ERROR_REFUSED, "the request is of '%s', this unit is to be '%s'", name,
                       i->did);
    ERR_clear_error();
    return rc;
}

/* 1 = this DID has one, and it is of this key. */
static int find_issued(sqlite3 *db, const char *did, EVP_PKEY *key,
                       uint8_t certificate[UNIT_CERTIFICATE_MAX], size_t *size, struct error *err)
{
    sqlite3_stmt *st =
        database_prepare(db, err, "SELECT der FROM identity_certificate WHERE did=?1", "t", did);
    if (!st)
        return pool_failed(err);
    int rc = database_step(db, st, err, "cannot read the pool");
    if (rc == 1) {
        const uint8_t *der = sqlite3_column_blob(st, 0), *at = der;
        *size = (size_t)sqlite3_column_bytes(st, 0);
        X509 *x = *size <= UNIT_CERTIFICATE_MAX ? d2i_X509(NULL, &at, (long)*size) : NULL;
        if (!x || EVP_PKEY_eq(X509_get0_pubkey(x), key) != 1)
            rc = error_set(err, ERROR_MISMATCH,
                           "did %s: another key was certified before: is this the same unit?", did);
        else
            memcpy(certificate, der, *size);
        X509_free(x);
    }
    ERR_clear_error();
    sqlite3_finalize(st);
    return rc;
}

static int keep(struct pool *p, const char *chip_id, const struct identity *i, const uint8_t *der,
                size_t size, int64_t wall_ms, struct error *err)
{
    uint8_t hash[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    if (digest_bytes(der, size, hash))
        return error_set(err, ERROR_MEMORY, "device CA: out of memory");
    hex_encode(hash, sizeof hash, hex);
    int rc = database_write(p->db, err, "cannot keep a certificate",
                            "INSERT INTO identity_certificate VALUES (?1, ?2, ?3)", "tbi", i->did,
                            der, size, wall_ms);
    return rc ? rc
              : pool_note(p, err, wall_ms, "taktd", "identity.certify", chip_id, "did", i->did,
                          "sha256", hex, NULL);
}

static int certify(struct device_ca *ca, struct pool *p, const char *chip_id, X509_REQ *request,
                   int64_t wall_ms, uint8_t certificate[UNIT_CERTIFICATE_MAX], size_t *size,
                   struct error *err)
{
    struct identity i;
    X509 *x = NULL;
    uint8_t *der = NULL;
    int rc = pool_find_with_key(p, chip_id, &i, err);
    if (!rc && (i.key_bytes || i.state < IDENTITY_RESERVED || i.state >= IDENTITY_QUARANTINED))
        rc = error_set(err, ERROR_STATE, "did %s is %s%s: it gets no certificate", i.did,
                       pool_state_name(i.state), i.key_bytes ? " and came with a key" : "");
    if (!rc)
        rc = check_request(request, &i, err);
    EVP_PKEY *key = rc ? NULL : X509_REQ_get0_pubkey(request);
    if (!rc)
        rc = find_issued(p->db, i.did, key, certificate, size, err);
    if (rc) /* 1: there already */
        goto out;
    rc = issue(ca, X509_REQ_get_subject_name(request), key, wall_ms, &x, err);
    if (rc)
        goto out;
    const int n = i2d_X509(x, &der);
    if (n < 1 || n > UNIT_CERTIFICATE_MAX) {
        rc = error_set(err, ERROR_INPUT, "did %s: a certificate of %d bytes, expected at most %d",
                       i.did, n, UNIT_CERTIFICATE_MAX);
        goto out;
    }
    memcpy(certificate, der, (size_t)n);
    *size = (size_t)n;
    rc = keep(p, chip_id, &i, certificate, *size, wall_ms, err);
out:
    OPENSSL_free(der);
    X509_free(x);
    identity_wipe(&i);
    return rc > 0 ? 0 : rc;
}

int device_ca_certify(struct device_ca *ca, struct pool *p, const char *chip_id,
                      const uint8_t *request, size_t request_size, int64_t wall_ms,
                      uint8_t certificate[UNIT_CERTIFICATE_MAX], size_t *size, struct error *err)
{
    const uint8_t *at = request;
    X509_REQ *parsed =
        request_size <= UNIT_REQUEST_MAX ? d2i_X509_REQ(NULL, &at, (long)request_size) : NULL;
    if (parsed && at != request + request_size) {
        X509_REQ_free(parsed);
        parsed = NULL;
    }
    ERR_clear_error();
    int rc = database_save(p->db, err);
    if (!rc)
        rc = database_keep(p->db, certify(ca, p, chip_id, parsed, wall_ms, certificate, size, err),
                           err);
    X509_REQ_free(parsed);
    return rc;
}

static int append_pem(struct buffer *pem, const char *did, const uint8_t *der, int size)
{
    const uint8_t *at = der;
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    X509 *x = d2i_X509(NULL, &at, size);
    int rc = bio && x && BIO_printf(bio, "# %s\n", did) > 0 && PEM_write_bio_X509(bio, x) == 1
                 ? 0
                 : ERROR_MEMORY;
    const long n = rc ? 0 : BIO_get_mem_data(bio, &text);
    if (!rc)
        rc = buffer_append(pem, text, (size_t)n);
    X509_free(x);
    BIO_free(bio);
    return rc;
}

int device_ca_export(sqlite3 *db, const char *order, struct buffer *pem, int64_t *count,
                     struct error *err)
{
    int rc = 0, step;
    *count = 0;
    sqlite3_stmt *st =
        database_prepare(db, err,
                         "SELECT c.did, c.der FROM identity_certificate c JOIN identity i ON"
                         " i.did=c.did WHERE i.work_order=?1 ORDER BY c.did",
                         "t", order);
    if (!st)
        return pool_failed(err);
    while ((step = database_step(db, st, err, "cannot read the pool")) == 1 && !rc) {
        rc = append_pem(pem, (const char *)sqlite3_column_text(st, 0), sqlite3_column_blob(st, 1),
                        sqlite3_column_bytes(st, 1));
        ++*count;
    }
    sqlite3_finalize(st);
    if (rc)
        return error_set(err, rc, "the certificates of order %s: out of memory", order);
    if (step < 0)
        return step;
    return *count ? 0
                  : error_set(err, ERROR_MISSING,
                              "order %s has no certificates: no unit of it made "
                              "its key itself",
                              order);
}
