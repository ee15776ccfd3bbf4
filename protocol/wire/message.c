#include "protocol/wire/message.h"

#include <math.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static const double INTEGER_MAX = 9007199254740991.0; /* 2^53 - 1: exact in JSON everywhere */

/* Counts before a parser allocates: depth, values, and bytes that JSON text cannot hold. */
static int scan(const char *text, size_t size, struct error *err)
{
    size_t values = 1, depth = 0;
    bool in_string = false;
    if (size > MESSAGE_BYTES_MAX)
        return error_set(err, ERROR_PROTOCOL, "message of %zu bytes: the most is %d", size,
                         MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' && (in_string || (c != '\n' && c != '\t' && c != '\r')))
            return error_set(err, ERROR_PROTOCOL, "message: control byte 0x%02x at %zu", c, i);
        if (in_string) {
            if (c == '\\')
                i++;
            in_string = c != '"';
            continue;
        }
        in_string = c == '"';
        values += c == ',' || c == '[' || c == '{';
        depth += c == '[' || c == '{';
        if (depth > MESSAGE_DEPTH_MAX)
            return error_set(err, ERROR_PROTOCOL, "message: nested deeper than %d",
                             MESSAGE_DEPTH_MAX);
        if ((c == ']' || c == '}') && depth)
            depth--;
    }
    if (values > MESSAGE_VALUES_MAX)
        return error_set(err, ERROR_PROTOCOL, "message: more than %d values", MESSAGE_VALUES_MAX);
    return 0;
}

static bool read_integer(const cJSON *value, double low, double high, int64_t *out)
{
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= low && value->valuedouble <= high) ||
        floor(value->valuedouble) != value->valuedouble)
        return false;
    *out = (int64_t)value->valuedouble;
    return true;
}

bool message_read_id(const cJSON *params, int64_t *id)
{
    return read_integer(cJSON_GetObjectItemCaseSensitive(params, "id"), 1, INTEGER_MAX, id);
}

static bool copy_text(const cJSON *object, const char *name, char *out, size_t out_size)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    size_t n = text ? strlen(text) : 0;
    if (!n || n >= out_size)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

int message_read_attachment(const cJSON *object, struct message_attachment *out, struct error *err)
{
    int64_t stream, bytes;
    if (!read_integer(cJSON_GetObjectItemCaseSensitive(object, "stream"), 1, UINT32_MAX, &stream) ||
        !read_integer(cJSON_GetObjectItemCaseSensitive(object, "bytes"), 0, INTEGER_MAX, &bytes) ||
        !copy_text(object, "name", out->name, sizeof out->name) ||
        !copy_text(object, "type", out->type, sizeof out->type))
        return error_set(err, ERROR_PROTOCOL,
                         "attachment: expected stream, name (to %d bytes), type (to %d) and bytes",
                         MESSAGE_NAME_BYTES - 1, MESSAGE_TYPE_BYTES - 1);
    out->stream = (uint32_t)stream;
    out->bytes = (uint64_t)bytes;
    return 0;
}

static int read_attachments(const cJSON *array, struct message *out, struct error *err)
{
    if (!array)
        return 0;
    int count = cJSON_IsArray(array) ? cJSON_GetArraySize(array) : -1;
    if (count < 0 || count > MESSAGE_ATTACHMENTS_MAX)
        return error_set(err, ERROR_PROTOCOL, "attachments: expected an array of at most %d",
                         MESSAGE_ATTACHMENTS_MAX);
    if (!count)
        return 0;
    out->attachments = calloc((size_t)count, sizeof *out->attachments);
    if (!out->attachments)
        return error_set(err, ERROR_MEMORY, "attachments: out of memory");
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        int rc = message_read_attachment(item, &out->attachments[out->attachment_count], err);
        if (rc)
            return rc;
        out->attachment_count++;
    }
    return 0;
}

