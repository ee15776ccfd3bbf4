#include <string.h>

#include "reports/outbox/connector.h"
#include "reports/store.h"

enum { BYTES_MAX = 16 << 20, BYTES_MAX_MAX = 1 << 30 };

int outbox_attachments_check(const struct json_document *doc, const cJSON *destination,
                             struct error *err)
{
    const cJSON *mimes = cJSON_GetObjectItemCaseSensitive(destination, "attachments"), *mime;
    long long bytes;
    if (mimes && !cJSON_IsArray(mimes))
        return json_complain(doc, mimes, err,
                             "'attachments' must be an array of mime types, as [\"image/\"]");
    cJSON_ArrayForEach(mime, mimes)
    {
        if (!cJSON_IsString(mime) || !*mime->valuestring)
            return json_complain(doc, mime, err, "a mime type must be a text, as \"image/png\"");
    }
    if (!cJSON_GetObjectItemCaseSensitive(destination, "attachment_bytes_max"))
        return 0;
    return json_need_integer(doc, destination, "attachment_bytes_max", 1, BYTES_MAX_MAX, &bytes,
                             err);
}

struct outbox_attachments outbox_attachments_of(const cJSON *destination)
{
    return (struct outbox_attachments){
        cJSON_GetObjectItemCaseSensitive(destination, "attachments"),
        (size_t)json_number(destination, "attachment_bytes_max", BYTES_MAX)};
}

static bool chosen(const struct outbox_attachments *choice, const cJSON *attachment)
{
    const cJSON *mime;
    const char *type = json_string(attachment, "mime", "");
    if (json_number(attachment, "bytes", 0) > (double)choice->bytes_max)
        return false;
    cJSON_ArrayForEach(mime, choice->mimes)
    {
        if (strncmp(type, mime->valuestring, strlen(mime->valuestring)) == 0)
            return true;
    }
    return false;
}

/* What of a run is sent once, however often it names it. */
static void gather(const struct outbox_attachments *choice, const cJSON *run, cJSON *contents)
{
    const cJSON *step, *attempt, *a;
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(run, "steps"))
    {
        cJSON_ArrayForEach(attempt, cJSON_GetObjectItemCaseSensitive(step, "attempts"))
        {
            cJSON_ArrayForEach(a, cJSON_GetObjectItemCaseSensitive(attempt, "attachments"))
            {
                const char *sha256 = json_string(a, "sha256", "");
                if (chosen(choice, a) && !cJSON_GetObjectItemCaseSensitive(contents, sha256))
                    cJSON_AddStringToObject(contents, sha256, json_string(a, "mime", ""));
            }
        }
    }
}

int outbox_attachments_each(const struct outbox_attachments *choice, const struct outbox_message *m,
                            int (*each)(void *context, const char *sha256, const char *mime,
                                        const struct buffer *bytes, struct error *err),
                            void *context, struct error *err)
{
    const cJSON *content;
    int rc = 0;
    if (!choice->mimes || !m->attachments_dir)
        return 0;
    cJSON *contents = cJSON_CreateObject();
    gather(choice, m->run, contents);
    cJSON_ArrayForEach(content, contents)
    {
        struct buffer bytes = {.limit_bytes = choice->bytes_max};
        struct error gone;
        if (!rc && store_attachment_read(m->attachments_dir, content->string, &bytes, &gone) == 0)
            rc = each(context, content->string, content->valuestring, &bytes, err);
        buffer_free(&bytes);
    }
    cJSON_Delete(contents);
    return rc;
}
