#include "protocol/formats/card_record.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/buffer.h"
#include "protocol/base/file.h"

static const char first_name[] = "takt_bundle";

void card_record_stamp(const struct bundle *b, char out[CARD_STAMP_MAX])
{
    const struct bundle_manifest *m = bundle_manifest(b);
    uint8_t hash[DIGEST_BYTES];
    char hex[17];
    size_t size;
    const uint8_t *head = bundle_signed_manifest(b, &size);
    digest_bytes(head, size, hash);
    hex_encode(hash, 8, hex);
    snprintf(out, CARD_STAMP_MAX, "%s release %u for %s, %s", m->version, m->release, m->board,
             hex);
}

/* ---- reading ------------------------------------------------------------------------------ */

struct line {
    const char *name, *value;
    size_t name_bytes, value_bytes;
};

/* The next NAME=VALUE; a loader that cannot count leaves a NUL where a line would begin. */
static bool next_line(const char *report, size_t size, size_t *at, struct line *out)
{
    while (*at < size) {
        const char *begin = report + *at;
        const char *newline = memchr(begin, '\n', size - *at);
        const char *end = newline ? newline : report + size;
        *at = (size_t)(end - report) + (newline ? 1 : 0);
        while (begin < end && *begin == '\0')
            begin++;
        const char *equals = memchr(begin, '=', (size_t)(end - begin));
        if (!equals)
            continue;
        if (end > equals + 1 && end[-1] == '\r')
            end--;
        *out = (struct line){.name = begin,
                             .name_bytes = (size_t)(equals - begin),
                             .value = equals + 1,
                             .value_bytes = (size_t)(end - equals - 1)};
        return true;
    }
    return false;
}

static bool is_named(const struct line *line, const char *name)
{
    return line->name_bytes == strlen(name) && memcmp(line->name, name, line->name_bytes) == 0;
}

/* Text that may go to a terminal or a table. */
static void take(const struct line *line, char *out, size_t out_size)
{
    size_t used = 0;
    for (size_t i = 0; i < line->value_bytes && used + 1 < out_size; i++) {
        const unsigned char c = (unsigned char)line->value[i];
        out[used++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    out[used] = '\0';
}

bool card_record_next(const char *report, size_t size, size_t *at, struct card_record *out)
{
    struct line line;
    char result[16] = "";
    bool begun = false;
    *out = (struct card_record){0};
    for (size_t here = *at; next_line(report, size, &here, &line); *at = here) {
        if (is_named(&line, first_name)) {
            if (begun)
                break; /* the next one's */
            begun = true;
            take(&line, out->bundle, sizeof out->bundle);
        } else if (!begun) {
            continue;
        } else if (is_named(&line, "takt_result")) {
            take(&line, result, sizeof result);
        } else if (is_named(&line, "takt_unit")) {
            take(&line, out->unit, sizeof out->unit);
        } else if (is_named(&line, "takt_why")) {
            take(&line, out->why, sizeof out->why);
        } else if (is_named(&line, "takt_written")) {
            take(&line, out->written, sizeof out->written);
        }
    }
    out->flashed = strcmp(result, "flashed") == 0;
    if (begun && !*result)
        snprintf(out->why, sizeof out->why, "the record is cut short");
    return begun;
}

/* ---- writing ------------------------------------------------------------------------------ */

static void put(struct buffer *out, const char *name, const char *value)
{
    if (!*value)
        return;
    buffer_printf(out, "%s=", name);
    for (const char *p = value; *p; p++)
        buffer_printf(out, "%c", *p < 0x20 || *p == 0x7f ? ' ' : *p);
    buffer_append_text(out, "\n");
}

int card_record_add(const char *path, const struct card_record *record, struct error *err)
{
    struct buffer text = {0};
    put(&text, first_name, record->bundle);
    put(&text, "takt_result", record->flashed ? "flashed" : "failed");
    put(&text, "takt_unit", record->unit);
    put(&text, "takt_why", record->why);
    put(&text, "takt_written", record->written);
    int fd = -1;
    int rc = buffer_text(&text) ? 0 : error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    if (!rc && (fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0)
        rc = error_errno(err, ERROR_IO, "cannot write %s", path);
    if (!rc)
        rc = file_write_all(fd, text.data, text.size, err);
    if (!rc && fsync(fd))
        rc = error_errno(err, ERROR_IO, "cannot write %s", path);
    if (fd >= 0)
        close(fd);
    buffer_free(&text);
    return rc;
}
