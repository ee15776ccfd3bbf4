#include "provisioning/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int secret_page_new(const char *what, void **out, struct error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return error_errno(err, ERROR_MEMORY, "cannot keep %s in memory", what);
    if (mlock(p, page) || madvise(p, page, MADV_DONTDUMP) || madvise(p, page, MADV_WIPEONFORK)) {
        int rc = error_errno(err, ERROR_REFUSED,
                             "cannot lock the page of %s in memory (see "
                             "ulimit -l)",
                             what);
        munmap(p, page);
        return rc;
    }
    *out = p;
    return 0;
}

void secret_page_free(void *page)
{
    if (!page)
        return;
    OPENSSL_cleanse(page, (size_t)sysconf(_SC_PAGESIZE));
    munmap(page, (size_t)sysconf(_SC_PAGESIZE));
}

int secret_file_open(const char *what, const char *path, int *fd, off_t *size, struct error *err)
{
    struct stat st;
    int rc = 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0)
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "cannot open %s %s",
                           what, path);
    if (fstat(*fd, &st))
        rc = error_errno(err, ERROR_IO, "cannot read %s %s", what, path);
    else if (!S_ISREG(st.st_mode) || (st.st_mode & 077) || st.st_uid != geteuid())
        rc = error_set(err, ERROR_REFUSED,
                       "%s %s must be a plain file of this user with mode 0600, it has mode %04o "
                       "and user %u",
                       what, path, (unsigned)(st.st_mode & 07777), (unsigned)st.st_uid);
    if (rc) {
        close(*fd);
        *fd = -1;
        return rc;
    }
    *size = st.st_size;
    return 0;
}
