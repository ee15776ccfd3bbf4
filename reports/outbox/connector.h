/* Ways out: one ops table a connector, one file each, rows of one table (connector.c). Only the
 * outbox's own files include this. */
#ifndef TAKT_REPORTS_OUTBOX_CONNECTOR_H
#define TAKT_REPORTS_OUTBOX_CONNECTOR_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"
#include "protocol/base/json.h"

struct outbox_message {
    const char *key;  /* a UUID: the same whenever this run is sent anywhere */
    const cJSON *run; /* the run's document (docs/records.md) with "message" and "instruments" */
    const char *attachments_dir; /* the store's; NULL: their bytes are not at hand */
};

/* Which attachments go with a record, for connectors that can take bytes: members "attachments",
 * the beginnings of their mime types (none unless given), and "attachment_bytes_max" (16 MiB). */
struct outbox_attachments {
    const cJSON *mimes; /* of the destination; NULL: none */
    size_t bytes_max;
};
int outbox_attachments_check(const struct json_document *doc, const cJSON *destination,
                             struct error *err);
struct outbox_attachments outbox_attachments_of(const cJSON *destination);
/* Each content of the run that was chosen, once: its bytes checked against its hash. One that is
 * too large, not on disk any more or damaged is left out: the record still names it. Stops at the
 * first error of `each`. */
int outbox_attachments_each(const struct outbox_attachments *choice, const struct outbox_message *m,
                            int (*each)(void *context, const char *sha256, const char *mime,
                                        const struct buffer *bytes, struct error *err),
                            void *context, struct error *err);

/* A UUID (RFC 9562, version 8) of a text's SHA-256: the same text has the same one. */
enum { OUTBOX_UUID_TEXT = 37 };
int outbox_uuid(const char *text, char out[OUTBOX_UUID_TEXT], struct error *err);

/* How a message is written. */
struct outbox_format {
    const char *name, *extension, *mime;
    int (*write)(const struct outbox_message *m, struct buffer *out, struct error *err);
};
extern const struct outbox_format outbox_format_json, outbox_format_csv, outbox_format_wsjf;
const struct outbox_format *outbox_format_find(const char *name); /* NULL when there is none */

struct connector {
    const char *name;
    const char *const *members; /* of the destination, beside the common ones */
    int (*check)(const struct json_document *doc, const cJSON *destination, struct error *err);
    /* `folder`: the station file's, which relative paths start from. */
    int (*open)(const cJSON *destination, const char *folder, void **out, struct error *err);
    /* 0 once the receiver has it; ERROR_REFUSED to park it; anything else: later. */
    int (*send)(void *connection, const struct outbox_message *m, struct error *err);
    /* Keeps the connection alive while nothing is to be sent: called about once a second. On an
     * error it is closed and opened again. NULL: there is nothing to keep. */
    int (*idle)(void *connection, struct error *err);
    /* The station leaves: says so where the protocol has a word for it. NULL is fine. */
    void (*close)(void *connection);
};
extern const struct connector connector_http, connector_wats, connector_folder,
    connector_postgresql, connector_cfx;
const struct connector *connector_find(const char *name, const char **nearest);

#endif
