#include "firmware/flasher/line.h"

#include "protocol/wire/flasher.h"

enum { DATA = 0, FLAGS = 6 };                               /* in words */
enum { NO_BYTE = 1 << 4, FULL = 1 << 5, SENDING = 1 << 3 }; /* RXFE, TXFF, BUSY */
enum { HELD_BYTES = 2 * FLASHER_WINDOW };

static volatile uint32_t *uart;
static uint8_t held[HELD_BYTES];
static uint32_t came, taken; /* only grow */

void line_open(uintptr_t registers)
{
    uart = (volatile uint32_t *)registers;
}

void line_poll(void)
{
    while (!(uart[FLAGS] & NO_BYTE) && came - taken < HELD_BYTES)
        held[came++ % HELD_BYTES] = (uint8_t)uart[DATA];
}

int line_get(void)
{
    if (came == taken)
        line_poll();
    return came == taken ? -1 : held[taken++ % HELD_BYTES];
}

void line_put(const uint8_t *data, uint32_t size)
{
    for (; size; data++, size--) {
        while (uart[FLAGS] & FULL)
            line_poll();
        uart[DATA] = *data;
    }
}

void line_flush(void)
{
    while (uart[FLAGS] & SENDING)
        ;
}
