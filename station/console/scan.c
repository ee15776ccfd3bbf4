#include "station/console/scan.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { STX = 2, ETX = 3 };

static enum scan_event end(struct scan *s)
{
    const bool broken = s->too_long;
    s->text[s->size] = '\0';
    s->size = 0;
    s->framed = s->too_long = false;
    return broken ? SCAN_BROKEN : SCAN_CODE;
}

enum scan_event scan_take(struct scan *s, int byte, int64_t now_ms)
{
    s->last_ms = now_ms;
    if (byte == STX) {
        const bool cut = s->size > 0;
        s->size = 0;
        s->too_long = false;
        s->framed = true;
        return cut ? SCAN_BROKEN : SCAN_NOTHING;
    }
    if (byte == '\r' || byte == '\n' || byte == ETX) {
        if (s->size || s->framed)
            return s->size ? end(s) : (s->framed = false, SCAN_BROKEN);
        if (byte == ETX)
            return SCAN_NOTHING;
        s->text[0] = '\n';
        return SCAN_KEY;
    }
    if (byte < ' ' || byte == 0x7f)
        return SCAN_NOTHING;
    if (s->size == SCAN_TEXT_MAX)
        s->too_long = true;
    else
        s->text[s->size++] = (char)byte;
    return SCAN_NOTHING;
}

enum scan_event scan_tick(struct scan *s, int64_t now_ms)
{
    const int64_t quiet_ms = now_ms - s->last_ms;
    if (s->size == 1 && !s->framed && quiet_ms >= SCAN_KEY_MS) {
        s->size = 0;
        return SCAN_KEY;
    }
    if ((s->size || s->framed) && quiet_ms >= SCAN_END_MS) {
        s->size = 0;
        s->framed = s->too_long = false;
        return SCAN_BROKEN;
    }
    return SCAN_NOTHING;
}

int scan_key(const struct scan *s)
{
    return (unsigned char)s->text[0];
}

int scan_wait_ms(const struct scan *s, int64_t now_ms)
{
    if (!s->size && !s->framed)
        return -1;
    const int64_t due = s->last_ms + (s->size == 1 && !s->framed ? SCAN_KEY_MS : SCAN_END_MS);
    return due > now_ms ? (int)(due - now_ms) : 0;
}

enum scan_kind scan_kind(const struct station_console *codes, const char *text)
{
    const struct {
        const char *pattern;
        enum scan_kind kind;
    } kinds[] = {{codes->badge, SCAN_BADGE}, {codes->slot, SCAN_SLOT}, {codes->order, SCAN_ORDER}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].pattern[0] && fnmatch(kinds[i].pattern, text, 0) == 0)
            return kinds[i].kind;
    return SCAN_SERIAL;
}

int scan_slot(const char *text)
{
    size_t at = strlen(text);
    while (at > 0 && isdigit((unsigned char)text[at - 1]))
        at--;
    const long n = strtol(text + at, NULL, 10);
    return n > 0 && n <= 64 ? (int)n : 0;
}
