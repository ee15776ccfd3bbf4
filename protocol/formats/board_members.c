/* What every section of a board file asks of its members. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/buffer.h"
#include "protocol/formats/board_parts.h"

const cJSON *board_member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

int board_name_of(const struct json_document *doc, const cJSON *at, const char *what,
                  const char *text, char out[BOARD_NAME_MAX], struct error *err)
{
    size_t length = strlen(text);
    size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (!length || length >= BOARD_NAME_MAX || plain != length)
        return json_complain(doc, at, err,
                             "%s is '%s', expected 1 to %d letters, digits, '_' or '-'", what, text,
                             BOARD_NAME_MAX - 1);
    memcpy(out, text, length + 1);
    return 0;
}

int board_need_name(const struct json_document *doc, const cJSON *object, const char *member,
                    char out[BOARD_NAME_MAX], struct error *err)
{
    const char *text;
    int rc = json_need_string(doc, object, member, &text, err);
    return rc ? rc : board_name_of(doc, board_member(object, member), member, text, out, err);
}

int board_may_name(const struct json_document *doc, const cJSON *object, const char *member,
                   char out[BOARD_NAME_MAX], struct error *err)
{
    return board_member(object, member) ? board_need_name(doc, object, member, out, err) : 0;
}

int board_need_number(const struct json_document *doc, const cJSON *object, const char *member,
                      double low, double high, double *out, struct error *err)
{
    int rc = json_need_number(doc, object, member, out, err);
    if (!rc && (*out < low || *out > high))
        rc = json_complain(doc, board_member(object, member), err, "'%s' is %g, expected %g to %g",
                           member, *out, low, high);
    return rc;
}

int board_may_bool(const struct json_document *doc, const cJSON *object, const char *member,
                   bool *out, struct error *err)
{
    const cJSON *value = board_member(object, member);
    if (value && !cJSON_IsBool(value))
        return json_complain(doc, value, err, "'%s' must be true or false", member);
    *out = value ? cJSON_IsTrue(value) : *out;
    return 0;
}

int board_need_address(const struct json_document *doc, const cJSON *object, const char *member,
                       uint64_t *out, struct error *err)
{
    const char *text;
    int rc = json_need_string(doc, object, member, &text, err);
    if (rc)
        return rc;
    size_t digits = strncmp(text, "0x", 2) ? 0 : strspn(text + 2, "0123456789abcdefABCDEF");
    if (!digits || digits > 16 || text[2 + digits])
        return json_complain(doc, board_member(object, member), err,
                             "'%s' is '%s', expected an address like \"0x40400000\"", member, text);
    *out = strtoull(text, NULL, 16);
    return 0;
}

static bool is_of(enum board_text kind, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f)
            return false;
        if (kind != BOARD_PROSE && (c > 0x7f || strchr("\"'`$\\;", c)))
            return false;
        if ((kind == BOARD_PATH || kind == BOARD_WORD) && c == ' ')
            return false;
    }
    return kind != BOARD_PATH || text[0] == '/';
}

int board_text_of(const struct json_document *doc, const cJSON *at, const char *what,
                  enum board_text kind, const char *text, char *out, size_t size, struct error *err)
{
    static const char *const expected[] = {
        [BOARD_PROSE] = "one line of text",
        [BOARD_WORDS] = "one line of ASCII without quotes, '$', '\\' and ';'",
        [BOARD_PATH] = "a path that begins with '/'",
        [BOARD_WORD] = "one word of ASCII without quotes, '$', '\\' and ';'",
    };
    size_t length = strlen(text);
    if (!length || length >= size || !is_of(kind, text))
        return json_complain(doc, at, err, "%s is '%s', expected %s, 1 to %zu bytes", what, text,
                             expected[kind], size - 1);
    memcpy(out, text, length + 1);
    return 0;
}

int board_need_text(const struct json_document *doc, const cJSON *object, const char *member,
                    enum board_text kind, char *out, size_t size, struct error *err)
{
    const char *text;
    int rc = json_need_string(doc, object, member, &text, err);
    return rc ? rc
              : board_text_of(doc, board_member(object, member), member, kind, text, out, size,
                              err);
}

int board_may_text(const struct json_document *doc, const cJSON *object, const char *member,
                   enum board_text kind, char *out, size_t size, struct error *err)
{
    return board_member(object, member) ? board_need_text(doc, object, member, kind, out, size, err)
                                        : 0;
}

int board_one_of(const struct json_document *doc, const cJSON *at, const char *what,
                 const char *const *allowed, const char *text, struct error *err)
{
    for (size_t i = 0; allowed[i]; i++)
        if (strcmp(allowed[i], text) == 0)
            return 0;
    const char *nearest = json_nearest(text, allowed);
    if (nearest)
        return json_complain(doc, at, err, "%s is '%s', did you mean '%s'?", what, text, nearest);
    struct buffer list = {0};
    for (size_t i = 0; allowed[i]; i++)
        buffer_printf(&list, "%s%s", !i ? "" : allowed[i + 1] ? ", " : " or ", allowed[i]);
    const char *names = buffer_text(&list);
    int rc = json_complain(doc, at, err, "%s is '%s', expected %s", what, text, names ? names : "");
    buffer_free(&list);
    return rc;
}

int board_need_one_of(const struct json_document *doc, const cJSON *object, const char *member,
                      const char *const *allowed, char *out, size_t size, struct error *err)
{
    const char *text;
    int rc = json_need_string(doc, object, member, &text, err);
    if (!rc)
        rc = board_one_of(doc, board_member(object, member), member, allowed, text, err);
    if (!rc)
        snprintf(out, size, "%s", text);
    return rc;
}
