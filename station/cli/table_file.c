#include "station/cli/table_file.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "protocol/base/file.h"

enum { BYTES_MAX = 256 << 20, COLUMNS_MAX = 1024, NAMES_SHOWN = 8 };

struct table_file {
    char *name;
    struct buffer text; /* fields end in NUL where their comma or quote was */
    size_t columns, rows, capacity;
    char **fields; /* header, then rows; columns each */
    int *lines;    /* of the header and each row */
};

/* Where the reader stands. */
struct cursor {
    char *at, *end;
    int line;
    const char *why; /* what is wrong here */
};

/* Takes one field, unquoted in place; *last says that its line ended with it. */
static char *take_field(struct cursor *c, bool *last)
{
    char *from = c->at, *to = from;
    bool quoted = c->at < c->end && *c->at == '"', closed = !quoted;
    c->at += quoted;
    while (c->at < c->end) {
        char x = *c->at;
        if (quoted && x == '"') {
            c->at++;
            if (c->at < c->end && *c->at == '"')
                *to++ = *c->at++;
            else
                closed = true;
            if (closed)
                break;
            continue;
        }
        if (!quoted && (x == ',' || x == '\n'))
            break;
        if (x == '\0') {
            c->why = "a NUL byte: expected text";
            return NULL;
        }
        c->line += x == '\n';
        *to++ = x;
        c->at++;
    }
    if (!closed)
        c->why = "a quote is not closed";
    if (!quoted && to > from && to[-1] == '\r' && (c->at == c->end || *c->at == '\n'))
        to--;
    if (quoted && c->at < c->end && *c->at == '\r')
        c->at++;
    if (c->at < c->end && *c->at != ',' && *c->at != '\n')
        c->why = "text after a closing quote: expected a comma";
    *last = c->at == c->end || *c->at == '\n';
    if (c->at < c->end)
        c->at++;
    *to = '\0'; /* the comma's or quote's own place, or the NUL behind the text */
    return from;
}

static int grow(struct table_file *t, struct error *err)
{
    if (t->rows + 1 < t->capacity)
        return 0;
    size_t capacity = t->capacity ? t->capacity * 2 : 64;
    char **fields = reallocarray(t->fields, capacity * t->columns, sizeof *fields);
    t->fields = fields ? fields : t->fields;
    int *lines = fields ? reallocarray(t->lines, capacity, sizeof *lines) : NULL;
    t->lines = lines ? lines : t->lines;
    if (!lines)
        return error_set(err, ERROR_MEMORY, "no memory for %s", t->name);
    t->capacity = capacity;
    return 0;
}

/* The first line says how many columns there are. */
static int take_header(struct table_file *t, struct cursor *c, struct error *err)
{
    char *names[COLUMNS_MAX];
    bool last = false;
    while (!last) {
        if (t->columns == COLUMNS_MAX)
            return error_set(err, ERROR_INPUT, "%s:%d: more than %d columns", t->name, c->line,
                             COLUMNS_MAX);
        names[t->columns] = take_field(c, &last);
        if (c->why)
            return error_set(err, ERROR_INPUT, "%s:%d: %s", t->name, c->line, c->why);
        t->columns++;
    }
    int rc = grow(t, err);
    if (!rc) {
        memcpy(t->fields, names, t->columns * sizeof *names);
        t->lines[0] = c->line;
    }
    return rc;
}

static int take_row(struct table_file *t, struct cursor *c, struct error *err)
{
    int line = c->line, rc = grow(t, err);
    size_t n = 0;
    bool last = false;
    while (!rc && !last) {
        char *field = take_field(c, &last);
        if (c->why)
            return error_set(err, ERROR_INPUT, "%s:%d: %s", t->name, line, c->why);
        if (n < t->columns)
            t->fields[(t->rows + 1) * t->columns + n] = field;
        n++;
    }
    if (!rc && n != t->columns)
        return error_set(err, ERROR_INPUT, "%s:%d: %zu fields, expected %zu as in the header",
                         t->name, line, n, t->columns);
    if (!rc) {
        t->rows++;
        t->lines[t->rows] = line;
    }
    return rc;
}

