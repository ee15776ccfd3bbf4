/* Any bytes as a signed manifest: read or refused. The signature is left out, or nothing behind it
 * would ever be reached. */
#include <stdlib.h>

#include "protocol/formats/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle_manifest m;
    struct error err = {0};
    if (bundle_manifest_parse(data, size, NULL, &m, &err))
        return err.text[0] ? 0 : -1;
    for (size_t i = 0; i < m.image_count; i++) {
        uint64_t total = 0;
        for (size_t c = 0; c < m.images[i].chunk_count; c++)
            total += bundle_chunk_bytes(&m.images[i], c);
        if (total != m.images[i].bytes)
            abort();
    }
    bundle_manifest_free(&m);
    return 0;
}
