#include "station/flash/uart/xymodem.h"

#include <stdio.h>
#include <string.h>

enum { SOH = 0x01, STX = 0x02, EOT = 0x04, ACK = 0x06, NAK = 0x15, CAN = 0x18, ASKS = 'C' };
enum { SHORT_BLOCK_BYTES = 128, PADDING = 0x1a, REFUSALS_BEFORE_BACK = 3, END_TRIES = 3 };

enum {
    WAIT_START,  /* for the receiver's 'C' (or NAK, which wants a checksum we do not speak) */
    WAIT_HEADER, /* for the header's ACK */
    WAIT_AGAIN,  /* for the 'C' behind it */
    WAIT_BLOCK,  /* for a data block's ACK */
    WAIT_END,    /* for EOT's ACK */
    WAIT_LAST,   /* for the 'C' that asks for the next file */
    WAIT_CLOSED, /* for the empty header's ACK */
};

uint16_t xymodem_crc(const uint8_t *data, size_t size)
{
    /* A nibble at a time: CRCs of 0x1021 times 0 to 15. */
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5,
                                       0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
                                       0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    uint16_t crc = 0;
    for (; size; data++, size--) {
        crc = (uint16_t)(crc << 4 ^ table[crc >> 12 ^ *data >> 4]);
        crc = (uint16_t)(crc << 4 ^ table[crc >> 12 ^ (*data & 15)]);
    }
    return crc;
}

static void fail(struct xymodem *x, const char *why)
{
    if (x->status != XYMODEM_RUNS)
        return;
    x->status = XYMODEM_FAILED;
    x->failure = why;
    /* Twice and more, so that one lost byte does not leave the receiver waiting. */
    memset(x->frame, CAN, 5);
    x->frame_bytes = 5;
    x->frame_ready = true;
}

static void put_block(struct xymodem *x, uint8_t number, const uint8_t *data, size_t size,
                      uint8_t padding)
{
    const size_t bytes = size > SHORT_BLOCK_BYTES ? XYMODEM_BLOCK_BYTES : SHORT_BLOCK_BYTES;
    uint8_t *f = x->frame;
    f[0] = bytes == XYMODEM_BLOCK_BYTES ? STX : SOH;
    f[1] = number;
    f[2] = (uint8_t)~number;
    if (size)
        memcpy(f + 3, data, size);
    memset(f + 3 + size, padding, bytes - size);
    const uint16_t crc = xymodem_crc(f + 3, bytes);
    f[3 + bytes] = (uint8_t)(crc >> 8);
    f[4 + bytes] = (uint8_t)crc;
    x->frame_bytes = bytes + 5;
    x->frame_ready = true;
}

static size_t block_start(long block)
{
    return (size_t)(block - 1) * XYMODEM_BLOCK_BYTES;
}

static void put_header(struct xymodem *x)
{
    char text[SHORT_BLOCK_BYTES];
    const int name = snprintf(text, 64, "%s", x->name);
    const size_t at = (size_t)(name < 64 ? name : 63) + 1;
    const int size = snprintf(text + at, sizeof text - at, "%zu", x->size);
    put_block(x, 0, (const uint8_t *)text, at + (size_t)size + 1, 0);
}

/* Sends what the present state waits to have acknowledged. */
static void put(struct xymodem *x, int64_t now_ms)
{
    x->deadline_ms = now_ms + XYMODEM_ANSWER_MS;
    switch (x->state) {
    case WAIT_HEADER:
        put_header(x);
        break;
    case WAIT_BLOCK: {
        const size_t at = block_start(x->block), left = x->size - at;
        put_block(x, (uint8_t)x->block, x->data + at,
                  left < XYMODEM_BLOCK_BYTES ? left : XYMODEM_BLOCK_BYTES, PADDING);
        break;
    }
    case WAIT_END:
        x->frame[0] = EOT;
        x->frame_bytes = 1;
        x->frame_ready = true;
        break;
    case WAIT_CLOSED:
        put_block(x, 0, NULL, 0, 0);
        break;
    default: /* the receiver speaks next */
        break;
    }
}

static void enter(struct xymodem *x, int state, int64_t now_ms)
{
    x->state = state;
    x->tries = x->refusals = 0;
    put(x, now_ms);
}

