/* A growable run of bytes. Growth is overflow-checked and bounded by `limit_bytes`. */
#ifndef TAKT_PROTOCOL_BASE_BUFFER_H
#define TAKT_PROTOCOL_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;      /* owned; NULL while empty */
    size_t size;        /* bytes used */
    size_t capacity;    /* bytes allocated */
    size_t limit_bytes; /* 0 = unbounded; an append past it fails with ERROR_FULL */
};

/* All zero is an empty, unbounded buffer. */
void buffer_free(struct buffer *b);

/* Room for `extra` more bytes. 0, ERROR_MEMORY or ERROR_FULL; the content stays as it was. */
int buffer_reserve(struct buffer *b, size_t extra);
int buffer_append(struct buffer *b, const void *data, size_t size);
int buffer_append_text(struct buffer *b, const char *text);
int buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops `size` bytes from the front (at most all of them). */
void buffer_consume(struct buffer *b, size_t size);

/* The content as a C string (a NUL is kept behind the data); "" when empty, NULL out of memory. */
const char *buffer_text(struct buffer *b);

#endif
