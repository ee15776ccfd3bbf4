#include "firmware/cast/flash_side.h"

#include <stdlib.h>
#include <string.h>

#include "firmware/factory/finalize.h"
#include "protocol/base/clock.h"

enum {
    DIFFER_MAX = 4, /* chunks in a row: this is another version */
    BAD_BLOCKS_MAX = 8,
};

int flash_side_check(const struct flash_side *f, const struct bundle_manifest *m, char slot,
                     struct error *err)
{
    const struct identity_store store = {f->hal, f->board};
    enum identity_state state;
    struct identity_record record;
    struct slots *slots = malloc(sizeof *slots);
    int rc = slots ? identity_load(&store, &state, &record, err)
                   : error_set(err, ERROR_MEMORY, "no memory for the boot environment");
    if (!rc) {
        explicit_bzero(&record, sizeof record);
        rc = slots_load(f->hal, f->board, slots, err);
    }
    if (rc)
        goto out;
    if (strcmp(m->board, f->board->name) != 0)
        rc = error_set(err, ERROR_REFUSED, "the bundle is for board %s, this is %s", m->board,
                       f->board->name);
    else if (state == IDENTITY_LOCKED || state == IDENTITY_DAMAGED)
        rc = error_set(err, ERROR_REFUSED, "the unit's identity is %s: only open units are flashed",
                       identity_state_name(state));
    else if (finalize_loader_closed(slots) || slots->environment.damaged)
        rc = error_set(err, ERROR_REFUSED, "the unit's loader is closed");
    else if (slots->active != slot)
        rc = error_set(err, ERROR_STATE, "the unit starts from slot %c, the images are for %c",
                       slots->active, slot);
    else if (m->release < slots->release_min)
        rc =
            error_set(err, ERROR_REFUSED, "the bundle's release is %u, this unit takes %u or newer",
                      m->release, slots->release_min);
out:
    free(slots);
    return rc;
}

static struct chunk_place place_of(const struct flash_side *f, const struct chunk_ordered *c)
{
    return (struct chunk_place){f->hal, f->board, c->partition->name, c->offset, c->bytes};
}

/* The chunk's own hash over what the flash holds; of it `known` bytes lie in the scratch. */
static int holds(struct flash_side *f, const struct chunk_ordered *c, size_t known, bool *is_right,
                 struct error *err)
{
    struct chunk_place place = place_of(f, c);
    uint8_t hash[DIGEST_BYTES];
    struct digest *d = digest_start();
    if (!d)
        return error_set(err, ERROR_MEMORY, "no memory to hash");
    place.offset += known;
    place.bytes -= known;
    int rc = digest_update(d, f->scratch, known);
    if (!rc)
        rc = chunk_digest(&place, f->scratch, d, err);
    digest_finish(d, hash);
    *is_right = !rc && memcmp(hash, c->image->chunk_sha256[c->index], sizeof hash) == 0;
    return rc;
}

static int look(struct flash_side *f, const struct chunk_ordered *c, bool *is_there,
                struct error *err)
{
    const size_t first = c->bytes < CHUNK_PIECE ? c->bytes : CHUNK_PIECE;
    *is_there = false;
    if (f->differs == c->partition && f->differ_count >= DIFFER_MAX)
        return 0;
    int rc = f->hal->flash->read(f->hal->flash_state, c->partition->name, c->offset, f->scratch,
                                 first, err);
    if (rc || chunk_is_blank(f->scratch, first))
        return rc;
    rc = holds(f, c, first, is_there, err);
    f->differ_count = *is_there || f->differs != c->partition ? 0 : f->differ_count;
    f->differs = c->partition;
    f->differ_count += !*is_there;
    return rc;
}

int flash_side_look(struct flash_side *f, const struct chunk_ordered *c, bool *is_there,
                    struct error *err)
{
    const int64_t began = clock_mono_ns();
    const int rc = look(f, c, is_there, err);
    if (*is_there)
        f->skipped += c->bytes;
    f->busy_ns += clock_mono_ns() - began;
    return rc;
}

static int write_once(struct flash_side *f, const struct chunk_ordered *c, uint8_t *data,
                      struct error *err)
{
    const struct chunk_place place = place_of(f, c);
    bool is_there, is_erased, is_right = true;
    int rc = chunk_look(&place, data, f->scratch, &is_there, &is_erased, err);
    if (!rc && is_there) {
        f->skipped += c->bytes;
        return 0;
    }
    if (!rc && !is_erased)
        rc = chunk_erase(&place, err);
    if (!rc)
        rc = chunk_program(&place, data, &f->programmed, err);
    if (!rc)
        rc = holds(f, c, 0, &is_right, err);
    if (!rc && !is_right)
        rc = error_set(err, ERROR_MISMATCH, "partition %s does not hold what was written at %llu",
                       c->partition->name, (unsigned long long)c->offset);
    return rc;
}

int flash_side_write(struct flash_side *f, const struct chunk_ordered *c, uint8_t *data,
                     bool *moved, struct error *err)
{
    const bool is_nand = strcmp(f->board->flash_kind, "nand") == 0;
    const int64_t began = clock_mono_ns();
    int rc;
    *moved = false;
    for (int tries = 0;; tries++) {
        rc = write_once(f, c, data, err);
        /* The HAL has marked the block bad: the next good one takes its place. */
        if (rc != ERROR_IO || !is_nand || tries == BAD_BLOCKS_MAX)
            break;
        *moved = true;
    }
    f->busy_ns += clock_mono_ns() - began;
    return rc;
}

int flash_side_sync(const struct flash_side *f, struct error *err)
{
    return f->hal->flash->sync(f->hal->flash_state, err);
}
