/* The boot environment: names and values that U-Boot and Linux share, in U-Boot's own redundant
 * layout (env/common.c, CONFIG_SYS_REDUNDAND_ENVIRONMENT; what mkenvimage -r makes and fw_printenv
 * reads): CRC-32 of the data, a flags byte that counts writes, then "name=value" texts, each ended
 * by a NUL, and one NUL more. Two copies in the first two erase blocks of partition "env".
 * Variables of others are kept as they are. */
#ifndef TAKT_FIRMWARE_UPDATE_ENVIRONMENT_H
#define TAKT_FIRMWARE_UPDATE_ENVIRONMENT_H

#include "firmware/hal/hal.h"

/* What U-Boot calls CONFIG_ENV_SIZE. No more than QEMU's flash takes from U-Boot's driver behind
 * the start of one of its sectors; ours are some 400 bytes. */
enum { ENVIRONMENT_BYTES = 0x1000 };

struct environment {
    bool damaged; /* neither copy was whole, and they were not simply erased */
    uint8_t writes;
    char data[ENVIRONMENT_BYTES - 5];
};

/* An environment without variables when there is none in the flash. */
int environment_load(const struct hal *hal, const struct board *board, struct environment *out,
                     struct error *err);
/* Whole or not at all, also when the power goes. */
int environment_store(const struct hal *hal, const struct board *board, struct environment *env,
                      struct error *err);

/* NULL when there is no such variable. Valid until the next environment_set(). */
const char *environment_get(const struct environment *env, const char *name);
/* In memory only. NULL removes it. ERROR_FULL; ERROR_INPUT for a name with '='. */
int environment_set(struct environment *env, const char *name, const char *value,
                    struct error *err);

#endif
