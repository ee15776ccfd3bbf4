#include "station/flash/sd/card_script.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "protocol/formats/card_record.h"
#include "station/flash/sd/card_image.h"
#include "station/flash/uart/uboot_flash.h"

enum {
    SIGMASTAR_SCRIPT_BYTES = 0x4000,
    A_DAY_S = 86400,
    COMMAND_MAX = 256,
    /* legacy image (include/image.h) */
    IMAGE_MAGIC = 0x27051956,
    IMAGE_HEADER_BYTES = 64,
    IMAGE_LINUX = 5,
    IMAGE_ARM = 2,
    IMAGE_MIPS = 5,
    IMAGE_SCRIPT = 6,
};

/* A stretch of one file of the card. */
struct stretch {
    const char *file;
    uint64_t at, bytes;
    uint32_t sum; /* CRC-32 */
};

struct writing {
    const struct card_script *s;
    struct buffer *out;
    uint64_t load, readback, sum_at, window; /* memory */
    struct error *err;
};

static uint64_t round_up(uint64_t bytes, uint64_t grain)
{
    return (bytes + grain - 1) / grain * grain;
}

/* ---- lines --------------------------------------------------------------------------------
 * A command a variable; a line of names behind `run` ends at the first that fails. t_gate lets one
 * begin only when all before it came to their ends. */

#define put(w, ...) buffer_printf((w)->out, __VA_ARGS__)

/* `crc32` leaves its sum with the high byte first, itest.l reads the low one first. */
static void put_sum(struct writing *w, const char *variable, uint64_t memory,
                    const struct stretch *s)
{
    put(w, "setenv %s 'crc32 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 "'\n", variable, memory,
        s->bytes, w->sum_at);
    put(w, "setenv t_same 'itest.l *0x%" PRIx64 " == 0x%08" PRIx32 "'\n", w->sum_at,
        __builtin_bswap32(s->sum));
}

/* t_load, t_size, t_sum, t_same. A file that ends early is told by its length: memory may still
 * hold what it once held. */
static void put_load(struct writing *w, uint64_t memory, const struct stretch *s)
{
    put(w, "setenv t_load 'fatload %s 0x%" PRIx64 " %s 0x%" PRIx64 " 0x%" PRIx64 "'\n",
        w->s->board->boot.card.device, memory, s->file, s->bytes, s->at);
    put(w, "setenv t_size 'itest ${filesize} == %" PRIx64 "'\n", s->bytes);
    put_sum(w, "t_sum", memory, s);
}

/* Said before it is tried: it stays when that fails. */
static void put_why(struct writing *w, const char *variable, const char *why, const char *what)
{
    put(w, "setenv %s 'setenv takt_why %s: %s'\n", variable, why, what);
}

static void put_check(struct writing *w, uint64_t memory, const struct stretch *s, const char *what)
{
    put_why(w, "t_why", "the card is short or altered", what);
    put_load(w, memory, s);
    put(w, "run t_gate t_begin t_why t_load t_size t_sum t_same t_done\n");
}

static void put_opening(struct writing *w)
{
    const struct card_script *s = w->s;
    const struct board_card *card = &s->board->boot.card;
    char stamp[CARD_STAMP_MAX];
    card_record_stamp(s->bundle, stamp);
    put(w, "echo takt: %s\nsetenv takt_bundle %s\n", stamp, stamp);
    put(w, "setenv takt_result failed\nsetenv takt_why\nsetenv takt_written\n"
           "setenv takt_unit ${serial#}\n"
           "setenv t_ok 1\nsetenv t_gate 'itest ${t_ok} == 1'\n"
           "setenv t_begin 'setenv t_ok 0'\nsetenv t_done 'setenv t_ok 1'\n");
    if (card->chip_register) {
        put_why(w, "t_why", "wrong chip, this card is for", s->board->soc);
        put(w, "setenv t_chip 'itest.w *0x%" PRIx64 " == 0x%" PRIx64 "'\n", card->chip_register,
            card->chip_value);
        put(w, "run t_gate t_begin t_why t_chip t_done\n");
    }
    if (*card->product) {
        put_why(w, "t_why", "wrong board, this card is for", card->product);
        put(w, "setenv t_board 'itest.s ${board} == %s'\n", card->product);
        put(w, "run t_gate t_begin t_why t_board t_done\n");
    }
    if (*card->prepare)
        put(w, "%s\n", card->prepare);
}

