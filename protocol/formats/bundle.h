/* A bundle: a signed set of images for one board, in one file.
 *
 *    0  8  "TAKTBND1"
 *    8  4  size of the manifest, at most BUNDLE_MANIFEST_MAX     } numbers are
 *   12  4  size of the signature, at most SIGNATURE_BYTES_MAX    } little-endian
 *   16  .  the manifest, JSON
 *    .  .  signature over the manifest's bytes, ECDSA P-256 or RSA-3072 as the key is (signing.h)
 *    .  .  the images' bytes, back to back, in the manifest's order
 *
 * The manifest:
 *   { "format": 1, "board": "ssc337de-nand128", "version": "1.4.0", "release": 12,
 *     "images": [ { "image": "rootfs", "bytes": 9437184, "sha256": "…",
 *                   "chunk_bytes": 131072, "chunks": ["sha256 of chunk 0", …] } ] }
 * `release` only ever grows: a unit refuses one below what it has committed to, so a known hole is
 * not brought back by an old signature. The part before the images is the "signed manifest": it
 * goes to the unit alone, as one attachment, and every chunk that follows is held against it. */
#ifndef TAKT_PROTOCOL_FORMATS_BUNDLE_H
#define TAKT_PROTOCOL_FORMATS_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/base/digest.h"
#include "protocol/base/error.h"
#include "protocol/formats/board.h"

enum {
    BUNDLE_IMAGES_MAX = 8,
    BUNDLE_VERSION_MAX = 33,
    BUNDLE_MANIFEST_MAX = 1 << 20,
    BUNDLE_HEADER_BYTES = 16,
    BUNDLE_CHUNK_MAX = 1 << 20, /* a unit holds one chunk in memory */
};

struct bundle_image {
    char name[BOARD_NAME_MAX]; /* "kernel": goes to NAME_a or NAME_b; "boot": to NAME, by the
                                  whole unit's flashing alone, never by an update */
    uint64_t bytes;            /* at least 1 */
    uint8_t sha256[DIGEST_BYTES];
    uint32_t chunk_bytes;                  /* a power of two; the last chunk may be shorter */
    size_t chunk_count;                    /* ceil(bytes / chunk_bytes) */
    uint8_t (*chunk_sha256)[DIGEST_BYTES]; /* owned by the manifest */
};

struct bundle_manifest {
    char board[BOARD_NAME_MAX];
    char version[BUNDLE_VERSION_MAX];
    uint32_t release;
    size_t image_count;
    struct bundle_image images[BUNDLE_IMAGES_MAX];
};

/* A signed manifest as bytes. ERROR_INPUT when it is cut short or malformed (what, and where),
 * ERROR_REFUSED when the signature is not the key's. A NULL key leaves the signature unchecked: to
 * show a bundle, never to write one. On success free with bundle_manifest_free(). */
int bundle_manifest_parse(const void *data, size_t size, const char *public_key_pem,
                          struct bundle_manifest *out, struct error *err);
void bundle_manifest_free(struct bundle_manifest *m);
/* NULL when the bundle has no image of that name. */
const struct bundle_image *bundle_image(const struct bundle_manifest *m, const char *name);
/* Bytes of chunk `index`; 0 past the end. */
size_t bundle_chunk_bytes(const struct bundle_image *image, size_t index);

/* What goes into a bundle. */
struct bundle_recipe {
    const struct board *board;
    const char *version;
    uint32_t release;
    const char *private_key_pem;
    size_t image_count;
    struct {
        const char *image; /* "rootfs" */
        const char *path;  /* its bytes */
    } images[BUNDLE_IMAGES_MAX];
};

/* Writes the bundle whole or not at all. ERROR_INPUT when an image has no partition on the board,
 * does not fit into it or is empty; ERROR_MISMATCH when a file changes meanwhile. */
int bundle_make(const struct bundle_recipe *recipe, const char *path, struct error *err);

struct bundle; /* an open file */

/* Checks signature and the file's length; image bytes are checked by bundle_verify(). */
int bundle_open(const char *path, const char *public_key_pem, struct bundle **out,
                struct error *err);
void bundle_close(struct bundle *b); /* NULL is fine */
const struct bundle_manifest *bundle_manifest(const struct bundle *b);
/* The signed manifest as it lies in the file: what flash.begin takes. Owned by the bundle. */
const uint8_t *bundle_signed_manifest(const struct bundle *b, size_t *size);
/* Where an image begins in the bundle's file. */
uint64_t bundle_image_at(const struct bundle *b, const struct bundle_image *image);
/* Up to `size` bytes of an image from `offset`; returns how many, 0 at its end, or an error.
 * May be called from several threads at once. */
int bundle_read(const struct bundle *b, const struct bundle_image *image, uint64_t offset,
                void *data, size_t size, struct error *err);
/* Reads every image and holds it against its hashes; ERROR_MISMATCH names image and chunk. */
int bundle_verify(const struct bundle *b, struct error *err);

#endif
