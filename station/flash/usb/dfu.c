#include "station/flash/usb/dfu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"

enum {
    DNLOAD = 1,
    UPLOAD = 2,
    GETSTATUS = 3,
    CLRSTATUS = 4,
    ABORT = 6,
    TO_UNIT = 0x21, /* class request to an interface */
    FROM_UNIT = 0xa1,
    STATUS_BYTES = 6,
    CAN_UPLOAD = 2,
    TRANSFER_WHEN_UNTOLD = 1024,
};

/* DFU 1.1, 6.1.2: bStatus. */
static const char *const statuses[] = {
    "no error",
    "the file is not for this unit",
    "the file fails a check of the unit's vendor",
    "the unit cannot write its memory",
    "erasing failed",
    "the erased memory is not blank",
    "programming failed",
    "what was programmed fails its verification",
    "the address is out of range",
    "the download ended before all of it was there",
    "the firmware is corrupt, the unit cannot leave DFU",
    "a vendor's own error",
    "an unexpected USB reset",
    "an unexpected power-on reset",
    "an error that has no name",
    "an unexpected request",
};

bool dfu_is(const struct usb_descriptors *d)
{
    return usb_find_interface(d, 0xfe, 1, 2) != NULL;
}

static int request(struct dfu *d, const char *what, uint8_t type, uint8_t number, uint16_t value,
                   void *data, uint16_t size, struct error *err)
{
    const struct usb_request r = {.what = what,
                                  .type = type,
                                  .request = number,
                                  .value = value,
                                  .index = d->interface,
                                  .timeout_ms = usb_unit_times(d->unit)->busy_ms};
    return usb_control(d->unit, &r, data, size, err);
}

struct status {
    uint8_t code, state;
    unsigned poll_ms;
};

static int get_status(struct dfu *d, struct status *out, struct error *err)
{
    uint8_t b[STATUS_BYTES];
    const int n = request(d, "DFU GETSTATUS", FROM_UNIT, GETSTATUS, 0, b, sizeof b, err);
    if (n < 0)
        return n;
    if (n != STATUS_BYTES)
        return error_set(err, ERROR_PROTOCOL, "usb:%s: a DFU status of %d bytes, expected %d",
                         usb_unit_name(d->unit), n, STATUS_BYTES);
    *out = (struct status){
        .code = b[0], .state = b[4], .poll_ms = b[1] | (unsigned)b[2] << 8 | (unsigned)b[3] << 16};
    return 0;
}

static int say_status(struct dfu *d, const struct status *s, const char *what, struct error *err)
{
    const size_t known = sizeof statuses / sizeof statuses[0];
    flash_log_note(d->log, "%s: DFU status %u, state %u", what, s->code, s->state);
    return flash_fail(err, FLASH_UNIT_FAILED, "usb:%s: %s of '%s': %s (DFU status %u, state %u)",
                      usb_unit_name(d->unit), what, d->name,
                      s->code < known ? statuses[s->code] : "an unknown error", s->code, s->state);
}

/* Asks, as far apart as the unit wants, until it is in one of two states. */
static int await(struct dfu *d, const char *what, enum dfu_state want, enum dfu_state or,
                 enum dfu_state *found, struct error *err)
{
    const int busy_ms = usb_unit_times(d->unit)->busy_ms;
    const int64_t end_ms = clock_mono_ms() + busy_ms;
    struct status s;
    for (;;) {
        const int rc = get_status(d, &s, err);
        if (rc)
            return rc;
        if (s.state == DFU_ERROR || s.code)
            return say_status(d, &s, what, err);
        if (s.state == want || s.state == or) {
            *found = (enum dfu_state)s.state;
            return 0;
        }
        const int64_t now_ms = clock_mono_ms();
        if (now_ms >= end_ms)
            return flash_fail(err, FLASH_SILENT, "usb:%s: %s of '%s': still busy after %d s",
                              usb_unit_name(d->unit), what, d->name, busy_ms / 1000);
        int64_t wait_ms = s.poll_ms;
        wait_ms = wait_ms > end_ms - now_ms ? end_ms - now_ms : wait_ms;
        clock_sleep_until_ns(clock_mono_ns() + wait_ms * 1000000LL);
    }
}

/* Whatever an earlier session left behind. */
static int to_idle(struct dfu *d, struct error *err)
{
    struct status s;
    for (int i = 0; i < 3; i++) {
        int rc = get_status(d, &s, err);
        if (rc || s.state == DFU_IDLE)
            return rc;
        rc = s.state == DFU_ERROR ? request(d, "DFU CLRSTATUS", TO_UNIT, CLRSTATUS, 0, NULL, 0, err)
                                  : request(d, "DFU ABORT", TO_UNIT, ABORT, 0, NULL, 0, err);
        if (rc < 0)
            return rc;
    }
    return say_status(d, &s, "coming to dfuIDLE", err);
}

