#include "protocol/wire/secure.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/digest.h"

struct secure {
    SSL_CTX *context;
    SSL *ssl; /* owns both BIOs */
    BIO *in, *out;
    bool server, established;
    char fingerprint[65];
};

static int openssl_error(struct error *err, int code, const char *what)
{
    char text[160] = "unknown reason";
    unsigned long e = ERR_get_error();
    if (e) {
        const char *reason = ERR_reason_error_string(e);
        if (reason)
            snprintf(text, sizeof text, "%s", reason);
    }
    ERR_clear_error();
    return error_set(err, code, "%s: %s", what, text);
}

static X509 *read_certificate(const char *pem)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return certificate;
}

static int load(SSL_CTX *context, const struct credentials *c, struct error *err)
{
    int rc = 0;
    X509 *certificate = read_certificate(c->certificate_pem);
    BIO *bio = c->private_key_pem ? BIO_new_mem_buf(c->private_key_pem, -1) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    X509 *ca = c->ca_pem ? read_certificate(c->ca_pem) : NULL;
    if (!certificate)
        rc = openssl_error(err, ERROR_INPUT, "credentials: the certificate is no PEM");
    else if (!key)
        rc = openssl_error(err, ERROR_INPUT, "credentials: the private key is no PEM");
    else if (c->ca_pem && !ca)
        rc = openssl_error(err, ERROR_INPUT, "credentials: the CA's certificate is no PEM");
    else if (SSL_CTX_use_certificate(context, certificate) != 1 ||
             SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
        rc = openssl_error(err, ERROR_INPUT, "credentials: key and certificate do not fit");
    else if (ca && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca) != 1)
        rc = openssl_error(err, ERROR_INPUT, "credentials: the CA's certificate is not usable");
    X509_free(ca);
    EVP_PKEY_free(key);
    BIO_free(bio);
    X509_free(certificate);
    return rc;
}

static bool says_station(X509 *certificate)
{
    char unit[32] = "";
    X509_NAME *subject = X509_get_subject_name(certificate);
    return X509_NAME_get_text_by_NID(subject, NID_organizationalUnitName, unit, sizeof unit) > 0 &&
           !strcmp(unit, "station");
}

/* Beside the chain, the unit wants the role: a certificate that the factory gave to something else
 * does not open a camera. */
static int check_role(int ok, X509_STORE_CTX *store)
{
    if (!ok || X509_STORE_CTX_get_error_depth(store) != 0)
        return ok;
    if (says_station(X509_STORE_CTX_get_current_cert(store)))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

int secure_create(bool server, const struct credentials *credentials, struct secure **out,
                  struct error *err)
{
    int rc = 0;
    *out = NULL;
    struct secure *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "TLS: out of memory");
    s->server = server;
    s->context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!s->context || SSL_CTX_set_min_proto_version(s->context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(s->context, TLS1_3_VERSION) != 1) {
        rc = openssl_error(err, ERROR_MEMORY, "TLS");
        goto out;
    }
    if (server && !credentials->ca_pem) {
        rc = error_set(err, ERROR_INPUT, "credentials: a unit needs the factory CA's certificate");
        goto out;
    }
    /* What was decrypted may be a key: it is wiped once it was read. */
    SSL_CTX_set_options(s->context,
                        SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_num_tickets(s->context, 0);
    SSL_CTX_set_session_cache_mode(s->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(s->context, SSL_MODE_RELEASE_BUFFERS);
    rc = load(s->context, credentials, err);
    if (rc)
        goto out;
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(s->context), X509_V_FLAG_NO_CHECK_TIME);
    SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       server                ? check_role
                       : credentials->ca_pem ? NULL
                                             : accept_any);
    s->ssl = SSL_new(s->context);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    if (!s->ssl || !s->in || !s->out) {
        BIO_free(s->in);
        BIO_free(s->out);
        rc = openssl_error(err, ERROR_MEMORY, "TLS");
        goto out;
    }
    BIO_set_mem_eof_return(s->in, -1);
    SSL_set_bio(s->ssl, s->in, s->out);
    if (server)
        SSL_set_accept_state(s->ssl);
    else
        SSL_set_connect_state(s->ssl);
out:
    if (rc)
        secure_free(s);
    else
        *out = s;
    return rc;
}

