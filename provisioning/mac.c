#include "provisioning/mac.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char group_bit[] = "the mac has its group bit set: it names no single unit";
static const char local_bit[] = "the mac has its local bit set: it is not an assigned address";

static int digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* Hex digits with one kind of separator after each second one; how many, 0 when it is none. */
static int digits_of(const char *text, uint64_t *out)
{
    int n = 0;
    char separator = 0;
    *out = 0;
    for (const char *p = text; *p; p++) {
        if (n && n % 2 == 0 && n < 12) {
            if (!strchr(":-", *p) || (separator && *p != separator))
                return 0;
            separator = *p++;
        }
        if (digit(*p) < 0 || n == 12)
            return 0;
        *out = *out << 4 | (uint64_t)digit(*p);
        n++;
    }
    return n;
}

static const char *assigned(uint64_t mac)
{
    const unsigned octet = mac >> 40 & 0xff;
    return octet & 1 ? group_bit : octet & 2 ? local_bit : NULL;
}

const char *mac_parse(const char *text, uint64_t *out)
{
    if (digits_of(text, out) != 12)
        return "a mac is written as 50:ec:50:01:02:03";
    const char *why = assigned(*out);
    return why ? why : *out == 0 ? "the mac is all zeros" : NULL;
}

void mac_format(uint64_t mac, char out[MAC_TEXT])
{
    for (int i = 0; i < 6; i++)
        snprintf(out + 3 * i, (size_t)(MAC_TEXT - 3 * i), "%02x%s",
                 (unsigned)(mac >> (40 - 8 * i) & 0xff), i < 5 ? ":" : "");
}

const char *mac_range_parse(const char *prefix, const char *first, const char *last,
                            struct mac_range *out)
{
    uint64_t value;
    const int n = digits_of(prefix, &value);
    if (n != 6 && n != 7 && n != 9)
        return "a prefix has 6, 7 or 9 hex digits (MA-L, MA-M, MA-S), as 50:ec:50:1";
    const int rest = 48 - 4 * n;
    const char *why = assigned(value << rest);
    if (!why)
        why = mac_parse(first, &out->first);
    if (!why)
        why = mac_parse(last, &out->last);
    if (why)
        return why;
    if (out->first >> rest != value || out->last >> rest != value)
        return "the range leaves its prefix";
    if (out->last < out->first)
        return "the range ends before it begins";
    snprintf(out->prefix, sizeof out->prefix, "%s", prefix);
    for (char *p = out->prefix; *p; p++)
        *p = *p == '-' ? ':' : (char)tolower((unsigned char)*p);
    return NULL;
}
