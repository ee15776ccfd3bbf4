/* SigmaStar's USB boot: a mass-storage device whose INQUIRY says in which of three stages it is.
 * The ROM takes an updater, the updater takes U-Boot, U-Boot takes images into memory and commands.
 *
 * Vendor command E8 with a subcode; what it means in which stage, and the order, is
 * docs/flashing.md. The result of every command is asked for and held against "success": a tool
 * that did not is why units were reported as flashed that were not. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "protocol/base/little_endian.h"
#include "station/flash/usb/scsi.h"
#include "station/flash/usb/usb_stages.h"

enum sub {
    DOWNLOAD_KEEP = 1,
    GET_RESULT = 2,
    DOWNLOAD_END = 4,
    LOADINFO = 5,
    RUN_CMD = 6,
};

enum {
    VENDOR = 0xe8,
    INQUIRY = 0x12,
    INQUIRY_BYTES = 36,
    ROM_BLOCK_BYTES = 1024,
    BLOCK_BYTES = 32 * 1024,
    LOADINFO_BYTES = 24,
    MD5_BYTES = 16,
    RESULT_BYTES = 2,
    COMMAND_MAX = 1023,
    WINDOW_BYTES = 8 << 20,
};

struct sigmastar {
    struct usb_flashing *f;
    struct scsi scsi;
    struct flash_meter meter;
};

/* ---- commands ----------------------------------------------------------------------------- */

static int vendor(struct sigmastar *s, const char *what, enum sub sub, void *data, uint32_t bytes,
                  bool from_unit, struct error *err)
{
    struct scsi_command c = {.what = what,
                             .block = {VENDOR, (uint8_t)sub, 0, 0, 0, 0, (uint8_t)(bytes >> 24),
                                       (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 8),
                                       (uint8_t)bytes},
                             .block_bytes = 10,
                             .data = data,
                             .bytes = bytes,
                             .from_unit = from_unit,
                             .timeout_ms = usb_unit_times(s->f->unit)->busy_ms};
    return scsi_run(&s->scsi, &c, err);
}

/* 0D 00 is success; anything else is what `what` came to. */
static int result(struct sigmastar *s, const char *what, struct error *err)
{
    uint8_t b[RESULT_BYTES] = {0};
    const int n = vendor(s, "GET_RESULT", GET_RESULT, b, sizeof b, true, err);
    if (n < 0)
        return n;
    if (n != RESULT_BYTES)
        return error_set(err, ERROR_PROTOCOL, "usb:%s: %s: a result of %d bytes, expected %d",
                         usb_unit_name(s->f->unit), what, n, RESULT_BYTES);
    return b[0] == 0x0d && b[1] == 0
               ? 0
               : flash_fail(err, FLASH_UNIT_FAILED, "usb:%s: %s: the unit's result is %02x %02x",
                            usb_unit_name(s->f->unit), what, b[0], b[1]);
}

/* The INQUIRY's product, "" when it is no unit of this kind. */
static int product(struct sigmastar *s, char out[17], struct error *err)
{
    uint8_t b[INQUIRY_BYTES] = {0};
    const struct scsi_command c = {.what = "INQUIRY",
                                   .block = {INQUIRY, 0, 0, 0, INQUIRY_BYTES},
                                   .block_bytes = 6,
                                   .data = b,
                                   .bytes = sizeof b,
                                   .from_unit = true,
                                   .timeout_ms = usb_unit_times(s->f->unit)->control_ms};
    const int n = scsi_run(&s->scsi, &c, err);
    out[0] = '\0';
    if (n < 0)
        return n;
    if (n < INQUIRY_BYTES || memcmp(b + 8, "GCREADER", 8) != 0)
        return flash_fail(err, FLASH_WRONG_STAGE,
                          "usb:%s: a mass-storage device that is no SigmaStar boot ROM",
                          usb_unit_name(s->f->unit));
    memcpy(out, b + 16, 16);
    out[16] = '\0';
    for (int i = 16; i-- > 0 && (out[i] == ' ' || out[i] == '\0');)
        out[i] = '\0';
    return 0;
}

static int blocks(struct sigmastar *s, const char *what, const uint8_t *data, size_t bytes,
                  uint32_t block, struct error *err)
{
    for (size_t at = 0; at < bytes;) {
        const uint32_t n = bytes - at < block ? (uint32_t)(bytes - at) : block;
        const bool last = at + n == bytes;
        int rc = vendor(s, what, last ? DOWNLOAD_END : DOWNLOAD_KEEP,
                        (void *)(uintptr_t)(data + at), n, false, err);
        if (rc >= 0)
            rc = result(s, what, err);
        if (rc)
            return rc;
        at += n;
        flash_meter_at(&s->meter, at);
    }
    s->f->out->sent_bytes += bytes;
    return 0;
}

