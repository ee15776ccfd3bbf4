#include "protocol/base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

struct digest *digest_start(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return (struct digest *)ctx;
}

int digest_update(struct digest *d, const void *data, size_t size)
{
    return EVP_DigestUpdate((EVP_MD_CTX *)d, data, size) == 1 ? 0 : ERROR_STATE;
}

void digest_finish(struct digest *d, uint8_t out[DIGEST_BYTES])
{
    if (d && out)
        EVP_DigestFinal_ex((EVP_MD_CTX *)d, out, NULL);
    EVP_MD_CTX_free((EVP_MD_CTX *)d);
}

int digest_bytes(const void *data, size_t size, uint8_t out[DIGEST_BYTES])
{
    return EVP_Digest(data, size, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : ERROR_MEMORY;
}

int digest_file(const char *path, uint8_t out[DIGEST_BYTES], uint64_t *size_bytes,
                struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "cannot open %s", path);
    struct digest *d = digest_start();
    int rc = d ? 0 : error_set(err, ERROR_MEMORY, "hashing %s: out of memory", path);
    uint64_t total = 0;
    uint8_t chunk[65536];
    while (!rc) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = error_errno(err, ERROR_IO, "cannot read %s", path);
        if (n <= 0)
            break;
        rc = digest_update(d, chunk, (size_t)n);
        total += (uint64_t)n;
    }
    digest_finish(d, rc ? NULL : out);
    close(fd);
    if (!rc && size_bytes)
        *size_bytes = total;
    return rc;
}

void hex_encode(const void *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * size] = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(const char *text, void *out, size_t size)
{
    uint8_t *p = out;
    if (strlen(text) != 2 * size)
        return ERROR_INPUT;
    for (size_t i = 0; i < size; i++) {
        int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERROR_INPUT;
        p[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

int hex_decode_some(const char *text, void *out, size_t room)
{
    const size_t size = strlen(text) / 2;
    return size > room || hex_decode(text, out, size) ? ERROR_INPUT : (int)size;
}