static void enter_block(struct xymodem *x, long block, int64_t now_ms)
{
    x->block = block;
    x->back = false;
    enter(x, block_start(block) < x->size ? WAIT_BLOCK : WAIT_END, now_ms);
}

static void again(struct xymodem *x, int64_t now_ms)
{
    /* All data is there; an end whose ACK was lost is not answered a second time. */
    if (x->state == WAIT_END && x->tries == END_TRIES) {
        x->status = XYMODEM_DONE;
        return;
    }
    if (++x->tries >= XYMODEM_RETRIES) {
        fail(x, "a block was refused 20 times");
        return;
    }
    x->resent++;
    put(x, now_ms);
}

void xymodem_begin(struct xymodem *x, int64_t now_ms)
{
    x->status = XYMODEM_RUNS;
    x->failure = NULL;
    x->acknowledged = x->resent = 0;
    x->state = WAIT_START;
    x->block = 0;
    x->tries = x->refusals = x->cancels = 0;
    x->deadline_ms = now_ms + XYMODEM_START_MS;
    x->frame_ready = false;
}

static void acknowledged(struct xymodem *x, int64_t now_ms)
{
    switch (x->state) {
    case WAIT_HEADER:
        enter(x, WAIT_AGAIN, now_ms);
        break;
    case WAIT_BLOCK: {
        const size_t end = block_start(x->block) + XYMODEM_BLOCK_BYTES;
        x->acknowledged = end < x->size ? end : x->size;
        enter_block(x, x->block + 1, now_ms);
        break;
    }
    case WAIT_END:
        if (x->ymodem)
            enter(x, WAIT_LAST, now_ms);
        else
            x->status = XYMODEM_DONE;
        break;
    case WAIT_CLOSED:
        x->status = XYMODEM_DONE;
        break;
    default: /* an ACK nobody waits for: a second one to what was sent twice */
        break;
    }
}

/* 'C' asks for a first block; behind that U-Boot refuses a block with it as others do with NAK. */
static void refused(struct xymodem *x, uint8_t byte, int64_t now_ms)
{
    switch (x->state) {
    case WAIT_START:
        if (byte != ASKS)
            return;
        if (x->ymodem)
            enter(x, WAIT_HEADER, now_ms);
        else
            enter_block(x, 1, now_ms);
        break;
    case WAIT_AGAIN:
        enter_block(x, 1, now_ms);
        break;
    case WAIT_LAST:
        enter(x, WAIT_CLOSED, now_ms);
        break;
    case WAIT_BLOCK:
        /* One step and no further: two blocks back it would never acknowledge. */
        if (++x->refusals % REFUSALS_BEFORE_BACK == 0 && (x->back || x->block > 1)) {
            x->block += x->back ? 1 : -1;
            x->back = !x->back;
        }
        again(x, now_ms);
        break;
    default:
        again(x, now_ms);
        break;
    }
}

void xymodem_heard(struct xymodem *x, uint8_t byte, int64_t now_ms)
{
    if (x->status != XYMODEM_RUNS)
        return;
    x->cancels = byte == CAN ? x->cancels + 1 : 0;
    if (byte == ACK)
        acknowledged(x, now_ms);
    else if (byte == NAK || byte == ASKS)
        refused(x, byte, now_ms);
    else if (x->cancels >= 2)
        fail(x, "the receiver cancelled");
}

void xymodem_tick(struct xymodem *x, int64_t now_ms)
{
    if (x->status != XYMODEM_RUNS || now_ms < x->deadline_ms)
        return;
    switch (x->state) {
    case WAIT_START:
        fail(x, "the receiver never asked for the first block");
        break;
    case WAIT_AGAIN: /* the ACK came, the 'C' behind it was lost */
        enter_block(x, 1, now_ms);
        break;
    case WAIT_LAST:
        enter(x, WAIT_CLOSED, now_ms);
        break;
    case WAIT_CLOSED: /* all data was acknowledged: only the courtesy of the end is missing */
        x->status = XYMODEM_DONE;
        break;
    default:
        again(x, now_ms);
        break;
    }
}

const uint8_t *xymodem_take(struct xymodem *x, size_t *size)
{
    if (!x->frame_ready)
        return NULL;
    x->frame_ready = false;
    *size = x->frame_bytes;
    return x->frame;
}
