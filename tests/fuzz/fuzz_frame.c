/* Any bytes into the frame decoder, in pieces cut by the input itself: every byte is accounted for,
 * and what is called a frame encodes to the very bytes it was found in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frame_decoder d;
    static uint8_t again[FRAME_BYTES_MAX];
    size_t fed = 0, seen = 0;
    frame_decoder_init(&d);
    while (fed < size) {
        size_t piece = 1 + data[fed] * 3u;
        if (piece > size - fed)
            piece = size - fed;
        if (data[fed] == 0x77)
            frame_decoder_give_up(&d);
        fed += frame_decoder_feed(&d, data + fed, piece);
        struct frame_event e;
        while (frame_decoder_next(&d, &e)) {
            size_t n = e.noise_size;
            if (e.is_frame) {
                n = frame_encode(&e.frame, again, sizeof again);
                if (!n || memcmp(again, data + seen, n))
                    abort();
            } else if (!n || memcmp(e.noise, data + seen, n)) {
                abort();
            }
            seen += n;
        }
    }
    if (seen + (d.end - d.start) != size)
        abort();
    return 0;
}
