#include "protocol/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int code_of_errno(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return ERROR_MISSING;
    case ENOSPC:
    case EDQUOT:
        return ERROR_FULL;
    default:
        return ERROR_IO;
    }
}

int file_read(const char *path, struct buffer *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, code_of_errno(), "cannot open %s", path);
    int rc = 0;
    uint8_t chunk[65536];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = error_errno(err, ERROR_IO, "cannot read %s", path);
        if (n <= 0)
            break;
        rc = buffer_append(out, chunk, (size_t)n);
        if (rc) {
            error_set(err, rc, "%s is larger than the %zu bytes expected", path, out->limit_bytes);
            break;
        }
    }
    close(fd);
    return rc;
}

int file_write_all(int fd, const void *data, size_t size, struct error *err)
{
    const uint8_t *p = data;
    while (size) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, code_of_errno(), "write failed");
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int file_read_all(int fd, void *data, size_t size, struct error *err)
{
    uint8_t *p = data;
    while (size) {
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, ERROR_IO, "read failed");
        if (n == 0)
            return error_set(err, ERROR_CLOSED, "the end came %zu bytes early", size);
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int sync_folder_of(const char *path, struct error *err)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == folder)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    else
        strcpy(folder, ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, ERROR_IO, "cannot open folder %s", folder);
    int rc = fsync(fd) ? error_errno(err, ERROR_IO, "cannot sync folder %s", folder) : 0;
    close(fd);
    return rc;
}

int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *err)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary)
        return error_set(err, ERROR_INPUT, "%s: the path is too long", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, code_of_errno(), "cannot write %s", path);
    int rc = file_write_all(fd, data, size, err);
    if (!rc && (fchmod(fd, mode) || fsync(fd)))
        rc = error_errno(err, code_of_errno(), "cannot sync");
    if (close(fd) && !rc)
        rc = error_errno(err, code_of_errno(), "cannot close");
    if (!rc && rename(temporary, path))
        rc = error_errno(err, code_of_errno(), "cannot rename");
    if (rc) {
        unlink(temporary);
        error_context(err, "writing %s", path);
        return rc;
    }
    return sync_folder_of(path, err);
}

int file_make_folders(const char *path, mode_t mode, struct error *err)
{
    char part[PATH_MAX];
    int n = snprintf(part, sizeof part, "%s", path);
    if (n <= 0 || (size_t)n >= sizeof part)
        return error_set(err, ERROR_INPUT, "'%s' is not a usable path", path);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        if (mkdir(part, mode) && errno != EEXIST)
            return error_errno(err, code_of_errno(), "cannot make folder %s", part);
        if (!end)
            return 0;
        *p = end;
    }
}

int file_join(char *out, size_t out_size, const char *folder, const char *name, struct error *err)
{
    int n = name[0] == '/' ? snprintf(out, out_size, "%s", name)
                           : snprintf(out, out_size, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= out_size)
        return error_set(err, ERROR_INPUT, "the path %s/%s is too long", folder, name);
    return 0;
}
