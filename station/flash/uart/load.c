#include "station/flash/uart/load.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "protocol/base/clock.h"
#include "station/flash/uart/load_tftp.h"
#include "station/flash/uart/xymodem.h"

enum {
    LOAD_TRIES = 3,
    PROMPT_MS = 10000,
    /* A loader on a slow core still sums up 1 MB in a second. */
    CRC_MS_PER_MIB = 1000,
    CRC_MS = 10000,
};

int load_crc32(struct loader *c, uint64_t address, uint64_t size, uint32_t *out, struct error *err)
{
    struct loader_answer answer;
    const int timeout_ms = CRC_MS + (int)(size >> 20) * CRC_MS_PER_MIB;
    int rc = loader_run(c, timeout_ms, &answer, err, "crc32 0x%llx 0x%llx",
                        (unsigned long long)address, (unsigned long long)size);
    if (rc)
        return rc;
    const char *sum = strstr(answer.text, "==> ");
    char *end;
    const unsigned long value = sum ? strtoul(sum + 4, &end, 16) : 0;
    if (!sum || end != sum + 12)
        return flash_fail(err, FLASH_UNIT_FAILED, "crc32 answered \"%.80s\", expected a sum",
                          answer.text);
    *out = (uint32_t)value;
    return 0;
}

/* Pads to whole blocks of 1024 with 0x1a behind the data, where the loader has no loady. */
static bool by_xmodem(const struct flash_job *job)
{
    return job->board->boot.loadx;
}

/* The blocks, until the receiver has them all; it may have asked for the first already. */
static int send_blocks(struct loader *c, const struct flash_job *job, const struct load *load,
                       bool asked, struct flash_meter *meter, uint64_t meter_base,
                       struct error *err)
{
    struct xymodem x = {
        .ymodem = !by_xmodem(job), .name = load->name, .data = load->data, .size = load->size};
    uint8_t heard[256];
    bool cancelled = false;
    xymodem_begin(&x, clock_mono_ms());
    if (asked)
        xymodem_heard(&x, 'C', clock_mono_ms());
    while (x.status == XYMODEM_RUNS) {
        size_t size;
        const uint8_t *frame = xymodem_take(&x, &size);
        int n = frame ? loader_write(c, frame, size, err) : 0;
        if (!n)
            n = loader_read(c, heard, sizeof heard, 200, true, err);
        if (n < 0)
            return n;
        for (int i = 0; i < n; i++)
            xymodem_heard(&x, heard[i], clock_mono_ms());
        xymodem_tick(&x, clock_mono_ms());
        if (meter)
            flash_meter_at(meter, meter_base + x.acknowledged);
        cancelled = flash_cancelled(job);
        if (cancelled)
            break;
    }
    flash_log_note(job->log, "%zu of %zu bytes over, %lu blocks sent again", x.acknowledged,
                   load->size, x.resent);
    if (cancelled)
        return error_set(err, ERROR_CANCELLED, "stopped while loading");
    if (x.status == XYMODEM_FAILED)
        return flash_fail(err, FLASH_UNIT_FAILED, "loading %s: %s", load->name, x.failure);
    return 0;
}

static int load_once(struct loader *c, const struct flash_job *job, const struct load *load,
                     struct flash_meter *meter, uint64_t meter_base, struct error *err)
{
    const struct board_boot *boot = &job->board->boot;
    const uint32_t fast = loader_has_baud(c) ? boot->load_baud : 0;
    const char *command = by_xmodem(job) ? "loadx" : "loady";
    const bool raised = fast && fast != boot->baud;
    int rc;
    if (raised) {
        rc = loader_start(c, err, "%s 0x%llx %u", command, (unsigned long long)load->address, fast);
        rc = rc ? rc : loader_await(c, "press ENTER", PROMPT_MS, err);
        rc = rc ? rc : loader_drain(c, 50, err);
        rc = rc ? rc : loader_set_baud(c, fast, err);
        rc = rc ? rc : loader_press(c, '\r', "C", PROMPT_MS, err);
    } else {
        rc = loader_start(c, err, "%s 0x%llx", command, (unsigned long long)load->address);
    }
    rc = rc ? rc : send_blocks(c, job, load, raised, meter, meter_base, err);
    if (!rc && raised) {
        rc = loader_await(c, "press ESC", PROMPT_MS, err);
        rc = rc ? rc : loader_drain(c, 50, err);
        rc = rc ? rc : loader_set_baud(c, boot->baud, err);
        rc = rc ? rc : loader_press(c, '\x1b', NULL, PROMPT_MS, err);
    }
    if (!rc)
        rc = loader_drain(c, 100, err);
    return rc;
}

int load_bytes(struct loader *c, const struct flash_job *job, const struct load *load,
               struct flash_meter *meter, uint64_t meter_base, struct error *err)
{
    const uint32_t expected = (uint32_t)crc32_z(0, load->data, load->size);
    uint32_t found = 0;
    for (int i = 0; i < LOAD_TRIES; i++) {
        struct error again = {0};
        int rc = job->tftp ? load_by_tftp(c, job, load, meter, meter_base, err)
                           : load_once(c, job, load, meter, meter_base, err);
        if (rc == ERROR_CLOSED || rc == ERROR_BUSY || rc == ERROR_REFUSED ||
            (rc && loader_restarted(c)))
            return rc;
        if (rc) {
            /* Nothing of it is in the flash: it can simply be done again. */
            const int back = loader_recover(c, &again);
            if (rc == ERROR_CANCELLED)
                return rc;
            if (back) {
                *err = again;
                return back;
            }
            flash_log_note(job->log, "%s: %s", load->name, err->text);
            continue;
        }
        rc = load_crc32(c, load->address, load->size, &found, err);
        if (rc || found == expected)
            return rc;
        flash_log_note(job->log, "%s: CRC-32 %08x in memory, expected %08x", load->name, found,
                       expected);
    }
    if (found != expected && found)
        return flash_fail(err, FLASH_NOT_VERIFIED,
                          "%s in the unit's memory has CRC-32 %08x, expected %08x", load->name,
                          found, expected);
    return err->code ? err->code : flash_fail(err, FLASH_SILENT, "%s did not load", load->name);
}
