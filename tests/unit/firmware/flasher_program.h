/* The program of firmware/flasher within a test's own: its memcpy and memset, for a program without
 * a library, get names of their own. Whoever includes it brings what firmware/flasher/line.h and
 * nor.h declare: the line and the flash. */
#ifndef TAKT_TESTS_UNIT_FIRMWARE_FLASHER_PROGRAM_H
#define TAKT_TESTS_UNIT_FIRMWARE_FLASHER_PROGRAM_H

#define memcpy flasher_memcpy
#define memset flasher_memset
void *flasher_memcpy(void *to, const void *from, size_t size);
void *flasher_memset(void *to, int value, size_t size);
#include "firmware/flasher/flasher.c"
#include "firmware/flasher/sha256.c"
#undef memcpy
#undef memset

#endif
