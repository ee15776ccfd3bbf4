#include "station/flash/uart/uboot_flash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "station/flash/uart/load.h"

enum {
    PREPARE_MS = 20000,
    COMMAND_MS = 10000,
    /* 256 KiB of NOR may take 3 s to erase and 4 s to program; each is held up by what else runs.
     */
    FLASH_MS_PER_MIB = 60000,
    LOADER_BLOCK_BYTES = 512,
};

int uboot_flash_command(const struct board *board, const char *form, uint64_t memory,
                        uint64_t flash_offset, uint64_t bytes, char *out, size_t out_size,
                        struct error *err)
{
    const struct {
        const char *name;
        uint64_t value;
    } places[] = {{"{memory}", memory},
                  {"{flash}", board_flash_address(board, flash_offset)},
                  {"{bytes}", bytes},
                  {"{block}", flash_offset / LOADER_BLOCK_BYTES},
                  {"{blocks}", (bytes + LOADER_BLOCK_BYTES - 1) / LOADER_BLOCK_BYTES}};
    size_t used = 0;
    for (const char *from = form; *from;) {
        size_t i = 0;
        while (i < 5 && strncmp(from, places[i].name, strlen(places[i].name)) != 0)
            i++;
        const int n = i < 5 ? snprintf(out + used, out_size - used, "0x%" PRIx64, places[i].value)
                            : snprintf(out + used, out_size - used, "%c", *from);
        used += (size_t)n;
        if (used >= out_size)
            return error_set(err, ERROR_INPUT, "command '%s' is too long with its numbers", form);
        from += i < 5 ? strlen(places[i].name) : 1;
    }
    out[used] = '\0';
    return 0;
}

uint64_t uboot_flash_window(const struct board *board)
{
    const uint64_t quarter = board->memory_bytes / 4;
    return quarter / board->erase_bytes * board->erase_bytes;
}

/* A stretch of a piece: at most a window. */
struct part {
    const struct flash_piece *piece;
    uint64_t offset; /* in the image */
    uint64_t bytes;
    uint8_t *data; /* padded to pages */
    uint64_t padded;
};

struct work {
    struct loader *c;
    const struct flash_job *job;
    struct flash_result *out;
    struct flash_meter meter;
    uint64_t total, sent;
    uint64_t window, readback; /* memory of what is read back */
};

static uint64_t round_up(uint64_t bytes, uint64_t grain)
{
    return (bytes + grain - 1) / grain * grain;
}

static int by_form(struct work *w, const char *form, const struct part *p, uint64_t memory,
                   uint64_t bytes, struct error *err)
{
    char command[256];
    struct loader_answer answer;
    int rc = uboot_flash_command(w->job->board, form, memory,
                                 p->piece->partition->offset_bytes + p->offset, bytes, command,
                                 sizeof command, err);
    const int timeout_ms = COMMAND_MS + (int)((bytes >> 20) + 1) * FLASH_MS_PER_MIB;
    return rc ? rc : loader_run(w->c, timeout_ms, &answer, err, "%s", command);
}

/* The CRC-32 of what the flash holds there, bounded to the image. The memory it is read into is
 * made to hold something else first: a read that does nothing must not show what was there before.
 */
static int sum_flash(struct work *w, const struct part *p, uint32_t *sum, struct error *err)
{
    struct loader_answer answer;
    int rc = loader_run(w->c, COMMAND_MS, &answer, err, "mw.l 0x%llx 0x7a6b5c4d 0x%llx",
                        (unsigned long long)w->readback, (unsigned long long)(p->padded + 3) / 4);
    rc = rc ? rc : by_form(w, w->job->board->boot.read, p, w->readback, p->padded, err);
    return rc ? rc : load_crc32(w->c, w->readback, p->bytes, sum, err);
}

static int program(struct work *w, const struct part *p, struct error *err)
{
    const struct board *board = w->job->board;
    const char *name = p->piece->image->name;
    int rc = 0;
    /* From here on it is not broken off until the flash is done with it. */
    if (*board->boot.erase) {
        flash_meter_stage(&w->meter, w->job, "erasing", name, 0);
        rc = by_form(w, board->boot.erase, p, board->boot.load_address,
                     round_up(p->bytes, board->erase_bytes), err);
    }
    if (!rc) {
        flash_meter_stage(&w->meter, w->job, "writing", name, 0);
        rc = by_form(w, board->boot.write, p, board->boot.load_address, p->padded, err);
    }
    if (!rc)
        w->out->written_bytes += p->bytes;
    return rc;
}

