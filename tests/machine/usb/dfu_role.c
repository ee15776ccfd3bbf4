/* U-Boot's DFU gadget, as the cameras' boot loaders have it: one place a partition, blocks gathered
 * in a buffer that is erased and written when it is full, while the control endpoint waits. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/flash/usb/dfu.h"
#include "tests/machine/usb/gadget.h"

enum { TRANSFER_BYTES = 4096, PLACES = 3, BUFFER_BYTES = 2 << 20 };
static const char *const places[PLACES] = {"kernel_a", "rootfs_a", "boot"};

struct dfu_unit {
    enum dfu_state state;
    uint8_t status;
    uint64_t at;     /* in the place */
    size_t buffered; /* bytes of memory not written yet */
};

static struct dfu_unit *unit_of(struct gadget *g)
{
    if (!g->state) {
        struct dfu_unit *u = calloc(1, sizeof *u);
        u->state = DFU_IDLE;
        g->state = u;
    }
    return g->state;
}

static size_t interfaces(struct gadget *g, struct gadget_interface out[GADGET_INTERFACES_MAX])
{
    uint8_t attributes = gadget_flaw(g, "no-upload") ? 0x05 : 0x07;
    for (size_t i = 0; i < PLACES; i++)
        out[i] = (struct gadget_interface){.class_ = 0xfe,
                                           .subclass = 1,
                                           .protocol = 2,
                                           .name = places[i],
                                           .has_dfu = true,
                                           .dfu_attributes = attributes,
                                           .dfu_transfer_bytes = TRANSFER_BYTES,
                                           .dfu_version = 0x0110};
    if (g->state)
        *(struct dfu_unit *)g->state = (struct dfu_unit){.state = DFU_IDLE};
    return PLACES;
}

static void fail(struct gadget *g, struct dfu_unit *u, uint8_t status)
{
    u->state = DFU_ERROR;
    u->status = status;
    gadget_note(g, "error status %u", status);
}

/* The buffer into the flash, erase first. */
static void flush(struct gadget *g, struct dfu_unit *u, const struct board_partition *p)
{
    const uint64_t from = u->at - u->buffered, block = g->board.erase_bytes;
    if (!u->buffered)
        return;
    const int stall_ms = atoi(gadget_setting(g, "flush_ms", "0"));
    clock_sleep_until_ns(clock_mono_ns() + stall_ms * 1000000LL);
    if (!gadget_flaw(g, "no-erase"))
        gadget_erase(g, p->offset_bytes + from, (u->buffered + block - 1) / block * block);
    gadget_program(g, p->offset_bytes + from, g->memory, u->buffered);
    gadget_note(g, "flush %s: %zu bytes at %llu", p->name, u->buffered, (unsigned long long)from);
    u->buffered = 0;
}

static void dnload(struct gadget *g, struct dfu_unit *u, const struct usb_ctrlrequest *r,
                   const struct board_partition *p)
{
    const size_t size = le16toh(r->wLength);
    if (u->state == DFU_IDLE) {
        u->at = 0;
        u->buffered = 0;
        gadget_note(g, "download %s", p->name);
    } else if (u->state != DFU_DNLOAD_IDLE) {
        fail(g, u, 15);
        gadget_stall(g, r);
        return;
    }
    if (size > p->size_bytes - u->at) {
        fail(g, u, 8);
        gadget_stall(g, r);
        return;
    }
    if (gadget_flaw(g, "stall") && u->at >= 100 * TRANSFER_BYTES) {
        gadget_stall(g, r);
        return;
    }
    if (gadget_flaw(g, "gone") && u->at >= 100 * TRANSFER_BYTES) {
        gadget_become(g, NULL);
        return;
    }
    if (gadget_take(g, r, g->memory + u->buffered, TRANSFER_BYTES) != (int)size)
        return;
    u->at += size;
    u->buffered += size;
    if (gadget_flaw(g, "write-fails") && u->at > 100 * TRANSFER_BYTES)
        fail(g, u, 3);
    else
        u->state = size ? DFU_DNLOAD_SYNC : DFU_MANIFEST_SYNC;
}

static void upload(struct gadget *g, struct dfu_unit *u, const struct usb_ctrlrequest *r,
                   const struct board_partition *p)
{
    const size_t size = le16toh(r->wLength);
    if (gadget_flaw(g, "no-upload")) {
        fail(g, u, 15);
        gadget_stall(g, r);
        return;
    }
    if (u->state == DFU_IDLE)
        u->at = 0;
    const uint64_t left = p->size_bytes - u->at;
    const size_t n = left < size ? (size_t)left : size;
    gadget_answer(g, r, g->flash + p->offset_bytes + u->at, n);
    u->at += n;
    u->state = n < size ? DFU_IDLE : DFU_UPLOAD_IDLE;
}

/* What the unit still has to do is done before it answers: the control endpoint waits. */
static void getstatus(struct gadget *g, struct dfu_unit *u, const struct usb_ctrlrequest *r,
                      const struct board_partition *p)
{
    if (u->state == DFU_DNLOAD_SYNC) {
        if (u->buffered >= BUFFER_BYTES)
            flush(g, u, p);
        u->state = DFU_DNLOAD_IDLE;
    } else if (u->state == DFU_MANIFEST_SYNC) {
        flush(g, u, p);
        u->state = DFU_MANIFEST;
    } else if (u->state == DFU_MANIFEST) {
        u->state = DFU_IDLE;
        gadget_note(g, "written %s: %llu bytes", p->name, (unsigned long long)u->at);
    }
    const uint8_t status[] = {u->status, 1, 0, 0, (uint8_t)u->state, 0};
    gadget_answer(g, r, status, gadget_flaw(g, "short") ? 3 : sizeof status);
}

static void setup(struct gadget *g, const struct usb_ctrlrequest *r)
{
    struct dfu_unit *u = unit_of(g);
    const unsigned index = le16toh(r->wIndex) & 0xff;
    const struct board_partition *p =
        index < PLACES ? board_partition(&g->board, places[index], 0) : NULL;
    const uint8_t state = (uint8_t)u->state;
    if (!p || (r->bRequestType & 0x7f) != 0x21) {
        gadget_stall(g, r);
        return;
    }
    switch (r->bRequest) {
    case 1:
        dnload(g, u, r, p);
        break;
    case 2:
        upload(g, u, r, p);
        break;
    case 3:
        getstatus(g, u, r, p);
        break;
    case 4:
        u->state = DFU_IDLE;
        u->status = 0;
        gadget_take(g, r, NULL, 0);
        break;
    case 5:
        gadget_answer(g, r, &state, 1);
        break;
    case 6:
        u->state = DFU_IDLE;
        gadget_take(g, r, NULL, 0);
        break;
    default:
        gadget_stall(g, r);
    }
}

const struct gadget_role gadget_dfu = {
    .name = "dfu", .vendor = 0xa108, .product = 0x4d44, .interfaces = interfaces, .setup = setup};
