/* takt bundle: signed sets of images for a board. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "protocol/formats/bundle.h"
#include "protocol/formats/signing.h"
#include "station/cli/command.h"
#include "station/cli/places.h"

static const char usage[] =
    "takt bundle make --board NAME --version V --release N --key FILE --image NAME=FILE... "
    "--out FILE\n"
    "       takt bundle show FILE [--json]\n"
    "       takt bundle verify FILE --key FILE\n"
    "       takt bundle key --out FILE [--kind p256|rsa3072]";

enum { IMAGE_TEXT_MAX = 64 };

struct options {
    const char *board, *version, *key, *kind, *out;
    unsigned long release;
    bool has_release, json;
    size_t image_count;
    char image_names[BUNDLE_IMAGES_MAX][IMAGE_TEXT_MAX];
    const char *image_paths[BUNDLE_IMAGES_MAX];
};

static void help(void)
{
    printf(
        "usage: %s\n\n"
        "make    writes a bundle: the images of one board, hashed in chunks, signed as the key "
        "is:\n"
        "        ECDSA P-256 or RSA-3072 (PKCS#1 v1.5), both with SHA-256.\n"
        "show    what is in a bundle; the signature is not checked.\n"
        "verify  signature and every image's hashes; exit status 1 when they do not hold.\n"
        "key     makes a signing key: FILE (mode 0600) and FILE.pub for stations and units.\n"
        "        Keys of other tools do as well, as PEM: openssl ecparam -genkey -name "
        "prime256v1,\n"
        "        openssl genrsa 3072; their public halves by openssl pkey -pubout.\n\n"
        "  --board NAME        a board of this installation, or a board file\n"
        "  --version V         as people say it: 1.4.0\n"
        "  --release N         only ever grows; units refuse to go back below theirs\n"
        "  --key FILE          PEM: the private key to make, the public one to verify\n"
        "  --kind KIND         of a new key: p256 (unless given) or rsa3072, whose signatures are\n"
        "                      the same bytes each time\n"
        "  --image NAME=FILE   \"rootfs=rootfs.squashfs\"; NAME_a and NAME_b are its partitions\n",
        usage);
}

/* A PEM file as text; the caller's, to be wiped and freed by pem_free(). */
static int pem_read(const char *path, struct buffer *out, struct error *err)
{
    *out = (struct buffer){.limit_bytes = 16384};
    int rc = file_read(path, out, err);
    if (rc == 0 && !buffer_text(out))
        rc = error_set(err, ERROR_MEMORY, "%s: out of memory", path);
    return rc;
}

static void pem_free(struct buffer *pem)
{
    if (pem->data)
        explicit_bzero(pem->data, pem->size);
    buffer_free(pem);
}

static int make(const struct options *o, struct error *err)
{
    struct board board;
    struct buffer key = {0};
    struct bundle_recipe recipe = {.board = &board,
                                   .version = o->version,
                                   .release = (uint32_t)o->release,
                                   .image_count = o->image_count};
    for (size_t i = 0; i < o->image_count; i++) {
        recipe.images[i].image = o->image_names[i];
        recipe.images[i].path = o->image_paths[i];
    }
    char path[PATH_MAX];
    int rc = places_board(o->board, path, err);
    if (rc == 0)
        rc = board_load(path, &board, err);
    if (rc == 0)
        rc = pem_read(o->key, &key, err);
    if (rc == 0) {
        recipe.private_key_pem = buffer_text(&key);
        rc = bundle_make(&recipe, o->out, err);
    }
    pem_free(&key);
    return rc;
}

static cJSON *as_json(const struct bundle_manifest *m)
{
    cJSON *root = cJSON_CreateObject(), *images;
    cJSON_AddStringToObject(root, "board", m->board);
    cJSON_AddStringToObject(root, "version", m->version);
    cJSON_AddNumberToObject(root, "release", m->release);
    images = cJSON_AddArrayToObject(root, "images");
    for (size_t i = 0; i < m->image_count; i++) {
        char sha256[DIGEST_TEXT];
        cJSON *image = cJSON_CreateObject();
        hex_encode(m->images[i].sha256, DIGEST_BYTES, sha256);
        cJSON_AddStringToObject(image, "image", m->images[i].name);
        cJSON_AddNumberToObject(image, "bytes", (double)m->images[i].bytes);
        cJSON_AddStringToObject(image, "sha256", sha256);
        cJSON_AddNumberToObject(image, "chunks", (double)m->images[i].chunk_count);
        cJSON_AddItemToArray(images, image);
    }
    return root;
}

static void print(const struct bundle_manifest *m)
{
    printf("board %s, version %s, release %u\n", m->board, m->version, m->release);
    for (size_t i = 0; i < m->image_count; i++) {
        char sha256[DIGEST_TEXT];
        hex_encode(m->images[i].sha256, DIGEST_BYTES, sha256);
        printf("%-10s %10llu bytes  %5zu chunks  sha256 %s\n", m->images[i].name,
               (unsigned long long)m->images[i].bytes, m->images[i].chunk_count, sha256);
    }
}

