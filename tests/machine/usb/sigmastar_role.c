/* SigmaStar's boot: ROM, updater and U-Boot, each a mass-storage device that says in its INQUIRY
 * which it is; vendor commands over the bulk-only transport. Other commands, the kernel's
 * usb-storage's, fail as a reader's without a card do. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "protocol/base/digest.h"
#include "tests/machine/usb/gadget.h"

extern const struct gadget_role gadget_updater, gadget_uboot;

enum { CBW_BYTES = 31, CSW_BYTES = 13 };

struct boot {
    const char *product;
    const struct gadget_role *then; /* what a loader that is whole starts */
    uint32_t block_most, received, bytes;
    uint8_t md5[16];
    uint8_t result[2];
    bool announced, starts;
};
static struct boot boot;

static size_t one_interface(struct gadget_interface *out)
{
    *out = (struct gadget_interface){
        .class_ = 0x08, .subclass = 0x06, .protocol = 0x50, .name = "boot", .bulk = true};
    return 1;
}

static size_t as_rom(struct gadget *g, struct gadget_interface out[GADGET_INTERFACES_MAX])
{
    boot = (struct boot){.product = gadget_setting(g, "product", "NUL"),
                         .then = &gadget_updater,
                         .block_most = 1024};
    return one_interface(out);
}

static size_t as_updater(struct gadget *g, struct gadget_interface out[GADGET_INTERFACES_MAX])
{
    boot = (struct boot){.product = "UPD", .then = &gadget_uboot, .block_most = 32 * 1024};
    return one_interface(out);
}

static size_t as_uboot(struct gadget *g, struct gadget_interface out[GADGET_INTERFACES_MAX])
{
    boot = (struct boot){.product = "UBO", .block_most = 32 * 1024};
    return one_interface(out);
}

static void note_loaded(struct gadget *g)
{
    uint8_t hash[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    digest_bytes(g->memory, boot.received, hash);
    hex_encode(hash, sizeof hash, hex);
    gadget_note(g, "%s loaded %u bytes, sha256 %s", boot.product, boot.received, hex);
}

/* The last block is there: is it all what was announced? */
static bool whole(struct gadget *g)
{
    uint8_t md5[16];
    if (gadget_flaw(g, "corrupt"))
        g->memory[boot.received / 2] ^= 1;
    note_loaded(g);
    if (!boot.announced)
        return boot.block_most == 1024; /* the ROM is told nothing */
    EVP_Digest(g->memory, boot.received, md5, NULL, EVP_md5(), NULL);
    return boot.received == boot.bytes && memcmp(md5, boot.md5, sizeof md5) == 0;
}

static bool take_data(struct gadget *g, uint8_t *to, uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes;) {
        const int n = gadget_receive(g, to + at, bytes - at);
        if (n <= 0)
            return false;
        at += (uint32_t)n;
    }
    return true;
}

static void set_result(bool right)
{
    boot.result[0] = 0x0d;
    boot.result[1] = right ? 0 : 1;
}

static bool block(struct gadget *g, uint32_t bytes, bool last)
{
    if (boot.received + bytes > g->memory_bytes || !take_data(g, g->memory + boot.received, bytes))
        return false;
    boot.received += bytes;
    bool right = bytes <= boot.block_most;
    if (last) {
        right = right && whole(g);
        boot.starts = right && boot.then;
        boot.received = 0;
        boot.announced = false;
    }
    set_result(right);
    return true;
}

static bool loadinfo(struct gadget *g, uint32_t bytes)
{
    uint8_t info[24];
    if (bytes != sizeof info || !take_data(g, info, sizeof info))
        return false;
    memcpy(&boot.bytes, info + 4, 4);
    memcpy(boot.md5, info + 8, sizeof boot.md5);
    boot.announced = true;
    boot.received = 0;
    set_result(boot.block_most != 1024);
    return true;
}

static bool command(struct gadget *g, uint32_t bytes)
{
    char text[1024];
    if (!bytes || bytes > sizeof text || !take_data(g, (uint8_t *)text, bytes))
        return false;
    text[bytes - 1] = '\0';
    gadget_note(g, "run %s", text);
    set_result(!boot.then && gadget_uboot_run(g, text));
    return true;
}

static bool vendor(struct gadget *g, const uint8_t *cdb, uint32_t bytes)
{
    const uint32_t told =
        (uint32_t)cdb[6] << 24 | (uint32_t)cdb[7] << 16 | (uint32_t)cdb[8] << 8 | cdb[9];
    if (told != bytes)
        return false;
    switch (cdb[1]) {
    case 1:
        return block(g, bytes, false);
    case 2:
        return gadget_send(g, boot.result, bytes < 2 ? bytes : 2);
    case 4:
        return block(g, bytes, true);
    case 5:
        return loadinfo(g, bytes);
    case 6:
        return command(g, bytes);
    default:
        gadget_note(g, "vendor subcode %u", cdb[1]);
        return false;
    }
}

static bool inquiry(struct gadget *g, uint32_t bytes)
{
    char answer[37];
    memset(answer, 0, sizeof answer);
    answer[1] = (char)0x80;
    answer[4] = 31;
    snprintf(answer + 8, sizeof answer - 8, "%-8s%-16s1.00", "GCREADER", boot.product);
    if (gadget_flaw(g, "short"))
        bytes = 10;
    return gadget_send(g, answer, bytes < 36 ? bytes : 36);
}

static void take_command(struct gadget *g, const uint8_t *cbw)
{
    const uint8_t *cdb = cbw + 15;
    uint8_t csw[CSW_BYTES] = {'U', 'S', 'B', 'S'};
    uint32_t bytes;
    bool right = false;
    memcpy(csw + 4, cbw + 4, 4);
    memcpy(&bytes, cbw + 8, 4);
    if (cdb[0] == 0x12)
        right = inquiry(g, bytes);
    else if (cdb[0] == 0xe8 && gadget_flaw(g, "stall"))
        gadget_halt(g, cbw[12] & 0x80);
    else if (cdb[0] == 0xe8)
        right = vendor(g, cdb, bytes);
    if (!right && bytes && cdb[0] != 0xe8 && cbw[12] & 0x80)
        gadget_halt(g, true);
    csw[12] = right ? 0 : 1;
    gadget_send(g, csw, sizeof csw);
    if (cdb[0] == 0xe8 && cdb[1] == 2 && boot.starts)
        gadget_become(g, boot.then);
}

static void serve(struct gadget *g)
{
    uint8_t cbw[512];
    while (!g->ended)
        if (gadget_receive(g, cbw, sizeof cbw) == CBW_BYTES && memcmp(cbw, "USBC", 4) == 0)
            take_command(g, cbw);
}

static void setup(struct gadget *g, const struct usb_ctrlrequest *r)
{
    const uint8_t most = 0;
    if (r->bRequestType == 0xa1 && r->bRequest == 0xfe)
        gadget_answer(g, r, &most, 1);
    else if (r->bRequestType == 0x21 && r->bRequest == 0xff)
        gadget_take(g, r, NULL, 0);
    else
        gadget_stall(g, r);
}

#define STAGE(NAME, INTERFACES)                                                                    \
    {                                                                                              \
        .name = NAME, .vendor = 0x1b20, .product = 0x0300, .interfaces = INTERFACES,               \
        .setup = setup, .serve = serve                                                             \
    }
const struct gadget_role gadget_sigmastar = STAGE("sigmastar", as_rom);
const struct gadget_role gadget_updater = STAGE("updater", as_updater);
const struct gadget_role gadget_uboot = STAGE("uboot", as_uboot);
