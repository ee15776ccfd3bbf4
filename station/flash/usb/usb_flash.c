#include "station/flash/usb/usb_flash.h"

#include <stdlib.h>

#include "protocol/base/clock.h"
#include "station/flash/usb/usb_stages.h"

enum {
    STAGES_MOST = 4,    /* ROM, its updater, U-Boot's gadget, and one to spare */
    ARRIVAL_MS = 10000, /* a unit that is switched on just now */
    HASH_AT_ONCE = 1 << 16,
};

const struct usb_stage *const usb_stages[] = {
    &usb_fastboot, &usb_dfu, &usb_sigmastar, &usb_ingenic_rom, NULL,
};

int usb_image_read(const struct bundle *bundle, const struct bundle_image *image, uint64_t offset,
                   void *data, size_t size, struct error *err)
{
    for (uint8_t *to = data; size;) {
        const int n = bundle_read(bundle, image, offset, to, size, err);
        if (n <= 0)
            return n ? n : error_set(err, ERROR_INPUT, "image %s ends early", image->name);
        to += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

int usb_image_hash(const struct bundle *bundle, const struct bundle_image *image, uint64_t offset,
                   uint64_t size, uint8_t out[DIGEST_BYTES], struct error *err)
{
    uint8_t bytes[HASH_AT_ONCE];
    struct digest *d = digest_start();
    int rc = d ? 0 : error_set(err, ERROR_MEMORY, "image %s: out of memory", image->name);
    while (!rc && size) {
        const size_t n = size < sizeof bytes ? (size_t)size : sizeof bytes;
        rc = usb_image_read(bundle, image, offset, bytes, n, err);
        if (!rc)
            digest_update(d, bytes, n);
        offset += n;
        size -= n;
    }
    if (d)
        digest_finish(d, out);
    return rc;
}

int usb_loader_image(const struct usb_flashing *f, size_t index, uint8_t **out, size_t *bytes,
                     struct error *err)
{
    const struct board_boot *boot = &f->job->board->boot;
    const struct bundle_image *image = NULL;
    *out = NULL;
    if (index < boot->usb_loader_count)
        image = bundle_image(bundle_manifest(f->job->bundle), boot->usb_loaders[index]);
    if (!image)
        return flash_fail(err, FLASH_WRONG_BOARD, "usb:%s: the boot ROM wants its stage %zu, %s",
                          usb_unit_name(f->unit), index + 1,
                          index < boot->usb_loader_count ? "which the bundle does not hold"
                                                         : "which the board file does not name");
    *bytes = (size_t)image->bytes;
    *out = malloc(*bytes);
    if (!*out)
        return error_set(err, ERROR_MEMORY, "usb: out of memory");
    const int rc = usb_image_read(f->job->bundle, image, 0, *out, *bytes, err);
    if (rc) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

static const struct usb_stage *stage_of(const struct board *board, const struct usb_descriptors *d)
{
    for (size_t i = 0; usb_stages[i]; i++)
        if (usb_stages[i]->at(board, d))
            return usb_stages[i];
    return NULL;
}

static bool is(const struct usb_descriptors *d, const struct board_usb *id)
{
    return d->vendor == id->vendor && d->product == id->product;
}

/* What a stage is, its descriptors say; whose it is, the ids say, as far as the board file does. */
static int check_ids(const struct board *board, struct usb_unit *unit, struct error *err)
{
    const struct usb_descriptors *d = usb_unit_descriptors(unit);
    const struct board_usb *rom = &board->boot.usb_rom, *gadget = &board->boot.usb_gadget;
    if ((!rom->vendor && !gadget->vendor) || is(d, rom) || is(d, gadget))
        return 0;
    return flash_fail(err, FLASH_WRONG_BOARD,
                      "usb:%s: a device %04x:%04x, board %s is %04x:%04x in its boot ROM and "
                      "%04x:%04x in its loader",
                      usb_unit_name(unit), d->vendor, d->product, board->name, rom->vendor,
                      rom->product, gadget->vendor, gadget->product);
}

static int wrong_stage(const struct board *board, struct usb_unit *unit, struct error *err)
{
    const struct usb_descriptors *d = usb_unit_descriptors(unit);
    return flash_fail(err, FLASH_WRONG_STAGE,
                      "usb:%s: device %04x:%04x is in none of the stages that can be flashed%s%s%s",
                      usb_unit_name(unit), d->vendor, d->product,
                      board->boot.strap[0] ? " (the boot ROM: " : "", board->boot.strap,
                      board->boot.strap[0] ? ")" : "");
}

static int run_stages(struct usb_flashing *f, struct error *err)
{
    for (int i = 0; i < STAGES_MOST; i++) {
        const struct usb_descriptors *d = usb_unit_descriptors(f->unit);
        const struct usb_stage *stage = stage_of(f->job->board, d);
        int rc = stage ? check_ids(f->job->board, f->unit, err)
                       : wrong_stage(f->job->board, f->unit, err);
        if (rc)
            return rc;
        flash_log_note(f->job->log, "usb:%s is %04x:%04x, stage %s", usb_unit_name(f->unit),
                       d->vendor, d->product, stage->name);
        rc = stage->run(f, err);
        if (rc || stage->last)
            return rc;
    }
    return flash_fail(err, FLASH_WRONG_STAGE,
                      "usb:%s: the unit goes from stage to stage and comes "
                      "to none that writes its flash",
                      usb_unit_name(f->unit));
}

static int write_unit(const struct flash_job *job, struct flash_result *out, struct error *err)
{
    struct usb_flashing f = {.job = job, .out = out};
    struct usb_port port;
    struct flash_meter meter;
    const int64_t start_ms = clock_mono_ms();
    *out = (struct flash_result){0};
    int rc = usb_port_parse(job->port, &port, err);
    if (rc)
        return rc;
    flash_meter_stage(&meter, job, "waiting for the unit", "", 0);
    struct usb_times times = USB_TIMES;
    times.return_ms = job->wait_ms ? job->wait_ms : times.return_ms;
    rc = usb_open(&port, &times, job, ARRIVAL_MS, &f.unit, err);
    if (!rc)
        rc = run_stages(&f, err);
    usb_close(f.unit);
    out->seconds = (double)(clock_mono_ms() - start_ms) / 1000;
    return rc;
}

const struct flash_method usb_flash_method = {
    .name = "usb",
    .about = "fastboot, DFU or the SoC's boot ROM, as the unit at the port says",
    .port = "usb:BUS-PORT[.PORT...], the unit's place: usb:1-2.3",
    .write = write_unit,
};
