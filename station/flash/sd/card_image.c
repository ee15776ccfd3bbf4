#include "station/flash/sd/card_image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "protocol/base/little_endian.h"
#include "protocol/formats/card_record.h"
#include "station/flash/sd/card_script.h"
#include "station/flash/sd/card_tool.h"

enum {
    MIB = 1 << 20,
    FREE_MIB = 8,         /* for the file system's own and the report */
    SMALLEST_MIB = 32,    /* FAT16 has 4085 clusters at least */
    LARGEST_FAT16 = 250,  /* and 65524 at most, of 4 KiB */
    SMALLEST_FAT32 = 300, /* FAT32 more than that */
    FILES_MAX = 5,
    FLASHER_MAX = 64 << 20,
    SECTOR_BYTES = 512,
    FAT16_LBA = 0x0e,
    FAT32_LBA = 0x0c,
};

static const char empty_report[] =
    "# What units that were started with this card did. Read it with: takt card result\n";

/* The files of a card in a folder of their own, until they are in the image. */
struct staging {
    char folder[PATH_MAX];
    char files[FILES_MAX][PATH_MAX];
    size_t count;
    uint64_t bytes;
};

/* ---- files -------------------------------------------------------------------------------- */

static int stage_open(struct staging *s, const char *name, int *fd, struct error *err)
{
    char *path = s->files[s->count];
    int rc = file_join(path, sizeof s->files[0], s->folder, name, err);
    if (!rc && (*fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0)
        rc = error_errno(err, ERROR_IO, "cannot write %s", path);
    s->count += !rc;
    return rc;
}

static int stage(struct staging *s, const char *name, const void *data, size_t size,
                 struct error *err)
{
    int fd = -1;
    int rc = stage_open(s, name, &fd, err);
    if (!rc)
        rc = file_write_all(fd, data, size, err);
    if (fd >= 0)
        close(fd);
    s->bytes += size;
    return rc;
}

static int copy_image(int fd, const struct bundle *b, const struct bundle_image *image,
                      uint8_t *data, size_t room, struct error *err)
{
    int rc = 0;
    for (uint64_t at = 0; !rc && at < image->bytes;) {
        const int n = bundle_read(b, image, at, data, room, err);
        rc = n < 0    ? n
             : n == 0 ? error_set(err, ERROR_INPUT, "image %s ends early", image->name)
                      : file_write_all(fd, data, (size_t)n, err);
        at += n > 0 ? (uint64_t)n : 0;
    }
    return rc;
}

/* The bundle as it was checked: whatever its file has become since. */
static int stage_bundle(struct staging *s, const struct bundle *b, struct error *err)
{
    const struct bundle_manifest *m = bundle_manifest(b);
    size_t head_bytes;
    const uint8_t *head = bundle_signed_manifest(b, &head_bytes);
    uint8_t *data = malloc(MIB);
    int fd = -1;
    int rc = data ? 0 : error_set(err, ERROR_MEMORY, "out of memory");
    if (!rc)
        rc = stage_open(s, CARD_BUNDLE, &fd, err);
    if (!rc)
        rc = file_write_all(fd, head, head_bytes, err);
    s->bytes += head_bytes;
    for (size_t i = 0; !rc && i < m->image_count; i++) {
        rc = copy_image(fd, b, &m->images[i], data, MIB, err);
        s->bytes += m->images[i].bytes;
    }
    if (fd >= 0)
        close(fd);
    free(data);
    return rc;
}

static int read_flasher(const struct flash_job *job, struct buffer *out, struct error *err)
{
    char path[PATH_MAX];
    const char *name = job->board->boot.card.flasher;
    out->limit_bytes = FLASHER_MAX;
    int rc = job->programs ? file_join(path, sizeof path, job->programs, name, err) : ERROR_MISSING;
    if (!rc)
        rc = file_read(path, out, err);
    if (rc == ERROR_MISSING)
        rc = error_set(err, ERROR_INPUT,
                       "no %s/%s, the RAM flasher that board %s is flashed by from a card: "
                       "--programs names its folder",
                       job->programs ? job->programs : "", name, job->board->name);
    return rc;
}

/* What the board's loader runs. */
static int stage_script(struct staging *s, const struct flash_job *job, struct error *err)
{
    const struct board *board = job->board;
    struct flash_piece pieces[BUNDLE_IMAGES_MAX];
    struct card_script script = {.board = board, .bundle = job->bundle, .pieces = pieces};
    struct buffer flasher = {0}, text = {0}, image = {0}, package = {0};
    int rc =
        flash_pieces(board, bundle_manifest(job->bundle), job->slot, pieces, &script.count, err);
    if (!rc && *board->boot.card.flasher) {
        rc = read_flasher(job, &flasher, err);
        script.flasher = flasher.data;
        script.flasher_bytes = flasher.size;
        if (!rc)
            rc = stage(s, CARD_FLASHER, flasher.data, flasher.size, err);
    }
    if (!rc)
        rc = card_script_write(&script, &text, err);
    if (!rc)
        rc = card_script_image(board->arch, (const char *)text.data, &image, err);
    if (!rc)
        rc = stage(s, CARD_SCRIPT, image.data, image.size, err);
    if (!rc && board->boot.card.sigmastar) {
        rc = card_script_sigmastar(board, &image, &package, err);
        if (!rc)
            rc = stage(s, CARD_SIGMASTAR, package.data, package.size, err);
    }
    buffer_free(&flasher);
    buffer_free(&text);
    buffer_free(&image);
    buffer_free(&package);
    return rc;
}

static void unstage(struct staging *s)
{
    for (size_t i = 0; i < s->count; i++)
        unlink(s->files[i]);
    if (*s->folder)
        rmdir(s->folder);
}

static int stage_all(struct staging *s, const struct flash_job *job, struct error *err)
{
    const char *temporary = getenv("TMPDIR");
    const int n = snprintf(s->folder, sizeof s->folder, "%s/takt-card.XXXXXX",
                           temporary && *temporary ? temporary : "/tmp");
    if (n < 0 || (size_t)n >= sizeof s->folder - 64 || !mkdtemp(s->folder)) {
        *s->folder = '\0';
        return error_errno(err, ERROR_IO, "cannot make a folder for the card's files");
    }
    int rc = stage_bundle(s, job->bundle, err);
    if (!rc && *job->board->boot.card.device)
        rc = stage_script(s, job, err);
    return rc ? rc : stage(s, CARD_REPORT, empty_report, sizeof empty_report - 1, err);
}

/* ---- partition and file system ------------------------------------------------------------ */

/* One active partition from CARD_PARTITION_AT to the end; cylinders and heads are not used. */
static int write_table(const char *path, uint64_t bytes, bool is_fat32, struct error *err)
{
    uint8_t sector[SECTOR_BYTES] = {0};
    uint8_t *entry = sector + 446;
    const uint64_t first = CARD_PARTITION_AT / SECTOR_BYTES;
    entry[0] = 0x80;
    entry[4] = is_fat32 ? FAT32_LBA : FAT16_LBA;
    memset(entry + 1, 0xff, 3);
    memset(entry + 5, 0xff, 3);
    le32_put(entry + 8, first);
    le32_put(entry + 12, bytes / SECTOR_BYTES - first);
    sector[510] = 0x55;
    sector[511] = 0xaa;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int rc = fd < 0 || ftruncate(fd, (off_t)bytes)
                 ? error_errno(err, ERROR_IO, "cannot write %s", path)
                 : file_write_all(fd, sector, sizeof sector, err);
    if (fd >= 0)
        close(fd);
    return rc;
}

static void file_system_at(const char *path, char out[PATH_MAX + 16])
{
    snprintf(out, PATH_MAX + 16, "%s@@%d", path, CARD_PARTITION_AT);
}

static int fill(const struct staging *s, const char *path, uint64_t bytes, bool is_fat32,
                struct error *err)
{
    char place[PATH_MAX + 16], blocks[24], first[24];
    const char *copy[FILES_MAX + 7] = {"mcopy", "-i", place, "-m"};
    snprintf(blocks, sizeof blocks, "%llu", (unsigned long long)(bytes - CARD_PARTITION_AT) / 1024);
    snprintf(first, sizeof first, "%d", CARD_PARTITION_AT / SECTOR_BYTES);
    const char *const make[] = {"mkfs.fat", "-F",  is_fat32 ? "32" : "16",
                                "-s",       "8",   "-n",
                                "TAKT",     "-i",  "74616b74",
                                "--offset", first, path,
                                blocks,     NULL};
    file_system_at(path, place);
    size_t n = 4;
    for (size_t i = 0; i < s->count; i++)
        copy[n++] = s->files[i];
    copy[n] = "::";
    const int rc = card_tool_run(make, "dosfstools", NULL, err);
    return rc ? rc : card_tool_run(copy, "mtools", NULL, err);
}

int card_image_make(const struct flash_job *job, const char *path, uint64_t *bytes,
                    struct error *err)
{
    struct staging s = {0};
    int rc = stage_all(&s, job, err);
    uint64_t mib = 1 + FREE_MIB + (s.bytes + MIB - 1) / MIB;
    mib = mib < SMALLEST_MIB                            ? SMALLEST_MIB
          : mib > LARGEST_FAT16 && mib < SMALLEST_FAT32 ? SMALLEST_FAT32
                                                        : mib;
    const bool is_fat32 = mib > LARGEST_FAT16;
    *bytes = mib * MIB;
    if (!rc)
        rc = write_table(path, *bytes, is_fat32, err);
    if (!rc)
        rc = fill(&s, path, *bytes, is_fat32, err);
    unstage(&s);
    return rc;
}

int card_image_read(const char *path, const char *file, struct buffer *out, struct error *err)
{
    char place[PATH_MAX + 16], name[64];
    const char *const list[] = {"mdir", "-b", "-i", place, "::", NULL};
    const char *const copy[] = {"mtype", "-i", place, name, NULL};
    struct error why = {0};
    if (strlen(path) >= PATH_MAX)
        return error_set(err, ERROR_INPUT, "%.40s...: the path is too long", path);
    file_system_at(path, place);
    snprintf(name, sizeof name, "::%s", file);
    int rc = card_tool_run(list, "mtools", NULL, &why);
    if (rc == ERROR_MISSING)
        return error_set(err, rc, "%s", why.text);
    if (rc)
        return error_set(err, ERROR_INPUT, "%s: no flashing card: %s", path, why.text);
    rc = card_tool_run(copy, "mtools", out, &why);
    return rc ? error_set(err, rc == ERROR_IO ? ERROR_MISSING : rc, "%s: %s: %s", path, file,
                          why.text)
              : 0;
}
