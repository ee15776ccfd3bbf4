/* Ingenic's USB boot ROM (T31, T40 and kin): the SPL into the SoC's own memory, run, then U-Boot
 * into the memory it set up, run; U-Boot comes back as a DFU gadget.
 *
 * Vendor requests to the device; a 32-bit argument is split over wValue (high) and wIndex (low).
 * Requests 20 to 25 are its secure boot, two of which burn fuses for good: what is sent is one of
 * the enum below, and none of those is in it. Source of the numbers: docs/flashing.md. */
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/flash/usb/usb_stages.h"

enum ingenic_request {
    GET_CPU_INFO = 0x00,
    SET_DATA_ADDR = 0x01,
    SET_DATA_LEN = 0x02,
    FLUSH_CACHE = 0x03,
    PROG_STAGE1 = 0x04,
    PROG_STAGE2 = 0x05,
};

enum {
    TO_UNIT = 0x40,
    FROM_UNIT = 0xc0,
    CPU_INFO_BYTES = 8,
    PAD_BYTES = 32,
    CHUNK_BYTES = 65536, /* the ROM takes no more at once */
    /* The ROM runs no interrupts: it needs the time it needs between two things. */
    AFTER_REQUEST_MS = 100,
    AFTER_CHUNK_MS = 10,
    SETTLE_MS = 2000, /* the SPL sets up the memory */
    CPU_WAIT_MS = 10000,
};

static const uint32_t STAGE1_AT = 0x80001000, STAGE1_ENTRY = 0x80001800, STAGE2_AT = 0x80100000;

static void pause_ms(int ms)
{
    clock_sleep_until_ns(clock_mono_ns() + ms * 1000000LL);
}

static int tell(struct usb_unit *u, const char *what, enum ingenic_request request,
                uint32_t argument, struct error *err)
{
    const struct usb_request r = {.what = what,
                                  .type = TO_UNIT,
                                  .request = (uint8_t)request,
                                  .value = (uint16_t)(argument >> 16),
                                  .index = (uint16_t)argument};
    const int n = usb_control(u, &r, NULL, 0, err);
    pause_ms(AFTER_REQUEST_MS);
    return n < 0 ? n : 0;
}

/* What the ROM, or the SPL in its place, says it runs on; without the blanks at its end. */
static int cpu_info(struct usb_unit *u, char out[CPU_INFO_BYTES + 1], struct error *err)
{
    const struct usb_request r = {
        .what = "GET_CPU_INFO", .type = FROM_UNIT, .request = GET_CPU_INFO};
    memset(out, 0, CPU_INFO_BYTES + 1);
    const int n = usb_control(u, &r, out, CPU_INFO_BYTES, err);
    if (n < 0)
        return n;
    if (n != CPU_INFO_BYTES)
        return error_set(err, ERROR_PROTOCOL, "usb:%s: CPU info of %d bytes, expected %d",
                         usb_unit_name(u), n, CPU_INFO_BYTES);
    for (int i = CPU_INFO_BYTES; i-- > 0 && (out[i] == ' ' || out[i] == '\0');)
        out[i] = '\0';
    for (int i = 0; i < CPU_INFO_BYTES; i++)
        if (out[i] && (out[i] < ' ' || out[i] > '~'))
            out[i] = '?';
    return 0;
}

static int check_cpu(struct usb_flashing *f, struct error *err)
{
    const struct board *board = f->job->board;
    const size_t size = strlen(board->boot.usb_cpu);
    char cpu[CPU_INFO_BYTES + 1];
    int rc = cpu_info(f->unit, cpu, err);
    if (rc)
        return rc;
    flash_log_heard(f->job->log, cpu, strlen(cpu));
    flash_log_heard(f->job->log, "\n", 1);
    return strncmp(cpu, board->boot.usb_cpu, size) == 0
               ? 0
               : flash_fail(err, FLASH_WRONG_BOARD,
                            "usb:%s: the boot ROM says it is '%s', board %s is '%s'",
                            usb_unit_name(f->unit), cpu, board->name, board->boot.usb_cpu);
}