/* Announced with its MD5, which the unit holds it against. */
static int load(struct sigmastar *s, const char *what, uint64_t address, const uint8_t *data,
                size_t bytes, struct error *err)
{
    uint8_t info[LOADINFO_BYTES];
    le32_put(info, (uint32_t)address);
    le32_put(info + 4, (uint32_t)bytes);
    if (EVP_Digest(data, bytes, info + 8, NULL, EVP_md5(), NULL) != 1)
        return error_set(err, ERROR_MEMORY, "usb: MD5 is not to be had");
    int rc = vendor(s, "LOADINFO", LOADINFO, info, sizeof info, false, err);
    if (rc >= 0)
        rc = result(s, "LOADINFO", err);
    return rc ? rc : blocks(s, what, data, bytes, BLOCK_BYTES, err);
}

static int run(struct sigmastar *s, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int run(struct sigmastar *s, struct error *err, const char *format, ...)
{
    char command[COMMAND_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    flash_log_note(s->f->job->log, "%s", command);
    const int n = vendor(s, command, RUN_CMD, command, (uint32_t)strlen(command) + 1, false, err);
    return n < 0 ? n : result(s, command, err);
}

/* ---- the flash, by U-Boot ----------------------------------------------------------------- */

static int compare_memory(struct sigmastar *s, uint64_t bytes, const uint8_t hash[DIGEST_BYTES],
                          struct error *err)
{
    char hex[DIGEST_TEXT];
    hex_encode(hash, DIGEST_BYTES, hex);
    return run(s, err, "hash -v sha256 0x%" PRIx64 " 0x%" PRIx64 " %s",
               s->f->job->board->boot.load_address, bytes, hex);
}

struct window {
    const struct flash_piece *piece;
    uint64_t offset, bytes;
    uint8_t hash[DIGEST_BYTES];
};

static bool next_window(struct window *w)
{
    const uint64_t all = w->piece->image->bytes;
    w->offset += w->bytes;
    w->bytes = all - w->offset < WINDOW_BYTES ? all - w->offset : WINDOW_BYTES;
    return w->bytes > 0;
}

static int run_board(struct sigmastar *s, const char *command, const struct window *w,
                     uint64_t grain, struct error *err)
{
    char text[COMMAND_MAX + 1];
    const uint64_t bytes = (w->bytes + grain - 1) / grain * grain;
    usb_loader_command(s->f->job->board, command, w->piece->partition->offset_bytes + w->offset,
                       bytes, text, sizeof text);
    return run(s, err, "%s", text);
}

static int compare_flash(struct sigmastar *s, struct window *w, struct error *err)
{
    const struct board *b = s->f->job->board;
    int rc = usb_image_hash(s->f->job->bundle, w->piece->image, w->offset, w->bytes, w->hash, err);
    if (!rc)
        rc = run_board(s, b->boot.read, w, b->page_bytes ? b->page_bytes : 1, err);
    return rc ? rc : compare_memory(s, w->bytes, w->hash, err);
}

static int write_window(struct sigmastar *s, struct window *w, uint8_t *data, struct error *err)
{
    const struct board *b = s->f->job->board;
    const char *name = w->piece->image->name;
    /* Whole pages; what is behind the image stays blank. */
    const uint64_t page = b->page_bytes ? b->page_bytes : 1;
    const size_t all = (size_t)((w->bytes + page - 1) / page * page);
    struct error why = {0};
    uint8_t hash[DIGEST_BYTES];
    int rc = usb_image_read(s->f->job->bundle, w->piece->image, w->offset, data, w->bytes, err);
    if (rc)
        return rc;
    memset(data + w->bytes, 0xff, all - w->bytes);
    digest_bytes(data, all, hash);
    flash_meter_stage(&s->meter, s->f->job, "loading", name, all);
    rc = load(s, name, b->boot.load_address, data, all, err);
    if (!rc && compare_memory(s, all, hash, &why))
        rc = flash_fail(err, FLASH_NOT_VERIFIED,
                        "usb:%s: %s: the unit's memory does not hold what was sent; nothing was "
                        "erased (%.150s)",
                        usb_unit_name(s->f->unit), name, why.text);
    if (!rc && flash_cancelled(s->f->job))
        rc = error_set(err, ERROR_CANCELLED, "usb: stopped before %s was erased", name);
    if (!rc && b->boot.erase[0]) {
        flash_meter_stage(&s->meter, s->f->job, "erasing", name, 0);
        rc = run_board(s, b->boot.erase, w, b->erase_bytes, err);
    }
    if (rc)
        return rc;
    flash_meter_stage(&s->meter, s->f->job, "writing", name, 0);
    rc = run_board(s, b->boot.write, w, page, err);
    if (!rc)
        s->f->out->written_bytes += w->bytes;
    return rc;
}

static int write_piece(struct sigmastar *s, const struct flash_piece *piece, uint8_t *data,
                       struct error *err)
{
    struct error why = {0};
    int rc = 0;
    /* From the front, what is there already is left. */
    bool there = true;
    flash_meter_stage(&s->meter, s->f->job, "comparing", piece->image->name, piece->image->bytes);
    for (struct window w = {.piece = piece}; !rc && next_window(&w);) {
        if (there) {
            rc = compare_flash(s, &w, &why);
            there = rc == 0;
            if (rc && rc != ERROR_REMOTE)
                return error_set(err, rc, "%s", why.text);
        }
        rc = there ? 0 : write_window(s, &w, data, err);
    }
    s->f->out->bytes += piece->image->bytes;
    if (rc || there)
        return rc;
    flash_meter_stage(&s->meter, s->f->job, "verifying", piece->image->name, piece->image->bytes);
    for (struct window w = {.piece = piece}; next_window(&w);) {
        rc = compare_flash(s, &w, &why);
        if (rc == ERROR_REMOTE)
            return flash_fail(err, FLASH_NOT_VERIFIED, "usb:%s: partition %s: %s",
                              usb_unit_name(s->f->unit), piece->partition->name, why.text);
        if (rc)
            return error_set(err, rc, "%s", why.text);
        flash_meter_at(&s->meter, w.offset + w.bytes);
    }
    return 0;
}

static int write_flash(struct sigmastar *s, struct error *err)
{
    const struct board *b = s->f->job->board;
    struct flash_piece pieces[BUNDLE_IMAGES_MAX];
    size_t count;
    uint8_t *data = NULL;
    int rc =
        flash_pieces(b, bundle_manifest(s->f->job->bundle), s->f->job->slot, pieces, &count, err);
    if (!rc && (!b->boot.write[0] || !b->boot.read[0]))
        rc = error_set(err, ERROR_INPUT, "board %s has no read and write commands of its loader",
                       b->name);
    if (!rc && !(data = malloc(WINDOW_BYTES + 65536)))
        rc = error_set(err, ERROR_MEMORY, "usb: out of memory");
    if (!rc && b->boot.prepare[0])
        rc = run(s, err, "%s", b->boot.prepare);
    for (size_t i = 0; i < count && !rc; i++)
        rc = write_piece(s, &pieces[i], data, err);
    free(data);
    s->f->out->verified = rc == 0;
    return rc;
}

/* ---- stages ------------------------------------------------------------------------------- */

/* A loader into the unit, which starts it and comes back as the next stage. */
static int start_loader(struct sigmastar *s, bool rom, struct error *err)
{
    uint8_t *image;
    size_t bytes;
    int rc = usb_loader_image(s->f, rom ? 0 : 1, &image, &bytes, err);
    if (rc)
        return rc;
    const char *what = rom ? "updater" : "U-Boot";
    flash_meter_stage(&s->meter, s->f->job, "loading", what, bytes);
    rc = rom ? blocks(s, what, image, bytes, ROM_BLOCK_BYTES, err)
             : load(s, what, s->f->job->board->boot.load_address, image, bytes, err);
    free(image);
    return rc ? rc : usb_await_return(s->f->unit, err);
}

static int next_stage(struct sigmastar *s, char name[17], struct error *err)
{
    int rc = scsi_start(s->f->unit, &s->scsi, err);
    if (!rc)
        rc = product(s, name, err);
    if (!rc)
        flash_log_note(s->f->job->log, "INQUIRY: GCREADER %s", name);
    return rc;
}

static int run_sigmastar(struct usb_flashing *f, struct error *err)
{
    struct sigmastar s = {.f = f};
    char name[17];
    int rc = next_stage(&s, name, err);
    if (!rc && strcmp(name, "NUL") == 0) {
        rc = start_loader(&s, true, err);
        if (!rc)
            rc = next_stage(&s, name, err);
    }
    if (!rc && strcmp(name, "UPD") == 0) {
        rc = start_loader(&s, false, err);
        if (!rc)
            rc = next_stage(&s, name, err);
    }
    if (!rc && strcmp(name, "UBO") != 0)
        rc = flash_fail(err, FLASH_WRONG_STAGE,
                        "usb:%s: the unit says it is in stage '%s', expected UBO (NUL and UPD "
                        "before it)",
                        usb_unit_name(f->unit), name);
    return rc ? rc : write_flash(&s, err);
}

static bool at_sigmastar(const struct board *board, const struct usb_descriptors *d)
{
    return d->vendor == 0x1b20 && scsi_interface(d);
}

const struct usb_stage usb_sigmastar = {
    .name = "SigmaStar boot", .at = at_sigmastar, .run = run_sigmastar, .last = true};
