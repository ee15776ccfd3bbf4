#include "firmware/update/writer.h"

#include <stdlib.h>
#include <string.h>

#include "firmware/update/chunk.h"

struct writer {
    struct writer_config config;
    char slot;
    struct bundle_manifest manifest;
    bool verified[BUNDLE_IMAGES_MAX];

    /* the image being written */
    const struct bundle_image *image;
    const struct board_partition *partition;
    size_t chunk; /* index of the one being filled */
    size_t filled;
    struct writer_counts counts;

    uint8_t *incoming; /* a chunk that came */
    uint8_t present[CHUNK_PIECE];
};

/* Everything about the manifest that this unit must agree with. What a boot ROM is given goes into
 * no flash: it is passed over. */
static int check_manifest(struct writer *w, struct error *err)
{
    const struct bundle_manifest *m = &w->manifest;
    const struct board *board = w->config.board;
    if (strcmp(m->board, board->name) != 0)
        return error_set(err, ERROR_REFUSED, "the bundle is for board %s, this is %s", m->board,
                         board->name);
    if (m->release < w->config.slots->release_min)
        return error_set(err, ERROR_REFUSED,
                         "the bundle's release is %u, this unit takes %u or newer", m->release,
                         w->config.slots->release_min);
    size_t placed = 0;
    for (size_t i = 0; i < m->image_count; i++) {
        const struct bundle_image *image = &m->images[i];
        w->verified[i] = board_is_loader(board, image->name);
        if (w->verified[i])
            continue;
        placed++;
        const struct board_partition *p = board_partition(board, image->name, w->slot);
        if (!p || p->protected_)
            return error_set(err, ERROR_INPUT, "image '%s': this board has no partition %s_%c",
                             image->name, image->name, w->slot);
        if (image->bytes > p->size_bytes)
            return error_set(err, ERROR_INPUT, "image '%s' has %llu bytes, partition %s %llu",
                             image->name, (unsigned long long)image->bytes, p->name,
                             (unsigned long long)p->size_bytes);
        if (image->chunk_bytes % board->erase_bytes)
            return error_set(err, ERROR_INPUT,
                             "image '%s' comes in chunks of %u bytes, expected whole erase blocks "
                             "of %u",
                             image->name, image->chunk_bytes, board->erase_bytes);
    }
    if (!placed)
        return error_set(err, ERROR_INPUT, "the bundle has nothing but loaders of the boot ROM");
    if (w->config.slots->trial && w->config.slots->good == w->slot)
        return error_set(err, ERROR_STATE, "slot %c is on trial and slot %c its way back; commit",
                         w->config.slots->active, w->slot);
    return 0;
}

int writer_begin(const struct writer_config *config, const void *signed_manifest, size_t size,
                 struct writer **out, struct error *err)
{
    *out = NULL;
    if (!config->public_key_pem)
        return error_set(err, ERROR_REFUSED, "this unit has no key to check a bundle with");
    struct writer *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, ERROR_MEMORY, "update: out of memory");
    w->config = *config;
    w->slot = slots_other(config->running);
    size_t chunk_max = 0;
    int rc =
        bundle_manifest_parse(signed_manifest, size, config->public_key_pem, &w->manifest, err);
    if (!rc)
        rc = check_manifest(w, err);
    for (size_t i = 0; i < w->manifest.image_count; i++)
        if (w->manifest.images[i].chunk_bytes > chunk_max)
            chunk_max = w->manifest.images[i].chunk_bytes;
    if (!rc) {
        w->incoming = malloc(chunk_max);
        if (!w->incoming)
            rc = error_set(err, ERROR_MEMORY, "update: no memory for chunks of %zu bytes",
                           chunk_max);
    }
    if (rc) {
        writer_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    bundle_manifest_free(&w->manifest);
    free(w->incoming);
    free(w);
}

char writer_slot(const struct writer *w)
{
    return w->slot;
}

const struct bundle_manifest *writer_manifest(const struct writer *w)
{
    return &w->manifest;
}

static int find_image(const struct writer *w, const char *name, const struct bundle_image **out,
                      struct error *err)
{
    *out = bundle_image(&w->manifest, name);
    if (*out && board_is_loader(w->config.board, name))
        return error_set(err, ERROR_INPUT, "image '%s' has no partition: it is for the boot ROM",
                         name);
    return *out ? 0 : error_set(err, ERROR_MISSING, "the manifest has no image '%.40s'", name);
}

int writer_image_begin(struct writer *w, const char *image, uint64_t bytes, struct error *err)
{
    const struct bundle_image *found;
    int rc = find_image(w, image, &found, err);
    if (rc)
        return rc;
    if (bytes != found->bytes)
        return error_set(err, ERROR_INPUT,
                         "image '%s' comes with %llu bytes, the manifest says %llu", image,
                         (unsigned long long)bytes, (unsigned long long)found->bytes);
    w->image = found;
    w->partition = board_partition(w->config.board, image, w->slot);
    w->chunk = w->filled = 0;
    w->counts = (struct writer_counts){0};
    w->verified[found - w->manifest.images] = false;
    return 0;
}

