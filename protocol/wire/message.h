/* JSON-RPC 2.0 messages, built and strictly checked. Beside the standard's members a request
 * carries `timeout_ms` and a request with attachments announces them:
 *
 *   {"jsonrpc":"2.0","id":7,"method":"audio.play","params":{...},"timeout_ms":5000,
 *    "attachments":[{"stream":3,"name":"pcm","type":"audio/l16","bytes":96000}]}
 *   {"jsonrpc":"2.0","id":7,"result":{...}}
 *   {"jsonrpc":"2.0","id":7,"error":{"code":-32009,"message":"...","data":{"name":"refused"}}}
 *   {"jsonrpc":"2.0","method":"$/cancel","params":{"id":7}}          a notification
 *
 * An error's code is -32000 plus the code of base/error.h (refused, -9: -32009), or one of the
 * standard's. Pure. */
#ifndef TAKT_PROTOCOL_WIRE_MESSAGE_H
#define TAKT_PROTOCOL_WIRE_MESSAGE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    MESSAGE_BYTES_MAX = 1 << 20,
    MESSAGE_DEPTH_MAX = 32,     /* braces and brackets within each other */
    MESSAGE_VALUES_MAX = 32768, /* so that a message cannot grow to many times its size */
    MESSAGE_ATTACHMENTS_MAX = 64,
    MESSAGE_NAME_BYTES = 64, /* of methods and attachments, the end included */
    MESSAGE_TYPE_BYTES = 96,
};

enum { /* of the standard */
       MESSAGE_PARSE_ERROR = -32700,
       MESSAGE_INVALID_REQUEST = -32600,
       MESSAGE_NO_METHOD = -32601,
       MESSAGE_INVALID_PARAMS = -32602,
       MESSAGE_OWN_ERRORS = -32000
};

enum message_kind { MESSAGE_REQUEST, MESSAGE_NOTIFICATION, MESSAGE_RESULT, MESSAGE_ERROR };

struct message_attachment {
    uint32_t stream; /* not 0; numbered by the side that sends its bytes */
    uint64_t bytes;
    char name[MESSAGE_NAME_BYTES];
    char type[MESSAGE_TYPE_BYTES];
};

struct message {
    enum message_kind kind;
    int64_t id;          /* > 0; but for notifications. An error may have 0: the standard's null */
    const char *method;  /* of requests and notifications */
    const cJSON *params; /* object, or NULL */
    int timeout_ms;      /* of a request; 0: none given */
    struct message_attachment *attachments; /* owned; of a request */
    size_t attachment_count;
    const cJSON *result; /* any value */
    int error_code;
    const char *error_text;
    cJSON *tree; /* owned; what the pointers point into */
};

/* ERROR_PROTOCOL with what is wrong. On success free with message_free(). */
int message_parse(const char *text, size_t size, struct message *out, struct error *err);
void message_free(struct message *m); /* all zero is fine; strings are wiped, they may be keys */
/* The call that params speak of; false unless "id" is an integer from 1. */
bool message_read_id(const cJSON *params, int64_t *id);
/* Reads one announcement: {"stream","name","type","bytes"}. */
int message_read_attachment(const cJSON *object, struct message_attachment *out, struct error *err);

/* Text of a message, to be freed with cJSON_free(); NULL out of memory or over the bound. Params
 * and result are only read. */
char *message_build_request(int64_t id, const char *method, const cJSON *params, int timeout_ms,
                            const struct message_attachment *attachments, size_t count);
char *message_build_notification(const char *method, const cJSON *params);
char *message_build_result(int64_t id, const cJSON *result); /* NULL result: {} */
char *message_build_error(int64_t id, int code, const char *text);
cJSON *message_write_attachment(const struct message_attachment *a); /* NULL out of memory */

/* Between base/error.h and the wire. */
int message_code_of(int error_code);
int message_error_of(int code);

/* Overwrites every string in the tree. */
void message_wipe(cJSON *tree);

#endif
