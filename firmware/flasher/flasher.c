/* The program itself: requests of protocol/wire/flasher.h over the UART, until it is told to leave.
 * Nothing in it knows the board: the station puts in what it has from the board file. */
#include <stdbool.h>
#include <stddef.h>

#include "firmware/flasher/line.h"
#include "firmware/flasher/nor.h"
#include "firmware/flasher/sha256.h"
#include "protocol/wire/flasher.h"

/* gcc makes calls of these two out of plain C. */
void *memcpy(void *to, const void *from, size_t size)
{
    uint8_t *t = to;
    for (const uint8_t *f = from; size; size--)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int value, size_t size)
{
    for (uint8_t *t = to; size; size--)
        *t++ = (uint8_t)value;
    return to;
}

void flasher_main(const uint8_t *board);

enum { WORDS_AT_ONCE = 1024 };

static uint32_t crc_table[256];

static struct {
    struct nor nor;
    uint8_t *staging;
    uint32_t staging_bytes;
    uint32_t wanted;  /* offset of the next DATA */
    bool asked_again; /* for what is wanted */
    bool leave;
    uint8_t last_tag; /* of the request answered last, whose answer is kept in `answer` */
    uint32_t answer_bytes;
    uint8_t answer[FLASHER_FRAME_MAX];
    uint8_t frame[FLASHER_FRAME_MAX];
    uint32_t words[WORDS_AT_ONCE];
} f;

/* ---- frames ------------------------------------------------------------------------------- */

static void crc_open(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
        crc_table[b] = crc;
    }
}

static uint32_t crc32c_of(const uint8_t *data, uint32_t size)
{
    uint32_t crc = ~0u;
    for (; size; size--)
        crc = crc >> 8 ^ crc_table[(crc ^ *data++) & 0xff];
    return ~crc;
}

/* Around content that lies behind the header already. Its size. */
static uint32_t close_frame(uint8_t *frame, uint8_t kind, uint8_t tag, uint32_t offset,
                            uint32_t bytes)
{
    frame[0] = FLASHER_SYNC0;
    frame[1] = FLASHER_SYNC1;
    frame[2] = kind;
    frame[3] = tag;
    flasher_put_number(frame + 4, offset);
    frame[8] = (uint8_t)bytes;
    frame[9] = (uint8_t)(bytes >> 8);
    flasher_put_number(frame + FLASHER_HEADER_BYTES + bytes,
                       crc32c_of(frame, FLASHER_HEADER_BYTES + bytes));
    return FLASHER_HEADER_BYTES + bytes + 4;
}

static void send_small(uint8_t kind, uint32_t offset, const uint8_t *content, uint32_t bytes)
{
    uint8_t frame[FLASHER_HEADER_BYTES + 8 + 4];
    for (uint32_t i = 0; i < bytes; i++)
        frame[FLASHER_HEADER_BYTES + i] = content[i];
    line_put(frame, close_frame(frame, kind, 0, offset, bytes));
}

static void acknowledge(bool again)
{
    const uint8_t content = again;
    send_small(FLASHER_ACK, f.wanted, &content, 1);
}

static void ask_again(void)
{
    if (!f.asked_again)
        acknowledge(true);
    f.asked_again = true;
}

/* A frame out of what comes: its content's size, or -1 while there is none whole. */
static int take_frame(void)
{
    static uint32_t used, bytes;
    int byte;
    while ((byte = line_get()) >= 0) {
        f.frame[used++] = (uint8_t)byte;
        if (used == 1 && byte != FLASHER_SYNC0)
            used = 0;
        else if (used == 2 && byte != FLASHER_SYNC1)
            used = byte == FLASHER_SYNC0;
        else if (used == FLASHER_HEADER_BYTES) {
            bytes = f.frame[8] | (uint32_t)f.frame[9] << 8;
            if (bytes > FLASHER_CONTENT_MAX) {
                used = 0;
                ask_again();
            }
        }
        if (used < FLASHER_HEADER_BYTES || used < FLASHER_HEADER_BYTES + bytes + 4)
            continue;
        used = 0;
        if (flasher_number(f.frame + FLASHER_HEADER_BYTES + bytes) ==
            crc32c_of(f.frame, FLASHER_HEADER_BYTES + bytes))
            return (int)bytes;
        ask_again();
    }
    return -1;
}

/* ---- requests ------------------------------------------------------------------------------ */

/* Each: status; what it answers goes to `out`, its size to *bytes. */

static uint32_t hello(const uint8_t *content, uint32_t size, uint8_t *out, uint32_t *bytes)
{
    flasher_put_number(out, FLASHER_VERSION);
    flasher_put_number(out + 4, f.nor.bytes);
    flasher_put_number(out + 8, f.nor.erase_bytes);
    flasher_put_number(out + 12, f.staging_bytes);
    *bytes = 16;
    return f.nor.bytes ? FLASHER_DONE : FLASHER_NO_FLASH;
}

