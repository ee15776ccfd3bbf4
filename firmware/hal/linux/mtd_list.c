#include "firmware/hal/linux/mtd_list.h"

#include <stdlib.h>
#include <string.h>

/* Hex up to a space; false when there is none. */
static bool hex(const char **at, uint64_t *out)
{
    char *end;
    *out = strtoull(*at, &end, 16);
    bool whole = end != *at && *end == ' ';
    *at = whole ? end + 1 : end;
    return whole;
}

static bool read_entry(const char *line, size_t length, const char *name, struct mtd_entry *out)
{
    const size_t name_length = strlen(name);
    uint64_t erase_bytes;
    char *end;
    if (length < 4 || memcmp(line, "mtd", 3) != 0 || line[3] < '0' || line[3] > '9')
        return false;
    long number = strtol(line + 3, &end, 10);
    const char *at = end;
    if (number > 1023 || at[0] != ':' || at[1] != ' ')
        return false;
    at += 2;
    if (!hex(&at, &out->size_bytes) || !hex(&at, &erase_bytes) || erase_bytes > UINT32_MAX)
        return false;
    out->number = (int)number;
    out->erase_bytes = (uint32_t)erase_bytes;
    size_t left = length - (size_t)(at - line);
    return (size_t)(at - line) <= length && left == name_length + 2 && at[0] == '"' &&
           at[left - 1] == '"' && memcmp(at + 1, name, name_length) == 0;
}

bool mtd_list_find(const char *text, const char *name, struct mtd_entry *out)
{
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t length = end ? (size_t)(end - text) : strlen(text);
        if (read_entry(text, length, name, out))
            return true;
        text += length + (end != NULL);
    }
    return false;
}
