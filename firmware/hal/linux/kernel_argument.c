#include "firmware/hal/linux/kernel_argument.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The argument at *at without its quotes, as far as `size` goes; returns its whole length. */
static size_t take(const char **at, char *out, size_t size)
{
    size_t length = 0;
    bool quoted = false;
    for (; **at && (quoted || !is_space(**at)); (*at)++) {
        if (**at == '"') {
            quoted = !quoted;
            continue;
        }
        if (length + 1 < size)
            out[length] = **at;
        length++;
    }
    if (size)
        out[length + 1 < size ? length : size - 1] = '\0';
    return length;
}

bool kernel_argument(const char *line, const char *name, char *out, size_t size)
{
    const size_t name_length = strlen(name);
    bool found = false;
    char argument[256];
    out[0] = '\0';
    for (;;) {
        while (is_space(*line))
            line++;
        if (!*line)
            return found;
        size_t length = take(&line, argument, sizeof argument);
        if (strcmp(argument, "--") == 0)
            return found;
        if (strncmp(argument, name, name_length) != 0 || argument[name_length] != '=')
            continue;
        const char *value = argument + name_length + 1;
        found = length < sizeof argument && strlen(value) < size;
        if (found)
            memcpy(out, value, strlen(value) + 1);
        else
            out[0] = '\0';
    }
}
