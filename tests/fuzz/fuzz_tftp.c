/* A hostile TFTP client: a request, then packets and waits as the input says. What is sent lies
 * within the file and within the window, and time never brings it to an endless burst. */
#include <stdint.h>
#include <stdlib.h>

#include "station/flash/network/tftp_transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_BYTES = 100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tftp_request request;
    struct tftp_transfer t;
    struct tftp_packet p;
    struct error err = {0};
    int64_t now_us = 1;
    int code;
    if (size < 1)
        return 0;
    const size_t head = data[0] < size - 1 ? data[0] : size - 1;
    const int rc = tftp_request_parse(data + 1, head, &request, &code, &err);
    if (rc) {
        if (!err.text[0])
            abort();
        request = (struct tftp_request){.window = 4};
    }
    tftp_transfer_begin(&t, &request, FILE_BYTES, now_us);
    for (size_t at = 1 + head; at < size;) {
        const size_t piece = data[at] % 16 < size - at ? data[at] % 16 + 1u : size - at;
        if (data[at] & 0x40)
            now_us += (int64_t)data[at] * 5000;
        if (data[at] & 0x80)
            tftp_transfer_asked_again(&t, now_us);
        tftp_transfer_take(&t, data + at, piece, now_us);
        at += piece;
        uint64_t packets = 0;
        while (tftp_transfer_next(&t, now_us, &p)) {
            if (p.head_bytes > sizeof p.head || p.offset + p.data_bytes > FILE_BYTES ||
                ++packets > TFTP_WINDOW_MAX + 1)
                abort();
        }
        if (t.acked > t.blocks || t.sent > t.blocks || tftp_transfer_done_bytes(&t) > FILE_BYTES)
            abort();
    }
    return 0;
}