/* ---- a stretch of the flash --------------------------------------------------------------- */

static int put_command(struct writing *w, const char *variable, const char *form,
                       const struct flash_piece *piece, uint64_t offset, uint64_t bytes,
                       uint64_t memory)
{
    char command[COMMAND_MAX];
    const int rc =
        uboot_flash_command(w->s->board, form, memory, piece->partition->offset_bytes + offset,
                            bytes, command, sizeof command, w->err);
    put(w, "setenv %s '%s'\n", variable, rc ? "false" : command);
    return rc;
}

static int put_write(struct writing *w, const struct flash_piece *piece, uint64_t offset,
                     const struct stretch *s)
{
    const struct board *board = w->s->board;
    const char *name = piece->partition->name;
    const uint64_t padded = round_up(s->bytes, board->page_bytes);
    /* Memory is made to hold something else first: a read that does nothing must not show what
     * was there before. */
    put(w, "setenv t_fill 'mw.l 0x%" PRIx64 " 7a6b5c4d 0x%" PRIx64 "'\n", w->readback,
        (padded + 3) / 4);
    int rc = put_command(w, "t_read", board->boot.read, piece, offset, padded, w->readback);
    put_sum(w, "t_sumf", w->readback, s);
    put(w, "setenv t_look 'run t_fill t_read t_sumf t_same'\n");
    put(w, "setenv t_there 'echo takt: %s is there'\n", name);
    put(w, "setenv t_skip 'setenv t_next t_there'\n");
    put(w, "setenv t_next t_write\nrun t_gate t_look t_skip\n");

    put(w, "setenv t_pad 'mw.b 0x%" PRIx64 " ff 0x%" PRIx64 "'\n",
        w->load + s->bytes / board->page_bytes * board->page_bytes, (uint64_t)board->page_bytes);
    put_load(w, w->load, s);
    put_why(w, "t_why", "the card changed while it was read", name);
    put(w, "setenv t_get 'run t_why t_pad t_load t_size t_sum t_same'\n");
    put(w, "setenv t_erase 'echo takt: writing %s'\n", name);
    if (!rc && *board->boot.erase)
        rc = put_command(w, "t_erase", board->boot.erase, piece, offset,
                         round_up(s->bytes, board->erase_bytes), w->load);
    if (!rc)
        rc = put_command(w, "t_put", board->boot.write, piece, offset, padded, w->load);
    put_why(w, "t_whye", "could not be erased", name);
    put_why(w, "t_whyw", "could not be written", name);
    put_why(w, "t_whyv", "not verified", name);
    put(w, "setenv t_note 'setenv takt_written ${takt_written} %s'\n", name);
    put(w, "setenv t_set 'run t_whye t_erase t_whyw t_put t_whyv t_look t_note'\n");
    put(w, "setenv t_write 'run t_get t_set'\nsetenv t_do 'run ${t_next}'\n");
    put(w, "run t_gate t_begin t_do t_done\n");
    return rc;
}

/* ---- all of them -------------------------------------------------------------------------- */

