/* Any bytes from a socket, in any cuts: messages or a refusal, never worse. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "station/engine/channel.c" /* one file: the engine as a whole is not a fuzz target */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd[2];
    struct channel *c;
    struct error err = {0};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
        return 0;
    if (channel_create(fd[1], &c, &err)) {
        close(fd[0]);
        return 0;
    }
    size_t cut = size ? data[0] % 16 + 1u : 1;
    for (size_t at = 0; at < size; at += cut) {
        size_t n = size - at < cut ? size - at : cut;
        if (send(fd[0], data + at, n, MSG_NOSIGNAL) != (ssize_t)n)
            break;
        if (channel_fill(c, &err))
            break;
        cJSON *message = NULL;
        int rc = channel_next(c, &message, &err);
        if (rc && message)
            __builtin_trap();
        cJSON_Delete(message);
        if (rc)
            break;
    }
    close(fd[0]);
    channel_free(c);
    return 0;
}
