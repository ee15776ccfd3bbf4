#include "provisioning/delivery.h"

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "provisioning/secret.h"

enum { OPENING_S = 120 }; /* of processor time; far more than 256 MiB need */

void delivery_wipe(struct buffer *csv)
{
    if (csv->data)
        OPENSSL_cleanse(csv->data, csv->capacity);
    buffer_free(csv);
}

/* Room first: a buffer that grows would leave keys behind in freed memory. */
static int read_file(const char *path, struct buffer *out, struct error *err)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;
    if (there && (st.st_size < 0 || st.st_size > DELIVERY_BYTES_MAX))
        return error_set(err, ERROR_INPUT, "%s is larger than an import may be (256 MiB)", path);
    out->limit_bytes = DELIVERY_BYTES_MAX;
    const int rc = buffer_reserve(out, there && st.st_size > 0 ? (size_t)st.st_size : 1);
    return rc ? error_set(err, rc, "%s: out of memory", path) : file_read(path, out, err);
}

/* ---- in a process of its own --------------------------------------------------------------- */

static int read_certificate(const char *path, X509 **out, struct error *err)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return error_errno(err, ERROR_MISSING, "cannot open %s", path);
    *out = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    return *out ? 0 : error_set(err, ERROR_INPUT, "%s holds no certificate in PEM", path);
}

static int no_passphrase(char *out, int size, int writing, void *context)
{
    return -1; /* nobody is there to type one */
}

static int read_key(const char *path, EVP_PKEY **out, struct error *err)
{
    off_t size;
    int fd, rc = secret_file_open("the delivery key", path, &fd, &size, err);
    if (rc)
        return rc;
    FILE *f = fdopen(fd, "r");
    *out = f ? PEM_read_PrivateKey(f, NULL, no_passphrase, NULL) : NULL;
    if (f)
        fclose(f);
    else
        close(fd);
    return *out ? 0 : error_set(err, ERROR_INPUT, "%s holds no private key in PEM", path);
}

/* Decrypts `in` into `out`. */
static int decrypt(const struct delivery_keys *keys, const char *path, BIO *in, BIO *out,
                   struct error *err)
{
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    CMS_ContentInfo *cms = NULL;
    int rc = read_certificate(keys->certificate, &certificate, err);
    if (!rc)
        rc = read_key(keys->key, &key, err);
    if (!rc && !(cms = d2i_CMS_bio(in, NULL)))
        rc = error_set(err, ERROR_INPUT, "%s is no delivery: expected CMS in DER (RFC 5652)", path);
    if (!rc && CMS_decrypt(cms, key, certificate, NULL, out, CMS_BINARY) != 1)
        rc = error_set(err, ERROR_REFUSED,
                       "%s does not open: it was altered, or is not encrypted to %s", path,
                       keys->certificate);
    CMS_ContentInfo_free(cms);
    EVP_PKEY_free(key);
    X509_free(certificate);
    return rc;
}

/* Checks `in` against the platform's certificate alone; its content into `out`. */
static int verify(const struct delivery_keys *keys, const char *path, BIO *in, BIO *out,
                  struct error *err)
{
    X509 *platform = NULL;
    CMS_ContentInfo *cms = NULL;
    STACK_OF(X509) *pinned = sk_X509_new_null();
    int rc = pinned ? read_certificate(keys->platform, &platform, err)
                    : error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    if (!rc && sk_X509_push(pinned, platform) < 1)
        rc = error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    if (!rc && !(cms = d2i_CMS_bio(in, NULL)))
        rc = error_set(err, ERROR_INPUT, "%s is not signed: expected SignedData within", path);
    if (!rc && CMS_verify(cms, pinned, NULL, NULL, out,
                          CMS_BINARY | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY) != 1)
        rc = error_set(err, ERROR_REFUSED, "%s was altered, or is signed by somebody else than %s",
                       path, keys->platform);
    CMS_ContentInfo_free(cms);
    sk_X509_free(pinned);
    X509_free(platform);
    return rc;
}

static int open_cms(const struct delivery_keys *keys, const char *path, const struct buffer *file,
                    BIO *csv, struct error *err)
{
    BIO *in = BIO_new_mem_buf(file->data, (int)file->size), *inner = BIO_new(BIO_s_mem());
    int rc = in && inner ? decrypt(keys, path, in, inner, err)
                         : error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    if (!rc)
        rc = verify(keys, path, inner, csv, err);
    BIO_free(inner);
    BIO_free(in);
    return rc;
}

/* What comes up the pipe: this, then the CSV. */
struct answer {
    struct error err;
    uint64_t bytes;
};

static void opener(const struct delivery_keys *keys, const char *path, int pipe)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM};
    const struct rlimit time = {OPENING_S, OPENING_S};
    struct answer answer = {0};
    struct buffer file = {0};
    BIO *csv = BIO_new(BIO_s_mem());
    const char *text = NULL;
    /* A file that breaks the parser ends this process, whatever handlers it inherited. */
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], SIG_DFL);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CPU, &time);
    int rc = csv ? read_file(path, &file, &answer.err)
                 : error_set(&answer.err, ERROR_MEMORY, "%s: out of memory", path);
    if (!rc)
        rc = open_cms(keys, path, &file, csv, &answer.err);
    if (!rc)
        answer.bytes = (uint64_t)BIO_get_mem_data(csv, (char **)&text);
    if (!file_write_all(pipe, &answer, sizeof answer, NULL) && answer.bytes)
        file_write_all(pipe, text, answer.bytes, NULL);
    _exit(0);
}

/* ---- in this one --------------------------------------------------------------------------- */

static int receive(int pipe, const char *path, struct buffer *out, struct error *err)
{
    struct answer answer;
    int rc = file_read_all(pipe, &answer, sizeof answer, NULL);
    if (rc)
        return error_set(err, ERROR_REFUSED,
                         "%s cannot be opened: what it says broke the program that tried", path);
    if (answer.err.code)
        return error_set(err, answer.err.code, "%s", answer.err.text);
    out->limit_bytes = DELIVERY_BYTES_MAX;
    rc = buffer_reserve(out, answer.bytes ? answer.bytes : 1);
    if (rc)
        return error_set(err, rc, "%s: out of memory", path);
    rc = file_read_all(pipe, out->data, answer.bytes, err);
    out->size = rc ? 0 : answer.bytes;
    return rc;
}

static int read_delivery(const struct delivery_keys *keys, const char *path, struct buffer *out,
                         struct error *err)
{
    int pair[2];
    if (pipe(pair))
        return error_errno(err, ERROR_IO, "%s: no pipe", path);
    const pid_t child = fork();
    if (child == 0) {
        close(pair[0]);
        opener(keys, path, pair[1]);
    }
    close(pair[1]);
    const int rc = child < 0 ? error_errno(err, ERROR_IO, "%s: cannot start a process", path)
                             : receive(pair[0], path, out, err);
    close(pair[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return rc;
}

int delivery_read(const struct delivery_keys *keys, const char *path, struct buffer *out,
                  struct error *err)
{
    *out = (struct buffer){0};
    const bool agreed = keys && keys->platform[0];
    const int rc = agreed ? read_delivery(keys, path, out, err) : read_file(path, out, err);
    if (rc)
        delivery_wipe(out);
    return rc;
}
