/* Any bytes as a signed manifest, and any text as the JSON within one: read or refused. The
 * signature is left out, or nothing behind it would ever be reached. */
#include <stdlib.h>
#include <string.h>

#include "protocol/formats/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const uint8_t *data, size_t size)
{
    struct bundle_manifest m;
    struct error err = {0};
    if (bundle_manifest_parse(data, size, NULL, &m, &err)) {
        if (!err.text[0])
            abort(); /* refused without a word */
        return;
    }
    for (size_t i = 0; i < m.image_count; i++) {
        uint64_t total = 0;
        for (size_t c = 0; c < m.images[i].chunk_count; c++)
            total += bundle_chunk_bytes(&m.images[i], c);
        if (total != m.images[i].bytes)
            abort();
    }
    bundle_manifest_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size);
    /* The same bytes as the manifest of an otherwise right bundle. */
    uint8_t *whole = size ? malloc(BUNDLE_HEADER_BYTES + size + 1) : NULL;
    if (!whole)
        return 0;
    memcpy(whole, "TAKTBND1", 8);
    for (int i = 0; i < 4; i++) {
        whole[8 + i] = (uint8_t)(size >> 8 * i);
        whole[12 + i] = i == 0;
    }
    memcpy(whole + BUNDLE_HEADER_BYTES, data, size);
    whole[BUNDLE_HEADER_BYTES + size] = 0;
    parse(whole, BUNDLE_HEADER_BYTES + size + 1);
    free(whole);
    return 0;
}
