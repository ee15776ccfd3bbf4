#include "firmware/update/card_update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/update/chunk.h"
#include "firmware/update/writer.h"

enum { PIECE_BYTES = 1 << 16 };

static bool stopped(const struct card_update *u)
{
    return u->stop && u->stop(u->context);
}

/* ---- is it there already? ----------------------------------------------------------------- */

/* Nothing of it is right from its first piece on, as a rule: that is found soon. */
static int holds_image(const struct card_update *u, const struct bundle_image *image,
                       uint8_t *scratch, bool *holds, struct error *err)
{
    const struct board_partition *p = board_partition(u->board, image->name, u->running);
    uint64_t offset = 0;
    int rc = 0;
    *holds = p && image->bytes <= p->size_bytes;
    for (size_t i = 0; !rc && *holds && i < image->chunk_count; i++) {
        const struct chunk_place place = {u->hal, u->board, p->name, offset,
                                          bundle_chunk_bytes(image, i)};
        uint8_t hash[DIGEST_BYTES];
        struct digest *d = digest_start();
        if (!d)
            return error_set(err, ERROR_MEMORY, "no memory to hash");
        rc = stopped(u) ? error_set(err, ERROR_CANCELLED, "stopped")
                        : chunk_digest(&place, scratch, d, err);
        digest_finish(d, hash);
        *holds = !rc && memcmp(hash, image->chunk_sha256[i], sizeof hash) == 0;
        offset += place.bytes;
    }
    return rc;
}

static int holds_bundle(const struct card_update *u, const struct bundle_manifest *m, bool *holds,
                        struct error *err)
{
    uint8_t *scratch = malloc(CHUNK_PIECE);
    int rc = scratch ? 0 : error_set(err, ERROR_MEMORY, "no memory to look at the flash");
    *holds = true;
    for (size_t i = 0; !rc && *holds && i < m->image_count; i++)
        rc = holds_image(u, &m->images[i], scratch, holds, err);
    free(scratch);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------ */

static int write_image(const struct card_update *u, struct writer *w, const struct bundle *b,
                       const struct bundle_image *image, uint8_t *piece, uint64_t *written,
                       struct error *err)
{
    struct writer_counts counts;
    int rc = writer_image_begin(w, image->name, image->bytes, err);
    for (uint64_t at = 0; !rc && at < image->bytes;) {
        const int n = bundle_read(b, image, at, piece, PIECE_BYTES, err);
        if (n <= 0)
            rc = n ? n : error_set(err, ERROR_INPUT, "image %s ends early", image->name);
        else if (stopped(u))
            rc = error_set(err, ERROR_CANCELLED, "stopped");
        else
            rc = writer_write(w, piece, (size_t)n, err);
        at += n > 0 ? (uint64_t)n : 0;
    }
    if (!rc)
        rc = writer_image_end(w, &counts, err);
    *written = rc ? 0 : counts.written_bytes;
    return rc;
}

static int write_bundle(const struct card_update *u, const struct bundle *b,
                        struct card_record *record, struct error *err)
{
    const struct bundle_manifest *m = bundle_manifest(b);
    const struct writer_config config = {u->hal, u->board, u->slots, u->running, u->public_key_pem};
    struct writer *w = NULL;
    size_t head_bytes;
    const uint8_t *head = bundle_signed_manifest(b, &head_bytes);
    uint8_t *piece = malloc(PIECE_BYTES), hash[DIGEST_BYTES];
    int rc = piece ? writer_begin(&config, head, head_bytes, &w, err)
                   : error_set(err, ERROR_MEMORY, "no memory for the card's bundle");
    /* All of the card, before the first erase. */
    if (!rc)
        rc = bundle_verify(b, err);
    for (size_t i = 0; !rc && i < m->image_count; i++) {
        uint64_t written;
        const size_t used = strlen(record->written);
        rc = write_image(u, w, b, &m->images[i], piece, &written, err);
        if (!rc && written)
            snprintf(record->written + used, sizeof record->written - used, "%s%s_%c",
                     used ? " " : "", m->images[i].name, writer_slot(w));
    }
    for (size_t i = 0; !rc && i < m->image_count; i++)
        rc = writer_verify(w, m->images[i].name, u->stop, u->context, hash, err);
    if (!rc)
        rc = writer_activate(w, err);
    writer_free(w);
    free(piece);
    return rc;
}

/* ---- the whole of it ---------------------------------------------------------------------- */

static bool was_given_up(const struct slots *s, const char *version)
{
    char text[BUNDLE_VERSION_MAX + 2];
    snprintf(text, sizeof text, "(%s)", version);
    return strstr(s->fallback, text) != NULL;
}

static int update(const struct card_update *u, const struct bundle *b, enum card_update_end *end,
                  struct card_record *record, struct error *err)
{
    const struct bundle_manifest *m = bundle_manifest(b);
    bool holds = false;
    int rc = strcmp(m->board, u->board->name) == 0
                 ? 0
                 : error_set(err, ERROR_REFUSED, "the card is for board %s, this is %s", m->board,
                             u->board->name);
    if (!rc)
        rc = holds_bundle(u, m, &holds, err);
    if (rc)
        return rc;
    if (holds && !u->slots->trial) {
        *end = CARD_UPDATE_NOTHING;
        return 0;
    }
    if (holds)
        return slots_commit(u->slots, u->running, err);
    if (was_given_up(u->slots, m->version))
        return error_set(err, ERROR_STATE, "%s", u->slots->fallback);
    rc = write_bundle(u, b, record, err);
    if (!rc)
        *end = CARD_UPDATE_ON_TRIAL;
    return rc;
}

enum card_update_end card_update_run(const struct card_update *u, const char *bundle_path,
                                     struct card_record *record)
{
    enum card_update_end end = CARD_UPDATE_RECORD;
    struct error err = {0};
    struct bundle *b = NULL;
    *record = (struct card_record){.bundle = "a bundle that was not taken"};
    snprintf(record->unit, sizeof record->unit, "%s", u->unit);
    int rc = u->public_key_pem
                 ? bundle_open(bundle_path, u->public_key_pem, &b, &err)
                 : error_set(&err, ERROR_REFUSED, "this unit has no key to check a bundle with");
    if (!rc) {
        card_record_stamp(b, record->bundle);
        rc = update(u, b, &end, record, &err);
    }
    bundle_close(b);
    if (rc == ERROR_CANCELLED)
        return CARD_UPDATE_NOTHING;
    record->flashed = !rc;
    snprintf(record->why, sizeof record->why, "%.*s", (int)sizeof record->why - 1, err.text);
    return end;
}
