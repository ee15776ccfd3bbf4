#include "protocol/base/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"

enum { DOCUMENT_BYTES_MAX = 16 << 20 };

struct line_of {
    const cJSON *value;
    int line;
};

struct json_document {
    char *name;
    char *source; /* as read */
    size_t source_size;
    char *plain; /* comments blanked out, same length: offsets and lines stay true */
    cJSON *root;
    struct line_of *lines; /* in document order */
    size_t line_count;
};

/* Blanks // comments outside strings; newlines stay, so every later offset names the true line. */
static void blank_comments(char *text, size_t size)
{
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\' && i + 1 < size)
                i++;
            else if (c == '"' || c == '\n')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '/' && i + 1 < size && text[i + 1] == '/') {
            while (i < size && text[i] != '\n')
                text[i++] = ' ';
        }
    }
}

static int line_at(const char *text, const char *position)
{
    int line = 1;
    for (const char *p = text; p < position && *p; p++)
        line += *p == '\n';
    return line;
}

static size_t count_values(const cJSON *value)
{
    size_t n = 1;
    for (const cJSON *child = value->child; child; child = child->next)
        n += count_values(child);
    return n;
}

/* Walks text and tree side by side: cJSON keeps members in the order of the text. */
struct walk {
    const char *p;
    int line;
    struct line_of *lines;
    size_t count;
};

static void walk_blank(struct walk *w)
{
    for (; *w->p && strchr(" \t\r\n,:", *w->p); w->p++)
        w->line += *w->p == '\n';
}

static void walk_string(struct walk *w)
{
    for (w->p++; *w->p && *w->p != '"'; w->p++) {
        if (*w->p == '\\' && w->p[1])
            w->p++;
        w->line += *w->p == '\n';
    }
    if (*w->p)
        w->p++;
}

static void walk_value(struct walk *w, const cJSON *value)
{
    walk_blank(w);
    w->lines[w->count++] = (struct line_of){value, w->line};
    if (cJSON_IsObject(value) || cJSON_IsArray(value)) {
        w->p++;
        for (const cJSON *child = value->child; child; child = child->next) {
            walk_blank(w);
            if (cJSON_IsObject(value)) {
                int key_line = w->line;
                walk_string(w);
                walk_blank(w);
                size_t index = w->count;
                walk_value(w, child);
                w->lines[index].line = key_line;
            } else {
                walk_value(w, child);
            }
        }
        walk_blank(w);
        if (*w->p)
            w->p++;
    } else if (cJSON_IsString(value)) {
        walk_string(w);
    } else {
        while (*w->p && !strchr(" \t\r\n,]}", *w->p))
            w->p++;
    }
}

int json_parse(const char *name, const char *text, size_t size, struct json_document **out,
               struct error *err)
{
    *out = NULL;
    int rc = ERROR_MEMORY;
    struct json_document *doc = calloc(1, sizeof *doc);
    if (!doc)
        return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
    doc->name = strdup(name);
    doc->source = malloc(size + 1);
    doc->plain = malloc(size + 1);
    if (!doc->name || !doc->source || !doc->plain) {
        error_set(err, rc, "%s: out of memory", name);
        goto out;
    }
    memcpy(doc->source, text, size);
    doc->source[size] = '\0';
    doc->source_size = size;
    memcpy(doc->plain, doc->source, size + 1);
    blank_comments(doc->plain, size);

    if (strlen(doc->plain) != size) {
        rc = error_set(err, ERROR_INPUT, "%s:%d: a NUL byte, expected JSON text", name,
                       line_at(doc->plain, doc->plain + strlen(doc->plain)));
        goto out;
    }
    const char *end = NULL;
    doc->root = cJSON_ParseWithLengthOpts(doc->plain, size + 1, &end, 1);
    if (!doc->root) {
        rc = error_set(err, ERROR_INPUT,
                       "%s:%d: not valid JSON here, expected a value, ',' or an end", name,
                       line_at(doc->plain, end ? end : doc->plain));
        goto out;
    }
    doc->lines = calloc(count_values(doc->root), sizeof *doc->lines);
    if (!doc->lines) {
        error_set(err, rc, "%s: out of memory", name);
        goto out;
    }
    struct walk w = {.p = doc->plain, .line = 1, .lines = doc->lines};
    walk_value(&w, doc->root);
    doc->line_count = w.count;
    *out = doc;
    doc = NULL;
    rc = 0;
out:
    json_free(doc);
    return rc;
}

int json_load(const char *path, struct json_document **out, struct error *err)
{
    struct buffer text = {.limit_bytes = DOCUMENT_BYTES_MAX};
    *out = NULL;
    int rc = file_read(path, &text, err);
    if (!rc)
        rc = json_parse(path, text.data ? (const char *)text.data : "", text.size, out, err);
    buffer_free(&text);
    return rc;
}

