/* The token key as a PEM file, readable by its owner alone. */
#include <string.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "provisioning/secret.h"
#include "provisioning/signer_backend.h"

static const char what[] = "the token key";

enum { PEM_MAX = 4000 }; /* within one page; an RSA-3072 key takes 2500 */

/* In a page that is wiped along in forked workers: an empty text is what they find. */
struct keeper {
    char pem[PEM_MAX + 1];
};

static int file_open(const char *path, void **out, struct error *err)
{
    struct error why = {0};
    void *page = NULL;
    off_t size;
    int fd, rc = secret_file_open(what, path, &fd, &size, err);
    if (rc)
        return rc;
    rc = secret_page_new(what, &page, err);
    if (!rc && (size < 1 || size > PEM_MAX))
        rc = error_set(err, ERROR_INPUT, "%s %s has %lld bytes, expected at most %d", what, path,
                       (long long)size, PEM_MAX);
    struct keeper *k = page;
    if (!rc)
        rc = file_read_all(fd, k->pem, (size_t)size, err);
    if (!rc && signing_private_key_check(k->pem, &why))
        rc = error_set(err, ERROR_INPUT, "%s %s: %s", what, path, why.text);
    close(fd);
    if (rc)
        secret_page_free(page);
    else
        *out = page;
    return rc;
}

static int file_sign(void *keeper, const void *data, size_t size,
                     uint8_t signature[SIGNATURE_BYTES_MAX], size_t *signature_size,
                     struct error *err)
{
    const struct keeper *k = keeper;
    if (!k->pem[0])
        return error_set(err, ERROR_STATE, "%s is not in this process: it was forked", what);
    return signing_sign(k->pem, data, size, signature, signature_size, err);
}

const struct signer_backend signer_file = {
    .scheme = "file",
    .open = file_open,
    .close = secret_page_free,
    .sign = file_sign,
};
