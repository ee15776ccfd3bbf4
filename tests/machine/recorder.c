/* What a camera does to its data partition, in a form that can be checked to the byte: frames of
 * 4 KiB in files of 32, each frame on the flash (fsync) before it is told on the console, the
 * oldest files deleted. Frame N is made from N alone.
 *
 *   recorder FOLDER [FRAMES]
 *
 * At its start it reads all that is there and says
 *   recorder: holds A to B, C broken       every frame from A to B is whole but for C of them;
 * frames at the end that are not whole are cut off, not counted recorder: holds nothing and then, a
 * line a frame, "recorded N", for FRAMES frames or for ever. tests/soak/machine_cuts.sh runs it on
 * the machine. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol/base/splitmix.h"

enum { FRAME_BYTES = 4096, FILE_FRAMES = 32, FILES_KEPT = 24, PACE_MS = 20 };

static void frame_make(uint64_t number, uint64_t frame[FRAME_BYTES / 8])
{
    uint64_t state = number;
    frame[0] = number;
    for (size_t i = 1; i < FRAME_BYTES / 8; i++)
        frame[i] = splitmix_next(&state);
}

static void fail(const char *what)
{
    printf("recorder: failed: ");
    fflush(stdout);
    perror(what);
    exit(1);
}

/* Makes sure that the file's name is there after a cut, too. */
static void sync_folder(void)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    if (fd < 0 || fsync(fd) || close(fd))
        fail("the folder");
}

static int newer(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Numbers of the files, ascending. */
static size_t files_list(uint64_t *files, size_t most)
{
    size_t n = 0;
    DIR *folder = opendir(".");
    if (!folder)
        fail("the folder");
    for (struct dirent *e; (e = readdir(folder)) && n < most;)
        if (*e->d_name != '.')
            files[n++] = strtoull(e->d_name, NULL, 10);
    closedir(folder);
    qsort(files, n, sizeof *files, newer);
    return n;
}

static int file_open(uint64_t file, int flags)
{
    char name[24];
    snprintf(name, sizeof name, "%012" PRIu64, file);
    int fd = open(name, flags, 0644);
    if (fd < 0)
        fail(name);
    return fd;
}

static bool frame_is_whole(int fd, size_t index, uint64_t number)
{
    uint64_t frame[FRAME_BYTES / 8], expected[FRAME_BYTES / 8];
    frame_make(number, expected);
    return pread(fd, frame, FRAME_BYTES, (off_t)index * FRAME_BYTES) == FRAME_BYTES &&
           memcmp(frame, expected, FRAME_BYTES) == 0;
}

/* The number of the next frame. */
static uint64_t look(void)
{
    static uint64_t files[4096];
    const size_t count = files_list(files, sizeof files / sizeof *files);
    uint64_t broken = 0, next = 0;
    for (size_t i = 0; i < count; i++) {
        const bool last = i + 1 == count;
        int fd = file_open(files[i], O_RDWR);
        size_t whole = FILE_FRAMES;
        /* Files in between hold all their frames, and none is missing. */
        broken += i && files[i] != files[i - 1] + 1 ? FILE_FRAMES : 0;
        while (last && whole && !frame_is_whole(fd, whole - 1, files[i] * FILE_FRAMES + whole - 1))
            whole--;
        for (size_t k = 0; k < whole; k++)
            broken += !frame_is_whole(fd, k, files[i] * FILE_FRAMES + k);
        next = files[i] * FILE_FRAMES + whole;
        if (last && (ftruncate(fd, (off_t)whole * FRAME_BYTES) || fsync(fd)))
            fail("the latest file");
        close(fd);
    }
    if (next)
        printf("recorder: holds %" PRIu64 " to %" PRIu64 ", %" PRIu64 " broken\n",
               files[0] * FILE_FRAMES, next - 1, broken);
    else
        printf("recorder: holds nothing\n");
    return next;
}

static void delete_old(uint64_t file)
{
    char name[24];
    static uint64_t files[4096];
    const size_t count = files_list(files, sizeof files / sizeof *files);
    for (size_t i = 0; i < count && files[i] + FILES_KEPT <= file; i++) {
        snprintf(name, sizeof name, "%012" PRIu64, files[i]);
        if (unlink(name))
            fail(name);
    }
}

int main(int argc, char **argv)
{
    uint64_t frame[FRAME_BYTES / 8];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2 || (mkdir(argv[1], 0755) && access(argv[1], X_OK)) || chdir(argv[1]))
        fail("recorder FOLDER [FRAMES]");
    uint64_t next = look();
    const uint64_t end = argc > 2 ? next + strtoull(argv[2], NULL, 10) : UINT64_MAX;
    for (int fd = -1; next < end; next++) {
        const uint64_t file = next / FILE_FRAMES;
        if (fd < 0) {
            fd = file_open(file, O_WRONLY | O_CREAT);
            sync_folder();
            delete_old(file);
        }
        frame_make(next, frame);
        if (pwrite(fd, frame, FRAME_BYTES, (off_t)(next % FILE_FRAMES) * FRAME_BYTES) !=
                FRAME_BYTES ||
            fsync(fd))
            fail("a frame");
        printf("recorded %" PRIu64 "\n", next);
        if ((next + 1) % FILE_FRAMES == 0) {
            close(fd);
            fd = -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = PACE_MS * 1000000L}, NULL);
    }
    return 0;
}
