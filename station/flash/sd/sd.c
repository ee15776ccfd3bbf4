#include "station/flash/sd/sd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "station/flash/sd/card_disk.h"
#include "station/flash/sd/card_image.h"

enum { READERS_MAX = 32, LOOK_EVERY_MS = 100 };

struct reader {
    char path[PATH_MAX];
    pthread_t thread;
    bool started, ended;
    int image;
    uint64_t bytes, done;
    const bool *cancel;
    struct error err;
};

/* ---- where to ----------------------------------------------------------------------------- */

static int split(const char *port, struct reader *readers, size_t *count, struct error *err)
{
    *count = 0;
    for (const char *at = port; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t length = strcspn(at, ",");
        if (*count == READERS_MAX)
            return error_set(err, ERROR_INPUT, "--port: more than %d readers", READERS_MAX);
        if (*at != '/' || length >= PATH_MAX)
            return error_set(err, ERROR_INPUT,
                             "--port %s: expected disks like /dev/sdb,/dev/sdc or image:FILE",
                             port);
        memcpy(readers[*count].path, at, length);
        readers[(*count)++].path[length] = '\0';
        for (size_t i = 0; i + 1 < *count; i++)
            if (strcmp(readers[i].path, readers[*count - 1].path) == 0)
                return error_set(err, ERROR_INPUT, "--port: %s stands there twice",
                                 readers[i].path);
    }
    return 0;
}

/* ---- all readers at once ------------------------------------------------------------------ */

static void *write_card(void *context)
{
    struct reader *r = context;
    card_disk_write(r->path, r->image, r->bytes, &r->done, r->cancel, &r->err);
    __atomic_store_n(&r->ended, true, __ATOMIC_RELEASE);
    return NULL;
}

static void follow(const struct flash_job *job, const struct reader *readers, size_t count)
{
    struct flash_meter meter;
    flash_meter_stage(&meter, job, "writing", count == 1 ? "card" : "cards",
                      2 * readers[0].bytes * count);
    for (bool over = false; !over;) {
        uint64_t done = 0;
        over = true;
        usleep(LOOK_EVERY_MS * 1000);
        for (size_t i = 0; i < count; i++) {
            done += __atomic_load_n(&readers[i].done, __ATOMIC_RELAXED);
            over = over && __atomic_load_n(&readers[i].ended, __ATOMIC_ACQUIRE);
        }
        flash_meter_at(&meter, done);
    }
}

/* One card's trouble is its own; all of them are said. */
static int gather(const struct flash_job *job, const struct reader *readers, size_t count,
                  struct error *err)
{
    size_t bad = 0, used = 0;
    int rc = 0;
    char text[sizeof err->text] = "";
    for (size_t i = 0; i < count; i++) {
        const struct reader *r = &readers[i];
        flash_log_note(job->log, "%s: %s", r->path, r->err.code ? r->err.text : "verified");
        if (!r->err.code)
            continue;
        rc = rc ? rc : r->err.code;
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", bad ? "; " : "",
                                     r->err.text);
        bad++;
    }
    if (!bad)
        return 0;
    return count == 1
               ? error_set(err, rc, "%s", text)
               : error_set(err, rc, "%zu of %zu cards are not written: %.400s", bad, count, text);
}

static int write_cards(const struct flash_job *job, struct reader *readers, size_t count, int image,
                       uint64_t bytes, struct flash_result *out, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct reader *r = &readers[i];
        r->image = image;
        r->bytes = bytes;
        r->cancel = job->cancel;
        r->started = pthread_create(&r->thread, NULL, write_card, r) == 0;
        if (!r->started) {
            error_set(&r->err, ERROR_MEMORY, "%s: cannot start a thread", r->path);
            r->ended = true;
        }
    }
    follow(job, readers, count);
    for (size_t i = 0; i < count; i++) {
        if (readers[i].started)
            pthread_join(readers[i].thread, NULL);
        out->bytes += bytes;
        out->sent_bytes += readers[i].done / 2;
        out->written_bytes += readers[i].done / 2;
    }
    return gather(job, readers, count, err);
}

/* ---- the method --------------------------------------------------------------------------- */

static int make_file(const struct flash_job *job, const char *path, struct flash_result *out,
                     struct error *err)
{
    char fresh[PATH_MAX];
    struct flash_meter meter;
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", path) >= sizeof fresh)
        return error_set(err, ERROR_INPUT, "--port: the path is too long");
    flash_meter_stage(&meter, job, "making", "card", 0);
    int rc = card_image_make(job, fresh, &out->bytes, err);
    if (!rc && rename(fresh, path))
        rc = error_errno(err, ERROR_IO, "cannot write %s", path);
    if (rc)
        unlink(fresh);
    out->written_bytes = rc ? 0 : out->bytes;
    return rc;
}

static int make_cards(const struct flash_job *job, struct reader *readers, size_t count,
                      struct flash_result *out, struct error *err)
{
    const char *temporary = getenv("TMPDIR");
    char path[PATH_MAX];
    struct flash_result image = {0};
    snprintf(path, sizeof path, "%.4000s/takt-card.XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, ERROR_IO, "cannot make a file for the card's image");
    close(fd);
    int rc = make_file(job, path, &image, err);
    fd = rc ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    unlink(path);
    if (!rc && fd < 0)
        rc = error_errno(err, ERROR_IO, "cannot read the card's image");
    if (!rc)
        rc = write_cards(job, readers, count, fd, image.bytes, out, err);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int sd_write(const struct flash_job *job, struct flash_result *out, struct error *err)
{
    static const char to_file[] = "image:";
    const int64_t start_ms = clock_mono_ms();
    struct reader *readers = NULL;
    size_t count = 0;
    int rc;
    if (strncmp(job->port, to_file, strlen(to_file)) == 0) {
        rc = make_file(job, job->port + strlen(to_file), out, err);
    } else {
        readers = calloc(READERS_MAX, sizeof *readers);
        rc = readers ? split(job->port, readers, &count, err)
                     : error_set(err, ERROR_MEMORY, "out of memory");
        if (!rc)
            rc = make_cards(job, readers, count, out, err);
        out->verified = !rc;
    }
    out->seconds = (double)(clock_mono_ms() - start_ms) / 1000;
    free(readers);
    return rc;
}

const struct flash_method sd_method = {
    .name = "sd",
    .about = "writes cards that flash units switched on with them; takt card reads what came of it",
    .port = "/dev/sdb[,/dev/sdc...] (takt card list), or image:FILE",
    .done = "takt card result tells what units did with it",
    .write = sd_write,
};
