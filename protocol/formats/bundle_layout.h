/* What manifest.c and bundle.c share about the bytes of a bundle. */
#ifndef TAKT_PROTOCOL_FORMATS_BUNDLE_LAYOUT_H
#define TAKT_PROTOCOL_FORMATS_BUNDLE_LAYOUT_H

#include <stdbool.h>

#include "protocol/formats/bundle.h"

#define BUNDLE_MAGIC "TAKTBND1"

struct bundle_layout {
    size_t manifest_bytes;
    size_t signature_at;
    size_t head_bytes; /* header, manifest, signature: where the first image begins */
};

/* `available` is how many bytes of the header there are. */
int bundle_layout_read(const uint8_t header[BUNDLE_HEADER_BYTES], size_t available,
                       struct bundle_layout *out, struct error *err);
/* Names and versions stand in boot environments and messages: nothing there may need quoting. */
bool bundle_name_is_plain(const char *text);

#endif
