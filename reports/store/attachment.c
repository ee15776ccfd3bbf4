/* Attachments are files named by their content: attachments/ab/cdef…. The same picture twice is one
 * file, and a name that is there holds whole bytes: it only appears by a rename after fsync. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "reports/store.h"

static int attachment_path(char *out, size_t size, const char *dir, const char *sha256_hex,
                           struct error *err)
{
    uint8_t digest[DIGEST_BYTES];
    if (hex_decode(sha256_hex, digest, sizeof digest))
        return error_set(err, ERROR_INPUT, "'%.80s' does not name an attachment", sha256_hex);
    int n = snprintf(out, size, "%s/%.2s/%s", dir, sha256_hex, sha256_hex + 2);
    if (n < 0 || (size_t)n >= size)
        return error_set(err, ERROR_INPUT, "the path below %s is too long", dir);
    return 0;
}

static int sync_folder(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, ERROR_IO, "cannot open folder %s", path);
    int rc = fsync(fd) ? error_errno(err, ERROR_IO, "cannot sync folder %s", path) : 0;
    close(fd);
    return rc;
}

int store_attachment_write(const char *attachments_dir, const void *data, size_t size,
                           char sha256_hex[65], struct error *err)
{
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_TEXT], path[PATH_MAX], folder[PATH_MAX];
    if (digest_bytes(data, size, digest))
        return error_set(err, ERROR_MEMORY, "cannot hash an attachment of %zu bytes", size);
    hex_encode(digest, sizeof digest, hex);
    int rc = attachment_path(path, sizeof path, attachments_dir, hex, err);
    if (rc)
        return rc;
    snprintf(folder, sizeof folder, "%.*s", (int)(strlen(path) - (DIGEST_TEXT - 2)), path);

    struct stat st;
    if (!stat(path, &st) && st.st_size == (off_t)size) {
        rc = sync_folder(folder, err); /* another worker's rename may not be durable yet */
    } else {
        if (!mkdir(folder, 0755))
            rc = sync_folder(attachments_dir, err);
        else if (errno != EEXIST)
            rc = error_errno(err, errno == ENOSPC ? ERROR_FULL : ERROR_IO, "cannot make folder %s",
                             folder);
        if (!rc)
            rc = file_write(path, data, size, 0644, err);
    }
    if (!rc)
        memcpy(sha256_hex, hex, sizeof hex);
    return rc;
}

int store_attachment_read(const char *attachments_dir, const char *sha256_hex, struct buffer *out,
                          struct error *err)
{
    char path[PATH_MAX];
    uint8_t expected[DIGEST_BYTES], found[DIGEST_BYTES];
    size_t before = out->size;
    int rc = attachment_path(path, sizeof path, attachments_dir, sha256_hex, err);
    if (!rc)
        rc = file_read(path, out, err);
    if (rc)
        return rc;
    if (hex_decode(sha256_hex, expected, sizeof expected) ||
        digest_bytes(out->data + before, out->size - before, found) ||
        memcmp(expected, found, sizeof found)) {
        out->size = before;
        return error_set(err, ERROR_MISMATCH, "%s no longer holds what was written there", path);
    }
    return 0;
}
