#include "firmware/flasher/nor.h"

#define TWICE(x) ((uint32_t)(x) << 16 | (uint32_t)(x))

enum {
    READ_ARRAY = 0xff,
    READ_QUERY = 0x98,
    CLEAR_STATUS = 0x50,
    UNLOCK_SETUP = 0x60,
    ERASE_SETUP = 0x20,
    PROGRAM_WORD = 0x40,
    PROGRAM_BUFFER = 0xe8,
    CONFIRM = 0xd0,
    STATUS_READY = 0x80,
    STATUS_ERRORS = 0x3a, /* erase, program, voltage, locked */
    QUERY_AT = 0x55,
    QUERY_TEXT = 0x10,
    QUERY_BUFFER = 0x2a, /* log2 of a chip's buffer in bytes */
};
/* Some seconds on any part: no erase of a block takes longer. */
static const uint32_t polls_max = 400000000;

static struct nor_bank *bank_of(struct nor *n, uint32_t *offset)
{
    for (uint32_t i = 0; i < n->bank_count; i++) {
        if (*offset < n->banks[i].bytes)
            return &n->banks[i];
        *offset -= n->banks[i].bytes;
    }
    return 0;
}

bool nor_open(struct nor *n)
{
    n->bytes = 0;
    for (uint32_t i = 0; i < n->bank_count; i++) {
        struct nor_bank *b = &n->banks[i];
        volatile uint32_t *at = (volatile uint32_t *)b->address;
        at[0] = TWICE(READ_ARRAY);
        at[QUERY_AT] = TWICE(READ_QUERY);
        const bool there = at[QUERY_TEXT] == TWICE('Q') && at[QUERY_TEXT + 1] == TWICE('R') &&
                           at[QUERY_TEXT + 2] == TWICE('Y');
        const uint32_t power = at[QUERY_BUFFER] & 0xff;
        at[0] = TWICE(READ_ARRAY);
        if (!there)
            return false;
        b->buffer_bytes = power >= 3 && power <= 12 ? 1u << power : 0;
        n->bytes += b->bytes;
    }
    return n->bank_count > 0;
}

const volatile uint32_t *nor_at(const struct nor *n, uint32_t offset, uint32_t *left)
{
    const struct nor_bank *b = bank_of((struct nor *)n, &offset);
    *left = b ? b->bytes - offset : 0;
    return b ? (const volatile uint32_t *)(b->address + offset) : 0;
}

static bool ready(struct nor *n, volatile uint32_t *at)
{
    for (uint32_t i = 0; i < polls_max; i++) {
        const uint32_t status = *at;
        if ((status & TWICE(STATUS_READY)) == TWICE(STATUS_READY))
            return (status & TWICE(STATUS_ERRORS)) == 0;
        n->wait();
    }
    return false;
}

static bool end(volatile uint32_t *at, bool good)
{
    if (!good)
        *at = TWICE(CLEAR_STATUS);
    *at = TWICE(READ_ARRAY);
    return good;
}

bool nor_erase(struct nor *n, uint32_t offset)
{
    const struct nor_bank *b = bank_of(n, &offset);
    if (!b)
        return false;
    volatile uint32_t *at = (volatile uint32_t *)(b->address + offset);
    *at = TWICE(CLEAR_STATUS);
    /* Parts that lock their blocks at power-on need it, others take it as nothing. */
    *at = TWICE(UNLOCK_SETUP);
    *at = TWICE(CONFIRM);
    if (!ready(n, at))
        return end(at, false);
    *at = TWICE(ERASE_SETUP);
    *at = TWICE(CONFIRM);
    return end(at, ready(n, at));
}

static bool program_words(struct nor *n, volatile uint32_t *at, const uint32_t *data,
                          uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) {
        if (data[i] == 0xffffffff)
            continue;
        at[i] = TWICE(PROGRAM_WORD);
        at[i] = data[i];
        if (!ready(n, &at[i]))
            return false;
    }
    return true;
}

/* `words` from a buffer's boundary on, at most a buffer. */
static bool program_buffer(struct nor *n, volatile uint32_t *at, const uint32_t *data,
                           uint32_t words)
{
    for (int i = 0;; i++) {
        *at = TWICE(PROGRAM_BUFFER);
        if ((*at & TWICE(STATUS_READY)) == TWICE(STATUS_READY))
            break;
        n->wait();
        if (i > 100000)
            return false;
    }
    *at = TWICE(words - 1);
    for (uint32_t i = 0; i < words; i++)
        at[i] = data[i];
    *at = TWICE(CONFIRM);
    return ready(n, at);
}

static bool blank(const uint32_t *data, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++)
        if (data[i] != 0xffffffff)
            return false;
    return true;
}

bool nor_program(struct nor *n, uint32_t offset, const uint32_t *data, uint32_t bytes)
{
    const struct nor_bank *b = bank_of(n, &offset);
    if (!b)
        return false;
    volatile uint32_t *at = (volatile uint32_t *)(b->address + offset), *const first = at;
    const uint32_t buffer = b->buffer_bytes;
    bool good = true;
    *at = TWICE(CLEAR_STATUS);
    while (good && bytes) {
        uint32_t piece = buffer ? buffer - offset % buffer : bytes;
        if (piece > bytes)
            piece = bytes;
        if (blank(data, piece / 4))
            ;
        else if (buffer && piece == buffer)
            good = program_buffer(n, at, data, piece / 4);
        else
            good = program_words(n, at, data, piece / 4);
        at += piece / 4;
        data += piece / 4;
        offset += piece;
        bytes -= piece;
    }
    return end(first, good);
}
