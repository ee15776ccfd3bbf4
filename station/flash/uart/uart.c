#include "station/flash/uart/uart.h"

#include <stdio.h>

#include "protocol/base/clock.h"
#include "station/flash/uart/flasher_client.h"
#include "station/flash/uart/load_tftp.h"
#include "station/flash/uart/uboot_flash.h"

enum { CAPTURE_MS = 60000 };

static int capture(struct loader *c, const struct flash_job *job, struct error *err)
{
    struct flash_meter meter;
    flash_meter_stage(&meter, job, "waiting for the unit", "", 0);
    const int rc = job->power_cycle ? job->power_cycle(job->context, err) : 0;
    return rc ? rc : loader_capture(c, job->wait_ms ? job->wait_ms : CAPTURE_MS, err);
}

static int uart_write(const struct flash_job *job, struct flash_result *out, struct error *err)
{
    struct flash_piece pieces[BUNDLE_IMAGES_MAX];
    struct loader *c = NULL;
    size_t count;
    if (!job->board->has_boot)
        return error_set(err, ERROR_INPUT, "board %s says nothing of its boot loader",
                         job->board->name);
    int rc = flash_pieces(job->board, bundle_manifest(job->bundle), job->slot, pieces, &count, err);
    rc = !rc && job->tftp ? load_tftp_check(job, err) : rc;
    rc = rc ? rc : loader_open(job, &c, err);
    rc = rc ? rc : capture(c, job, err);
    const int64_t start_ms = clock_mono_ms();
    if (!rc)
        rc = *job->board->boot.program ? flasher_client_write(c, job, pieces, count, out, err)
                                       : uboot_flash_write(c, job, pieces, count, out, err);
    out->seconds = (double)(clock_mono_ms() - start_ms) / 1000;
    if (!rc)
        rc = loader_start(c, err, "reset");
    loader_close(c);
    return rc;
}

const struct flash_method uart_method = {
    .name = "uart",
    .about = "the boot loader's console: loady, then its commands or the board's program",
    .port = "serial:/dev/ttyUSB0, pty:PATH, unix:PATH, tcp://HOST:PORT, rfc2217://HOST:PORT",
    .write = uart_write,
};