static int send(struct usb_flashing *f, const char *stage, const uint8_t *data, size_t bytes,
                struct error *err)
{
    const struct usb_interface *i =
        usb_find_interface(usb_unit_descriptors(f->unit), 0xff, 0xff, 0xff);
    const uint8_t out = usb_find_bulk(i, false)->address;
    struct flash_meter meter;
    flash_meter_stage(&meter, f->job, "loading", stage, bytes);
    for (size_t at = 0; at < bytes;) {
        const size_t size = bytes - at < CHUNK_BYTES ? bytes - at : CHUNK_BYTES;
        const int n = usb_bulk(f->unit, out, stage, (void *)(uintptr_t)(data + at), size,
                               usb_unit_times(f->unit)->control_ms, err);
        if (n < 0)
            return n;
        if ((size_t)n != size)
            return error_set(err, ERROR_PROTOCOL, "usb:%s: %s: the unit took %d of %zu bytes",
                             usb_unit_name(f->unit), stage, n, size);
        at += size;
        flash_meter_at(&meter, at);
        pause_ms(AFTER_CHUNK_MS);
    }
    return 0;
}

/* Stage `index` of the bundle to where it runs; its length padded as the ROM wants it. */
static int load(struct usb_flashing *f, size_t index, uint32_t address, struct error *err)
{
    const char *stage = index ? "stage 2" : "stage 1";
    uint8_t *image, *padded = NULL;
    size_t bytes;
    int rc = usb_loader_image(f, index, &image, &bytes, err);
    if (rc)
        return rc;
    const size_t all = (bytes + PAD_BYTES - 1) / PAD_BYTES * PAD_BYTES;
    padded = realloc(image, all);
    if (!padded) {
        free(image);
        return error_set(err, ERROR_MEMORY, "usb: out of memory");
    }
    memset(padded + bytes, 0, all - bytes);
    rc = tell(f->unit, "SET_DATA_ADDR", SET_DATA_ADDR, address, err);
    if (!rc)
        rc = tell(f->unit, "SET_DATA_LEN", SET_DATA_LEN, (uint32_t)all, err);
    if (!rc)
        rc = send(f, stage, padded, all, err);
    if (!rc)
        f->out->sent_bytes += all;
    free(padded);
    return rc;
}

/* The SPL does its work and gives the bus back to the ROM: it answers again when memory is there.
 */
static int await_spl(struct usb_unit *u, struct error *err)
{
    const int64_t end_ms = clock_mono_ms() + CPU_WAIT_MS;
    char cpu[CPU_INFO_BYTES + 1];
    int rc;
    pause_ms(SETTLE_MS);
    while ((rc = cpu_info(u, cpu, err)) == ERROR_TIMEOUT && clock_mono_ms() < end_ms)
        pause_ms(AFTER_REQUEST_MS);
    return rc;
}

static int run_rom(struct usb_flashing *f, struct error *err)
{
    struct usb_unit *u = f->unit;
    struct error expected = {0};
    int rc =
        usb_claim(u, usb_find_interface(usb_unit_descriptors(u), 0xff, 0xff, 0xff)->number, err);
    if (!rc)
        rc = check_cpu(f, err);
    if (!rc)
        rc = load(f, 0, STAGE1_AT, err);
    if (!rc)
        rc = tell(u, "PROG_STAGE1", PROG_STAGE1, STAGE1_ENTRY, err);
    if (!rc)
        rc = await_spl(u, err);
    if (!rc && flash_cancelled(f->job))
        rc = error_set(err, ERROR_CANCELLED, "usb: stopped before U-Boot was loaded");
    if (!rc)
        rc = load(f, 1, STAGE2_AT, err);
    if (!rc)
        rc = tell(u, "FLUSH_CACHE", FLUSH_CACHE, 0, err);
    if (rc)
        return rc;
    /* U-Boot takes over while the answer is due: any end of this request is as good as another.
     * Whether it runs is told by what comes back. */
    rc = tell(u, "PROG_STAGE2", PROG_STAGE2, STAGE2_AT, &expected);
    flash_log_note(f->job->log, "PROG_STAGE2: %s", rc ? expected.text : "answered");
    return usb_await_return(u, err);
}

static bool at_rom(const struct board *board, const struct usb_descriptors *d)
{
    const struct usb_interface *i = usb_find_interface(d, 0xff, 0xff, 0xff);
    return (d->vendor == 0xa108 || d->vendor == 0x601a) && i && usb_find_bulk(i, true) &&
           usb_find_bulk(i, false);
}

const struct usb_stage usb_ingenic_rom = {.name = "Ingenic boot ROM", .at = at_rom, .run = run_rom};