static int read_call(struct message *m, struct error *err)
{
    const cJSON *method = cJSON_GetObjectItemCaseSensitive(m->tree, "method");
    const cJSON *params = cJSON_GetObjectItemCaseSensitive(m->tree, "params");
    const cJSON *timeout = cJSON_GetObjectItemCaseSensitive(m->tree, "timeout_ms");
    int64_t timeout_ms = 0;
    m->method = cJSON_GetStringValue(method);
    if (!m->method || !*m->method || strlen(m->method) >= MESSAGE_NAME_BYTES)
        return error_set(err, ERROR_PROTOCOL, "message: method is no string of 1 to %d bytes",
                         MESSAGE_NAME_BYTES - 1);
    if (params && !cJSON_IsObject(params))
        return error_set(err, ERROR_PROTOCOL, "message: params of %s are no object", m->method);
    if (timeout && !read_integer(timeout, 1, INT32_MAX, &timeout_ms))
        return error_set(err, ERROR_PROTOCOL, "message: timeout_ms of %s is no positive integer",
                         m->method);
    m->params = params;
    m->timeout_ms = (int)timeout_ms;
    return read_attachments(cJSON_GetObjectItemCaseSensitive(m->tree, "attachments"), m, err);
}

static int read_answer(struct message *m, const cJSON *result, const cJSON *error,
                       struct error *err)
{
    if (!result == !error)
        return error_set(err, ERROR_PROTOCOL,
                         "message: expected a method, a result or an error (and one of them)");
    m->result = result;
    if (result)
        return 0;
    int64_t code;
    m->error_text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "message"));
    if (!m->error_text ||
        !read_integer(cJSON_GetObjectItemCaseSensitive(error, "code"), INT32_MIN, INT32_MAX, &code))
        return error_set(err, ERROR_PROTOCOL,
                         "message: an error without an integer code and a text message");
    m->error_code = (int)code;
    return 0;
}

static int read_members(struct message *m, struct error *err)
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(m->tree, "jsonrpc");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(m->tree, "id");
    const cJSON *result = cJSON_GetObjectItemCaseSensitive(m->tree, "result");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(m->tree, "error");
    if (!cJSON_IsObject(m->tree) || !cJSON_IsString(version) || strcmp(version->valuestring, "2.0"))
        return error_set(err, ERROR_PROTOCOL,
                         "message: expected an object with \"jsonrpc\":\"2.0\"");
    if (id && !cJSON_IsNull(id) && !read_integer(id, 1, INTEGER_MAX, &m->id))
        return error_set(err, ERROR_PROTOCOL, "message: id is no positive integer");
    if (cJSON_GetObjectItemCaseSensitive(m->tree, "method")) {
        if (result || error || (id && !m->id))
            return error_set(err, ERROR_PROTOCOL, "message: a request with a result or a null id");
        m->kind = id ? MESSAGE_REQUEST : MESSAGE_NOTIFICATION;
        return read_call(m, err);
    }
    m->kind = result ? MESSAGE_RESULT : MESSAGE_ERROR;
    if (!m->id && (result || !id))
        return error_set(err, ERROR_PROTOCOL, "message: an answer without an id");
    return read_answer(m, result, error, err);
}

int message_parse(const char *text, size_t size, struct message *out, struct error *err)
{
    memset(out, 0, sizeof *out);
    int rc = scan(text, size, err);
    if (rc)
        return rc;
    const char *end = NULL;
    out->tree = cJSON_ParseWithLengthOpts(text, size, &end, false);
    while (out->tree && end < text + size && strchr(" \t\r\n", *end))
        end++;
    if (!out->tree || end != text + size) {
        int shown = size > 40 ? 40 : (int)size;
        rc = error_set(err, ERROR_PROTOCOL, "message: not JSON: '%.*s'", shown, text);
    } else {
        rc = read_members(out, err);
    }
    if (rc)
        message_free(out);
    return rc;
}

void message_free(struct message *m)
{
    message_wipe(m->tree);
    cJSON_Delete(m->tree);
    free(m->attachments);
    memset(m, 0, sizeof *m);
}