/* Past a line of blanks alone. */
static bool skip_blank(struct cursor *c)
{
    char *p = c->at;
    while (p < c->end && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    if (p < c->end && *p != '\n')
        return false;
    c->at = p < c->end ? p + 1 : p;
    return true;
}

static int parse(struct table_file *t, struct error *err)
{
    if (!buffer_text(&t->text))
        return error_set(err, ERROR_MEMORY, "no memory for %s", t->name);
    struct cursor c = {.at = (char *)t->text.data, .line = 1};
    c.end = c.at + t->text.size;
    if (t->text.size >= 3 && !memcmp(c.at, "\xef\xbb\xbf", 3))
        c.at += 3;
    int rc = 0;
    for (; !rc && c.at < c.end; c.line++)
        if (!skip_blank(&c))
            rc = t->columns ? take_row(t, &c, err) : take_header(t, &c, err);
    if (!rc && t->rows == 0)
        rc = error_set(err, ERROR_INPUT, "%s:%d: no values: expected a header and a row a value",
                       t->name, c.line > 1 ? c.line - 1 : 1);
    return rc;
}

static int read_stdin(struct buffer *out, struct error *err)
{
    char piece[65536];
    ssize_t n;
    while ((n = read(STDIN_FILENO, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, ERROR_IO, "cannot read stdin");
        int rc = buffer_append(out, piece, (size_t)n);
        if (rc)
            return error_set(err, rc, "stdin: more than %d MiB", BYTES_MAX >> 20);
    }
    return 0;
}

int table_file_read(const char *path, struct table_file **out, struct error *err)
{
    struct table_file *t = calloc(1, sizeof *t);
    bool is_stdin = !strcmp(path, "-");
    int rc = 0;
    if (t)
        t->name = strdup(is_stdin ? "stdin" : path);
    if (!t || !t->name) {
        rc = error_set(err, ERROR_MEMORY, "no memory for %s", path);
        goto out;
    }
    t->text.limit_bytes = BYTES_MAX;
    rc = is_stdin ? read_stdin(&t->text, err) : file_read(path, &t->text, err);
    if (!rc)
        rc = parse(t, err);
out:
    if (rc)
        table_file_free(t);
    else
        *out = t;
    return rc;
}

void table_file_free(struct table_file *t)
{
    if (!t)
        return;
    free(t->name);
    free(t->fields);
    free(t->lines);
    buffer_free(&t->text);
    free(t);
}

size_t table_file_rows(const struct table_file *t)
{
    return t->rows;
}

int table_file_column(const struct table_file *t, const char *name)
{
    for (size_t i = 0; i < t->columns; i++)
        if (!strcasecmp(t->fields[i], name))
            return (int)i;
    return -1;
}

int table_file_value_column(const struct table_file *t, const char *name, int *out,
                            struct error *err)
{
    char names[240] = "";
    *out = table_file_column(t, name ? name : "value");
    if (*out < 0 && !name && t->columns == 1)
        *out = 0;
    if (*out >= 0)
        return 0;
    for (size_t i = 0, n = 0; i < t->columns && i < NAMES_SHOWN && n < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%.40s", i ? ", " : "", t->fields[i]);
    return error_set(err, ERROR_INPUT, "%s:%d: no column '%s' among %s%s%s", t->name, t->lines[0],
                     name ? name : "value", names, t->columns > NAMES_SHOWN ? ", ..." : "",
                     name ? "" : ": say which with --column");
}

const char *table_file_text(const struct table_file *t, size_t row, int column)
{
    return t->fields[(row + 1) * t->columns + (size_t)column];
}

int table_file_number(const struct table_file *t, size_t row, int column, double *out,
                      struct error *err)
{
    const char *text = table_file_text(t, row, column);
    char *end;
    *out = strtod(text, &end);
    while (end != text && (*end == ' ' || *end == '\t'))
        end++;
    if (end == text || *end || !isfinite(*out))
        return table_file_complain(t, row, err, "'%.40s' in column '%s': expected a number", text,
                                   t->fields[column]);
    return 0;
}

int table_file_numbers(const struct table_file *t, int column, double **out, struct error *err)
{
    double *values = calloc(t->rows, sizeof *values);
    int rc = values ? 0 : error_set(err, ERROR_MEMORY, "no memory for %s", t->name);
    for (size_t i = 0; i < t->rows && !rc; i++)
        rc = table_file_number(t, i, column, &values[i], err);
    if (rc)
        free(values);
    else
        *out = values;
    return rc;
}

int table_file_complain(const struct table_file *t, size_t row, struct error *err,
                        const char *format, ...)
{
    va_list args;
    char text[400];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(err, ERROR_INPUT, "%s:%d: %s", t->name, t->lines[row + 1], text);
}