void secure_free(struct secure *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
    free(s);
}

static int explain(struct secure *s, int returned, struct error *err)
{
    int kind = SSL_get_error(s->ssl, returned);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
        return 0;
    if (kind == SSL_ERROR_ZERO_RETURN)
        return error_set(err, ERROR_CLOSED, "TLS: ended by the peer");
    const char *peer = s->server ? "station" : "unit";
    unsigned long e = ERR_peek_error();
    int reason = ERR_GET_REASON(e);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        long verify = SSL_get_verify_result(s->ssl);
        ERR_clear_error();
        return error_set(err, ERROR_REFUSED, "TLS: the %s's certificate is not accepted: %s", peer,
                         verify == X509_V_ERR_APPLICATION_VERIFICATION
                             ? "its subject does not say OU=station"
                             : X509_verify_cert_error_string(verify));
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        ERR_clear_error();
        return error_set(err, ERROR_REFUSED, "TLS: the %s showed no certificate", peer);
    }
    char what[80];
    bool alert = reason > SSL_AD_REASON_OFFSET;
    snprintf(what, sizeof what, alert ? "TLS: the %s refused us" : "TLS with the %s failed", peer);
    return openssl_error(err, alert ? ERROR_REFUSED : ERROR_PROTOCOL, what);
}

static int go_on(struct secure *s, struct error *err)
{
    if (s->established)
        return 0;
    ERR_clear_error();
    int rc = SSL_do_handshake(s->ssl);
    if (rc != 1)
        return explain(s, rc, err);
    s->established = true;
    X509 *peer = SSL_get1_peer_certificate(s->ssl);
    uint8_t digest[DIGEST_BYTES];
    unsigned size = sizeof digest;
    if (peer && X509_digest(peer, EVP_sha256(), digest, &size) == 1)
        hex_encode(digest, size, s->fingerprint);
    X509_free(peer);
    return 0;
}

int secure_start(struct secure *s, struct error *err)
{
    return s->server ? 0 : go_on(s, err);
}

int secure_feed(struct secure *s, const void *data, size_t size, struct error *err)
{
    if (size > INT_MAX || BIO_write(s->in, data, (int)size) != (int)size)
        return error_set(err, ERROR_MEMORY, "TLS: out of memory");
    return go_on(s, err);
}

int secure_read(struct secure *s, void *data, size_t size, struct error *err)
{
    if (!s->established)
        return 0;
    ERR_clear_error();
    int n = SSL_read(s->ssl, data, size > INT_MAX ? INT_MAX : (int)size);
    return n > 0 ? n : explain(s, n, err);
}

int secure_write(struct secure *s, const void *data, size_t size, struct error *err)
{
    if (!s->established)
        return error_set(err, ERROR_STATE, "TLS: the handshake is not done");
    ERR_clear_error();
    if (size > INT_MAX || SSL_write(s->ssl, data, (int)size) != (int)size)
        return openssl_error(err, ERROR_MEMORY, "TLS: cannot encrypt");
    return 0;
}

size_t secure_output(struct secure *s, void *data, size_t size)
{
    int n = BIO_read(s->out, data, size > INT_MAX ? INT_MAX : (int)size);
    return n > 0 ? (size_t)n : 0;
}

bool secure_pending(const struct secure *s)
{
    return BIO_ctrl_pending(s->out) > 0;
}

bool secure_established(const struct secure *s)
{
    return s->established;
}

void secure_peer_fingerprint(const struct secure *s, char out[65])
{
    memcpy(out, s->fingerprint, 65);
}
