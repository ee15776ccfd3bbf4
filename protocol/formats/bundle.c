#include "protocol/formats/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/buffer.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "protocol/formats/bundle_layout.h"
#include "protocol/formats/signing.h"

/* At least as much as an erase block, so that a unit can skip, erase and write chunk by chunk; and
 * not less than 64 KiB, or the manifest of a NOR board (4 KiB sectors) becomes a list of hashes. */
static uint32_t chunk_bytes_for(const struct board *board)
{
    uint32_t chunk = 65536;
    while (chunk < board->erase_bytes)
        chunk *= 2;
    return chunk;
}

/* ---- making ------------------------------------------------------------------------------- */

/* One image's entry of the manifest, from its file. */
static int describe_image(const struct bundle_recipe *recipe, size_t index, cJSON *images,
                          uint64_t *bytes, struct error *err)
{
    const char *name = recipe->images[index].image, *path = recipe->images[index].path;
    uint32_t chunk_bytes = chunk_bytes_for(recipe->board);
    const struct board_partition *place = board_partition(recipe->board, name, 'a');
    if (!place)
        place = board_partition(recipe->board, name, 0);
    /* A loader of the boot ROM lies in the unit's memory, never in its flash. */
    const bool loader = board_is_loader(recipe->board, name);
    const uint64_t room = loader ? recipe->board->memory_bytes : place ? place->size_bytes : 0;
    uint8_t hash[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    struct stat st;
    struct digest *whole = NULL;
    uint8_t *chunk = NULL;
    int rc = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        rc = error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "cannot open %s", path);
        goto out;
    }
    if ((!place && !loader) || !bundle_name_is_plain(name)) {
        rc = error_set(err, ERROR_INPUT, "image '%s': board %s has no partition %s_a, nor %s", name,
                       recipe->board->name, name, name);
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < 1 || (uint64_t)st.st_size > room) {
        rc = error_set(err, ERROR_INPUT, "%s has %lld bytes, expected 1 to the %llu of %s", path,
                       (long long)st.st_size, (unsigned long long)room,
                       loader ? "memory" : place->name);
        goto out;
    }
    *bytes = (uint64_t)st.st_size;
    whole = digest_start();
    chunk = malloc(chunk_bytes);
    cJSON *item = cJSON_CreateObject();
    cJSON_AddItemToArray(images, item);
    cJSON *chunks = cJSON_AddArrayToObject(item, "chunks");
    if (!whole || !chunk || !item || !chunks || !cJSON_AddStringToObject(item, "image", name) ||
        !cJSON_AddNumberToObject(item, "bytes", (double)*bytes) ||
        !cJSON_AddNumberToObject(item, "chunk_bytes", chunk_bytes)) {
        rc = error_set(err, ERROR_MEMORY, "image '%s': out of memory", name);
        goto out;
    }
    for (uint64_t left = *bytes; left && !rc;) {
        size_t n = left < chunk_bytes ? (size_t)left : chunk_bytes;
        rc = file_read_all(fd, chunk, n, err);
        if (rc) {
            error_context(err, "%s", path);
            break;
        }
        digest_update(whole, chunk, n);
        digest_bytes(chunk, n, hash);
        hex_encode(hash, sizeof hash, hex);
        if (!cJSON_AddItemToArray(chunks, cJSON_CreateString(hex)))
            rc = error_set(err, ERROR_MEMORY, "image '%s': out of memory", name);
        left -= n;
    }
    if (rc)
        goto out;
    digest_finish(whole, hash);
    whole = NULL;
    hex_encode(hash, sizeof hash, hex);
    if (!cJSON_AddStringToObject(item, "sha256", hex))
        rc = error_set(err, ERROR_MEMORY, "image '%s': out of memory", name);
out:
    digest_finish(whole, NULL);
    free(chunk);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int manifest_text(const struct bundle_recipe *recipe, uint64_t *bytes, char **out,
                         struct error *err)
{
    cJSON *root = cJSON_CreateObject(), *images = NULL;
    int rc = 0;
    *out = NULL;
    if (!cJSON_AddNumberToObject(root, "format", 1) ||
        !cJSON_AddStringToObject(root, "board", recipe->board->name) ||
        !cJSON_AddStringToObject(root, "version", recipe->version) ||
        !cJSON_AddNumberToObject(root, "release", recipe->release) ||
        !(images = cJSON_AddArrayToObject(root, "images")))
        rc = error_set(err, ERROR_MEMORY, "manifest: out of memory");
    for (size_t i = 0; i < recipe->image_count && !rc; i++)
        rc = describe_image(recipe, i, images, &bytes[i], err);
    if (!rc && !(*out = cJSON_PrintUnformatted(root)))
        rc = error_set(err, ERROR_MEMORY, "manifest: out of memory");
    cJSON_Delete(root);
    return rc;
}

