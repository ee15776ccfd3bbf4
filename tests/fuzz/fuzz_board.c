/* Any bytes as a board file: read or refused, never worse; what is read must hold together. */
#include <stdlib.h>

#include "protocol/formats/board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct board b;
    struct error err = {0};
    if (board_parse("fuzz", (const char *)data, size, &b, &err))
        return err.text[0] ? 0 : (abort(), 0); /* never refused without a word */
    for (size_t i = 0; i < b.partition_count; i++) {
        const struct board_partition *p = &b.partitions[i];
        if (p->offset_bytes + p->size_bytes > b.flash_bytes || p->offset_bytes % b.erase_bytes)
            abort();
    }
    return 0;
}
