/* A link whose peer is the input: frames of any kind at any time, rightly framed or not. Whatever
 * it says, the link keeps within its memory, and the stream it hands up is at most what was sent.
 * Time passes as the input says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire/frame.h"
#include "protocol/wire/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[FRAME_BYTES_MAX], bytes[FRAME_BYTES_MAX];
    if (size < 2)
        return 0;
    struct link_config config = {
        .server = data[0] & 1, .reliable = data[0] & 2, .nonce = 0x01010101, .name = "fuzz"};
    struct link *l;
    int64_t now_ms = 1000;
    if (link_create(&config, now_ms, &l))
        return 0;
    size_t at = 1;
    while (at + 8 <= size) {
        /* type, number, tag choice, time, then sequence and the payload's size */
        const uint8_t *p = data + at;
        struct frame f = {.type = p[0] % 7,
                          .number = p[1],
                          .tag = p[2] & 1 ? 0x01010101 : p[2],
                          .sequence = wire_get16(p + 4) * (p[2] & 2 ? 65537u : 1u),
                          .size = (uint16_t)(p[6] | (p[7] & 7) << 8)};
        now_ms += p[3] * (p[2] & 4 ? 50 : 1);
        at += 8;
        if (f.size > size - at)
            f.size = (uint16_t)(size - at);
        f.payload = data + at;
        at += f.size;
        size_t n = frame_encode(&f, bytes, sizeof bytes);
        if (p[2] & 8)
            bytes[n / 2] ^= 1;
        if (p[2] & 16)
            n -= n / 3;
        for (size_t fed = 0; fed < n;) {
            size_t taken = link_feed(l, now_ms, bytes + fed, n - fed);
            uint8_t got[512];
            size_t read;
            while ((read = link_read(l, got, sizeof got)) > 0)
                if (read > sizeof got)
                    abort();
            fed += taken;
        }
        if (p[2] & 32)
            link_write(l, data, size);
        size_t frames = 0;
        while (link_output(l, now_ms, out, sizeof out) > 0)
            if (++frames > 10000) /* it must come to rest: only time or bytes make it talk */
                abort();
        if (link_state(l) != LINK_CLOSED && link_wake_ms(l) <= now_ms)
            abort(); /* a caller that waits for this would spin */
        if (link_state(l) == LINK_CLOSED && link_error(l)->code >= 0)
            abort();
    }
    link_free(l);
    return 0;
}
