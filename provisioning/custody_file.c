/* The sealing key as a file: 64 hex digits and a newline, readable by its owner alone. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "provisioning/custody.h"
#include "provisioning/custody_backend.h"
#include "provisioning/secret.h"

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, FILE_BYTES = 2 * KEY_BYTES + 1 };
_Static_assert(NONCE_BYTES + TAG_BYTES == CUSTODY_OVERHEAD, "what custody.h promises");

static const char what[] = "the custody key";

/* In a secret page. `present` is wiped along with the key in a forked worker, so one that asks is
 * refused. */
struct keeper {
    uint32_t present;
    uint8_t key[KEY_BYTES];
};

/* Written whole under another name and then linked: of two that make it at once, one wins and the
 * other reads the winner's. */
static int file_make(const char *path, struct error *err)
{
    uint8_t key[KEY_BYTES];
    char text[FILE_BYTES + 1], fresh[PATH_MAX];
    if (snprintf(fresh, sizeof fresh, "%s.%ld.new", path, (long)getpid()) >= (int)sizeof fresh)
        return error_set(err, ERROR_INPUT, "%s: the path is too long", path);
    if (RAND_priv_bytes(key, sizeof key) != 1)
        return error_set(err, ERROR_IO, "no randomness for a custody key");
    hex_encode(key, sizeof key, text);
    text[FILE_BYTES - 1] = '\n';
    int rc = file_write(fresh, text, FILE_BYTES, 0600, err);
    if (!rc && link(fresh, path) && errno != EEXIST)
        rc = error_errno(err, ERROR_IO, "cannot make the custody key %s", path);
    unlink(fresh);
    /* Durable before anything is sealed with it. */
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!rc && (fd < 0 || fsync(fd)))
        rc = error_errno(err, ERROR_IO, "cannot sync the folder of %s", path);
    if (fd >= 0)
        close(fd);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(text, sizeof text);
    return rc;
}

static int read_key(int fd, off_t size, const char *path, struct keeper *k, struct error *err)
{
    char text[FILE_BYTES + 1] = {0};
    int rc = 0;
    if (size != FILE_BYTES || file_read_all(fd, text, FILE_BYTES, err) ||
        text[FILE_BYTES - 1] != '\n')
        rc = ERROR_INPUT;
    text[FILE_BYTES - 1] = '\0';
    if (!rc)
        rc = hex_decode(text, k->key, KEY_BYTES);
    OPENSSL_cleanse(text, sizeof text);
    if (rc)
        return error_set(err, ERROR_INPUT,
                         "%s is no custody key: expected 64 hex digits and a newline; it is left "
                         "as it is",
                         path);
    k->present = 1;
    return 0;
}

static int file_open(const char *path, void **out, struct error *err)
{
    void *page = NULL;
    off_t size = 0;
    int fd = -1, rc = secret_page_new(what, &page, err);
    if (rc)
        return rc;
    rc = secret_file_open(what, path, &fd, &size, err);
    if (rc == ERROR_MISSING) {
        rc = file_make(path, err);
        if (!rc)
            rc = secret_file_open(what, path, &fd, &size, err);
    }
    if (!rc)
        rc = read_key(fd, size, path, page, err);
    if (fd >= 0)
        close(fd);
    if (rc)
        secret_page_free(page);
    else
        *out = page;
    return rc;
}

static int key_needed(const struct keeper *k, struct error *err)
{
    if (k->present)
        return 0;
    return error_set(err, ERROR_STATE, "the custody key is not in this process: it was forked");
}

static int file_seal(void *keeper, const char *did, const uint8_t *key, size_t size,
                     uint8_t *sealed, struct error *err)
{
    const struct keeper *k = keeper;
    int n = 0, rc = key_needed(k, err);
    if (rc)
        return rc;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t *nonce = sealed, *body = sealed + NONCE_BYTES, *tag = body + size;
    /* Random 96-bit nonces: NIST SP 800-38D 8.3 allows 2^32 seals under one key. */
    if (!ctx || size > INT_MAX || RAND_bytes(nonce, NONCE_BYTES) != 1 ||
        EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->key, nonce) != 1 ||
        EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)did, (int)strlen(did)) != 1 ||
        EVP_EncryptUpdate(ctx, body, &n, key, (int)size) != 1 ||
        EVP_EncryptFinal_ex(ctx, body + n, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) != 1)
        rc = error_set(err, ERROR_IO, "cannot seal the key of %s", did);
    EVP_CIPHER_CTX_free(ctx);
    return rc;
}

static int file_unseal(void *keeper, const char *did, const uint8_t *sealed, size_t size,
                       uint8_t *key, struct error *err)
{
    const struct keeper *k = keeper;
    int n = 0, rc = key_needed(k, err);
    if (rc)
        return rc;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const uint8_t *nonce = sealed, *body = sealed + NONCE_BYTES;
    uint8_t tag[TAG_BYTES];
    memcpy(tag, body + size, sizeof tag);
    if (!ctx || size > INT_MAX ||
        EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k->key, nonce) != 1 ||
        EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)did, (int)strlen(did)) != 1 ||
        EVP_DecryptUpdate(ctx, key, &n, body, (int)size) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) != 1 ||
        EVP_DecryptFinal_ex(ctx, key + n, &n) != 1) {
        OPENSSL_cleanse(key, size);
        rc = error_set(err, ERROR_REFUSED,
                       "the sealed key of %s does not open: it was altered, is another DID's, or "
                       "was sealed under another custody key",
                       did);
    }
    EVP_CIPHER_CTX_free(ctx);
    return rc;
}

const struct custody_backend custody_file = {
    .scheme = "file",
    .open = file_open,
    .close = secret_page_free,
    .seal = file_seal,
    .unseal = file_unseal,
};
