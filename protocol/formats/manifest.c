/* The signed manifest of a bundle: bytes to struct. The other half of bundle.h is bundle.c. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/json.h"
#include "protocol/formats/bundle.h"
#include "protocol/formats/bundle_layout.h"
#include "protocol/formats/signing.h"

static int copy_name(const struct json_document *doc, const cJSON *object, const char *member,
                     char *out, size_t out_size, struct error *err)
{
    const char *text;
    int rc = json_need_string(doc, object, member, &text, err);
    if (rc)
        return rc;
    size_t length = strlen(text);
    if (!bundle_name_is_plain(text) || length >= out_size)
        return json_complain(doc, object, err,
                             "'%s' is '%.40s', expected 1 to %zu letters, digits or . _ + -",
                             member, text, out_size - 1);
    memcpy(out, text, length + 1);
    return 0;
}

static int need_hash(const struct json_document *doc, const cJSON *value, const char *what,
                     uint8_t out[DIGEST_BYTES], struct error *err)
{
    if (!cJSON_IsString(value) || hex_decode(value->valuestring, out, DIGEST_BYTES))
        return json_complain(doc, value, err, "%s must be 64 hex digits", what);
    return 0;
}

static int read_image(const struct json_document *doc, const cJSON *item, struct bundle_image *out,
                      struct error *err)
{
    static const char *const members[] = {"image",       "bytes",  "sha256",
                                          "chunk_bytes", "chunks", NULL};
    long long bytes, chunk_bytes;
    const char *sha256;
    const cJSON *chunks, *chunk;
    if (!cJSON_IsObject(item))
        return json_complain(doc, item, err, "an image must be an object");
    int rc = json_only(doc, item, members, err);
    if (!rc)
        rc = copy_name(doc, item, "image", out->name, sizeof out->name, err);
    if (!rc)
        rc = json_need_integer(doc, item, "bytes", 1, 1LL << 40, &bytes, err);
    if (!rc)
        rc = json_need_integer(doc, item, "chunk_bytes", 4096, BUNDLE_CHUNK_MAX, &chunk_bytes, err);
    if (!rc)
        rc = json_need_string(doc, item, "sha256", &sha256, err);
    if (!rc)
        rc = need_hash(doc, cJSON_GetObjectItemCaseSensitive(item, "sha256"), "'sha256'",
                       out->sha256, err);
    if (!rc)
        rc = json_need_array(doc, item, "chunks", &chunks, err);
    if (rc)
        return rc;
    if (chunk_bytes & (chunk_bytes - 1))
        return json_complain(doc, item, err, "'chunk_bytes' is %lld, expected a power of two",
                             chunk_bytes);
    out->bytes = (uint64_t)bytes;
    out->chunk_bytes = (uint32_t)chunk_bytes;
    uint64_t count = (out->bytes + out->chunk_bytes - 1) / out->chunk_bytes;
    if (count != (uint64_t)cJSON_GetArraySize(chunks))
        return json_complain(doc, chunks, err, "%d 'chunks', expected %llu of %u bytes",
                             cJSON_GetArraySize(chunks), (unsigned long long)count,
                             out->chunk_bytes);
    out->chunk_sha256 = calloc((size_t)count, DIGEST_BYTES);
    if (!out->chunk_sha256)
        return error_set(err, ERROR_MEMORY, "manifest: out of memory");
    cJSON_ArrayForEach(chunk, chunks)
    {
        rc = need_hash(doc, chunk, "a chunk's hash", out->chunk_sha256[out->chunk_count++], err);
        if (rc)
            return rc;
    }
    return 0;
}

static int read_manifest(const struct json_document *doc, struct bundle_manifest *m,
                         struct error *err)
{
    static const char *const members[] = {"format", "board", "version", "release", "images", NULL};
    const cJSON *root = json_root(doc), *images, *item;
    long long format, release;
    if (!cJSON_IsObject(root))
        return json_complain(doc, root, err, "a manifest must be an object");
    int rc = json_need_integer(doc, root, "format", 1, 1, &format, err);
    if (!rc)
        rc = json_only(doc, root, members, err);
    if (!rc)
        rc = copy_name(doc, root, "board", m->board, sizeof m->board, err);
    if (!rc)
        rc = copy_name(doc, root, "version", m->version, sizeof m->version, err);
    if (!rc)
        rc = json_need_integer(doc, root, "release", 1, UINT32_MAX, &release, err);
    if (!rc)
        rc = json_need_array(doc, root, "images", &images, err);
    if (rc)
        return rc;
    m->release = (uint32_t)release;
    int count = cJSON_GetArraySize(images);
    if (count < 1 || count > BUNDLE_IMAGES_MAX)
        return json_complain(doc, images, err, "%d 'images', expected 1 to %d", count,
                             BUNDLE_IMAGES_MAX);
    cJSON_ArrayForEach(item, images)
    {
        struct bundle_image *image = &m->images[m->image_count++];
        rc = read_image(doc, item, image, err);
        if (rc)
            return rc;
        if (bundle_image(m, image->name) != image)
            return json_complain(doc, item, err, "image '%s' is there twice", image->name);
    }
    return 0;
}

int bundle_layout_read(const uint8_t header[BUNDLE_HEADER_BYTES], size_t available,
                       struct bundle_layout *out, struct error *err)
{
    if (available < BUNDLE_HEADER_BYTES)
        return error_set(err, ERROR_INPUT, "the bundle ends within its header, after %zu bytes",
                         available);
    if (memcmp(header, BUNDLE_MAGIC, 8) != 0)
        return error_set(err, ERROR_INPUT, "not a bundle: it does not begin with " BUNDLE_MAGIC);
    uint32_t sizes[2];
    for (int i = 0; i < 2; i++) {
        const uint8_t *p = header + 8 + 4 * i;
        sizes[i] = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    }
    if (!sizes[0] || sizes[0] > BUNDLE_MANIFEST_MAX)
        return error_set(err, ERROR_INPUT, "the bundle's manifest has %u bytes, expected 1 to %d",
                         sizes[0], BUNDLE_MANIFEST_MAX);
    if (!sizes[1] || sizes[1] > SIGNATURE_BYTES_MAX)
        return error_set(err, ERROR_INPUT, "the bundle's signature has %u bytes, expected 1 to %d",
                         sizes[1], SIGNATURE_BYTES_MAX);
    out->manifest_bytes = sizes[0];
    out->signature_at = BUNDLE_HEADER_BYTES + (size_t)sizes[0];
    out->head_bytes = out->signature_at + sizes[1];
    return 0;
}

int bundle_manifest_parse(const void *data, size_t size, const char *public_key_pem,
                          struct bundle_manifest *out, struct error *err)
{
    struct json_document *doc = NULL;
    struct bundle_layout layout;
    const uint8_t *bytes = data;
    memset(out, 0, sizeof *out);
    int rc = bundle_layout_read(bytes, size, &layout, err);
    if (rc)
        return rc;
    if (layout.head_bytes != size)
        return error_set(err, ERROR_INPUT, "the signed manifest has %zu bytes, expected %zu", size,
                         layout.head_bytes);
    /* The signature first: nothing unsigned is parsed. */
    if (public_key_pem)
        rc = signing_verify(public_key_pem, bytes + BUNDLE_HEADER_BYTES, layout.manifest_bytes,
                            bytes + layout.signature_at, size - layout.signature_at, err);
    if (rc) {
        error_context(err, "manifest");
        return rc;
    }
    rc = json_parse("manifest", (const char *)bytes + BUNDLE_HEADER_BYTES, layout.manifest_bytes,
                    &doc, err);
    if (!rc)
        rc = read_manifest(doc, out, err);
    json_free(doc);
    if (rc)
        bundle_manifest_free(out);
    return rc;
}

void bundle_manifest_free(struct bundle_manifest *m)
{
    for (size_t i = 0; i < m->image_count; i++)
        free(m->images[i].chunk_sha256);
    memset(m, 0, sizeof *m);
}

const struct bundle_image *bundle_image(const struct bundle_manifest *m, const char *name)
{
    for (size_t i = 0; i < m->image_count; i++)
        if (strcmp(m->images[i].name, name) == 0)
            return &m->images[i];
    return NULL;
}

size_t bundle_chunk_bytes(const struct bundle_image *image, size_t index)
{
    if (index >= image->chunk_count)
        return 0;
    uint64_t left = image->bytes - (uint64_t)index * image->chunk_bytes;
    return left < image->chunk_bytes ? (size_t)left : image->chunk_bytes;
}

bool bundle_name_is_plain(const char *text)
{
    size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789._+-");
    return plain > 0 && text[plain] == '\0';
}
