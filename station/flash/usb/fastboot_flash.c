/* Flashing over fastboot.
 *
 * A piece goes in windows, a whole number of erase blocks each, as large as the unit's memory
 * takes: loaded, its hash checked there, erased, written; then the whole piece is read back into
 * the unit's memory window by window and hashed there. Checks and exact erasing are U-Boot's own
 * commands
 * ("hash -v", and the board file's), given through "oem run": a loader without it writes, but
 * nothing can be said of what its flash holds then, and that is what the user is told. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/flash/usb/fastboot.h"
#include "station/flash/usb/sparse.h"
#include "station/flash/usb/usb_stages.h"

/* So that an abort or a cut costs little, and progress moves. */
static const uint64_t WINDOW_MOST = 16 << 20;

struct writing {
    struct usb_flashing *f;
    struct fastboot fb;
    const struct board *board;
    uint64_t window; /* bytes of an image at once */
    bool can_run;    /* "oem run" is there */
    struct flash_meter meter;
};

struct window {
    const struct flash_piece *piece;
    uint64_t offset, bytes;
};

/* ---- commands of U-Boot ------------------------------------------------------------------- */

static int oem_run(struct writing *w, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int oem_run(struct writing *w, struct error *err, const char *format, ...)
{
    char command[128] = "oem run:";
    va_list args;
    va_start(args, format);
    vsnprintf(command + 8, sizeof command - 8, format, args);
    va_end(args);
    return fastboot_command(&w->fb, command, usb_unit_times(w->f->unit)->busy_ms, NULL, err);
}

/* The unit hashes its memory at the load address and compares: a mismatch is its FAIL. */
static int compare_memory(struct writing *w, uint64_t bytes, const uint8_t hash[DIGEST_BYTES],
                          struct error *err)
{
    char hex[DIGEST_TEXT];
    hex_encode(hash, DIGEST_BYTES, hex);
    /* 64 digits do not fit into one command. */
    int rc = oem_run(w, err, "setenv takt0 %.32s", hex);
    if (!rc)
        rc = oem_run(w, err, "setenv takt1 %s", hex + 32);
    if (!rc)
        rc = oem_run(w, err, "hash -v sha256 0x%" PRIx64 " 0x%" PRIx64 " ${takt0}${takt1}",
                     w->board->boot.load_address, bytes);
    return rc;
}

static bool can_verify(const struct writing *w)
{
    return w->can_run && w->board->boot.read[0];
}

static uint64_t in_pages(const struct writing *w, uint64_t bytes)
{
    const uint64_t page = w->board->page_bytes ? w->board->page_bytes : 1;
    return (bytes + page - 1) / page * page;
}

/* 0 when the flash holds the window's bytes; ERROR_REMOTE when it does not. */
static int compare_flash(struct writing *w, const struct window *at, struct error *err)
{
    char command[128];
    uint8_t hash[DIGEST_BYTES];
    int rc = usb_image_hash(w->f->job->bundle, at->piece->image, at->offset, at->bytes, hash, err);
    if (rc)
        return rc;
    usb_loader_command(w->board, w->board->boot.read,
                       at->piece->partition->offset_bytes + at->offset, in_pages(w, at->bytes),
                       command, sizeof command);
    rc = oem_run(w, err, "%s", command);
    return rc ? rc : compare_memory(w, at->bytes, hash, err);
}

/* ---- one window --------------------------------------------------------------------------- */

struct loading {
    struct writing *w;
    struct window at;
    struct sparse_part part;
    bool sparse;
    uint64_t done;
    struct digest *digest; /* over what is sent */
};

static int read_piece(void *context, uint64_t offset, void *data, size_t size, struct error *err)
{
    const struct loading *l = context;
    return usb_image_read(l->w->f->job->bundle, l->at.piece->image, offset, data, size, err);
}

static int next_bytes(void *context, void *data, size_t size, struct error *err)
{
    struct loading *l = context;
    const int rc = l->sparse ? sparse_part_read(&l->part, data, size, err)
                             : read_piece(l, l->at.offset + l->done, data, size, err);
    if (rc)
        return rc;
    l->done += size;
    /* Of an image that goes as it is, the hash is the bundle's. */
    if (l->sparse)
        digest_update(l->digest, data, size);
    return 0;
}

static void loaded(void *context, uint64_t bytes)
{
    struct loading *l = context;
    flash_meter_at(&l->w->meter, bytes);
}

/* The window into the unit's memory, and its hash there. */
static int load_window(struct loading *l, struct error *err)
{
    struct writing *w = l->w;
    uint8_t hash[DIGEST_BYTES];
    struct usb_stream s = {.read = next_bytes, .sent = loaded, .context = l, .bytes = l->at.bytes};
    int rc = sparse_part_plan(&l->part, read_piece, l, l->at.piece->image->bytes, 0xff,
                              (uint32_t)(l->at.offset / SPARSE_BLOCK_BYTES),
                              (uint32_t)(w->window / SPARSE_BLOCK_BYTES), UINT64_MAX, err);
    if (rc)
        return rc;
    /* Plain where that is all there is and repeats save nothing: any loader takes it. */
    l->sparse = l->at.bytes != l->at.piece->image->bytes || l->part.bytes < l->at.bytes;
    if (l->sparse)
        s.bytes = l->part.bytes;
    l->digest = digest_start();
    rc = l->digest ? 0 : error_set(err, ERROR_MEMORY, "usb: out of memory");
    if (!rc) {
        flash_meter_stage(&w->meter, w->f->job, "loading", l->at.piece->image->name, s.bytes);
        rc = fastboot_download(&w->fb, &s, err);
    }
    w->f->out->sent_bytes += rc ? 0 : s.bytes;
    if (l->digest)
        digest_finish(l->digest, hash);
    if (!l->sparse)
        memcpy(hash, l->at.piece->image->sha256, sizeof hash);
    if (!rc && w->can_run && compare_memory(w, s.bytes, hash, err))
        rc = flash_fail(err, FLASH_NOT_VERIFIED,
                        "usb:%s: %s: what the unit's memory holds at 0x%" PRIx64 " is not what was "
                        "sent; nothing was erased",
                        usb_unit_name(w->f->unit), l->at.piece->image->name,
                        w->board->boot.load_address);
    sparse_part_free(&l->part);
    return rc;
}

static int erase_window(struct writing *w, const struct window *at, struct error *err)
{
    const uint64_t block = w->board->erase_bytes;
    const uint64_t bytes = (at->bytes + block - 1) / block * block;
    char command[128];
    if (strcmp(w->board->flash_kind, "emmc") == 0)
        return 0;
    flash_meter_stage(&w->meter, w->f->job, "erasing", at->piece->image->name, 0);
    if (w->can_run && usb_loader_command(w->board, w->board->boot.erase,
                                         at->piece->partition->offset_bytes + at->offset, bytes,
                                         command, sizeof command))
        return oem_run(w, err, "%s", command);
    if (at->offset)
        return 0; /* the whole partition was, before its first window */
    snprintf(command, sizeof command, "erase:%s", at->piece->partition->name);
    return fastboot_command(&w->fb, command, usb_unit_times(w->f->unit)->busy_ms, NULL, err);
}

static int write_window(struct writing *w, const struct window *at, struct error *err)
{
    struct loading l = {.w = w, .at = *at};
    char command[FASTBOOT_COMMAND_MAX + 1];
    int rc = load_window(&l, err);
    if (!rc && flash_cancelled(w->f->job))
        rc = error_set(err, ERROR_CANCELLED, "usb: stopped before %s was erased",
                       at->piece->partition->name);
    if (!rc)
        rc = erase_window(w, at, err);
    if (rc)
        return rc;
    flash_meter_stage(&w->meter, w->f->job, "writing", at->piece->image->name, 0);
    snprintf(command, sizeof command, "flash:%s", at->piece->partition->name);
    rc = fastboot_command(&w->fb, command, usb_unit_times(w->f->unit)->busy_ms, NULL, err);
    if (!rc)
        w->f->out->written_bytes += at->bytes;
    return rc;
}

/* ---- pieces ------------------------------------------------------------------------------- */

static bool next_window(const struct writing *w, struct window *at)
{
    const uint64_t all = at->piece->image->bytes;
    at->offset += at->bytes;
    at->bytes = all - at->offset < w->window ? all - at->offset : w->window;
    return at->bytes > 0;
}

static int check_cancel(struct writing *w, struct error *err)
{
    return flash_cancelled(w->f->job)
               ? error_set(err, ERROR_CANCELLED, "usb: stopped, nothing was half written")
               : 0;
}

/* Windows from the front that the flash holds already: what a flashing that was cut off had
 * written, or a unit's that needs nothing. Looking ends with the first that differs. */
static int skip_written(struct writing *w, struct window *at, bool *all, struct error *err)
{
    struct error why = {0};
    flash_meter_stage(&w->meter, w->f->job, "comparing", at->piece->image->name,
                      at->piece->image->bytes);
    *all = false;
    for (struct window next = *at; next_window(w, &next);) {
        int rc = check_cancel(w, err);
        if (rc)
            return rc;
        rc = compare_flash(w, &next, &why);
        if (rc == ERROR_REMOTE)
            return 0;
        if (rc) {
            *err = why;
            return rc;
        }
        *at = next;
        flash_meter_at(&w->meter, next.offset + next.bytes);
        *all = next.offset + next.bytes == at->piece->image->bytes;
    }
    return 0;
}

static int verify_piece(struct writing *w, const struct flash_piece *piece, struct error *err)
{
    struct error why = {0};
    flash_meter_stage(&w->meter, w->f->job, "verifying", piece->image->name, piece->image->bytes);
    for (struct window at = {.piece = piece}; next_window(w, &at);) {
        const int rc = compare_flash(w, &at, &why);
        if (rc == ERROR_REMOTE)
            return flash_fail(err, FLASH_NOT_VERIFIED,
                              "usb:%s: partition %s, bytes %" PRIu64 " to %" PRIu64 ": %s",
                              usb_unit_name(w->f->unit), piece->partition->name, at.offset,
                              at.offset + at.bytes, why.text);
        if (rc) {
            *err = why;
            return rc;
        }
        flash_meter_at(&w->meter, at.offset + at.bytes);
    }
    return 0;
}

static int write_piece(struct writing *w, const struct flash_piece *piece, struct error *err)
{
    struct window at = {.piece = piece};
    uint8_t first[4];
    bool there = false;
    int rc = usb_image_read(w->f->job->bundle, piece->image, 0, first,
                            piece->image->bytes < 4 ? 1 : 4, err);
    if (!rc && piece->image->bytes >= 4 && sparse_is(first, sizeof first))
        rc = error_set(err, ERROR_INPUT,
                       "image %s is an Android sparse file; a bundle holds what "
                       "lies in the flash (simg2img makes it)",
                       piece->image->name);
    if (!rc && can_verify(w))
        rc = skip_written(w, &at, &there, err);
    w->f->out->bytes += piece->image->bytes;
    if (rc || there)
        return rc;
    while (!rc && next_window(w, &at)) {
        rc = check_cancel(w, err);
        if (!rc)
            rc = write_window(w, &at, err);
    }
    return rc || !can_verify(w) ? rc : verify_piece(w, piece, err);
}

/* ---- the unit ----------------------------------------------------------------------------- */

static int check_product(struct writing *w, struct error *err)
{
    char product[FASTBOOT_ANSWER_MAX], version[FASTBOOT_ANSWER_MAX];
    int rc = fastboot_getvar(&w->fb, "version-bootloader", version, err);
    if (!rc)
        rc = fastboot_getvar(&w->fb, "product", product, err);
    if (rc)
        return rc;
    flash_log_note(w->fb.log, "product %s, loader %s", product, version);
    if (w->board->boot.usb_product[0] && strcmp(product, w->board->boot.usb_product) != 0)
        return flash_fail(
            err, FLASH_WRONG_BOARD, "usb:%s: the unit says it is '%.64s', board %s is '%s'",
            usb_unit_name(w->f->unit), product, w->board->name, w->board->boot.usb_product);
    return 0;
}

static int find_window(struct writing *w, struct error *err)
{
    uint64_t limit, grain = w->board->erase_bytes;
    int rc = fastboot_download_limit(&w->fb, &limit, err);
    if (rc)
        return rc;
    while (grain % SPARSE_BLOCK_BYTES)
        grain += w->board->erase_bytes;
    w->window = limit < WINDOW_MOST + SPARSE_BLOCK_BYTES ? limit : WINDOW_MOST + SPARSE_BLOCK_BYTES;
    /* A part's own headers take less than a block. */
    w->window = w->window > SPARSE_BLOCK_BYTES ? w->window - SPARSE_BLOCK_BYTES : 0;
    w->window -= w->window % grain;
    return w->window ? 0
                     : error_set(err, ERROR_INPUT,
                                 "usb:%s: the unit takes %" PRIu64 " bytes at once, an erase block "
                                 "has %" PRIu64,
                                 usb_unit_name(w->f->unit), limit, grain);
}

static int run_fastboot(struct usb_flashing *f, struct error *err)
{
    struct writing w = {.f = f, .board = f->job->board};
    struct flash_piece pieces[BUNDLE_IMAGES_MAX];
    struct error why = {0};
    size_t count;
    int rc = fastboot_start(f->unit, f->job->log, &w.fb, err);
    if (!rc)
        rc = check_product(&w, err);
    if (!rc)
        rc = find_window(&w, err);
    if (!rc)
        rc = flash_pieces(w.board, bundle_manifest(f->job->bundle), f->job->slot, pieces, &count,
                          err);
    if (rc)
        return rc;
    rc = oem_run(&w, &why, "setenv takt0");
    w.can_run = rc == 0;
    if (w.can_run && w.board->boot.prepare[0])
        rc = oem_run(&w, &why, "%s", w.board->boot.prepare);
    if (rc && (w.can_run || rc != ERROR_REMOTE)) {
        *err = why;
        return rc;
    }
    for (size_t i = 0; i < count; i++) {
        rc = write_piece(&w, &pieces[i], err);
        if (rc)
            return rc;
    }
    f->out->verified = can_verify(&w);
    rc = fastboot_command(&w.fb, "reboot", usb_unit_times(f->unit)->control_ms, NULL, &why);
    flash_log_note(w.fb.log, rc ? "%s" : "restarted%s", rc ? why.text : "");
    return f->out->verified
               ? 0
               : flash_fail(err, FLASH_NOT_VERIFIED,
                            "usb:%s: written, and the unit said OKAY to all of it; but %s%s, so "
                            "what its flash holds was not read back",
                            usb_unit_name(f->unit),
                            w.can_run ? "the board file has no read command for "
                                      : "its loader has no 'oem run'",
                            w.can_run ? w.board->name : "");
}

static bool at_fastboot(const struct board *board, const struct usb_descriptors *d)
{
    return fastboot_interface(d) != NULL;
}

const struct usb_stage usb_fastboot = {
    .name = "fastboot", .at = at_fastboot, .run = run_fastboot, .last = true};
