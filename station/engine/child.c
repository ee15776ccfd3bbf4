#include "station/engine/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { KEPT_FD = 3 };

int child_begin(pid_t parent, int keep)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child_begin_orderly(parent, keep);
}

int child_begin_orderly(pid_t parent, int keep)
{
    if (getppid() != parent)
        _exit(0); /* it died before its death could be told */
    return child_begin_orphan(keep);
}

int child_begin_orphan(int keep)
{
    sigset_t none;
    setpgid(0, 0);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (keep != KEPT_FD) {
        dup2(keep, KEPT_FD);
        keep = KEPT_FD;
    }
    fcntl(KEPT_FD, F_SETFD, FD_CLOEXEC);
    /* Above all the lock on the state folder and the store: nobody but taktd may hold them. */
    close_range(KEPT_FD + 1, ~0U, 0);

    /* Short of memory, the kernel takes a worker (one slot) before taktd (all of them). */
    int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom >= 0) {
        ssize_t n = write(oom, "500", 3);
        (void)n;
        close(oom);
    }
    return keep;
}
