/* Files into a folder that another program watches. A message's file is named by its key, so that
 * the same message again is the same file; it appears whole, by a rename. Attachments lie below
 * attachments/ by their hash, as in the store, before the file that names them is there. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/file.h"
#include "reports/outbox/connector.h"
#include "reports/store.h"

struct folder {
    char path[PATH_MAX];
    const struct outbox_format *format;
    struct outbox_attachments attachments;
};

static const char *const members[] = {"folder", "format", "attachments", "attachment_bytes_max",
                                      NULL};

static int check(const struct json_document *doc, const cJSON *destination, struct error *err)
{
    const char *path, *format;
    int rc = json_need_string(doc, destination, "folder", &path, err);
    if (!rc)
        rc = json_need_string(doc, destination, "format", &format, err);
    if (!rc && !outbox_format_find(format))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(destination, "format"), err,
                           "'%s' is no format, expected json, csv or wsjf", format);
    return rc ? rc : outbox_attachments_check(doc, destination, err);
}

static int open_folder(const cJSON *destination, const char *base, void **out, struct error *err)
{
    struct folder *f = calloc(1, sizeof *f);
    if (!f)
        return error_set(err, ERROR_MEMORY, "a folder to drop into: out of memory");
    f->attachments = outbox_attachments_of(destination);
    f->format = outbox_format_find(json_string(destination, "format", ""));
    int rc = file_join(f->path, sizeof f->path, base, json_string(destination, "folder", ""), err);
    if (rc)
        free(f);
    else
        *out = f;
    return rc;
}

static int drop_attachment(void *context, const char *sha256, const char *mime,
                           const struct buffer *bytes, struct error *err)
{
    struct folder *f = context;
    char path[PATH_MAX], name[65];
    (void)mime;
    (void)sha256; /* of its bytes, which gives the file its name */
    int rc = file_join(path, sizeof path, f->path, STORE_ATTACHMENTS, err);
    if (!rc)
        rc = file_make_folders(path, 0755, err);
    return rc ? rc : store_attachment_write(path, bytes->data, bytes->size, name, err);
}

static int send_message(void *connection, const struct outbox_message *m, struct error *err)
{
    struct folder *f = connection;
    char name[64], path[PATH_MAX];
    struct buffer text = {0};
    snprintf(name, sizeof name, "%s.%s", m->key, f->format->extension);
    int rc = file_join(path, sizeof path, f->path, name, err);
    if (!rc && access(f->path, W_OK)) /* a share that is not mounted: not ours to make */
        rc = error_errno(err, ERROR_CLOSED, "cannot write into %s", f->path);
    if (!rc)
        rc = outbox_attachments_each(&f->attachments, m, drop_attachment, f, err);
    if (!rc)
        rc = f->format->write(m, &text, err);
    if (!rc)
        rc = file_write(path, text.data, text.size, 0644, err);
    buffer_free(&text);
    return rc;
}

const struct connector connector_folder = {
    .name = "folder",
    .members = members,
    .check = check,
    .open = open_folder,
    .send = send_message,
    .close = free,
};