/* Header, manifest, signature; parsed back, so that what is made is what can be read. */
static int make_head(const struct bundle_recipe *recipe, const char *manifest, struct buffer *head,
                     struct bundle_manifest *parsed, struct error *err)
{
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t signature_bytes = 0, manifest_bytes = strlen(manifest);
    if (manifest_bytes > BUNDLE_MANIFEST_MAX)
        return error_set(err, ERROR_INPUT, "the manifest has %zu bytes, expected at most %d",
                         manifest_bytes, BUNDLE_MANIFEST_MAX);
    uint8_t header[BUNDLE_HEADER_BYTES] = BUNDLE_MAGIC;
    int rc = signing_sign(recipe->private_key_pem, manifest, manifest_bytes, signature,
                          &signature_bytes, err);
    if (rc)
        return rc;
    for (int i = 0; i < 4; i++) {
        header[8 + i] = (uint8_t)(manifest_bytes >> 8 * i);
        header[12 + i] = (uint8_t)(signature_bytes >> 8 * i);
    }
    if (buffer_append(head, header, sizeof header) ||
        buffer_append(head, manifest, manifest_bytes) ||
        buffer_append(head, signature, signature_bytes))
        return error_set(err, ERROR_MEMORY, "manifest: out of memory");
    return bundle_manifest_parse(head->data, head->size, NULL, parsed, err);
}

/* Copies an image behind what is there; what the file holds now must be what was hashed. */
static int append_image(int out_fd, const char *path, const struct bundle_image *image,
                        struct error *err)
{
    uint8_t chunk[65536], hash[DIGEST_BYTES];
    struct digest *d = digest_start();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = d ? 0 : error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    if (!rc && fd < 0)
        rc = error_errno(err, ERROR_IO, "cannot open %s", path);
    for (uint64_t left = image->bytes; left && !rc;) {
        size_t n = left < sizeof chunk ? (size_t)left : sizeof chunk;
        rc = file_read_all(fd, chunk, n, err);
        if (!rc)
            rc = digest_update(d, chunk, n);
        if (!rc)
            rc = file_write_all(out_fd, chunk, n, err);
        left -= n;
    }
    digest_finish(d, rc ? NULL : hash);
    if (!rc && memcmp(hash, image->sha256, sizeof hash) != 0)
        rc = error_set(err, ERROR_MISMATCH, "%s changed while the bundle was made", path);
    if (fd >= 0)
        close(fd);
    return rc;
}

int bundle_make(const struct bundle_recipe *recipe, const char *path, struct error *err)
{
    uint64_t bytes[BUNDLE_IMAGES_MAX];
    char temporary[PATH_MAX] = "";
    char *manifest = NULL;
    struct buffer head = {0};
    struct bundle_manifest parsed = {0};
    int fd = -1, rc = 0;
    if (recipe->image_count < 1 || recipe->image_count > BUNDLE_IMAGES_MAX) {
        rc = error_set(err, ERROR_INPUT, "%zu images, expected 1 to %d", recipe->image_count,
                       BUNDLE_IMAGES_MAX);
        goto out;
    }
    rc = manifest_text(recipe, bytes, &manifest, err);
    if (!rc)
        rc = make_head(recipe, manifest, &head, &parsed, err);
    if (rc)
        goto out;
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary) {
        temporary[0] = '\0';
        rc = error_set(err, ERROR_INPUT, "the path is too long");
        goto out;
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        temporary[0] = '\0';
        rc = error_errno(err, ERROR_IO, "cannot create");
        goto out;
    }
    rc = file_write_all(fd, head.data, head.size, err);
    for (size_t i = 0; i < parsed.image_count && !rc; i++)
        rc = append_image(fd, recipe->images[i].path, &parsed.images[i], err);
    if (!rc && (fchmod(fd, 0644) || fsync(fd)))
        rc = error_errno(err, ERROR_IO, "cannot sync");
    if (!rc && rename(temporary, path))
        rc = error_errno(err, ERROR_IO, "cannot rename");
out:
    if (rc)
        error_context(err, "making bundle %s", path);
    if (rc && temporary[0])
        unlink(temporary);
    if (fd >= 0)
        close(fd);
    bundle_manifest_free(&parsed);
    buffer_free(&head);
    free(manifest);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------ */

struct bundle {
    int fd;
    char *path;
    uint8_t *head; /* the signed manifest */
    size_t head_bytes;
    struct bundle_manifest manifest;
};

uint64_t bundle_image_at(const struct bundle *b, const struct bundle_image *image)
{
    uint64_t offset = b->head_bytes;
    for (const struct bundle_image *i = b->manifest.images; i < image; i++)
        offset += i->bytes;
    return offset;
}

