#include "station/flash/agent_flash.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/json.h"

enum { SHORT_CALL_MS = 15000 };

/* What the unit names is to be sent; the rest goes into a blank unit's memory and into no flash. */
static int choose(const struct agent_flash *job, const cJSON *answer, bool *sends,
                  struct agent_flash_result *out, struct error *err)
{
    const struct bundle_manifest *m = bundle_manifest(job->bundle);
    const cJSON *images = cJSON_GetObjectItemCaseSensitive(answer, "images"), *image;
    size_t named = 0, used = 0;
    for (size_t i = 0; i < m->image_count; i++) {
        sends[i] = false;
        cJSON_ArrayForEach(image, images) sends[i] |=
            strcmp(json_string(image, "image", ""), m->images[i].name) == 0;
        named += sends[i];
        if (!sends[i] && used < sizeof out->passed_over)
            used += (size_t)snprintf(out->passed_over + used, sizeof out->passed_over - used,
                                     "%s%s", used ? " " : "", m->images[i].name);
    }
    return named ? 0 : error_set(err, ERROR_PROTOCOL, "flash.begin: the unit names no image");
}

static int begin(struct session *s, const struct agent_flash *job, bool *sends,
                 struct agent_flash_result *out, struct error *err)
{
    size_t size;
    const uint8_t *manifest = bundle_signed_manifest(job->bundle, &size);
    const struct attachment_source source = {
        .name = "manifest", .type = "application/octet-stream", .bytes = size, .data = manifest};
    const struct call call = {.method = "flash.begin",
                              .timeout_ms = SHORT_CALL_MS,
                              .sources = &source,
                              .source_count = 1,
                              .cancel = job->cancel};
    cJSON *answer = NULL;
    int rc = session_call(s, &call, &answer, err);
    if (rc < 0)
        return rc;
    snprintf(out->slot, sizeof out->slot, "%s", json_string(answer, "slot", ""));
    if (strcmp(out->slot, "a") != 0 && strcmp(out->slot, "b") != 0)
        rc = error_set(err, ERROR_PROTOCOL, "flash.begin: slot \"%s\", expected a or b", out->slot);
    else
        rc = choose(job, answer, sends, out, err);
    cJSON_Delete(answer);
    return rc;
}

struct sending {
    const struct agent_flash *job;
    const struct bundle_image *image;
    uint64_t sent;
};

static int read_image(void *context, uint8_t *data, size_t size, struct error *err)
{
    struct sending *s = context;
    int n = bundle_read(s->job->bundle, s->image, s->sent, data, size, err);
    if (n > 0) {
        s->sent += (uint64_t)n;
        if (s->job->progress)
            s->job->progress(s->job->context, s->image->name, s->sent, s->image->bytes);
    }
    return n == 0 ? error_set(err, ERROR_INPUT, "image %s ends early", s->image->name) : n;
}

static int name_image(const struct bundle_image *image, cJSON **out, struct error *err)
{
    *out = cJSON_CreateObject();
    if (cJSON_AddStringToObject(*out, "image", image->name))
        return 0;
    cJSON_Delete(*out);
    *out = NULL;
    return error_set(err, ERROR_MEMORY, "image %s: out of memory", image->name);
}

static int write_image(struct session *s, const struct agent_flash *job,
                       const struct bundle_image *image, struct agent_flash_result *out,
                       struct error *err)
{
    struct sending sending = {.job = job, .image = image};
    const struct attachment_source source = {.name = "data",
                                             .type = "application/octet-stream",
                                             .bytes = image->bytes,
                                             .read = read_image,
                                             .context = &sending};
    cJSON *params = NULL, *answer = NULL;
    int rc = name_image(image, &params, err);
    if (rc < 0)
        return rc;
    const struct call call = {.method = "flash.write",
                              .params = params,
                              .timeout_ms = job->timeout_ms,
                              .sources = &source,
                              .source_count = 1,
                              .cancel = job->cancel};
    rc = session_call(s, &call, &answer, err);
    if (rc < 0) {
        error_context(err, "image %s", image->name);
    } else {
        out->bytes += image->bytes;
        out->written_bytes += (uint64_t)json_number(answer, "written_bytes", 0);
        out->skipped_chunks += (uint64_t)json_number(answer, "skipped_chunks", 0);
    }
    cJSON_Delete(answer);
    cJSON_Delete(params);
    return rc;
}

static int compare_image(struct session *s, const struct agent_flash *job,
                         const struct bundle_image *image, bool *matches, struct error *err)
{
    uint8_t found[DIGEST_BYTES];
    cJSON *params = NULL, *answer = NULL;
    int rc = name_image(image, &params, err);
    if (rc < 0)
        return rc;
    const struct call call = {.method = "flash.verify",
                              .params = params,
                              .timeout_ms = job->timeout_ms,
                              .cancel = job->cancel};
    rc = session_call(s, &call, &answer, err);
    if (rc < 0)
        error_context(err, "image %s", image->name);
    else if (hex_decode(json_string(answer, "sha256", ""), found, sizeof found) < 0)
        rc = error_set(err, ERROR_PROTOCOL, "flash.verify %s: no SHA-256 came back", image->name);
    else
        *matches = memcmp(found, image->sha256, sizeof found) == 0;
    cJSON_Delete(answer);
    cJSON_Delete(params);
    return rc;
}

static int activate(struct session *s, const struct agent_flash *job, struct error *err)
{
    const struct call call = {
        .method = "flash.activate", .timeout_ms = SHORT_CALL_MS, .cancel = job->cancel};
    return session_call(s, &call, NULL, err);
}

int agent_flash_write(struct session *session, const struct agent_flash *job,
                      struct agent_flash_result *out, struct error *err)
{
    const struct bundle_manifest *m = bundle_manifest(job->bundle);
    bool sends[BUNDLE_IMAGES_MAX];
    *out = (struct agent_flash_result){.hashes_match = true};
    int rc = begin(session, job, sends, out, err);
    const int64_t started_ns = clock_mono_ns();
    for (size_t i = 0; rc == 0 && i < m->image_count; i++)
        rc = !sends[i] ? 0 : write_image(session, job, &m->images[i], out, err);
    out->seconds = (double)(clock_mono_ns() - started_ns) / 1e9;
    for (size_t i = 0; rc == 0 && i < m->image_count; i++) {
        bool matches = !sends[i];
        rc = !sends[i] ? 0 : compare_image(session, job, &m->images[i], &matches, err);
        out->hashes_match = out->hashes_match && matches;
    }
    if (rc == 0 && out->hashes_match)
        rc = activate(session, job, err);
    return rc;
}
