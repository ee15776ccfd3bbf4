#include "protocol/base/secrecy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4 /* Linux 4.4 */
#endif

int secrecy_no_core(struct error *err)
{
    int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : write(fd, "0", 1);
    int rc = n == 1 ? 0 : error_errno(err, ERROR_IO, "cannot keep memory out of core dumps");
    if (fd >= 0)
        close(fd);
    return rc;
}

int secrecy_lock_memory(struct error *err)
{
    struct rlimit limit;
    /* Under a limit, whatever is allocated beyond it would fail. */
    if (geteuid() != 0 && (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur != RLIM_INFINITY))
        return error_set(err, ERROR_REFUSED,
                         "memory is not kept from swap: its lock is limited (ulimit -l, "
                         "LimitMEMLOCK), expected unlimited");
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
        return error_errno(err, ERROR_REFUSED, "memory is not kept from swap");
    return 0;
}

void secrecy_unlock_memory(void)
{
    munlockall();
}
