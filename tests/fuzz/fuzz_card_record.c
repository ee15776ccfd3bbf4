/* A report on a card that was anywhere: read to its end, and no text in it steers a terminal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/formats/card_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_plain(const char *text, size_t room)
{
    if (memchr(text, '\0', room) == NULL)
        abort();
    for (; *text; text++)
        if (*text < 0x20 || *text >= 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct card_record r;
    size_t at = 0, before = 0;
    while (card_record_next((const char *)data, size, &at, &r)) {
        if (at <= before || at > size)
            abort();
        before = at;
        is_plain(r.bundle, sizeof r.bundle);
        is_plain(r.unit, sizeof r.unit);
        is_plain(r.why, sizeof r.why);
        is_plain(r.written, sizeof r.written);
    }
    return 0;
}
