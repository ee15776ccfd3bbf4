#include "station/flash/flash.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/formats/chunk_order.h"

enum { SHOW_EVERY_MS = 100 };

/* ---- troubles ----------------------------------------------------------------------------- */

static const struct {
    int code;
    const char *name;
} troubles[FLASH_TROUBLES] = {
    [FLASH_NO_DEVICE] = {ERROR_MISSING, "no device"},
    [FLASH_WRONG_STAGE] = {ERROR_STATE, "wrong stage"},
    [FLASH_WRONG_BOARD] = {ERROR_REFUSED, "wrong board"},
    [FLASH_PERMISSION] = {ERROR_REFUSED, "permission"},
    [FLASH_STALLED] = {ERROR_REMOTE, "stalled"},
    [FLASH_PORT_BUSY] = {ERROR_BUSY, "busy"},
    [FLASH_NOT_BACK] = {ERROR_TIMEOUT, "not back"},
    [FLASH_SILENT] = {ERROR_TIMEOUT, "silent"},
    [FLASH_UNIT_FAILED] = {ERROR_REMOTE, "unit failed"},
    [FLASH_NOT_VERIFIED] = {ERROR_MISMATCH, "not verified"},
    [FLASH_GONE] = {ERROR_CLOSED, "gone"},
};

const char *flash_trouble_name(enum flash_trouble trouble)
{
    return troubles[trouble].name;
}

int flash_fail(struct error *err, enum flash_trouble trouble, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(err, troubles[trouble].code, "%s: %s", troubles[trouble].name, text);
}

/* ---- pieces ------------------------------------------------------------------------------- */

int flash_pieces(const struct board *board, const struct bundle_manifest *manifest, char slot,
                 struct flash_piece out[BUNDLE_IMAGES_MAX], size_t *count, struct error *err)
{
    *count = 0;
    /* The very first bytes the unit starts with come behind all else of the boot area. */
    for (int rank = 0; rank <= 2; rank++)
        for (size_t i = 0; i < manifest->image_count; i++) {
            struct flash_piece piece = {.image = &manifest->images[i], .boot = rank > 0};
            if (board_is_loader(board, piece.image->name))
                continue;
            const int rc = chunk_order_place(board, piece.image, slot, &piece.partition, err);
            if (rc)
                return rc;
            if (chunk_order_rank(piece.partition->name) == rank)
                out[(*count)++] = piece;
        }
    return 0;
}

int flash_check(const struct flash_job *job, struct error *err)
{
    const struct bundle_manifest *m = bundle_manifest(job->bundle);
    struct flash_piece pieces[BUNDLE_IMAGES_MAX];
    size_t count;
    if (strcmp(m->board, job->board->name) != 0)
        return flash_fail(err, FLASH_WRONG_BOARD, "the bundle is for %s, the unit is a %s",
                          m->board, job->board->name);
    int rc = flash_pieces(job->board, m, job->slot, pieces, &count, err);
    return rc ? rc : bundle_verify(job->bundle, err);
}

/* ---- progress ----------------------------------------------------------------------------- */

static void show(struct flash_meter *m, int64_t now_ms)
{
    const double elapsed_s = (double)(now_ms - m->stage_start_ms) / 1000;
    m->now.bytes_per_s = elapsed_s > 0 ? (double)m->now.done / elapsed_s : 0;
    m->now.left_s = m->now.bytes_per_s > 0 && m->now.total
                        ? (double)(m->now.total - m->now.done) / m->now.bytes_per_s
                        : -1;
    m->shown_ms = now_ms;
    if (m->job->progress)
        m->job->progress(m->job->context, &m->now);
}

void flash_meter_stage(struct flash_meter *m, const struct flash_job *job, const char *stage,
                       const char *image, uint64_t total)
{
    *m = (struct flash_meter){.job = job,
                              .now = {.stage = stage, .image = image, .total = total},
                              .stage_start_ms = clock_mono_ms()};
    flash_log_note(job->log, "%s %s", stage, image);
    show(m, m->stage_start_ms);
}

void flash_meter_at(struct flash_meter *m, uint64_t done)
{
    const int64_t now_ms = clock_mono_ms();
    const bool end = done >= m->now.total && m->now.done < m->now.total;
    m->now.done = m->now.total && done > m->now.total ? m->now.total : done;
    if (end || now_ms - m->shown_ms >= SHOW_EVERY_MS)
        show(m, now_ms);
}

bool flash_cancelled(const struct flash_job *job)
{
    return job->cancel && *(const volatile bool *)job->cancel;
}
