/* Writes a bundle's images into the slot that does not run, chunk by chunk as they arrive.
 *
 * Everything that can be refused is refused before the first erase: another board, a wrong
 * signature, an older release, an image without a place. A chunk is programmed only after its hash
 * was found in the signed manifest; one that lies in the flash already is left alone, and erased
 * pages are not programmed. So an update cut short goes on where it stopped when it is sent again.
 * Memory: one chunk (BUNDLE_CHUNK_MAX at most, usually an erase block), 16 KiB, the manifest's
 * hashes, and for a moment three times the environment; no more for larger images. */
#ifndef TAKT_FIRMWARE_UPDATE_WRITER_H
#define TAKT_FIRMWARE_UPDATE_WRITER_H

#include "firmware/update/slots.h"
#include "protocol/formats/bundle.h"

struct writer;

struct writer_config {
    const struct hal *hal;
    const struct board *board;
    struct slots *slots;
    char running;               /* the slot that must not be touched */
    const char *public_key_pem; /* whose bundles are taken; NULL takes none */
};

/* Strings and pointers of the config must outlive the writer. ERROR_REFUSED: signature, board,
 * release; ERROR_INPUT: malformed, or an image without a place; ERROR_STATE: slots_overwrite(). */
int writer_begin(const struct writer_config *config, const void *signed_manifest, size_t size,
                 struct writer **out, struct error *err);
void writer_free(struct writer *w);

char writer_slot(const struct writer *w); /* the one written */
const struct bundle_manifest *writer_manifest(const struct writer *w);

/* One image: begin, its bytes in any pieces, end. */
int writer_image_begin(struct writer *w, const char *image, uint64_t bytes, struct error *err);
/* ERROR_MISMATCH: a chunk is not the manifest's; nothing of it was written. */
int writer_write(struct writer *w, const uint8_t *data, size_t size, struct error *err);
struct writer_counts {
    uint64_t written_bytes; /* programmed */
    uint32_t skipped_chunks;
};
int writer_image_end(struct writer *w, struct writer_counts *out, struct error *err);

/* Hashes what the flash holds now, over exactly the image's length. ERROR_MISMATCH. `stop` (may be
 * NULL) is asked before each 16 KiB. */
int writer_verify(struct writer *w, const char *image, bool (*stop)(void *context), void *context,
                  uint8_t sha256[DIGEST_BYTES], struct error *err);
/* Boots the slot on trial next time; ERROR_STATE until every image was verified since written. */
int writer_activate(struct writer *w, struct error *err);

#endif
