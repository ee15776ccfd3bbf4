#include "reports/utf8.h"

/* The length of the UTF-8 sequence at p, 0 when there is none. */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

int utf8_append_clean(struct buffer *b, const char *text)
{
    int rc = 0;
    for (const unsigned char *p = (const unsigned char *)text; p && *p && !rc;) {
        size_t n = utf8_length(p);
        rc = n ? buffer_append(b, p, n) : buffer_append(b, "\xef\xbf\xbd", 3);
        p += n ? n : 1;
    }
    return rc;
}
