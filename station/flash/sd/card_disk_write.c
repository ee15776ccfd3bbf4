/* Writing a card and reading it back. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "station/flash/flash.h"
#include "station/flash/sd/card_disk.h"

enum { PIECE_BYTES = 1 << 20, ALIGN_BYTES = 4096 };

struct writing {
    const char *path;
    int disk, image;
    uint64_t bytes, *done;
    const bool *cancel;
    uint8_t *data, *found; /* a piece each */
};

/* ---- opening ------------------------------------------------------------------------------ */

static int cannot_open(const char *path, int number, struct error *err)
{
    switch (number) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
        return flash_fail(err, FLASH_NO_DEVICE, "there is no disk %s", path);
    case ENOMEDIUM:
        return flash_fail(err, FLASH_NO_DEVICE, "no card in %s", path);
    case EACCES:
    case EPERM:
        return flash_fail(err, FLASH_PERMISSION,
                          "this user may not write %s; a rule for /etc/udev/rules.d: "
                          "SUBSYSTEM==\"block\", ATTR{removable}==\"1\", MODE=\"0660\", "
                          "GROUP=\"plugdev\"",
                          path);
    case EROFS:
        return error_set(err, ERROR_REFUSED, "the card in %s is write-protected", path);
    case EBUSY:
        return flash_fail(err, FLASH_PORT_BUSY, "another program or a mount uses %s", path);
    default:
        errno = number;
        return error_errno(err, ERROR_IO, "cannot open %s", path);
    }
}

/* What the card itself says, now that it is held. */
static int check_held(const struct writing *w, struct error *err)
{
    int read_only = 0;
    uint64_t room = 0;
    if (ioctl(w->disk, BLKGETSIZE64, &room) || ioctl(w->disk, BLKROGET, &read_only))
        return error_errno(err, ERROR_IO, "%s does not say its size", w->path);
    if (!room)
        return flash_fail(err, FLASH_NO_DEVICE, "no card in %s", w->path);
    if (read_only)
        return error_set(err, ERROR_REFUSED, "the card in %s is write-protected", w->path);
    if (room < w->bytes)
        return error_set(err, ERROR_FULL,
                         "the card in %s is too small: %llu MB, %llu MB are needed", w->path,
                         (unsigned long long)(room / 1000000),
                         (unsigned long long)((w->bytes + 999999) / 1000000));
    return 0;
}

static int open_disk(struct writing *w, struct error *err)
{
    const struct card_kernel kernel = {0};
    struct card_disk facts;
    struct stat st;
    if (stat(w->path, &st))
        return cannot_open(w->path, errno, err);
    if (!S_ISBLK(st.st_mode))
        return error_set(err, ERROR_INPUT, "%s is no disk", w->path);
    int rc = card_disk_check(&kernel, major(st.st_rdev), minor(st.st_rdev), &facts, err);
    if (rc)
        return rc;
    w->disk = open(w->path, O_RDWR | O_EXCL | O_DIRECT | O_CLOEXEC);
    if (w->disk < 0)
        return cannot_open(w->path, errno, err);
    /* The name could have become another disk's in between. */
    struct stat held;
    if (fstat(w->disk, &held) || held.st_rdev != st.st_rdev)
        return flash_fail(err, FLASH_GONE, "%s became another disk", w->path);
    return check_held(w, err);
}

/* ---- moving bytes ------------------------------------------------------------------------- */

static int failed(const struct writing *w, const char *what, uint64_t at, int number,
                  struct error *err)
{
    uint64_t room = 0;
    const bool gone = number == ENODEV || number == ENXIO || number == ENOMEDIUM ||
                      ioctl(w->disk, BLKGETSIZE64, &room) || !room || access(w->path, F_OK);
    if (gone)
        return flash_fail(err, FLASH_GONE, "the card in %s was pulled out at byte %llu", w->path,
                          (unsigned long long)at);
    if (number == EROFS || number == EPERM)
        return error_set(err, ERROR_REFUSED, "the card in %s is write-protected", w->path);
    errno = number;
    return error_errno(err, ERROR_IO, "cannot %s %s at byte %llu", what, w->path,
                       (unsigned long long)at);
}

