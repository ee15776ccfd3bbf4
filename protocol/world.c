#include "protocol/world.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/clock.h"

static int map(const char *path, int flags, struct world **out, struct error *err)
{
    *out = NULL;
    int rc = 0;
    void *mapped = MAP_FAILED;
    struct stat st;
    int fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "cannot open %s", path);
    /* posix_fallocate, not ftruncate: a full disk must be an error here, not a SIGBUS later. */
    if (flags & O_CREAT) {
        errno = posix_fallocate(fd, 0, sizeof(struct world));
        if (errno)
            rc = error_errno(err, ERROR_FULL, "cannot make room for %s", path);
    } else if (fstat(fd, &st) || st.st_size != sizeof(struct world)) {
        rc = error_set(err, ERROR_INPUT, "%s is not a world of this build", path);
    }
    if (!rc) {
        mapped = mmap(NULL, sizeof(struct world), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED)
            rc = error_errno(err, ERROR_IO, "cannot map %s", path);
    }
    close(fd);
    if (!rc)
        *out = mapped;
    return rc;
}

int world_create(const char *path, struct world **out, struct error *err)
{
    unlink(path); /* a camera that still maps the old one must not share the new one */
    int rc = map(path, O_CREAT | O_EXCL, out, err);
    if (rc)
        return rc;
    (*out)->magic = WORLD_MAGIC;
    atomic_store(&(*out)->air_c, NAN);
    return 0;
}

int world_map(const char *path, struct world **out, struct error *err)
{
    int rc = map(path, 0, out, err);
    if (!rc && (*out)->magic != WORLD_MAGIC) {
        world_unmap(*out);
        *out = NULL;
        rc = error_set(err, ERROR_INPUT, "%s is not a world of this build", path);
    }
    return rc;
}

void world_unmap(struct world *w)
{
    if (w)
        munmap(w, sizeof *w);
}

int64_t world_air_index(int64_t mono_ns)
{
    return mono_ns / 1000000000 * WORLD_AIR_RATE_HZ +
           mono_ns % 1000000000 * WORLD_AIR_RATE_HZ / 1000000000;
}

int world_air_play(struct world_air *air, int64_t from, const float *pascal, int64_t count,
                   struct error *err)
{
    if (count < 0 || count > (int64_t)WORLD_AIR_RATE_HZ * (WORLD_AIR_SECONDS - 1))
        return error_set(err, ERROR_INPUT, "a sound of %.1f s, expected at most %d s",
                         (double)count / WORLD_AIR_RATE_HZ, WORLD_AIR_SECONDS - 1);
    world_air_silence(air);
    for (int64_t i = 0; i < count; i++)
        air->samples[(from + i) % WORLD_AIR_SAMPLES] = pascal[i];
    atomic_store(&air->from, from);
    atomic_store(&air->until, from + count);
    return 0;
}

void world_air_silence(struct world_air *air)
{
    atomic_store(&air->until, 0);
    atomic_store(&air->from, 0);
}

float world_air_at(const struct world_air *air, int64_t index)
{
    /* Cast: C11 leaves atomic_load of a const object out, though it only reads. */
    struct world_air *a = (struct world_air *)air;
    if (index < atomic_load(&a->from) || index >= atomic_load(&a->until))
        return 0;
    return air->samples[index % WORLD_AIR_SAMPLES];
}
