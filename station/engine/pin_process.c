#include "station/engine/pin_process.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "station/engine/child.h"

static void reap(struct pin_process *p)
{
    const int fd = p->watch.fd;
    loop_remove(p->loop, &p->watch);
    close(fd);
    kill(p->pid, SIGKILL);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    p->pid = 0;
}

static void answered(struct watch *w)
{
    struct pin_process *p = w->context;
    uint8_t hash[PIN_HASH_BYTES];
    struct error err;
    /* Written at once and smaller than a pipe's atomic size: all of it is there, or its end is. */
    const bool whole = file_read_all(w->fd, hash, sizeof hash, &err) == 0;
    reap(p);
    p->done(p, whole ? hash : NULL);
    OPENSSL_cleanse(hash, sizeof hash);
}

int pin_process_start(struct pin_process *p, const char *pin, const struct pin_hash *h,
                      struct error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return error_errno(err, ERROR_IO, "checking a PIN: a pipe");
    const pid_t parent = getpid();
    p->pid = fork();
    if (p->pid == 0) {
        uint8_t hash[PIN_HASH_BYTES];
        int fd = child_begin(parent, ends[1]);
        int rc = pin_derive(pin, h, hash, err);
        _exit(rc || file_write_all(fd, hash, sizeof hash, err) ? 1 : 0);
    }
    close(ends[1]);
    p->watch = (struct watch){.fd = -1, .ready = answered, .context = p};
    int rc = p->pid < 0 ? error_errno(err, ERROR_IO, "checking a PIN: cannot fork")
                        : loop_add(p->loop, &p->watch, ends[0], err);
    if (rc) {
        if (p->pid > 0) {
            kill(p->pid, SIGKILL);
            waitpid(p->pid, NULL, 0);
        }
        close(ends[0]);
        p->pid = 0;
    }
    return rc;
}

void pin_process_stop(struct pin_process *p)
{
    if (p->pid)
        reap(p);
}
