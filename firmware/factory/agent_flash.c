/* flash.begin, .write, .verify, .activate, .commit. */
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/params.h"
#include "protocol/base/buffer.h"
#include "protocol/formats/signing.h"

static const char *const no_params[] = {NULL};
static const char *const image_param[] = {"image", NULL};

static int manifest_begin(void *context, const char *name, const char *type, uint64_t bytes,
                          struct error *err)
{
    struct buffer *manifest = context;
    if (strcmp(name, "manifest") != 0 || manifest->size)
        return error_set(err, ERROR_INPUT, "attachment '%.40s', expected one named manifest", name);
    if (bytes > manifest->limit_bytes)
        return error_set(err, ERROR_INPUT, "a signed manifest of %llu bytes, expected at most %zu",
                         (unsigned long long)bytes, manifest->limit_bytes);
    return 0;
}

static int manifest_data(void *context, const uint8_t *data, size_t size, struct error *err)
{
    int rc = buffer_append(context, data, size);
    return rc ? error_set(err, rc, "no memory for the signed manifest") : 0;
}

static int begin(struct agent *a, struct agent_call *call, struct error *err)
{
    struct buffer manifest = {.limit_bytes =
                                  BUNDLE_HEADER_BYTES + BUNDLE_MANIFEST_MAX + SIGNATURE_BYTES_MAX};
    const struct attachment_sink sink = {manifest_begin, manifest_data, &manifest};
    const struct writer_config config = {.hal = a->hal,
                                         .board = a->board,
                                         .slots = &a->slots,
                                         .running = a->running,
                                         .public_key_pem = a->config.bundle_key_pem};
    struct writer *writer = NULL;
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = request_receive(call->request, &sink, err);
    if (!rc && !manifest.size)
        rc = error_set(err, ERROR_INPUT, "attachment 'manifest' is missing");
    if (!rc)
        rc = writer_begin(&config, manifest.data, manifest.size, &writer, err);
    buffer_free(&manifest);
    if (rc)
        return rc;
    writer_free(a->writer);
    a->writer = writer;

    const struct bundle_manifest *m = writer_manifest(writer);
    char slot[2] = {writer_slot(writer), '\0'};
    answer_text(call, call->result, "slot", slot);
    cJSON *images = answer_array(call, call->result, "images");
    for (size_t i = 0; i < m->image_count; i++) {
        if (board_is_loader(a->board, m->images[i].name))
            continue;
        cJSON *image = answer_item(call, images);
        answer_text(call, image, "image", m->images[i].name);
        answer_text(call, image, "partition",
                    board_partition(a->board, m->images[i].name, slot[0])->name);
        answer_number(call, image, "bytes", (double)m->images[i].bytes);
    }
    agent_log(a, "update: %s release %u for slot %s", m->version, m->release, slot);
    return 0;
}

static int need_writer(const struct agent *a, struct error *err)
{
    return a->writer ? 0 : error_set(err, ERROR_STATE, "no flash.begin came before");
}

struct image_sink {
    struct writer *writer;
    const char *image;
    bool begun;
};

static int image_begin(void *context, const char *name, const char *type, uint64_t bytes,
                       struct error *err)
{
    struct image_sink *s = context;
    if (strcmp(name, "data") != 0 || s->begun)
        return error_set(err, ERROR_INPUT, "attachment '%.40s', expected one named data", name);
    s->begun = true;
    return writer_image_begin(s->writer, s->image, bytes, err);
}

static int image_data(void *context, const uint8_t *data, size_t size, struct error *err)
{
    return writer_write(((struct image_sink *)context)->writer, data, size, err);
}

static int write_image(struct agent *a, struct agent_call *call, struct error *err)
{
    struct image_sink state = {.writer = a->writer};
    const struct attachment_sink sink = {image_begin, image_data, &state};
    struct writer_counts counts;
    int rc = params_only(call->params, image_param, err);
    if (!rc)
        rc = params_text(call->params, "image", 1, BOARD_NAME_MAX - 1, &state.image, err);
    if (!rc)
        rc = need_writer(a, err);
    if (!rc)
        rc = request_receive(call->request, &sink, err);
    if (!rc && !state.begun)
        rc = error_set(err, ERROR_INPUT, "attachment 'data' is missing");
    if (!rc)
        rc = writer_image_end(a->writer, &counts, err);
    if (rc)
        return rc;
    answer_number(call, call->result, "written_bytes", (double)counts.written_bytes);
    answer_number(call, call->result, "skipped_chunks", counts.skipped_chunks);
    return 0;
}

static bool stopped(void *context)
{
    return request_cancelled(context);
}

static int verify(struct agent *a, struct agent_call *call, struct error *err)
{
    uint8_t hash[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    const char *image;
    int rc = params_only(call->params, image_param, err);
    if (!rc)
        rc = params_text(call->params, "image", 1, BOARD_NAME_MAX - 1, &image, err);
    if (!rc)
        rc = need_writer(a, err);
    if (!rc)
        rc = writer_verify(a->writer, image, stopped, call->request, hash, err);
    if (rc)
        return rc;
    hex_encode(hash, sizeof hash, hex);
    answer_text(call, call->result, "sha256", hex);
    return 0;
}

static int activate(struct agent *a, struct agent_call *call, struct error *err)
{
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = need_writer(a, err);
    if (!rc)
        rc = writer_activate(a->writer, err);
    if (rc)
        return rc;
    char slot[2] = {a->slots.active, '\0'};
    answer_text(call, call->result, "slot", slot);
    answer_number(call, call->result, "tries", a->slots.tries_left);
    return 0;
}

static int commit(struct agent *a, struct agent_call *call, struct error *err)
{
    char slot[2] = {a->running, '\0'};
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = slots_commit(&a->slots, a->running, err);
    if (!rc)
        answer_text(call, call->result, "slot", slot);
    return rc;
}

const struct agent_method agent_flash_methods[] = {
    {"flash.begin", PART_FLASH, begin},   {"flash.write", PART_FLASH, write_image},
    {"flash.verify", PART_FLASH, verify}, {"flash.activate", PART_FLASH, activate},
    {"flash.commit", PART_FLASH, commit}, {0},
};