static int open_bundle(struct bundle *b, const char *public_key_pem, struct error *err)
{
    uint8_t header[BUNDLE_HEADER_BYTES];
    struct bundle_layout layout;
    struct stat st;
    b->fd = open(b->path, O_RDONLY | O_CLOEXEC);
    if (b->fd < 0 || fstat(b->fd, &st))
        return error_errno(err, errno == ENOENT ? ERROR_MISSING : ERROR_IO, "cannot open");
    ssize_t got = pread(b->fd, header, sizeof header, 0);
    if (got < 0)
        return error_errno(err, ERROR_IO, "cannot read");
    int rc = bundle_layout_read(header, (size_t)got, &layout, err);
    if (rc)
        return rc;
    if ((uint64_t)st.st_size < layout.head_bytes)
        return error_set(err, ERROR_INPUT, "it ends within its manifest, at byte %lld of %zu",
                         (long long)st.st_size, layout.head_bytes);
    b->head_bytes = layout.head_bytes;
    b->head = malloc(layout.head_bytes);
    if (!b->head)
        return error_set(err, ERROR_MEMORY, "out of memory");
    rc = file_read_all(b->fd, b->head, b->head_bytes, err);
    if (!rc)
        rc = bundle_manifest_parse(b->head, b->head_bytes, public_key_pem, &b->manifest, err);
    if (rc)
        return rc;
    uint64_t expected = bundle_image_at(b, b->manifest.images + b->manifest.image_count);
    if ((uint64_t)st.st_size != expected)
        return error_set(err, ERROR_INPUT, "it has %lld bytes, its manifest makes %llu",
                         (long long)st.st_size, (unsigned long long)expected);
    return 0;
}

int bundle_open(const char *path, const char *public_key_pem, struct bundle **out,
                struct error *err)
{
    *out = NULL;
    struct bundle *b = calloc(1, sizeof *b);
    int rc = ERROR_MEMORY;
    if (b) {
        b->fd = -1;
        b->path = strdup(path);
    }
    if (!b || !b->path)
        error_set(err, rc, "out of memory");
    else
        rc = open_bundle(b, public_key_pem, err);
    if (rc) {
        error_context(err, "bundle %s", path);
        bundle_close(b);
        return rc;
    }
    *out = b;
    return 0;
}

void bundle_close(struct bundle *b)
{
    if (!b)
        return;
    if (b->fd >= 0)
        close(b->fd);
    bundle_manifest_free(&b->manifest);
    free(b->head);
    free(b->path);
    free(b);
}

const struct bundle_manifest *bundle_manifest(const struct bundle *b)
{
    return &b->manifest;
}

const uint8_t *bundle_signed_manifest(const struct bundle *b, size_t *size)
{
    *size = b->head_bytes;
    return b->head;
}

int bundle_read(const struct bundle *b, const struct bundle_image *image, uint64_t offset,
                void *data, size_t size, struct error *err)
{
    if (offset >= image->bytes)
        return 0;
    if (size > image->bytes - offset)
        size = (size_t)(image->bytes - offset);
    if (size > INT_MAX)
        size = INT_MAX;
    ssize_t n;
    do
        n = pread(b->fd, data, size, (off_t)(bundle_image_at(b, image) + offset));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_errno(err, ERROR_IO, "cannot read bundle %s", b->path);
    if (n == 0 && size)
        return error_set(err, ERROR_INPUT, "bundle %s was cut short while it was read", b->path);
    return (int)n;
}

static int verify_image(const struct bundle *b, const struct bundle_image *image, uint8_t *chunk,
                        struct error *err)
{
    uint8_t hash[DIGEST_BYTES];
    uint64_t offset = 0;
    struct digest *whole = digest_start();
    int rc = whole ? 0 : error_set(err, ERROR_MEMORY, "out of memory");
    for (size_t i = 0; i < image->chunk_count && !rc; i++) {
        size_t size = bundle_chunk_bytes(image, i);
        for (size_t done = 0; done < size;) {
            int n = bundle_read(b, image, offset + done, chunk + done, size - done, err);
            if (n < 0) {
                rc = n;
                goto out;
            }
            done += (size_t)n;
        }
        offset += size;
        digest_update(whole, chunk, size);
        digest_bytes(chunk, size, hash);
        if (memcmp(hash, image->chunk_sha256[i], sizeof hash) != 0)
            rc = error_set(err, ERROR_MISMATCH,
                           "bundle %s: image '%s' differs from its hash in chunk %zu", b->path,
                           image->name, i);
    }
    if (!rc) {
        digest_finish(whole, hash);
        whole = NULL;
        if (memcmp(hash, image->sha256, sizeof hash) != 0)
            rc = error_set(err, ERROR_MISMATCH, "bundle %s: image '%s' differs from its hash",
                           b->path, image->name);
    }
out:
    digest_finish(whole, NULL);
    return rc;
}

int bundle_verify(const struct bundle *b, struct error *err)
{
    uint8_t *chunk = malloc(BUNDLE_CHUNK_MAX);
    int rc = chunk ? 0 : error_set(err, ERROR_MEMORY, "bundle %s: out of memory", b->path);
    for (size_t i = 0; i < b->manifest.image_count && !rc; i++)
        rc = verify_image(b, &b->manifest.images[i], chunk, err);
    free(chunk);
    return rc;
}
