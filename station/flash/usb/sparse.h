/* Android sparse images: an image as runs of blocks, so that what repeats does not cross the wire,
 * and so that a large image goes in parts that fit into a small unit's memory.
 *
 *    0  4  0xED26FF3A            } numbers are little-endian
 *    4  2  1, the major version     6  2  0, the minor
 *    8  2  28, this header's size  10  2  12, a chunk header's
 *   12  4  bytes a block           16  4  blocks of the whole image
 *   20  4  chunks                  24  4  CRC-32 of the image, or 0
 * and per chunk  0 2 kind, 2 2 zero, 4 4 blocks, 8 4 bytes with this header, then its data:
 *   CAC1 the blocks' bytes   CAC2 four bytes that repeat   CAC3 nothing: leave what is there
 *   CAC4 a CRC-32 of all before
 *
 * Source: AOSP system/core/libsparse/sparse_format.h. Pure. */
#ifndef TAKT_STATION_FLASH_USB_SPARSE_H
#define TAKT_STATION_FLASH_USB_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum { SPARSE_BLOCK_BYTES = 4096, SPARSE_HEADER_BYTES = 28, SPARSE_CHUNK_BYTES = 12 };

bool sparse_is(const void *data, size_t size);

/* ---- written ------------------------------------------------------------------------------ */

/* An image's bytes at any offset: 0 or an error. */
typedef int sparse_read(void *context, uint64_t offset, void *data, size_t size, struct error *err);

struct sparse_run; /* one chunk of a part */

/* A part of an image: its blocks from `first_block` on, as many as fit into the limit; before and
 * behind them it says "leave what is there". */
struct sparse_part {
    sparse_read *read;
    void *context;
    uint64_t image_bytes; /* the last block is filled up with `pad` */
    uint8_t pad;
    uint32_t first_block, blocks;
    uint64_t bytes; /* of the part as it is sent */
    struct sparse_run *runs;
    size_t run_count;
    /* where sparse_part_read() is */
    size_t run;
    uint64_t run_at, header_at;
};

/* Plans the part that begins at first_block and takes at most limit_bytes when sent, and at most
 * max_blocks blocks; reads them once. ERROR_INPUT when the limit holds no block at all. On success
 * free with sparse_part_free(). */
int sparse_part_plan(struct sparse_part *out, sparse_read *read, void *context,
                     uint64_t image_bytes, uint8_t pad, uint32_t first_block, uint32_t max_blocks,
                     uint64_t limit_bytes, struct error *err);
/* The next `size` bytes of the part as it is sent, from its first on; reads the image again. */
int sparse_part_read(struct sparse_part *p, void *data, size_t size, struct error *err);
void sparse_part_free(struct sparse_part *p);
uint32_t sparse_blocks(uint64_t image_bytes);

/* ---- read --------------------------------------------------------------------------------- */

/* What a sparse file says, in its order. `data` NULL: leave `size` bytes as they are. */
typedef int sparse_write(void *context, uint64_t offset, const void *data, size_t size,
                         struct error *err);

/* Expands a sparse file that lies in memory. ERROR_INPUT, with the chunk's number, when it is cut
 * short, contradicts itself, holds more than limit_bytes, or a checksum does not hold.
 * `image_bytes` (may be NULL): of the whole image. */
int sparse_expand(const void *data, size_t size, uint64_t limit_bytes, sparse_write *write,
                  void *context, uint64_t *image_bytes, struct error *err);

#endif
