#include "protocol/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/error.h"

void buffer_free(struct buffer *b)
{
    free(b->data);
    b->data = NULL;
    b->size = b->capacity = 0;
}

int buffer_reserve(struct buffer *b, size_t extra)
{
    if (extra > SIZE_MAX / 2 - b->size)
        return ERROR_FULL;
    size_t needed = b->size + extra;
    if (b->limit_bytes && needed > b->limit_bytes)
        return ERROR_FULL;
    if (needed <= b->capacity)
        return 0;
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *grown = realloc(b->data, capacity);
    if (!grown)
        return ERROR_MEMORY;
    b->data = grown;
    b->capacity = capacity;
    return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t size)
{
    if (!size)
        return 0;
    int rc = buffer_reserve(b, size);
    if (rc)
        return rc;
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

int buffer_append_text(struct buffer *b, const char *text)
{
    return buffer_append(b, text, strlen(text));
}

int buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (needed < 0)
        return ERROR_INPUT;
    int rc = buffer_reserve(b, (size_t)needed + 1);
    if (rc)
        return rc;
    va_start(args, format);
    vsnprintf((char *)b->data + b->size, (size_t)needed + 1, format, args);
    va_end(args);
    b->size += (size_t)needed;
    return 0;
}

void buffer_consume(struct buffer *b, size_t size)
{
    if (size >= b->size) {
        b->size = 0;
        return;
    }
    memmove(b->data, b->data + size, b->size - size);
    b->size -= size;
}

const char *buffer_text(struct buffer *b)
{
    size_t limit = b->limit_bytes;
    b->limit_bytes = 0;
    int rc = buffer_reserve(b, 1);
    b->limit_bytes = limit;
    if (rc)
        return NULL;
    b->data[b->size] = '\0';
    return (const char *)b->data;
}
