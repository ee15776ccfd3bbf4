#include "station/flash/usb/scsi.h"

#include <string.h>

#include "protocol/base/little_endian.h"

enum { CBW_BYTES = 31, CSW_BYTES = 13 };
static const uint32_t CBW_SIGNATURE = 0x43425355, CSW_SIGNATURE = 0x53425355;

const struct usb_interface *scsi_interface(const struct usb_descriptors *d)
{
    const struct usb_interface *i = usb_find_interface(d, 0x08, 0x06, 0x50);
    return i && usb_find_bulk(i, true) && usb_find_bulk(i, false) ? i : NULL;
}

int scsi_start(struct usb_unit *unit, struct scsi *out, struct error *err)
{
    const struct usb_interface *i = scsi_interface(usb_unit_descriptors(unit));
    if (!i)
        return flash_fail(err, FLASH_WRONG_STAGE, "usb:%s: the unit takes no SCSI",
                          usb_unit_name(unit));
    *out = (struct scsi){.unit = unit,
                         .in = usb_find_bulk(i, true)->address,
                         .out = usb_find_bulk(i, false)->address};
    return usb_claim(unit, i->number, err);
}

static int read_status(struct scsi *s, const struct scsi_command *c, struct error *err)
{
    uint8_t csw[512];
    struct error why = {0};
    int n = usb_bulk(s->unit, s->in, c->what, csw, sizeof csw, c->timeout_ms, &why);
    if (n == ERROR_REMOTE) { /* stalled: cleared, and asked once more (figure 2 of the standard) */
        n = usb_clear_halt(s->unit, s->in, err);
        if (n == 0)
            n = usb_bulk(s->unit, s->in, c->what, csw, sizeof csw, c->timeout_ms, &why);
    }
    if (n < 0) {
        if (err)
            *err = why;
        return n;
    }
    if (n != CSW_BYTES || le32_get(csw) != CSW_SIGNATURE || le32_get(csw + 4) != s->tag)
        return error_set(err, ERROR_PROTOCOL, "usb:%s: %s: %d bytes that are no status of it",
                         usb_unit_name(s->unit), c->what, n);
    if (csw[12])
        return flash_fail(err, FLASH_UNIT_FAILED, "usb:%s: %s: the unit reports SCSI status %u",
                          usb_unit_name(s->unit), c->what, csw[12]);
    return 0;
}

int scsi_run(struct scsi *s, const struct scsi_command *c, struct error *err)
{
    uint8_t cbw[CBW_BYTES] = {0};
    struct error why = {0};
    int moved = 0;
    le32_put(cbw, CBW_SIGNATURE);
    le32_put(cbw + 4, ++s->tag);
    le32_put(cbw + 8, c->bytes);
    cbw[12] = c->from_unit ? 0x80 : 0;
    cbw[14] = c->block_bytes;
    memcpy(cbw + 15, c->block, c->block_bytes);
    int n = usb_bulk(s->unit, s->out, c->what, cbw, sizeof cbw, c->timeout_ms, err);
    if (n < 0)
        return n;
    if (c->bytes) {
        const uint8_t endpoint = c->from_unit ? s->in : s->out;
        moved = usb_bulk(s->unit, endpoint, c->what, c->data, c->bytes, c->timeout_ms, &why);
        if (moved == ERROR_REMOTE && usb_clear_halt(s->unit, endpoint, err))
            return err ? err->code : ERROR_REMOTE;
        if (moved < 0 && moved != ERROR_REMOTE) {
            if (err)
                *err = why;
            return moved;
        }
    }
    n = read_status(s, c, err);
    if (moved < 0 && (n == 0 || n == ERROR_REMOTE)) { /* refused in its data, whatever the status */
        if (err)
            *err = why;
        return moved;
    }
    if (n)
        return n;
    if (!c->from_unit && (uint32_t)moved != c->bytes)
        return error_set(err, ERROR_PROTOCOL, "usb:%s: %s: the unit took %d of %u bytes",
                         usb_unit_name(s->unit), c->what, moved, c->bytes);
    return moved;
}
