#include "station/flash/uart/flasher_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"
#include "station/flash/uart/flasher_link.h"
#include "station/flash/uart/load.h"
#include "station/flash/uart/uboot_flash.h"

enum {
    PROGRAM_MAX_BYTES = 1 << 20, /* in front of the staging memory */
    QUIET_MS = 30000,            /* between two signs of life; a block's erase is the longest */
    PROMPT_MS = 5000,
    HASH_REQUEST_BYTES = 12,
    WRITE_REQUEST_BYTES = 12 + DIGEST_BYTES,
};

struct work {
    struct flasher_link link;
    const struct flash_job *job;
    struct flash_result *out;
    struct flash_meter meter;
    uint64_t staging_bytes;
    uint64_t base; /* of the meter's stage, where the present request began */
};

/* ---- start and end ------------------------------------------------------------------------- */

static int read_program(const struct flash_job *job, struct buffer *out, struct error *err)
{
    char path[512];
    if (!job->programs)
        return error_set(err, ERROR_INPUT, "board %s is flashed by %s: say in which folder it is",
                         job->board->name, job->board->boot.program);
    out->limit_bytes = PROGRAM_MAX_BYTES / 2;
    int rc = file_join(path, sizeof path, job->programs, job->board->boot.program, err);
    rc = rc ? rc : file_read(path, out, err);
    if (rc == ERROR_MISSING)
        rc = error_set(err, ERROR_INPUT, "no %s, the program that board %s is flashed by", path,
                       job->board->name);
    return rc;
}

/* The same half of the memory that the loader's own commands would use: it lives in the rest. */
static uint64_t staging_bytes(const struct board *b)
{
    return b->memory_bytes / 2 - PROGRAM_MAX_BYTES;
}

/* What the program must know of the board, into its file. */
static int put_board(const struct work *w, struct buffer *program, struct error *err)
{
    const struct board *b = w->job->board;
    uint8_t *at = program->size
                      ? memmem(program->data, program->size, FLASHER_MARK, FLASHER_MARK_BYTES)
                      : NULL;
    if (!at ||
        program->size - (size_t)(at - program->data) < FLASHER_MARK_BYTES + FLASHER_BOARD_BYTES)
        return error_set(err, ERROR_INPUT, "%s is not the program that it should be",
                         b->boot.program);
    at += FLASHER_MARK_BYTES;
    flasher_put_number(at, b->boot.uart_address);
    flasher_put_number(at + 4, b->boot.load_address + PROGRAM_MAX_BYTES);
    flasher_put_number(at + 8, w->staging_bytes);
    flasher_put_number(at + 12, b->erase_bytes);
    flasher_put_number(at + 16, b->boot.bank_count);
    for (size_t i = 0; i < b->boot.bank_count && i < FLASHER_BANKS_MAX; i++) {
        flasher_put_number(at + 20 + 8 * i, b->boot.banks[i].address);
        flasher_put_number(at + 24 + 8 * i, b->boot.banks[i].size_bytes);
    }
    return 0;
}

/* Loads it, starts it, and hears from it. */
static int start(struct work *w, struct error *err)
{
    const struct board *b = w->job->board;
    const char *form = *b->boot.start ? b->boot.start : "go {memory}";
    char command[256];
    uint8_t answer[FLASHER_CONTENT_MAX];
    size_t bytes = 0;
    struct buffer program = {0};
    struct loader_answer said;
    int rc = read_program(w->job, &program, err);
    rc = rc ? rc : put_board(w, &program, err);
    struct load load = {.address = b->boot.load_address,
                        .data = program.data,
                        .size = program.size,
                        .name = b->boot.program};
    /* A file that says where it belongs (a uImage, for bootm) is moved there from elsewhere. */
    if (!rc && memcmp(program.data, "\x27\x05\x19\x56", 4) == 0)
        load.address += PROGRAM_MAX_BYTES / 2;
    if (!rc) {
        flash_meter_stage(&w->meter, w->job, "loading", b->boot.program, program.size);
        rc = load_bytes(w->link.line, w->job, &load, &w->meter, 0, err);
    }
    rc = rc ? rc
            : uboot_flash_command(b, form, load.address, 0, program.size, command, sizeof command,
                                  err);
    /* bootm starts a program only with the one, and sums up its file as it was built with the
     * other: that what is in memory is what was sent was seen already. */
    rc = rc ? rc : loader_ask(w->link.line, PROMPT_MS, &said, err, "setenv autostart yes");
    rc = rc ? rc : loader_ask(w->link.line, PROMPT_MS, &said, err, "setenv verify no");
    rc = rc ? rc : loader_start(w->link.line, err, "%s", command);
    rc = rc ? rc
            : flasher_link_request(&w->link, FLASHER_HELLO, 0, NULL, 0, QUIET_MS, answer, &bytes,
                                   NULL, NULL, err);
    if (!rc && (bytes < 16 || flasher_number(answer) != FLASHER_VERSION))
        rc = flash_fail(err, FLASH_UNIT_FAILED, "%s speaks another version of its protocol",
                        b->boot.program);
    buffer_free(&program);
    return rc;
}

