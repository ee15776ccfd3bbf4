/* Ingenic's boot ROM: vendor requests to the device and a bulk endpoint that fills memory; stage 2
 * comes back as DFU. Whatever would burn a fuse is written down as just that. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "tests/machine/usb/gadget.h"

extern const struct gadget_role gadget_dfu;

struct rom {
    atomic_uint address, bytes, received;
};
static struct rom rom; /* of the one gadget a process is */

static size_t interfaces(struct gadget *g, struct gadget_interface out[GADGET_INTERFACES_MAX])
{
    out[0] = (struct gadget_interface){
        .class_ = 0xff, .subclass = 0xff, .protocol = 0xff, .name = "boot", .bulk = true};
    rom = (struct rom){0};
    return 1;
}

static void serve(struct gadget *g)
{
    while (!g->ended) {
        const unsigned at = rom.received;
        if (gadget_flaw(g, "stall") && at >= 65536) {
            gadget_halt(g, false);
            return;
        }
        const uint32_t left = rom.bytes > at ? rom.bytes - at : 0;
        if (!left) { /* nothing is announced: what comes now would be of no length known */
            clock_sleep_until_ns(clock_mono_ns() + 2 * 1000000LL);
            continue;
        }
        const int n = gadget_receive(g, g->memory + at, left < 65536 ? left : 65536);
        if (n > 0)
            rom.received = at + (unsigned)n;
    }
}

/* What was loaded is all there, where it runs. */
static bool loaded(struct gadget *g, uint32_t address, const char *stage)
{
    uint8_t hash[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    for (int i = 0; i < 100 && rom.received < rom.bytes; i++)
        clock_sleep_until_ns(clock_mono_ns() + 10 * 1000000LL);
    digest_bytes(g->memory, rom.bytes, hash);
    hex_encode(hash, sizeof hash, hex);
    gadget_note(g, "%s at %08x, %u of %u bytes, sha256 %s", stage, rom.address, rom.received,
                rom.bytes, hex);
    return rom.address == address && rom.bytes && rom.bytes % 32 == 0 && rom.received == rom.bytes;
}

static void setup(struct gadget *g, const struct usb_ctrlrequest *r)
{
    const uint32_t argument = (uint32_t)le16toh(r->wValue) << 16 | le16toh(r->wIndex);
    char cpu[9];
    bool right = true;
    if (r->bRequestType == 0xc0 && r->bRequest == 0) {
        snprintf(cpu, sizeof cpu, "%-8s", gadget_setting(g, "cpu", "T31V"));
        gadget_answer(g, r, cpu, gadget_flaw(g, "short") ? 3 : 8);
        return;
    }
    if (r->bRequest >= 0x20)
        gadget_note(g, "FUSES: request %02x", r->bRequest);
    switch (r->bRequestType == 0x40 ? r->bRequest : 0xff) {
    case 1:
        rom.address = argument;
        break;
    case 2:
        rom.received = 0;
        rom.bytes = argument;
        break;
    case 3:
        gadget_note(g, "caches flushed");
        break;
    case 4:
        right = loaded(g, 0x80001000, "stage 1") && argument == 0x80001800;
        break;
    case 5:
        right = loaded(g, 0x80100000, "stage 2") && argument == 0x80100000;
        if (right) /* U-Boot starts while the answer is due: there is none */
            gadget_become(g, &gadget_dfu);
        break;
    default:
        right = false;
    }
    if (!right)
        gadget_stall(g, r);
    else if (!g->ended)
        gadget_take(g, r, NULL, 0);
}

const struct gadget_role gadget_ingenic = {.name = "ingenic",
                                           .vendor = 0xa108,
                                           .product = 0xc309,
                                           .interfaces = interfaces,
                                           .setup = setup,
                                           .serve = serve};