static uint32_t open_staging(const uint8_t *content, uint32_t size, uint8_t *out, uint32_t *bytes)
{
    const uint32_t offset = flasher_number(f.frame + 4);
    if (offset >= f.staging_bytes)
        return FLASHER_BAD_REQUEST;
    f.wanted = offset;
    f.asked_again = false;
    return FLASHER_DONE;
}

/* Words of the flash into f.words; how many bytes. */
static uint32_t read_flash(uint32_t offset, uint32_t bytes)
{
    uint32_t left;
    const volatile uint32_t *at = nor_at(&f.nor, offset, &left);
    if (bytes > sizeof f.words)
        bytes = sizeof f.words;
    if (bytes > left)
        bytes = left;
    for (uint32_t i = 0; i < (bytes + 3) / 4; i++)
        f.words[i] = at[i];
    return bytes;
}

static bool in_flash(uint32_t offset, uint32_t bytes)
{
    return offset % 4 == 0 && offset < f.nor.bytes && bytes <= f.nor.bytes - offset;
}

static uint32_t hash_flash(const uint8_t *content, uint32_t size, uint8_t *out, uint32_t *bytes)
{
    uint32_t offset = flasher_number(content), left = flasher_number(content + 4);
    const uint32_t chunk = flasher_number(content + 8);
    if (size != 12 || !in_flash(offset, left) || !chunk || chunk % 4 ||
        left / chunk + (left % chunk != 0) > FLASHER_HASHES_MAX)
        return FLASHER_BAD_REQUEST;
    while (left) {
        struct sha256 sum;
        uint32_t of_chunk = left < chunk ? left : chunk;
        left -= of_chunk;
        sha256_start(&sum);
        while (of_chunk) {
            const uint32_t n = read_flash(offset, of_chunk);
            sha256_update(&sum, (const uint8_t *)f.words, n);
            offset += n;
            of_chunk -= n;
        }
        sha256_finish(&sum, out + *bytes);
        *bytes += 32;
        send_small(FLASHER_BUSY, offset, 0, 0);
    }
    return FLASHER_DONE;
}

/* One erase block: how it is, against what it is to be. */
enum block_state { AS_WANTED, CAN_BE_PROGRAMMED, MUST_BE_ERASED };

static enum block_state look(uint32_t offset, const uint32_t *data, uint32_t bytes)
{
    enum block_state state = AS_WANTED;
    for (uint32_t done = 0; done < f.nor.erase_bytes;) {
        const uint32_t n = read_flash(offset + done, f.nor.erase_bytes - done);
        for (uint32_t i = 0; i < n / 4; i++) {
            const uint32_t wanted = done + 4 * i < bytes ? data[done / 4 + i] : 0xffffffff;
            if (f.words[i] == wanted)
                continue;
            if (f.words[i] != 0xffffffff)
                return MUST_BE_ERASED;
            state = CAN_BE_PROGRAMMED;
        }
        done += n;
    }
    return state;
}

struct written {
    uint32_t programmed, erased, left;
};

static uint32_t write_block(uint32_t offset, const uint32_t *data, uint32_t bytes,
                            struct written *w)
{
    const enum block_state state = look(offset, data, bytes);
    if (state == AS_WANTED) {
        w->left++;
        return FLASHER_DONE;
    }
    if (state == MUST_BE_ERASED) {
        if (!nor_erase(&f.nor, offset))
            return FLASHER_ERASE_FAILED;
        w->erased++;
    }
    if (!nor_program(&f.nor, offset, data, bytes))
        return FLASHER_PROGRAM_FAILED;
    w->programmed += bytes;
    return look(offset, data, bytes) == AS_WANTED ? FLASHER_DONE : FLASHER_COMPARE_FAILED;
}

static bool staged(uint32_t at, uint32_t bytes, const uint8_t *sha256)
{
    struct sha256 sum;
    uint8_t found[32];
    uint8_t differs = 0;
    sha256_start(&sum);
    sha256_update(&sum, f.staging + at, bytes);
    sha256_finish(&sum, found);
    for (int i = 0; i < 32; i++)
        differs |= found[i] ^ sha256[i];
    return differs == 0;
}