static int sum_of(const struct bundle *b, const struct bundle_image *image, uint64_t offset,
                  uint64_t bytes, uint32_t *out, struct error *err)
{
    enum { PIECE_BYTES = 1 << 16 };
    uint8_t *data = malloc(PIECE_BYTES);
    int n = data ? 1 : error_set(err, ERROR_MEMORY, "%s: out of memory", image->name);
    uint64_t done = 0;
    *out = 0;
    while (n > 0 && done < bytes) {
        const uint64_t left = bytes - done;
        n = bundle_read(b, image, offset + done, data,
                        left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, err);
        if (n > 0)
            *out = (uint32_t)crc32_z(*out, data, (size_t)n);
        done += n > 0 ? (uint64_t)n : 0;
    }
    free(data);
    if (n == 0)
        n = error_set(err, ERROR_INPUT, "image %s ends early", image->name);
    return n < 0 ? n : 0;
}

typedef int stretch_line(struct writing *w, const struct flash_piece *piece, uint64_t offset,
                         const struct stretch *s);

static int check_line(struct writing *w, const struct flash_piece *piece, uint64_t offset,
                      const struct stretch *s)
{
    put_check(w, w->load, s, piece->partition->name);
    return 0;
}

static int each_stretch(struct writing *w, stretch_line *line)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < w->s->count; i++) {
        const struct flash_piece *piece = &w->s->pieces[i];
        const uint64_t at = bundle_image_at(w->s->bundle, piece->image);
        for (uint64_t offset = 0; !rc && offset < piece->image->bytes; offset += w->window) {
            const uint64_t left = piece->image->bytes - offset;
            struct stretch s = {.file = CARD_BUNDLE,
                                .at = at + offset,
                                .bytes = left < w->window ? left : w->window};
            rc = sum_of(w->s->bundle, piece->image, offset, s.bytes, &s.sum, w->err);
            if (!rc)
                rc = line(w, piece, offset, &s);
        }
    }
    return rc;
}

/* A loader without setexpr leaves the record of its own unit alone. */
static void put_closing(struct writing *w)
{
    const char *device = w->s->board->boot.card.device;
    put(w, "setenv t_pass 'setenv takt_result flashed'\nsetenv t_well 'setenv takt_why'\n");
    put(w, "run t_gate t_pass t_well\n");
    put(w, "setenv t_old 'fatload %s 0x%" PRIx64 " %s 0x%x'\n", device, w->load, CARD_REPORT,
        CARD_REPORT_MAX);
    put(w, "setenv t_to 0x%" PRIx64 "\nsetenv t_add 'setexpr t_to 0x%" PRIx64 " + ${filesize}'\n",
        w->load, w->load);
    put(w, "run t_old t_add\n");
    put(w, "env export -t ${t_to} takt_bundle takt_result takt_unit takt_why takt_written\n");
    put(w, "setenv t_len ${filesize}\nsetexpr t_len ${t_len} + ${t_to}\n");
    put(w, "setexpr t_len ${t_len} - 0x%" PRIx64 "\nsetexpr t_len ${t_len} - 1\n", w->load);
    put(w, "fatwrite %s 0x%" PRIx64 " %s ${t_len}\n", device, w->load, CARD_REPORT);
    put(w, "setenv t_bad 'itest ${t_ok} == 0'\n"
           "setenv t_say 'echo takt: flashed: take the card out, switch off'\n"
           "setenv t_tell 'echo takt: not flashed: ${takt_why}'\n"
           "run t_gate t_say\nrun t_bad t_tell\n");
    /* A unit that started again with its card in would do all this again. */
    put(w, "sleep %d\n", A_DAY_S);
}

static void put_flasher(struct writing *w)
{
    const struct card_script *s = w->s;
    const uint64_t memory = w->readback;
    const struct stretch whole = {.file = CARD_FLASHER,
                                  .bytes = s->flasher_bytes,
                                  .sum = (uint32_t)crc32_z(0, s->flasher, s->flasher_bytes)};
    put_check(w, memory, &whole, CARD_FLASHER);
    put_why(w, "t_why", "the loader did not start", CARD_FLASHER);
    put(w, "setenv t_args 'setenv bootargs %s takt.card'\n", s->board->linux.arguments);
    put(w, "setenv t_start 'bootm 0x%" PRIx64 "#start 0x%" PRIx64 "#start ${fdtcontroladdr}'\n",
        memory, memory);
    put(w, "run t_gate t_begin t_why t_args t_start\n");
}

