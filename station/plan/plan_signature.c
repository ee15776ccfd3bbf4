#include "station/plan/plan_signature.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "protocol/formats/signing.h"

enum { SIGNED_TEXT_MAX = 600 };

/* What is signed: the first line keeps it from being taken for anything else signed by the key. */
static size_t signed_text(const struct plan *p, char out[SIGNED_TEXT_MAX])
{
    int n = snprintf(out, SIGNED_TEXT_MAX,
                     "takt plan signature 1\n%s/%s\nplan %s\nlimits %s\nproduct %s\n", p->product,
                     p->name, p->plan_sha256, p->limits_sha256, p->product_sha256);
    return n > 0 && n < SIGNED_TEXT_MAX ? (size_t)n : 0;
}

static int path_of(const char *products_dir, const struct plan *p, char path[PATH_MAX],
                   struct error *err)
{
    char folder[PATH_MAX], file[72]; /* names have up to 64 bytes */
    snprintf(file, sizeof file, "%s.sig", p->name);
    int rc = file_join(folder, sizeof folder, products_dir, p->product, err);
    return rc ? rc : file_join(path, PATH_MAX, folder, file, err);
}

int plan_signature_write(const char *products_dir, const struct plan *p, const char *private_pem,
                         struct error *err)
{
    char text[SIGNED_TEXT_MAX], path[PATH_MAX], hex[2 * SIGNATURE_BYTES_MAX + 1];
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t size = 0, length = signed_text(p, text);
    struct buffer out = {0};
    if (!length)
        return error_set(err, ERROR_INPUT, "plan %s/%s: its name is too long to be signed",
                         p->product, p->name);
    int rc = signing_sign(private_pem, text, length, signature, &size, err);
    if (!rc)
        rc = path_of(products_dir, p, path, err);
    if (rc)
        return rc;
    hex_encode(signature, size, hex);
    buffer_printf(&out,
                  "{ \"plan\": \"%s/%s\",\n  \"plan_sha256\": \"%s\",\n  \"limits_sha256\": \"%s\","
                  "\n  \"product_sha256\": \"%s\",\n  \"signature\": \"%s\" }\n",
                  p->product, p->name, p->plan_sha256, p->limits_sha256, p->product_sha256, hex);
    const char *json = buffer_text(&out);
    rc = json ? file_write(path, json, strlen(json), 0644, err)
              : error_set(err, ERROR_MEMORY, "signing a plan: out of memory");
    buffer_free(&out);
    return rc;
}

int plan_signature_check(const char *products_dir, const struct plan *p, const char *public_pem,
                         struct error *err)
{
    char text[SIGNED_TEXT_MAX], path[PATH_MAX];
    uint8_t signature[SIGNATURE_BYTES_MAX];
    struct json_document *doc = NULL;
    size_t length = signed_text(p, text);
    int rc = path_of(products_dir, p, path, err);
    if (rc)
        return rc;
    rc = json_load(path, &doc, err);
    if (rc == ERROR_MISSING)
        return error_set(err, ERROR_REFUSED,
                         "plan %s/%s is not signed: an engineer signs it (takt plan sign)",
                         p->product, p->name);
    if (rc)
        return rc;
    const char *hex = json_string(json_root(doc), "signature", "");
    const int size = hex_decode_some(hex, signature, sizeof signature);
    if (size < 1)
        rc = error_set(err, ERROR_REFUSED,
                       "%s:1: 'signature' is not hexadecimal of 1 to %d bytes: sign the plan again "
                       "(takt plan sign)",
                       path, SIGNATURE_BYTES_MAX);
    json_free(doc);
    if (rc)
        return rc;
    rc = signing_verify(public_pem, text, length, signature, (size_t)size, err);
    if (rc == ERROR_REFUSED)
        return error_set(err, ERROR_REFUSED,
                         "plan %s/%s: its files are not those that were signed, or another key "
                         "signed them: an engineer looks at them and signs (takt plan sign)",
                         p->product, p->name);
    return rc;
}
