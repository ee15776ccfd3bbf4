/* What a station and the flasher say to each other: the small program that a boot loader loads into
 * a unit's memory and starts, and that writes the flash (firmware/flasher). Freestanding: no more
 * than stdint.h.
 *
 * A frame, both ways, numbers little-endian:
 *    0  2  0xA7 0x54
 *    2  1  kind, below
 *    3  1  tag: a request's, given back with its answer; so one sent twice is told from the next
 *    4  4  offset, or what the kind says
 *    8  2  bytes of content, at most FLASHER_CONTENT_MAX
 *   10  .  content
 *    .  4  CRC-32C over all before it
 *
 * DATA is streamed: each goes to its offset in the staging memory, and offsets follow each other
 * without a gap from the last OPEN's on. The unit acknowledges the offset it wants next; behind a
 * gap or a broken frame it does so once, with `again`, and drops what does not fit. One without
 * content is acknowledged all the same: so a station asks what is wanted. A station has at most
 * FLASHER_WINDOW bytes under way: that much the unit's buffer holds while the flash is busy. One
 * request at a time; the unit answers each, with the tag.
 *
 * Before it is loaded the station puts behind FLASHER_MARK, wherever that is in the file, what the
 * program must know of the board, u32 each: the UART's registers, address and bytes of the staging
 * memory, bytes of an erase block, number of banks, and of each bank address and bytes. */
#ifndef TAKT_PROTOCOL_WIRE_FLASHER_H
#define TAKT_PROTOCOL_WIRE_FLASHER_H

#include <stdint.h>

#define FLASHER_MARK "TAKTFLSH"

static inline uint32_t flasher_number(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void flasher_put_number(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

enum {
    FLASHER_MARK_BYTES = 8,
    FLASHER_BOARD_BYTES = 64, /* behind the mark */
    FLASHER_BANKS_MAX = 4,
    FLASHER_VERSION = 1,
    FLASHER_SYNC0 = 0xA7,
    FLASHER_SYNC1 = 0x54,
    FLASHER_HEADER_BYTES = 10,
    FLASHER_CONTENT_MAX = 4096,
    FLASHER_FRAME_MAX = FLASHER_HEADER_BYTES + FLASHER_CONTENT_MAX + 4,
    FLASHER_WINDOW = 32768,
    FLASHER_FILL_BYTES = 5,  /* content of FILL */
    FLASHER_HASHES_MAX = 64, /* of one HASH */
};

enum flasher_kind {
    /* station to unit */
    FLASHER_HELLO = 1, /* → version, flash bytes, erase bytes, staging bytes: four u32 */
    FLASHER_OPEN,      /* offset: where the next DATA goes → - */
    FLASHER_DATA,      /* offset, content → ACK */
    /* u32 flash offset, u32 bytes, u32 chunk: SHA-256 of each chunk, as the flash holds it →
     * hashes. bytes / chunk, rounded up, at most FLASHER_HASHES_MAX */
    FLASHER_HASH,
    /* u32 flash offset, u32 staging offset, u32 bytes, SHA-256 of them: nothing is erased unless
     * the staged bytes have it. Flash offset at an erase block's start; what is left of the last
     * block is erased → u32 bytes programmed, u32 blocks erased, u32 blocks left as they were */
    FLASHER_WRITE,
    FLASHER_LEAVE, /* back to the boot loader → - */
    FLASHER_FILL,  /* as DATA, for repeats: offset; u32 bytes, u8 value → ACK */
    /* unit to station */
    FLASHER_ACK = 0x80,    /* offset: of the next byte wanted; content: u8 again */
    FLASHER_ANSWER = 0x81, /* offset: enum flasher_status; content as above */
    FLASHER_BUSY = 0x82,   /* while a HASH or WRITE goes on; offset of WRITE: bytes done so far */
};

enum flasher_status {
    FLASHER_DONE,
    FLASHER_BAD_REQUEST,  /* out of range, or not of this version */
    FLASHER_BAD_STAGING,  /* the staged bytes are not what was announced: nothing was erased */
    FLASHER_NO_FLASH,     /* no CFI flash answers where the board has it */
    FLASHER_ERASE_FAILED, /* these three: content u32 is the flash offset */
    FLASHER_PROGRAM_FAILED,
    FLASHER_COMPARE_FAILED, /* read back, and it differs */
};

#endif