static int show(const char *path, const struct options *o, struct error *err)
{
    struct bundle *b = NULL;
    int rc = bundle_open(path, NULL, &b, err);
    if (rc < 0)
        return rc;
    if (o->json) {
        cJSON *json = as_json(bundle_manifest(b));
        char *text = cJSON_Print(json);
        if (text)
            puts(text);
        cJSON_free(text);
        cJSON_Delete(json);
    } else {
        print(bundle_manifest(b));
    }
    bundle_close(b);
    return 0;
}

static int verify(const char *path, const struct options *o, struct error *err)
{
    struct buffer key = {0};
    struct bundle *b = NULL;
    int rc = pem_read(o->key, &key, err);
    if (rc == 0)
        rc = bundle_open(path, buffer_text(&key), &b, err);
    if (rc == 0)
        rc = bundle_verify(b, err);
    if (rc == 0)
        printf("%s: signature and hashes hold\n", path);
    bundle_close(b);
    pem_free(&key);
    return rc;
}

static int make_key(const struct options *o, struct error *err)
{
    struct signing_key key = {0};
    char public_path[PATH_MAX];
    snprintf(public_path, sizeof public_path, "%.4000s.pub", o->out);
    int rc = o->kind ? signing_key_make_kind(o->kind, &key, err) : signing_key_make(&key, err);
    if (rc == 0)
        rc = file_write(o->out, key.private_pem, strlen(key.private_pem), 0600, err);
    if (rc == 0)
        rc = file_write(public_path, key.public_pem, strlen(key.public_pem), 0644, err);
    signing_key_free(&key);
    return rc;
}

static int take_image(struct options *o, char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || equals - text >= IMAGE_TEXT_MAX || !equals[1] ||
        o->image_count == BUNDLE_IMAGES_MAX)
        return cli_usage("takt bundle: --image %s: expected NAME=FILE, at most %d", text,
                         BUNDLE_IMAGES_MAX);
    memcpy(o->image_names[o->image_count], text, (size_t)(equals - text));
    o->image_paths[o->image_count++] = equals + 1;
    return 0;
}

static int take_release(struct options *o, const char *text)
{
    char *end;
    o->release = strtoul(text, &end, 10);
    o->has_release = true;
    if (end == text || *end || text[0] == '-' || o->release > UINT32_MAX)
        return cli_usage("takt bundle: --release %s: expected a number up to 2^32 - 1", text);
    return 0;
}

static int take_option(struct options *o, int option, char *value)
{
    switch (option) {
    case 'b':
        o->board = value;
        return 0;
    case 'v':
        o->version = value;
        return 0;
    case 'r':
        return take_release(o, value);
    case 'k':
        o->key = value;
        return 0;
    case 'n':
        o->kind = value;
        return 0;
    case 'i':
        return take_image(o, value);
    case 'o':
        o->out = value;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    }
    return 0;
}

/* A signature or a hash that does not hold is a check's answer, not a mistake in the call. */
static int finish(int rc, const struct error *err)
{
    if (rc == 0)
        return CLI_OK;
    cli_fail("bundle", err);
    if (rc == ERROR_MISMATCH || rc == ERROR_REFUSED)
        return CLI_FAILED;
    return rc == ERROR_INPUT || rc == ERROR_MISSING ? CLI_USAGE : CLI_STATION;
}

static int dispatch(const char *what, const char *path, const struct options *o)
{
    struct error err = {0};
    if (strcmp(what, "make") == 0 && !path) {
        if (!o->board || !o->version || !o->has_release || !o->key || !o->image_count || !o->out)
            return cli_usage("takt bundle make: --board, --version, --release, --key, "
                             "--image and --out are needed");
        return finish(make(o, &err), &err);
    }
    if (strcmp(what, "show") == 0 && path)
        return finish(show(path, o, &err), &err);
    if (strcmp(what, "verify") == 0 && path) {
        if (!o->key)
            return cli_usage("takt bundle verify: --key is needed: the public key to verify with");
        return finish(verify(path, o, &err), &err);
    }
    if (strcmp(what, "key") == 0 && !path) {
        if (!o->out)
            return cli_usage("takt bundle key: --out is needed: where the new key goes");
        return finish(make_key(o, &err), &err);
    }
    return cli_usage(
        "takt bundle: expected make, show FILE, verify FILE or key, see takt bundle --help");
}

int cli_bundle(int argc, char **argv)
{
    static const struct option options[] = {
        {"board", required_argument, NULL, 'b'},   {"version", required_argument, NULL, 'v'},
        {"release", required_argument, NULL, 'r'}, {"key", required_argument, NULL, 'k'},
        {"kind", required_argument, NULL, 'n'},    {"image", required_argument, NULL, 'i'},
        {"out", required_argument, NULL, 'o'},     {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {0}};
    struct options o = {0};
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            help();
            return CLI_OK;
        }
        const int status = option == '?' || option == ':'
                               ? cli_bad_option("bundle", option, argv, options)
                               : take_option(&o, option, optarg);
        if (status != 0)
            return status;
    }
    if (argc - optind < 1 || argc - optind > 2)
        return cli_usage(
            "takt bundle: expected make, show FILE, verify FILE or key, see takt bundle --help");
    return dispatch(argv[optind], argc - optind == 2 ? argv[optind + 1] : NULL, &o);
}
