#include "station/engine/socket_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64 };

/* sun_path has 108 bytes; a longer path is reached through a descriptor of its folder. */
static int address_of(const char *path, struct sockaddr_un *a, int *folder_fd, struct error *err)
{
    char folder[PATH_MAX];
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    *folder_fd = -1;
    if (strlen(path) < sizeof a->sun_path) {
        strcpy(a->sun_path, path);
        return 0;
    }
    const char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) >= sizeof folder || strlen(slash) > 64)
        return error_set(err, ERROR_INPUT, "socket path %.200s is too long", path);
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    *folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*folder_fd < 0)
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "cannot open %s",
                           folder);
    snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d%s", *folder_fd, slash);
    return 0;
}

int socket_listen(const char *path, int *fd, struct error *err)
{
    struct sockaddr_un a;
    int folder_fd, rc = address_of(path, &a, &folder_fd, err);
    if (rc)
        return rc;
    unlink(path); /* the store's lock says that no other taktd serves it */
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0117);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&a, sizeof a) || listen(*fd, BACKLOG)) {
        rc = error_errno(err, ERROR_IO, "cannot listen on %s", path);
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
    }
    umask(before);
    if (folder_fd >= 0)
        close(folder_fd);
    return rc;
}

int socket_connect(const char *path, int *fd, struct error *err)
{
    struct sockaddr_un a;
    int folder_fd, rc = address_of(path, &a, &folder_fd, err);
    if (rc)
        return rc;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || connect(*fd, (struct sockaddr *)&a, sizeof a)) {
        rc = error_errno(err, errno == ENOENT || errno == ECONNREFUSED ? ERROR_MISSING : ERROR_IO,
                         "no taktd answers at %s", path);
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
    }
    if (folder_fd >= 0)
        close(folder_fd);
    return rc;
}
