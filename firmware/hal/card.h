/* The TF card as a block device. */
#ifndef TAKT_FIRMWARE_HAL_CARD_H
#define TAKT_FIRMWARE_HAL_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct card;

struct card_status {
    bool present; /* the socket's switch */
    bool write_protected;
    uint64_t bytes;       /* as the card claims */
    uint32_t block_bytes; /* 512 */
    char serial[33];      /* of this card, from its identification register (CID); "" = not known */
};

struct card_ops {
    int (*status)(struct card *c, struct card_status *out, struct error *err);
    /* Past every cache; offset and size are multiples of block_bytes. */
    int (*read)(struct card *c, uint64_t offset, void *data, size_t size, struct error *err);
    int (*write)(struct card *c, uint64_t offset, const void *data, size_t size, struct error *err);
    int (*sync)(struct card *c, struct error *err);
};

#endif