static struct chunk_place place_of(const struct writer *w, const char *partition, uint64_t offset,
                                   size_t bytes)
{
    return (struct chunk_place){w->config.hal, w->config.board, partition, offset, bytes};
}

static int write_chunk(struct writer *w, struct error *err)
{
    const struct chunk_place place =
        place_of(w, w->partition->name, (uint64_t)w->chunk * w->image->chunk_bytes, w->filled);
    uint8_t hash[DIGEST_BYTES];
    bool is_there = false, is_erased = false;
    int rc = digest_bytes(w->incoming, w->filled, hash);
    if (!rc && memcmp(hash, w->image->chunk_sha256[w->chunk], sizeof hash) != 0)
        return error_set(err, ERROR_MISMATCH,
                         "image '%s': chunk %zu is not the one the manifest was signed for",
                         w->image->name, w->chunk);
    if (!rc)
        rc = chunk_look(&place, w->incoming, w->present, &is_there, &is_erased, err);
    if (!rc && is_there) {
        w->counts.skipped_chunks++;
        return 0;
    }
    if (!rc)
        rc = slots_overwrite(w->config.slots, w->slot, err);
    /* Parts ship blank, and erasing takes longer than reading: most of a first flashing's time. */
    if (!rc && !is_erased)
        rc = chunk_erase(&place, err);
    if (!rc)
        rc = chunk_program(&place, w->incoming, &w->counts.written_bytes, err);
    return rc;
}

int writer_write(struct writer *w, const uint8_t *data, size_t size, struct error *err)
{
    if (!w->image)
        return error_set(err, ERROR_STATE, "no image was begun");
    while (size) {
        size_t wanted = bundle_chunk_bytes(w->image, w->chunk) - w->filled;
        if (!wanted)
            return error_set(err, ERROR_INPUT, "image '%s': more bytes than the manifest says",
                             w->image->name);
        size_t n = size < wanted ? size : wanted;
        memcpy(w->incoming + w->filled, data, n);
        w->filled += n;
        data += n;
        size -= n;
        if (n < wanted)
            break;
        int rc = write_chunk(w, err);
        if (rc) {
            w->image = NULL;
            return rc;
        }
        w->chunk++;
        w->filled = 0;
    }
    return 0;
}

int writer_image_end(struct writer *w, struct writer_counts *out, struct error *err)
{
    const struct hal *h = w->config.hal;
    const struct bundle_image *image = w->image;
    w->image = NULL;
    if (!image)
        return error_set(err, ERROR_STATE, "no image was begun");
    if (w->chunk != image->chunk_count)
        return error_set(err, ERROR_INPUT, "image '%s' ended in chunk %zu of %zu", image->name,
                         w->chunk, image->chunk_count);
    *out = w->counts;
    return h->flash->sync(h->flash_state, err);
}

int writer_verify(struct writer *w, const char *image, bool (*stop)(void *context), void *context,
                  uint8_t sha256[DIGEST_BYTES], struct error *err)
{
    const struct bundle_image *found;
    int rc = find_image(w, image, &found, err);
    if (rc)
        return rc;
    const struct board_partition *p = board_partition(w->config.board, image, w->slot);
    struct digest *d = digest_start();
    if (!d)
        return error_set(err, ERROR_MEMORY, "image '%s': out of memory", image);
    for (uint64_t at = 0; at < found->bytes && !rc; at += CHUNK_PIECE) {
        const uint64_t left = found->bytes - at;
        const struct chunk_place piece =
            place_of(w, p->name, at, left < CHUNK_PIECE ? (size_t)left : CHUNK_PIECE);
        if (stop && stop(context))
            rc = error_set(err, ERROR_CANCELLED, "image '%s': verifying was taken back", image);
        if (!rc)
            rc = chunk_digest(&piece, w->present, d, err);
    }
    digest_finish(d, rc ? NULL : sha256);
    if (!rc && memcmp(sha256, found->sha256, DIGEST_BYTES) != 0)
        rc = error_set(err, ERROR_MISMATCH, "partition %s does not hold image '%s' of version %s",
                       p->name, image, w->manifest.version);
    w->verified[found - w->manifest.images] = !rc;
    return rc;
}

int writer_activate(struct writer *w, struct error *err)
{
    for (size_t i = 0; i < w->manifest.image_count; i++)
        if (!w->verified[i])
            return error_set(err, ERROR_STATE, "image '%s' was not verified yet",
                             w->manifest.images[i].name);
    return slots_activate(w->config.slots, w->slot, w->manifest.version, w->manifest.release, err);
}
