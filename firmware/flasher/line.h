/* The unit's UART: a PL011 (ARM DDI 0183) as the boot loader left it. Received bytes wait in
 * memory, so that none is lost while the flash is busy: line_poll() is called from within its
 * waits. */
#ifndef TAKT_FIRMWARE_FLASHER_LINE_H
#define TAKT_FIRMWARE_FLASHER_LINE_H

#include <stdint.h>

void line_open(uintptr_t registers);
void line_poll(void);
int line_get(void); /* a byte, or -1: there is none now */
void line_put(const uint8_t *data, uint32_t size);
/* All has left: before the line is given back. */
void line_flush(void);

#endif