void message_wipe(cJSON *tree)
{
    for (cJSON *item = tree; item; item = item->next) {
        if (item->valuestring && !(item->type & cJSON_IsReference))
            OPENSSL_cleanse(item->valuestring, strlen(item->valuestring));
        if (!(item->type & cJSON_IsReference))
            message_wipe(item->child);
    }
}

cJSON *message_write_attachment(const struct message_attachment *a)
{
    cJSON *object = cJSON_CreateObject();
    if (cJSON_AddNumberToObject(object, "stream", a->stream) &&
        cJSON_AddStringToObject(object, "name", a->name) &&
        cJSON_AddStringToObject(object, "type", a->type) &&
        cJSON_AddNumberToObject(object, "bytes", (double)a->bytes))
        return object;
    cJSON_Delete(object);
    return NULL;
}

/* Prints and deletes the tree; NULL when it is not whole or too long. */
static char *print(cJSON *tree, bool whole)
{
    char *text = whole ? cJSON_PrintUnformatted(tree) : NULL;
    if (text && strlen(text) > MESSAGE_BYTES_MAX) {
        cJSON_free(text);
        text = NULL;
    }
    cJSON_Delete(tree);
    return text;
}

/* Only read by printing, so casting const away is harmless. */
static bool add_reference(cJSON *object, const char *name, const cJSON *value)
{
    return cJSON_AddItemReferenceToObject(object, name, (cJSON *)value);
}

static cJSON *begin(int64_t id, bool *whole)
{
    cJSON *tree = cJSON_CreateObject();
    *whole = cJSON_AddStringToObject(tree, "jsonrpc", "2.0") != NULL;
    if (id)
        *whole = *whole && cJSON_AddNumberToObject(tree, "id", (double)id);
    return tree;
}

char *message_build_request(int64_t id, const char *method, const cJSON *params, int timeout_ms,
                            const struct message_attachment *attachments, size_t count)
{
    bool whole;
    cJSON *tree = begin(id, &whole);
    whole = whole && cJSON_AddStringToObject(tree, "method", method);
    if (params)
        whole = whole && add_reference(tree, "params", params);
    if (timeout_ms)
        whole = whole && cJSON_AddNumberToObject(tree, "timeout_ms", timeout_ms);
    cJSON *array = whole && count ? cJSON_AddArrayToObject(tree, "attachments") : NULL;
    for (size_t i = 0; i < count && whole; i++)
        whole = cJSON_AddItemToArray(array, message_write_attachment(&attachments[i]));
    return print(tree, whole);
}

char *message_build_notification(const char *method, const cJSON *params)
{
    return message_build_request(0, method, params, 0, NULL, 0);
}

char *message_build_result(int64_t id, const cJSON *result)
{
    bool whole;
    cJSON *tree = begin(id, &whole);
    whole = whole && (result ? add_reference(tree, "result", result)
                             : cJSON_AddObjectToObject(tree, "result") != NULL);
    return print(tree, whole);
}

char *message_build_error(int64_t id, int code, const char *text)
{
    bool whole;
    cJSON *tree = begin(id, &whole);
    if (!id)
        whole = whole && cJSON_AddNullToObject(tree, "id");
    cJSON *error = whole ? cJSON_AddObjectToObject(tree, "error") : NULL;
    whole = error && cJSON_AddNumberToObject(error, "code", code) &&
            cJSON_AddStringToObject(error, "message", text);
    cJSON *data = whole ? cJSON_AddObjectToObject(error, "data") : NULL;
    whole = data && cJSON_AddStringToObject(data, "name", error_name(message_error_of(code)));
    return print(tree, whole);
}

int message_code_of(int error_code)
{
    return MESSAGE_OWN_ERRORS + error_code;
}

int message_error_of(int code)
{
    if (code < MESSAGE_OWN_ERRORS && code >= MESSAGE_OWN_ERRORS + ERROR_REMOTE)
        return code - MESSAGE_OWN_ERRORS;
    if (code == MESSAGE_NO_METHOD)
        return ERROR_MISSING;
    if (code == MESSAGE_INVALID_PARAMS)
        return ERROR_INPUT;
    return ERROR_PROTOCOL;
}