int card_script_write(const struct card_script *s, struct buffer *out, struct error *err)
{
    const struct board_boot *boot = &s->board->boot;
    const uint64_t window = uboot_flash_window(s->board);
    struct writing w = {.s = s,
                        .out = out,
                        .load = boot->load_address,
                        .readback = boot->load_address + window,
                        .sum_at = boot->load_address + 2 * window,
                        .window = window - s->board->page_bytes, /* what pads its end fits */
                        .err = err};
    w.window = w.window / s->board->erase_bytes * s->board->erase_bytes;
    put_opening(&w);
    int rc = each_stretch(&w, check_line);
    if (s->flasher) {
        put_flasher(&w);
    } else if (!rc) {
        if (*boot->prepare)
            put(&w, "%s\n", boot->prepare);
        rc = each_stretch(&w, put_write);
    }
    put_closing(&w);
    if (!rc && !buffer_text(out))
        rc = error_set(err, ERROR_MEMORY, "card script: out of memory");
    return rc;
}

/* ---- as an image -------------------------------------------------------------------------- */

static void put_be32(uint8_t *at, uint32_t value)
{
    const uint32_t big = htonl(value);
    memcpy(at, &big, sizeof big);
}

int card_script_image(const char *arch, const char *text, struct buffer *out, struct error *err)
{
    uint8_t header[IMAGE_HEADER_BYTES] = {0};
    uint8_t sizes[8] = {0}; /* of the scripts in it: one, then the list's end */
    const size_t bytes = strlen(text);
    uint32_t sum;
    put_be32(sizes, (uint32_t)bytes);
    sum = (uint32_t)crc32_z(0, sizes, sizeof sizes);
    sum = (uint32_t)crc32_z(sum, (const uint8_t *)text, bytes);
    put_be32(header, IMAGE_MAGIC);
    put_be32(header + 12, (uint32_t)(bytes + sizeof sizes));
    put_be32(header + 24, sum);
    header[28] = IMAGE_LINUX;
    header[29] = strcmp(arch, "mipsel") == 0 ? IMAGE_MIPS : IMAGE_ARM;
    header[30] = IMAGE_SCRIPT;
    memcpy(header + 32, "takt card", 9);
    put_be32(header + 4, (uint32_t)crc32_z(0, header, sizeof header));
    int rc = buffer_append(out, header, sizeof header);
    if (!rc)
        rc = buffer_append(out, sizes, sizeof sizes);
    if (!rc)
        rc = buffer_append(out, text, bytes);
    return rc ? error_set(err, rc, "card script: out of memory") : 0;
}

int card_script_sigmastar(const struct board *board, const struct buffer *image, struct buffer *out,
                          struct error *err)
{
    uint8_t blank[SIGMASTAR_SCRIPT_BYTES] = {0};
    const uint64_t address =
        board->boot.script_address ? board->boot.script_address : board->boot.load_address;
    /* An older script may still be in memory: it must not be taken for this one. */
    buffer_printf(out,
                  "# takt\nmw.l 0x%" PRIx64 " 0 10\n"
                  "fatload %s 0x%" PRIx64 " $(SdUpgradeImage) 0x%zx 0x%x\n"
                  "source 0x%" PRIx64 "\n%% end\n",
                  address, board->boot.card.device, address, image->size, SIGMASTAR_SCRIPT_BYTES,
                  address);
    if (!buffer_text(out) || buffer_append(out, blank, SIGMASTAR_SCRIPT_BYTES - out->size) ||
        buffer_append(out, image->data, image->size))
        return error_set(err, ERROR_MEMORY, "card script: out of memory");
    return 0;
}