void json_free(struct json_document *doc)
{
    if (!doc)
        return;
    cJSON_Delete(doc->root);
    free(doc->lines);
    free(doc->plain);
    free(doc->source);
    free(doc->name);
    free(doc);
}

cJSON *json_root(const struct json_document *doc)
{
    return doc->root;
}

const char *json_name(const struct json_document *doc)
{
    return doc->name;
}

const char *json_source(const struct json_document *doc, size_t *size)
{
    *size = doc->source_size;
    return doc->source;
}

int json_line(const struct json_document *doc, const cJSON *value)
{
    for (size_t i = 0; i < doc->line_count; i++)
        if (doc->lines[i].value == value)
            return doc->lines[i].line;
    return 1;
}

int json_complain(const struct json_document *doc, const cJSON *at, struct error *err,
                  const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_set(err, ERROR_INPUT, "%s:%d: %s", doc->name, json_line(doc, at), message);
}

static int need(const struct json_document *doc, const cJSON *object, const char *name,
                const char *expected, cJSON_bool (*is)(const cJSON *), const cJSON **out,
                struct error *err)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!value)
        return json_complain(doc, object, err, "'%s' is missing, expected %s", name, expected);
    if (!is(value))
        return json_complain(doc, value, err, "'%s' must be %s", name, expected);
    *out = value;
    return 0;
}

int json_need_string(const struct json_document *doc, const cJSON *object, const char *name,
                     const char **out, struct error *err)
{
    const cJSON *value = NULL;
    int rc = need(doc, object, name, "a string", cJSON_IsString, &value, err);
    if (!rc)
        *out = value->valuestring;
    return rc;
}

int json_need_number(const struct json_document *doc, const cJSON *object, const char *name,
                     double *out, struct error *err)
{
    const cJSON *value = NULL;
    int rc = need(doc, object, name, "a number", cJSON_IsNumber, &value, err);
    if (!rc && !isfinite(value->valuedouble))
        rc = json_complain(doc, value, err, "'%s' must be a finite number", name);
    if (!rc)
        *out = value->valuedouble;
    return rc;
}

int json_need_integer(const struct json_document *doc, const cJSON *object, const char *name,
                      long long low, long long high, long long *out, struct error *err)
{
    double number;
    int rc = json_need_number(doc, object, name, &number, err);
    if (rc)
        return rc;
    /* Compare as doubles first: casting a double outside long long is undefined. */
    if (number != floor(number) || number < (double)low || number > (double)high)
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(object, name), err,
                             "'%s' is %g, expected a whole number from %lld to %lld", name, number,
                             low, high);
    *out = (long long)number;
    return 0;
}

int json_need_array(const struct json_document *doc, const cJSON *object, const char *name,
                    const cJSON **out, struct error *err)
{
    return need(doc, object, name, "an array", cJSON_IsArray, out, err);
}

int json_need_object(const struct json_document *doc, const cJSON *object, const char *name,
                     const cJSON **out, struct error *err)
{
    return need(doc, object, name, "an object", cJSON_IsObject, out, err);
}

int json_only(const struct json_document *doc, const cJSON *object, const char *const *allowed,
              struct error *err)
{
    for (const cJSON *member = object->child; member; member = member->next) {
        bool known = false;
        for (size_t i = 0; allowed[i] && !known; i++)
            known = strcmp(member->string, allowed[i]) == 0;
        if (known)
            continue;
        const char *nearest = json_nearest(member->string, allowed);
        if (nearest)
            return json_complain(doc, member, err, "unknown member '%s', did you mean '%s'?",
                                 member->string, nearest);
        struct buffer list = {0};
        for (size_t i = 0; allowed[i]; i++)
            buffer_printf(&list, "%s%s", i ? ", " : "", allowed[i]);
        const char *text = buffer_text(&list);
        int rc = json_complain(doc, member, err, "unknown member '%s', expected one of: %s",
                               member->string, text ? text : "");
        buffer_free(&list);
        return rc;
    }
    return 0;
}

const char *json_string(const cJSON *object, const char *name, const char *fallback)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(value) ? value->valuestring : fallback;
}

double json_number(const cJSON *object, const char *name, double fallback)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(value) && isfinite(value->valuedouble) ? value->valuedouble : fallback;
}

bool json_bool(const cJSON *object, const char *name, bool fallback)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsBool(value) ? cJSON_IsTrue(value) : fallback;
}

static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t la = strlen(a), lb = strlen(b);
    if (la > LONGEST || lb > LONGEST)
        return SIZE_MAX;
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[lb];
}

const char *json_nearest(const char *word, const char *const *list)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 1; /* a third of the letters wrong is still the same word */
    for (size_t i = 0; list[i]; i++) {
        size_t d = edit_distance(word, list[i]);
        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = list[i];
        }
    }
    return nearest;
}
