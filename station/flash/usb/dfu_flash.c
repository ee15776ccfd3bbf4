/* Flashing over DFU: a place a partition. The unit writes as blocks come, from buffers of its own:
 * what stands before an erase is the buffer, not the piece, and only USB's own checks stand for its
 * bytes. So all is read back, and an erase that failed without a word is found there. */
#include <string.h>

#include "station/flash/usb/dfu.h"
#include "station/flash/usb/usb_stages.h"

struct dfu_piece {
    struct usb_flashing *f;
    const struct flash_piece *piece;
    struct flash_meter meter;
    uint64_t at;
    struct digest *digest;
};

static int next_block(void *context, void *data, size_t size, struct error *err)
{
    struct dfu_piece *p = context;
    const int rc = usb_image_read(p->f->job->bundle, p->piece->image, p->at, data, size, err);
    p->at += size;
    return rc;
}

static void sent(void *context, uint64_t bytes)
{
    struct dfu_piece *p = context;
    p->f->out->sent_bytes += bytes - p->meter.now.done;
    flash_meter_at(&p->meter, bytes);
}

static int hash_block(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct dfu_piece *p = context;
    const uint64_t left = p->piece->image->bytes - p->at;
    const size_t n = left < size ? (size_t)left : size;
    digest_update(p->digest, data, n);
    p->at += n;
    flash_meter_at(&p->meter, p->at);
    return p->at == p->piece->image->bytes;
}

/* The place read back, bounded to the image. */
static int compare(struct dfu *d, struct dfu_piece *p, const char *stage, bool *same,
                   struct error *err)
{
    uint8_t hash[DIGEST_BYTES];
    const struct dfu_upload to = {.take = hash_block, .context = p};
    flash_meter_stage(&p->meter, p->f->job, stage, p->piece->image->name, p->piece->image->bytes);
    p->at = 0;
    p->digest = digest_start();
    if (!p->digest)
        return error_set(err, ERROR_MEMORY, "usb: out of memory");
    const int rc = dfu_upload(d, &to, err);
    digest_finish(p->digest, hash);
    *same =
        p->at == p->piece->image->bytes && memcmp(hash, p->piece->image->sha256, sizeof hash) == 0;
    return rc;
}

/* Enough to see whether it may be there already: reading all of a blank flash would cost its
 * transfer. */
struct glance {
    struct dfu_piece *p;
    bool same;
};

static int look_at_block(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct glance *g = context;
    uint8_t want[4096];
    const uint64_t bytes = g->p->piece->image->bytes;
    const size_t n = size < sizeof want ? size : sizeof want;
    const size_t look = bytes < n ? (size_t)bytes : n;
    const int rc = usb_image_read(g->p->f->job->bundle, g->p->piece->image, 0, want, look, err);
    g->same = rc == 0 && look > 0 && memcmp(want, data, look) == 0;
    return rc ? rc : 1;
}

static int is_there(struct dfu *d, struct dfu_piece *p, bool *same, struct error *err)
{
    struct glance g = {.p = p};
    const struct dfu_upload to = {.take = look_at_block, .context = &g};
    *same = false;
    int rc = dfu_upload(d, &to, err);
    if (!rc && g.same)
        rc = compare(d, p, "comparing", same, err);
    return rc;
}

static int write_place(struct dfu *d, struct dfu_piece *p, struct error *err)
{
    const struct usb_stream s = {
        .bytes = p->piece->image->bytes, .read = next_block, .sent = sent, .context = p};
    if (flash_cancelled(p->f->job))
        return error_set(err, ERROR_CANCELLED, "usb: stopped before %s was touched", d->name);
    flash_meter_stage(&p->meter, p->f->job, "writing", p->piece->image->name, s.bytes);
    p->at = 0;
    const int rc = dfu_download(d, &s, err);
    if (!rc)
        p->f->out->written_bytes += s.bytes;
    return rc;
}

static int write_piece(struct usb_flashing *f, const struct flash_piece *piece, bool *verified,
                       struct error *err)
{
    struct dfu_piece p = {.f = f, .piece = piece};
    struct dfu d;
    bool same = false;
    int rc = dfu_start(f->unit, f->job->log, piece->partition->name, &d, err);
    if (!rc && dfu_can_upload(&d))
        rc = is_there(&d, &p, &same, err);
    f->out->bytes += piece->image->bytes;
    if (rc || same)
        return rc;
    rc = write_place(&d, &p, err);
    if (rc || !dfu_can_upload(&d)) {
        *verified = false;
        return rc;
    }
    rc = compare(&d, &p, "verifying", &same, err);
    return rc || same ? rc
                      : flash_fail(err, FLASH_NOT_VERIFIED,
                                   "usb:%s: partition %s: what was read back is not the image",
                                   usb_unit_name(f->unit), piece->partition->name);
}

static int run_dfu(struct usb_flashing *f, struct error *err)
{
    struct flash_piece pieces[BUNDLE_IMAGES_MAX];
    size_t count;
    bool verified = true;
    int rc = flash_pieces(f->job->board, bundle_manifest(f->job->bundle), f->job->slot, pieces,
                          &count, err);
    /* Every place must be there before the first is written. */
    for (size_t i = 0; i < count && !rc; i++) {
        struct dfu d;
        rc = dfu_start(f->unit, f->job->log, pieces[i].partition->name, &d, err);
    }
    for (size_t i = 0; i < count && !rc; i++)
        rc = write_piece(f, &pieces[i], &verified, err);
    f->out->verified = !rc && verified;
    if (!rc && !verified)
        rc = flash_fail(err, FLASH_NOT_VERIFIED,
                        "usb:%s: written, and the unit reported no error; but its DFU cannot "
                        "upload, so what its flash holds was not read back",
                        usb_unit_name(f->unit));
    return rc;
}

static bool at_dfu(const struct board *board, const struct usb_descriptors *d)
{
    return dfu_is(d);
}

const struct usb_stage usb_dfu = {.name = "DFU", .at = at_dfu, .run = run_dfu, .last = true};
