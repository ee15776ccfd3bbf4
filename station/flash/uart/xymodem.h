/* XMODEM-1K and YMODEM, the sending side, as U-Boot's loadx and loady receive it (Chuck Forsberg,
 * "XMODEM/YMODEM Protocol Reference", 1988; U-Boot common/xyzModem.c: 2 s a character, 20 tries a
 * block, no YMODEM-G).
 *
 * A state machine without I/O or clock: it is given bytes and the time, and says what to send. It
 * gets over lost bytes, noise and a lost or invented answer: a block is sent again until it is
 * acknowledged, and one that is refused three times running has the one before it sent again, since
 * that may be the one the other side still waits for. */
#ifndef TAKT_STATION_FLASH_UART_XYMODEM_H
#define TAKT_STATION_FLASH_UART_XYMODEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    XYMODEM_BLOCK_BYTES = 1024,
    XYMODEM_FRAME_BYTES = XYMODEM_BLOCK_BYTES + 5,
    XYMODEM_RETRIES = 20,     /* of one block, as the receiver counts them */
    XYMODEM_ANSWER_MS = 5000, /* over twice the receiver's wait for a character */
    XYMODEM_START_MS = 60000, /* until it asks for the first block */
};

enum xymodem_status { XYMODEM_RUNS, XYMODEM_DONE, XYMODEM_FAILED };

struct xymodem {
    /* to be set */
    bool ymodem; /* a first block with name and size, an empty one behind the last */
    const char *name;
    const uint8_t *data; /* all of it, in memory: blocks may be asked for again */
    size_t size;

    /* to be read */
    enum xymodem_status status;
    const char *failure;  /* why, when it failed */
    size_t acknowledged;  /* bytes of data the receiver has */
    unsigned long resent; /* blocks sent more than once */

    /* its own */
    int state;
    long block; /* index of the block under way: 0 is the header in YMODEM, the data's first else */
    bool back;  /* the one before it is under way: its ACK may have been made up by the line */
    int tries, refusals, cancels;
    int64_t deadline_ms;
    uint8_t frame[XYMODEM_FRAME_BYTES];
    size_t frame_bytes;
    bool frame_ready;
};

/* `x` with its first four members set. */
void xymodem_begin(struct xymodem *x, int64_t now_ms);
/* One byte from the receiver. */
void xymodem_heard(struct xymodem *x, uint8_t byte, int64_t now_ms);
/* Time passed: whoever did not answer is sent the block again. */
void xymodem_tick(struct xymodem *x, int64_t now_ms);
/* What is to be sent now, whole and once: NULL when nothing is. Valid until the next call. */
const uint8_t *xymodem_take(struct xymodem *x, size_t *size);

/* CRC-16/XMODEM: polynomial 0x1021, from 0, as it stands behind each block. */
uint16_t xymodem_crc(const uint8_t *data, size_t size);

#endif