static int move(const struct writing *w, bool is_write, uint64_t at, uint8_t *data,
                struct error *err)
{
    for (size_t done = 0; done < PIECE_BYTES;) {
        const off_t offset = (off_t)(at + done);
        const ssize_t n = is_write ? pwrite(w->disk, data + done, PIECE_BYTES - done, offset)
                                   : pread(w->disk, data + done, PIECE_BYTES - done, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed(w, is_write ? "write" : "read", at + done, n ? errno : ENODEV, err);
        done += (size_t)n;
    }
    return 0;
}

static int read_image(const struct writing *w, uint64_t at, struct error *err)
{
    for (size_t done = 0; done < PIECE_BYTES;) {
        const ssize_t n = pread(w->image, w->data + done, PIECE_BYTES - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, ERROR_IO, "cannot read the card's image");
        done += (size_t)n;
    }
    return 0;
}

static int write_piece(struct writing *w, uint64_t at, struct error *err)
{
    int rc = read_image(w, at, err);
    if (!rc && w->cancel && *(const volatile bool *)w->cancel)
        rc = error_set(err, ERROR_CANCELLED, "stopped");
    if (!rc)
        rc = move(w, true, at, w->data, err);
    __atomic_add_fetch(w->done, rc ? 0 : PIECE_BYTES, __ATOMIC_RELAXED);
    return rc;
}

static int compare_piece(struct writing *w, uint64_t at, struct error *err)
{
    int rc = read_image(w, at, err);
    if (!rc && w->cancel && *(const volatile bool *)w->cancel)
        rc = error_set(err, ERROR_CANCELLED, "stopped");
    if (!rc)
        rc = move(w, false, at, w->found, err);
    for (size_t i = 0; !rc && i < PIECE_BYTES; i++)
        if (w->found[i] != w->data[i])
            rc = flash_fail(err, FLASH_NOT_VERIFIED,
                            "the card in %s does not hold what was written at byte %llu: it is "
                            "broken, or smaller than it says",
                            w->path, (unsigned long long)(at + i));
    __atomic_add_fetch(w->done, rc ? 0 : PIECE_BYTES, __ATOMIC_RELAXED);
    return rc;
}

/* On the card, and nothing of it in the kernel's memory any more. */
static int settle(const struct writing *w, struct error *err)
{
    if (fsync(w->disk))
        return failed(w, "write", w->bytes, errno, err);
    ioctl(w->disk, BLKFLSBUF, 0);
    return 0;
}

static int write_all(struct writing *w, struct error *err)
{
    memset(w->data, 0, PIECE_BYTES);
    int rc = move(w, true, 0, w->data, err);
    for (uint64_t at = PIECE_BYTES; !rc && at < w->bytes; at += PIECE_BYTES)
        rc = write_piece(w, at, err);
    if (!rc)
        rc = settle(w, err);
    for (uint64_t at = PIECE_BYTES; !rc && at < w->bytes; at += PIECE_BYTES)
        rc = compare_piece(w, at, err);
    if (!rc)
        rc = write_piece(w, 0, err);
    if (!rc)
        rc = settle(w, err);
    return rc ? rc : compare_piece(w, 0, err);
}

int card_disk_write(const char *path, int image, uint64_t bytes, uint64_t *done, const bool *cancel,
                    struct error *err)
{
    struct writing w = {
        .path = path, .disk = -1, .image = image, .bytes = bytes, .done = done, .cancel = cancel};
    void *memory = NULL;
    int rc = posix_memalign(&memory, ALIGN_BYTES, 2 * PIECE_BYTES)
                 ? error_set(err, ERROR_MEMORY, "%s: out of memory", path)
                 : 0;
    w.data = memory;
    w.found = memory ? w.data + PIECE_BYTES : NULL;
    if (!rc)
        rc = open_disk(&w, err);
    if (!rc)
        rc = write_all(&w, err);
    if (w.disk >= 0) {
        ioctl(w.disk, BLKRRPART, 0); /* the kernel still knows the old partitions */
        close(w.disk);
    }
    free(memory);
    return rc;
}
