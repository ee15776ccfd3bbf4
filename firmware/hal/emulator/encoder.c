#include "firmware/hal/emulator/encoder.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS = 40, CODED_MAX = 64 << 20 };
static const double sensor_nominal_hz = 20;

struct encoder {
    pid_t pid;
    int frames_fd;
    char path[320];
};

extern char **environ;

void encoder_form(enum camera_stream which, const struct board *board, double sensor_hz,
                  struct encoder_form *out)
{
    static const struct encoder_form forms[CAMERA_STREAMS] = {
        [CAMERA_MAIN] = {"video/h265", "libx265", 0, 0, 20, 0, 4000},
        [CAMERA_SUB] = {"video/h265", "libx265", 640, 0, 15, 0, 500},
        [CAMERA_JPEG] = {"image/jpeg", "mjpeg", 1920, 0, 0, 0, 0},
    };
    *out = forms[which];
    if (!out->width_px || out->width_px > board->sensor_width_px)
        out->width_px = board->sensor_width_px;
    double shape = (double)board->sensor_height_px / board->sensor_width_px;
    out->height_px = (uint32_t)lround(out->width_px * shape / 2) * 2;
    out->rate_hz = out->nominal_hz * sensor_hz / sensor_nominal_hz;
}

int encoder_start(const struct encoder_form *form, const struct board *board, const char *folder,
                  struct encoder **out, struct error *err)
{
    char size[32], rate[32], scale[128], bits[32], x265[160];
    const char *argv[ARGUMENTS];
    posix_spawn_file_actions_t actions;
    sigset_t none;
    posix_spawnattr_t attributes;
    int ends[2], n = 0;
    struct encoder *e = *out = calloc(1, sizeof *e);
    if (!e)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated encoder");
    e->frames_fd = -1;
    snprintf(e->path, sizeof e->path, "%s/coded", folder);
    snprintf(size, sizeof size, "%ux%u", board->sensor_width_px, board->sensor_height_px);
    snprintf(rate, sizeof rate, "%g", form->rate_hz > 0 ? form->rate_hz : 1);
    snprintf(scale, sizeof scale, "scale=%u:%u:in_range=full:out_range=full,format=%s",
             form->width_px, form->height_px, form->nominal_hz > 0 ? "yuv420p" : "yuvj420p");
    snprintf(bits, sizeof bits, "%dk", form->kbit_s);
    /* A picture's checksum goes with it (H.265, annex D: decoded picture hash). */
    snprintf(x265, sizeof x265,
             "log-level=none:pools=1:frame-threads=1:bframes=0:rc-lookahead=1:keyint=%d:hash=1:"
             "range=full",
             (int)(form->nominal_hz * 2));
    const char *const head[] = {
        "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error",        "-y",
        "-f",     "rawvideo", "-pix_fmt",     "nv12",      "-color_range", "pc",
        "-s",     size,       "-framerate",   rate,        "-i",           "pipe:0",
        "-vf",    scale,      "-threads",     "1",         "-c:v",         form->codec};
    const char *const video[] = {"-preset",      "ultrafast", "-b:v", bits,
                                 "-x265-params", x265,        "-f",   "hevc"};
    const char *const still[] = {"-frames:v", "1", "-q:v", "2", "-f", "mjpeg"};
    const bool moving = form->nominal_hz > 0;
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        argv[n++] = head[i];
    for (size_t i = 0; i < (moving ? sizeof video : sizeof still) / sizeof *video; i++)
        argv[n++] = moving ? video[i] : still[i];
    argv[n++] = e->path;
    argv[n] = NULL;
    if (pipe2(ends, O_CLOEXEC)) {
        encoder_free(e);
        *out = NULL;
        return error_errno(err, ERROR_IO, "no pipe to the encoder");
    }
    /* It starts with nothing blocked: camd's threads block what its main thread waits for. */
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    int rc = posix_spawnp(&e->pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[0]);
    e->frames_fd = ends[1];
    if (!rc)
        return 0;
    e->pid = 0;
    encoder_free(e);
    *out = NULL;
    errno = rc;
    return error_errno(err, ERROR_MISSING,
                       "the emulated encoder is the program ffmpeg: starting it");
}

int encoder_frame(struct encoder *e, const uint8_t *nv12, size_t bytes, struct error *err)
{
    while (bytes) {
        ssize_t n = write(e->frames_fd, nv12, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, ERROR_IO, "a frame to the encoder");
        nv12 += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int read_coded(const struct encoder *e, uint8_t **data, size_t *bytes, struct error *err)
{
    struct stat st;
    int rc = 0, fd = open(e->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) || st.st_size < 1 || st.st_size > CODED_MAX) {
        rc = error_set(err, ERROR_IO, "the encoder left no stream in %s", e->path);
        goto out;
    }
    *bytes = (size_t)st.st_size;
    if (!(*data = malloc(*bytes))) {
        rc = error_set(err, ERROR_MEMORY, "no memory for %zu bytes of coded video", *bytes);
        goto out;
    }
    for (size_t at = 0; at < *bytes && !rc;) {
        ssize_t n = read(fd, *data + at, *bytes - at);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            rc = error_errno(err, ERROR_IO, "reading %s", e->path);
    }
    if (rc) {
        free(*data);
        *data = NULL;
    }
out:
    if (fd >= 0)
        close(fd);
    return rc;
}

int encoder_finish(struct encoder *e, uint8_t **data, size_t *bytes, struct error *err)
{
    int status;
    close(e->frames_fd);
    e->frames_fd = -1;
    while (waitpid(e->pid, &status, 0) < 0 && errno == EINTR)
        ;
    e->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return error_set(err, ERROR_IO,
                         "the encoder ended with status %d (its words are in the "
                         "unit's log)",
                         WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return read_coded(e, data, bytes, err);
}

void encoder_free(struct encoder *e)
{
    if (!e)
        return;
    if (e->frames_fd >= 0)
        close(e->frames_fd);
    if (e->pid > 0) {
        kill(e->pid, SIGKILL);
        while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    unlink(e->path);
    free(e);
}
