#include "firmware/hal/linux/direct_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* One request of this size keeps an SD card or eMMC busy; pages are what DMA is aligned to. */
enum { BUFFER_BYTES = 256 * 1024, ALIGN_BYTES = 4096 };

struct direct_io {
    char path[BOARD_PATH_MAX];
    int fd;
    bool read_only;
    uint32_t block_bytes;
    uint8_t *buffer;
};

int direct_open(const struct linux_unit *u, const char *path, struct direct_io **out,
                struct error *err)
{
    int block_bytes = 0;
    *out = NULL;
    struct direct_io *d = calloc(1, sizeof *d);
    if (!d)
        return error_set(err, ERROR_MEMORY, "no memory for %s", path);
    strncpy(d->path, path, sizeof d->path - 1);
    d->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    int rc = 0;
    if (d->fd < 0 && (errno == EROFS || errno == EACCES)) {
        d->read_only = true;
        rc = linux_open_device(u, path, O_RDONLY | O_DIRECT, &d->fd, err);
    } else if (d->fd < 0) {
        rc = linux_open_device(u, path, O_RDWR | O_DIRECT, &d->fd, err);
    }
    if (!rc &&
        (ioctl(d->fd, BLKSSZGET, &block_bytes) || block_bytes < 512 || block_bytes > ALIGN_BYTES))
        rc = error_set(err, ERROR_IO, "%s is no block device with blocks of 512 to %d bytes", path,
                       ALIGN_BYTES);
    d->block_bytes = (uint32_t)block_bytes;
    void *buffer = NULL;
    if (!rc && posix_memalign(&buffer, ALIGN_BYTES, BUFFER_BYTES))
        rc = error_set(err, ERROR_MEMORY, "no memory for %s", path);
    d->buffer = buffer;
    if (rc)
        direct_close(d);
    else
        *out = d;
    return rc;
}

void direct_close(struct direct_io *d)
{
    if (!d)
        return;
    if (d->fd >= 0)
        close(d->fd);
    free(d->buffer);
    free(d);
}

int direct_facts(struct direct_io *d, struct direct_facts *out, struct error *err)
{
    int read_only = 0;
    if (ioctl(d->fd, BLKGETSIZE64, &out->bytes) || ioctl(d->fd, BLKROGET, &read_only))
        return error_errno(err, ERROR_IO, "%s does not say its size", d->path);
    if (!out->bytes)
        return error_set(err, ERROR_MISSING, "%s has no medium", d->path);
    out->block_bytes = d->block_bytes;
    out->read_only = d->read_only || read_only;
    return 0;
}

static int failed(const struct direct_io *d, const char *what, uint64_t at, struct error *err)
{
    if (errno == EPERM || errno == EROFS) /* the switch was thrown after it was opened */
        return error_set(err, ERROR_REFUSED, "%s is write-protected", d->path);
    bool gone = errno == ENXIO || errno == ENODEV || errno == ENOMEDIUM || errno == 0;
    return error_errno(err,
                       gone              ? ERROR_CLOSED
                       : errno == ENOSPC ? ERROR_INPUT
                                         : ERROR_IO,
                       "cannot %s %s at byte %llu", what, d->path, (unsigned long long)at);
}

/* May the device move these bytes itself? Else they go through the own, aligned buffer. */
static bool movable(const struct direct_io *d, uint64_t offset, const void *data, size_t size)
{
    return data && (uintptr_t)data % ALIGN_BYTES == 0 && offset % d->block_bytes == 0 &&
           size % d->block_bytes == 0;
}

int direct_read(struct direct_io *d, uint64_t offset, void *data, size_t size, struct error *err)
{
    uint8_t *to = data;
    const bool copied = !movable(d, offset, data, size);
    while (size) {
        uint64_t skip = offset % d->block_bytes;
        size_t wanted = size < BUFFER_BYTES - skip ? size : (size_t)(BUFFER_BYTES - skip);
        size_t whole =
            (size_t)((skip + wanted + d->block_bytes - 1) / d->block_bytes) * d->block_bytes;
        errno = 0;
        ssize_t n = pread(d->fd, copied ? d->buffer : to, whole, (off_t)(offset - skip));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= (ssize_t)skip)
            return failed(d, "read", offset, err);
        size_t got = (size_t)n - (size_t)skip < wanted ? (size_t)n - (size_t)skip : wanted;
        /* Behind a part of a block nothing is aligned any more. */
        if (!copied && got % d->block_bytes)
            return failed(d, "read", offset, err);
        if (copied)
            memcpy(to, d->buffer + skip, got);
        to += got;
        offset += got;
        size -= got;
    }
    if (copied)
        explicit_bzero(d->buffer, BUFFER_BYTES); /* it may have been an identity's */
    return 0;
}

int direct_write(struct direct_io *d, uint64_t offset, const void *data, size_t size,
                 struct error *err)
{
    const uint8_t *from = data;
    const bool copied = !movable(d, offset, data, size);
    if (d->read_only)
        return error_set(err, ERROR_REFUSED, "%s is write-protected", d->path);
    if (offset % d->block_bytes || size % d->block_bytes)
        return error_set(err, ERROR_INPUT, "%zu bytes at %llu are not whole blocks of %u", size,
                         (unsigned long long)offset, d->block_bytes);
    while (size) {
        size_t piece = size < BUFFER_BYTES ? size : BUFFER_BYTES;
        if (from && copied)
            memcpy(d->buffer, from, piece);
        else if (!from)
            memset(d->buffer, 0xff, piece);
        errno = 0;
        ssize_t n = pwrite(d->fd, copied ? d->buffer : from, piece, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        /* A part of a block would be written again from its start. */
        n -= n > 0 ? n % d->block_bytes : 0;
        if (n <= 0)
            return failed(d, "write", offset, err);
        from = from ? from + n : NULL;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    if (copied)
        explicit_bzero(d->buffer, BUFFER_BYTES);
    return 0;
}

int direct_sync(struct direct_io *d, struct error *err)
{
    return !d->read_only && fsync(d->fd) ? failed(d, "sync", 0, err) : 0;
}
