/* Any bytes as a message: what is accepted keeps to the bounds, and says the same when it is built
 * anew and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct message *m)
{
    struct message again;
    struct error err;
    char *text = NULL;
    if (m->kind != MESSAGE_NOTIFICATION && m->kind != MESSAGE_ERROR && m->id < 1)
        abort();
    if (m->attachment_count > MESSAGE_ATTACHMENTS_MAX)
        abort();
    switch (m->kind) {
    case MESSAGE_REQUEST:
    case MESSAGE_NOTIFICATION:
        text = message_build_request(m->id, m->method, m->params, m->timeout_ms, m->attachments,
                                     m->attachment_count);
        break;
    case MESSAGE_RESULT:
        text = message_build_result(m->id, m->result);
        break;
    case MESSAGE_ERROR:
        text = message_build_error(m->id, m->error_code, m->error_text);
        break;
    }
    if (!text) /* grew over the bound: numbers and escapes may be written longer */
        return;
    if (message_parse(text, strlen(text), &again, &err)) {
        /* A control character that came as an escape is written as one again, so only size and
         * count may stand in the way. */
        if (strlen(text) < MESSAGE_BYTES_MAX / 2)
            abort();
    } else {
        if (again.kind != m->kind || again.id != m->id || again.timeout_ms != m->timeout_ms ||
            again.attachment_count != m->attachment_count)
            abort();
        message_free(&again);
    }
    cJSON_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message m;
    struct error err = {0};
    char *text = malloc(size ? size : 1); /* exact, so that reading past it is seen */
    memcpy(text, data, size);
    int rc = message_parse(text, size, &m, &err);
    if (rc && (rc != err.code || !err.text[0] || m.tree))
        abort();
    if (!rc) {
        check(&m);
        message_free(&m);
    }
    free(text);
    return 0;
}
