#include "station/flash/flash_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/base/clock.h"

enum { LINE_BYTES = 4096 };

struct flash_log {
    FILE *file;
    size_t used;
    unsigned char line[LINE_BYTES];
};

int flash_log_open(const char *path, struct flash_log **out, struct error *err)
{
    struct flash_log *log = calloc(1, sizeof *log);
    *out = NULL;
    if (!log)
        return error_set(err, ERROR_MEMORY, "flash log: out of memory");
    log->file = fopen(path, "we");
    if (!log->file) {
        free(log);
        return error_errno(err, ERROR_IO, "cannot write the log %s", path);
    }
    *out = log;
    return 0;
}

static void stamp(struct flash_log *log)
{
    char when[25];
    clock_format_utc(clock_wall_ms(), when);
    fprintf(log->file, "%s ", when);
}

/* What was heard of the line that has not ended yet. */
static void write_line(struct flash_log *log)
{
    stamp(log);
    for (size_t i = 0; i < log->used; i++) {
        const unsigned char c = log->line[i];
        if ((c >= ' ' && c < 0x7f) || c == '\t')
            putc(c, log->file);
        else if (c != '\r' || i + 1 < log->used)
            fprintf(log->file, "\\x%02x", c);
    }
    putc('\n', log->file);
    fflush(log->file);
    log->used = 0;
}

void flash_log_heard(struct flash_log *log, const void *data, size_t size)
{
    if (!log)
        return;
    for (const unsigned char *c = data; size; c++, size--) {
        if (*c != '\n')
            log->line[log->used++] = *c;
        if (*c == '\n' || log->used == LINE_BYTES)
            write_line(log);
    }
}

void flash_log_note(struct flash_log *log, const char *format, ...)
{
    va_list args;
    if (!log)
        return;
    if (log->used)
        write_line(log);
    stamp(log);
    fputs("-- ", log->file);
    va_start(args, format);
    vfprintf(log->file, format, args);
    va_end(args);
    putc('\n', log->file);
    fflush(log->file);
}

void flash_log_close(struct flash_log *log)
{
    if (!log)
        return;
    if (log->used)
        write_line(log);
    fclose(log->file);
    free(log);
}
