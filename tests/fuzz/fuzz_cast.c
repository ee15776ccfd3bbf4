/* Any statuses to a station that casts, and any packet to the readers of both sides: what the
 * station then sends lies within its chunks, and it never sends without end at one moment. */
#include <stdint.h>
#include <stdlib.h>

#include "station/flash/network/cast_sender.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNKS = 20, CHUNK_BYTES = 65536, MANIFEST_BYTES = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chunk_ordered chunks[CHUNKS];
    static uint8_t manifest[MANIFEST_BYTES];
    static struct cast_packet p;
    struct cast_sender_config config = {.chunks = chunks,
                                        .chunk_count = CHUNKS,
                                        .manifest = manifest,
                                        .manifest_bytes = MANIFEST_BYTES,
                                        .slot = 'a',
                                        .session = 0x01020304,
                                        .units = 1};
    struct cast_sender *s;
    struct cast_announce a;
    struct cast_data d;
    int64_t now_us = 1;
    for (size_t i = 0; i < CHUNKS; i++)
        chunks[i].bytes = CHUNK_BYTES - i;
    if (cast_sender_open(&config, &s, NULL))
        return 0;
    while (size > 2) {
        const size_t piece = data[0] * 2u < size - 2 ? data[0] * 2u : size - 2;
        now_us += data[1] * 1000;
        cast_sender_take(s, data + 2, piece, now_us);
        cast_announce_decode(data + 2, piece, &a);
        if (!cast_data_decode(data + 2, piece, &d) && d.bytes + d.size > data + 2 + piece)
            abort();
        for (int packets = 0; cast_sender_next(s, now_us, &p); packets++) {
            const size_t chunk_bytes = p.chunk ? CHUNK_BYTES - (p.chunk - 1) : MANIFEST_BYTES;
            if (packets > 200 || p.chunk > CHUNKS || p.head_bytes + p.bytes > sizeof p.data ||
                (p.bytes && p.offset + p.bytes > chunk_bytes))
                abort();
        }
        data += 2 + piece;
        size -= 2 + piece;
    }
    cast_sender_close(s);
    return 0;
}