static uint32_t write_flash(const uint8_t *content, uint32_t size, uint8_t *out, uint32_t *bytes)
{
    const uint32_t offset = flasher_number(content), at = flasher_number(content + 4),
                   total = flasher_number(content + 8);
    const uint32_t erase = f.nor.erase_bytes;
    struct written w = {0};
    uint32_t status = FLASHER_DONE;
    if (size != 44 || !in_flash(offset, total) || offset % erase || !total || at % 4 ||
        at >= f.staging_bytes || total > f.staging_bytes - at)
        return FLASHER_BAD_REQUEST;
    if (!staged(at, total, content + 12))
        return FLASHER_BAD_STAGING;
    /* The last word whole: what is behind the image stays as erased flash is. */
    for (uint32_t i = total; i % 4; i++)
        f.staging[at + i] = 0xff;
    for (uint32_t done = 0; done < total && status == FLASHER_DONE;) {
        const uint32_t n = total - done < erase ? total - done : erase;
        status = write_block(offset + done, (const uint32_t *)(f.staging + at + done),
                             (n + 3) & ~3u, &w);
        if (status != FLASHER_DONE) {
            flasher_put_number(out, offset + done);
            *bytes = 4;
            return status;
        }
        done += n;
        send_small(FLASHER_BUSY, done, 0, 0);
    }
    flasher_put_number(out, w.programmed);
    flasher_put_number(out + 4, w.erased);
    flasher_put_number(out + 8, w.left);
    *bytes = 12;
    return status;
}

static uint32_t leave(const uint8_t *content, uint32_t size, uint8_t *out, uint32_t *bytes)
{
    f.leave = true;
    return FLASHER_DONE;
}

static const struct {
    uint8_t kind;
    uint32_t (*serve)(const uint8_t *content, uint32_t size, uint8_t *out, uint32_t *bytes);
} requests[] = {{FLASHER_HELLO, hello},
                {FLASHER_OPEN, open_staging},
                {FLASHER_HASH, hash_flash},
                {FLASHER_WRITE, write_flash},
                {FLASHER_LEAVE, leave}};

/* DATA, or FILL: `size` bytes from `from` on, or all of them its first. */
static void take_data(uint32_t size, const uint8_t *from, bool repeats)
{
    const uint32_t offset = flasher_number(f.frame + 4);
    if (offset != f.wanted || size > f.staging_bytes - f.wanted) {
        /* Behind what is wanted: one whose ACK was lost. */
        if (offset < f.wanted)
            acknowledge(false);
        else
            ask_again();
        return;
    }
    if (repeats)
        memset(f.staging + f.wanted, *from, size);
    else
        memcpy(f.staging + f.wanted, from, size);
    f.wanted += size;
    f.asked_again = false;
    acknowledge(false);
}

static void serve(uint32_t size)
{
    const uint8_t kind = f.frame[2], tag = f.frame[3];
    uint32_t bytes = 0, status = FLASHER_BAD_REQUEST;
    const uint8_t *content = f.frame + FLASHER_HEADER_BYTES;
    if (kind == FLASHER_DATA) {
        take_data(size, content, false);
        return;
    }
    if (kind == FLASHER_FILL && size == FLASHER_FILL_BYTES) {
        take_data(flasher_number(content), content + 4, true);
        return;
    }
    /* Its answer was lost: it is not done a second time. */
    if (tag != f.last_tag || !f.answer_bytes) {
        for (uint32_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
            if (requests[i].kind == kind)
                status = requests[i].serve(f.frame + FLASHER_HEADER_BYTES, size,
                                           f.answer + FLASHER_HEADER_BYTES, &bytes);
        f.answer_bytes = close_frame(f.answer, FLASHER_ANSWER, tag, status, bytes);
        f.last_tag = tag;
    }
    line_put(f.answer, f.answer_bytes);
}

/* ---- start --------------------------------------------------------------------------------- */

/* U-Boot's bootm calls a program twice (as it prepares an operating system, and as it starts it).
 * Not in .bss, which each call clears: loaded anew it is false again. */
static bool has_left __attribute__((section(".data"))) = false;

void flasher_main(const uint8_t *board)
{
    if (has_left)
        return;
    const uint8_t *at = board + FLASHER_MARK_BYTES;
    line_open(flasher_number(at));
    f.staging = (uint8_t *)(uintptr_t)flasher_number(at + 4);
    f.staging_bytes = flasher_number(at + 8);
    f.nor.erase_bytes = flasher_number(at + 12);
    f.nor.bank_count = flasher_number(at + 16);
    if (f.nor.bank_count > NOR_BANKS_MAX)
        f.nor.bank_count = 0;
    f.nor.wait = line_poll;
    for (uint32_t i = 0; i < f.nor.bank_count; i++)
        f.nor.banks[i] = (struct nor_bank){.address = flasher_number(at + 20 + 8 * i),
                                           .bytes = flasher_number(at + 24 + 8 * i)};
    crc_open();
    if (!nor_open(&f.nor))
        f.nor.bytes = 0;
    while (!f.leave) {
        const int size = take_frame();
        if (size >= 0)
            serve((uint32_t)size);
    }
    has_left = true;
    line_flush();
}