/* Back at the loader's prompt, whatever was. */
static int leave(struct work *w, struct error *err)
{
    int rc = flasher_link_request(&w->link, FLASHER_LEAVE, 0, NULL, 0, QUIET_MS, NULL, NULL, NULL,
                                  NULL, err);
    /* Part of the prompt may have come with the answer: a new one. */
    rc = rc ? rc : loader_drain(w->link.line, 200, err);
    return rc ? rc : loader_press(w->link.line, '\x03', NULL, PROMPT_MS, err);
}

/* ---- one piece ------------------------------------------------------------------------------ */

/* Which chunks the flash holds as they are to be, as the unit hashes them. */
static int look(struct work *w, const struct flash_piece *p, bool *holds, struct error *err)
{
    const struct bundle_image *image = p->image;
    uint8_t request[HASH_REQUEST_BYTES], hashes[FLASHER_CONTENT_MAX];
    for (size_t i = 0; i < image->chunk_count; i += FLASHER_HASHES_MAX) {
        const size_t left = image->chunk_count - i;
        const size_t count = left < FLASHER_HASHES_MAX ? left : FLASHER_HASHES_MAX;
        const uint64_t at = (uint64_t)i * image->chunk_bytes;
        const uint64_t span = (uint64_t)count * image->chunk_bytes;
        size_t bytes = 0;
        flasher_put_number(request, p->partition->offset_bytes + at);
        flasher_put_number(request + 4, span < image->bytes - at ? span : image->bytes - at);
        flasher_put_number(request + 8, image->chunk_bytes);
        int rc = flasher_link_request(&w->link, FLASHER_HASH, 0, request, sizeof request, QUIET_MS,
                                      hashes, &bytes, NULL, NULL, err);
        if (!rc && bytes != count * DIGEST_BYTES)
            rc = flash_fail(err, FLASH_UNIT_FAILED, "%zu bytes of hashes, expected %zu", bytes,
                            count * DIGEST_BYTES);
        if (rc)
            return rc;
        for (size_t j = 0; j < count; j++)
            holds[i + j] =
                memcmp(hashes + j * DIGEST_BYTES, image->chunk_sha256[i + j], DIGEST_BYTES) == 0;
    }
    return 0;
}

static void on_sent(void *context, size_t bytes)
{
    struct work *w = context;
    flash_meter_at(&w->meter, w->base + bytes);
}

/* A chunk into the staging memory, four bytes' grain. */
static int stage(struct work *w, const struct flash_piece *p, size_t chunk, uint64_t to,
                 uint8_t *data, struct error *err)
{
    const size_t bytes = bundle_chunk_bytes(p->image, chunk);
    for (size_t at = 0; at < bytes;) {
        const int n =
            bundle_read(w->job->bundle, p->image, (uint64_t)chunk * p->image->chunk_bytes + at,
                        data + at, bytes - at, err);
        if (n <= 0)
            return n < 0 ? n : error_set(err, ERROR_INPUT, "image %s ends early", p->image->name);
        at += (size_t)n;
    }
    const int rc =
        flasher_link_stream(&w->link, (uint32_t)to, data, bytes, w->job->cancel, on_sent, w, err);
    if (rc)
        return rc;
    w->base += bytes;
    w->out->sent_bytes += bytes;
    return 0;
}