static int missing(struct usb_unit *unit, const char *name, const char *names, struct error *err)
{
    return error_set(err, ERROR_MISSING,
                     "wrong board: usb:%s: the unit has no DFU place '%s', but%s",
                     usb_unit_name(unit), name, names);
}

int dfu_start(struct usb_unit *unit, struct flash_log *log, const char *name, struct dfu *out,
              struct error *err)
{
    const struct usb_descriptors *d = usb_unit_descriptors(unit);
    const struct usb_interface *at = NULL;
    char names[256] = "";
    size_t used = 0;
    *out = (struct dfu){.unit = unit, .log = log};
    for (size_t i = 0; i < d->interface_count && !at; i++) {
        const struct usb_interface *next = &d->interfaces[i];
        if (next->class_ != 0xfe || next->subclass != 1 || next->protocol != 2)
            continue;
        const int rc = usb_string(unit, next->name_index, out->name, sizeof out->name, err);
        if (rc)
            return rc;
        if (strcmp(out->name, name) == 0)
            at = next;
        else if (used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, " '%.24s'", out->name);
    }
    if (!at)
        return missing(unit, name, names, err);
    out->interface = at->number;
    out->attributes = at->dfu_attributes;
    out->transfer_bytes =
        at->has_dfu && at->dfu_transfer_bytes ? at->dfu_transfer_bytes : TRANSFER_WHEN_UNTOLD;
    int rc = usb_claim(unit, at->number, err);
    if (!rc)
        rc = usb_set_alternate(unit, at->number, at->alternate, err);
    return rc ? rc : to_idle(out, err);
}

bool dfu_can_upload(const struct dfu *d)
{
    return d->attributes & CAN_UPLOAD;
}

static int abort_to_idle(struct dfu *d, struct error *err)
{
    const int rc = request(d, "DFU ABORT", TO_UNIT, ABORT, 0, NULL, 0, err);
    return rc < 0 ? rc : to_idle(d, err);
}

/* A block, and the unit ready for the next one. */
static int send_block(struct dfu *d, uint16_t number, uint8_t *data, uint16_t size,
                      struct error *err)
{
    enum dfu_state state;
    const int n = request(d, "DFU DNLOAD", TO_UNIT, DNLOAD, number, data, size, err);
    if (n < 0) {
        /* It says why, if it can still be asked. */
        struct status s;
        if (n == ERROR_REMOTE && get_status(d, &s, NULL) == 0 && s.code)
            return say_status(d, &s, "writing", err);
        return n;
    }
    if (n != size)
        return error_set(err, ERROR_PROTOCOL, "usb:%s: a DFU block of %u bytes, the unit took %d",
                         usb_unit_name(d->unit), size, n);
    return size ? await(d, "writing", DFU_DNLOAD_IDLE, DFU_DNLOAD_IDLE, &state, err) : 0;
}

int dfu_download(struct dfu *d, const struct usb_stream *s, struct error *err)
{
    uint8_t *block = malloc(d->transfer_bytes);
    uint16_t number = 0;
    enum dfu_state state;
    int rc = block ? 0 : error_set(err, ERROR_MEMORY, "usb: out of memory");
    flash_log_note(d->log, "DFU download to '%s', blocks of %u bytes", d->name, d->transfer_bytes);
    for (uint64_t at = 0; !rc && at < s->bytes;) {
        const uint64_t left = s->bytes - at;
        const uint16_t size = left < d->transfer_bytes ? (uint16_t)left : d->transfer_bytes;
        rc = s->read(s->context, block, size, err);
        if (!rc)
            rc = send_block(d, number++, block, size,
                            err); /* the number wraps, as the standard says */
        at += size;
        if (!rc && s->sent)
            s->sent(s->context, at);
    }
    if (!rc)
        rc = send_block(d, number, NULL, 0, err);
    if (!rc)
        rc = await(d, "writing the last of it", DFU_IDLE, DFU_MANIFEST_WAIT_RESET, &state, err);
    if (!rc && state == DFU_MANIFEST_WAIT_RESET)
        rc = error_set(err, ERROR_PROTOCOL, "usb:%s: the unit wants a reset after '%s'",
                       usb_unit_name(d->unit), d->name);
    free(block);
    return rc;
}

int dfu_upload(struct dfu *d, const struct dfu_upload *to, struct error *err)
{
    uint8_t *block = malloc(d->transfer_bytes);
    int rc = block ? 0 : error_set(err, ERROR_MEMORY, "usb: out of memory");
    for (uint16_t number = 0; !rc; number++) {
        const int n =
            request(d, "DFU UPLOAD", FROM_UNIT, UPLOAD, number, block, d->transfer_bytes, err);
        if (n < 0) {
            rc = n;
            break;
        }
        rc = to->take(to->context, block, (size_t)n, err);
        if (rc == 0 && n < d->transfer_bytes) { /* its end: it is idle by itself */
            free(block);
            return 0;
        }
    }
    free(block);
    if (rc < 0)
        return rc;
    return abort_to_idle(d, err);
}