static int write_part(struct work *w, const struct part *p, struct error *err)
{
    const struct flash_job *job = w->job;
    const char *name = p->piece->image->name;
    const uint32_t expected = (uint32_t)crc32_z(0, p->data, p->bytes);
    const struct load load = {
        .address = job->board->boot.load_address, .data = p->data, .size = p->padded, .name = name};
    uint32_t found;
    flash_meter_stage(&w->meter, job, "looking", name, 0);
    int rc = sum_flash(w, p, &found, err);
    if (rc || found == expected)
        return rc;
    flash_meter_stage(&w->meter, job, "loading", name, w->total);
    rc = load_bytes(w->c, job, &load, &w->meter, w->sent, err);
    if (rc)
        return rc;
    w->out->sent_bytes += p->padded;
    if (flash_cancelled(job))
        return error_set(err, ERROR_CANCELLED, "stopped before %s was erased", name);
    rc = program(w, p, err);
    if (rc)
        return rc;
    flash_meter_stage(&w->meter, job, "verifying", name, 0);
    rc = sum_flash(w, p, &found, err);
    if (!rc && found != expected)
        rc = flash_fail(err, FLASH_NOT_VERIFIED,
                        "%s at 0x%llx reads back with CRC-32 %08x, expected %08x", name,
                        (unsigned long long)(p->piece->partition->offset_bytes + p->offset), found,
                        expected);
    return rc;
}

static int write_piece(struct work *w, const struct flash_piece *piece, struct error *err)
{
    const uint64_t room =
        round_up(w->window < piece->image->bytes ? w->window : piece->image->bytes,
                 w->job->board->page_bytes);
    struct part p = {.piece = piece, .data = malloc(room)};
    int rc = p.data ? 0 : error_set(err, ERROR_MEMORY, "%s: out of memory", piece->image->name);
    for (; !rc && p.offset < piece->image->bytes; p.offset += p.bytes) {
        const uint64_t left = piece->image->bytes - p.offset;
        p.bytes = left < w->window ? left : w->window;
        p.padded = round_up(p.bytes, w->job->board->page_bytes);
        memset(p.data, 0xff, p.padded);
        for (uint64_t at = 0; !rc && at < p.bytes;) {
            const int n = bundle_read(w->job->bundle, piece->image, p.offset + at, p.data + at,
                                      p.bytes - at, err);
            rc = n < 0    ? n
                 : n == 0 ? error_set(err, ERROR_INPUT, "image %s ends early", piece->image->name)
                          : 0;
            at += n > 0 ? (uint64_t)n : 0;
        }
        if (!rc && flash_cancelled(w->job))
            rc = error_set(err, ERROR_CANCELLED, "stopped");
        if (!rc)
            rc = write_part(w, &p, err);
        w->sent += p.bytes;
    }
    free(p.data);
    return rc;
}

int uboot_flash_write(struct loader *c, const struct flash_job *job,
                      const struct flash_piece *pieces, size_t count, struct flash_result *out,
                      struct error *err)
{
    const struct board_boot *boot = &job->board->boot;
    struct loader_answer answer;
    struct work w = {.c = c, .job = job, .out = out, .window = uboot_flash_window(job->board)};
    w.readback = boot->load_address + w.window;
    if (!*boot->write || !*boot->read)
        return flash_fail(err, FLASH_WRONG_BOARD,
                          "board %s names no command to %s its flash with, and no program",
                          job->board->name, *boot->write ? "read" : "write");
    for (size_t i = 0; i < count; i++)
        w.total += pieces[i].image->bytes;
    int rc = *boot->prepare ? loader_run(c, PREPARE_MS, &answer, err, "%s", boot->prepare) : 0;
    for (size_t i = 0; !rc && i < count; i++) {
        rc = write_piece(&w, &pieces[i], err);
        out->bytes += rc ? 0 : pieces[i].image->bytes;
    }
    out->verified = !rc;
    return rc;
}