/* From the staging memory into the flash, if it has the manifest's hash there. */
static int write_chunk(struct work *w, const struct flash_piece *p, size_t chunk, uint64_t from,
                       struct error *err)
{
    uint8_t request[WRITE_REQUEST_BYTES], answer[FLASHER_CONTENT_MAX];
    size_t bytes = 0;
    flasher_put_number(request,
                       p->partition->offset_bytes + (uint64_t)chunk * p->image->chunk_bytes);
    flasher_put_number(request + 4, from);
    flasher_put_number(request + 8, bundle_chunk_bytes(p->image, chunk));
    memcpy(request + 12, p->image->chunk_sha256[chunk], DIGEST_BYTES);
    const int rc = flasher_link_request(&w->link, FLASHER_WRITE, 0, request, sizeof request,
                                        QUIET_MS, answer, &bytes, NULL, NULL, err);
    if (rc)
        return rc;
    w->out->written_bytes += bytes >= 4 ? flasher_number(answer) : 0;
    return 0;
}

/* So many of the chunks from *next on as fit the staging memory: all in there before the first is
 * written. */
static int write_some(struct work *w, const struct flash_piece *p, const bool *holds, size_t *next,
                      uint8_t *data, struct error *err)
{
    const struct bundle_image *image = p->image;
    const size_t first = *next;
    size_t end = first, slots = 0;
    uint64_t total = 0;
    int rc = 0;
    for (; end < image->chunk_count; end++) {
        if (!holds[end] && (slots + 1) * image->chunk_bytes > w->staging_bytes)
            break;
        slots += !holds[end];
        total += holds[end] ? 0 : bundle_chunk_bytes(image, end);
    }
    *next = end;
    if (!slots)
        return 0;
    flash_meter_stage(&w->meter, w->job, "loading", image->name, total);
    w->base = 0;
    for (size_t i = first, slot = 0; !rc && i < end; i++)
        if (!holds[i])
            rc = stage(w, p, i, slot++ * image->chunk_bytes, data, err);
    if (rc)
        return rc;
    flash_meter_stage(&w->meter, w->job, "writing", image->name, total);
    w->base = 0;
    for (size_t i = first, slot = 0; !rc && i < end; i++) {
        if (holds[i])
            continue;
        if (flash_cancelled(w->job))
            return error_set(err, ERROR_CANCELLED, "stopped between two chunks of %s", image->name);
        rc = write_chunk(w, p, i, slot++ * image->chunk_bytes, err);
        w->base += bundle_chunk_bytes(image, i);
        flash_meter_at(&w->meter, w->base);
    }
    return rc;
}

static int write_piece(struct work *w, const struct flash_piece *p, struct error *err)
{
    const struct bundle_image *image = p->image;
    bool *holds = calloc(image->chunk_count, sizeof *holds);
    uint8_t *data = malloc(image->chunk_bytes);
    int rc = holds && data ? 0 : error_set(err, ERROR_MEMORY, "%s: out of memory", image->name);
    if (!rc)
        flash_meter_stage(&w->meter, w->job, "looking", image->name, 0);
    rc = rc ? rc : look(w, p, holds, err);
    size_t missing = 0;
    for (size_t i = 0; !rc && i < image->chunk_count; i++)
        missing += !holds[i];
    for (size_t next = 0; !rc && next < image->chunk_count;)
        rc = write_some(w, p, holds, &next, data, err);
    if (!rc && missing) {
        flash_meter_stage(&w->meter, w->job, "verifying", image->name, 0);
        rc = look(w, p, holds, err);
        for (size_t i = 0; !rc && i < image->chunk_count; i++)
            if (!holds[i])
                rc = flash_fail(err, FLASH_NOT_VERIFIED,
                                "chunk %zu of %s, at 0x%" PRIx64 ", reads back differently", i,
                                image->name,
                                p->partition->offset_bytes + (uint64_t)i * image->chunk_bytes);
    }
    if (!rc)
        w->out->bytes += image->bytes;
    free(holds);
    free(data);
    return rc;
}

int flasher_client_write(struct loader *c, const struct flash_job *job,
                         const struct flash_piece *pieces, size_t count, struct flash_result *out,
                         struct error *err)
{
    struct error ignored = {0};
    struct work w = {
        .link = {.line = c}, .job = job, .out = out, .staging_bytes = staging_bytes(job->board)};
    int rc = start(&w, err);
    for (size_t i = 0; !rc && i < count; i++) {
        rc = write_piece(&w, &pieces[i], err);
        if (rc)
            error_context(err, "%s", pieces[i].image->name);
    }
    flash_log_note(job->log, "%lu frames sent again", w.link.resent);
    out->verified = !rc;
    if (!rc)
        return leave(&w, err);
    if (rc != ERROR_CLOSED && !loader_restarted(c))
        leave(&w, &ignored);
    return rc;
}
