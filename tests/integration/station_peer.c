/* A station small enough for a shell script, and the workbench of one emulated unit.
 *
 *   station_peer world DIR                      DIR/world: 5 V on, a lit chart, an access point
 *   station_peer keys DIR                       factory-ca, station, token and bundle keys
 *   station_peer flash DIR KEYS BOARD           DIR/flash.img with the factory credentials of KEYS
 *   station_peer call PORT KEYS METHOD [PARAMS] [NAME=FILE]
 *                                               hello, TLS, token, one call; NAME=FILE goes along;
 *                                               the result to stdout, attachments to stderr as
 *                                               "NAME BYTES SHA256"; METHOD hello: no TLS.
 *                                               TOKEN=none shows no token, TOKEN=expired, chip or
 *                                               nonce one that is wrong in that; TOKEN=clear does
 *                                               not even go secure
 *
 * Ends with 0, or 1 and the error's name and message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/virtual/unit_flash.h"
#include "protocol/base/buffer.h"
#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "protocol/formats/signing.h"
#include "protocol/wire/certificate.h"
#include "protocol/wire/session.h"
#include "protocol/world.h"
#include "tests/integration/enter.h"

enum { OPEN_MS = 5000, CALL_MS = 300000 };

static int make_world(const char *folder, struct error *err)
{
    char path[4096];
    struct world *w;
    int rc = file_join(path, sizeof path, folder, "world", err);
    if (!rc)
        rc = world_create(path, &w, err);
    if (rc)
        return rc;
    atomic_store(&w->supply_volts, 5.0);
    atomic_store(&w->supply_ohms, 0.1);
    atomic_store(&w->illuminance_lux, 300);
    atomic_store(&w->scene, WORLD_SCENE_CHART);
    atomic_store(&w->access_point_dbm, -45);
    atomic_store(&w->access_point_mhz, 2437);
    strcpy(w->ssid, "line");
    strcpy(w->passphrase, "a passphrase");
    world_unmap(w);
    return 0;
}

static int put(const char *folder, const char *name, const char *text, struct error *err)
{
    char path[4096];
    int rc = file_join(path, sizeof path, folder, name, err);
    return rc ? rc : file_write(path, text, strlen(text), 0600, err);
}

static int make_keys(const char *folder, struct error *err)
{
    struct certificate ca = {0}, station = {0};
    struct signing_key bundle = {0}, token = {0};
    int rc = file_make_folders(folder, 0700, err);
    if (!rc)
        rc = certificate_make_ca("factory", 30, &ca, err);
    if (!rc)
        rc = certificate_issue(&ca, "station", "station", 30, &station, err);
    if (!rc)
        rc = signing_key_make(&bundle, err);
    if (!rc)
        rc = signing_key_make(&token, err);
    if (!rc)
        rc = put(folder, "token.pem", token.public_pem, err);
    if (!rc)
        rc = put(folder, "token.key", token.private_pem, err);
    if (!rc)
        rc = put(folder, "factory-ca.pem", ca.certificate_pem, err);
    if (!rc)
        rc = put(folder, "station.pem", station.certificate_pem, err);
    if (!rc)
        rc = put(folder, "station.key", station.private_key_pem, err);
    if (!rc)
        rc = put(folder, "bundle.pem", bundle.public_pem, err);
    if (!rc)
        rc = put(folder, "bundle.key", bundle.private_pem, err);
    certificate_free(&ca);
    certificate_free(&station);
    signing_key_free(&bundle);
    signing_key_free(&token);
    return rc;
}

static int make_flash(const char *folder, const char *keys, const char *board_file,
                      struct error *err)
{
    struct board board;
    struct factory_credentials credentials;
    int rc = board_load(board_file, &board, err);
    if (!rc)
        rc = unit_flash_credentials(keys, &credentials, err);
    return rc ? rc : unit_flash_make(folder, &board, &credentials, err);
}

struct taking {
    char name[64];
    uint64_t bytes, got;
    struct digest *digest;
};

static int take_begin(void *context, const char *name, const char *type, uint64_t bytes,
                      struct error *err)
{
    struct taking *t = context;
    snprintf(t->name, sizeof t->name, "%s", name);
    t->bytes = bytes;
    t->got = 0;
    t->digest = digest_start();
    return t->digest ? 0 : ERROR_MEMORY;
}

static int take_data(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct taking *t = context;
    uint8_t hash[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    digest_update(t->digest, data, size);
    t->got += size;
    if (t->got < t->bytes)
        return 0;
    digest_finish(t->digest, hash);
    hex_encode(hash, sizeof hash, hex);
    fprintf(stderr, "%s %llu %s\n", t->name, (unsigned long long)t->bytes, hex);
    return 0;
}

static int call_unit(int argc, char **argv, struct error *err)
{
    const char *method = argv[4], *equals;
    char path[4096];
    struct buffer certificate = {0}, key = {0}, token_key = {0}, file = {0};
    const char *token = getenv("TOKEN");
    struct transport *transport;
    struct session *s = NULL;
    struct taking taking;
    cJSON *params = NULL, *result = NULL, *said = NULL,
          *greeting = cJSON_Parse("{\"versions\":[1]}");
    struct attachment_source source = {.type = "application/octet-stream"};
    const struct attachment_sink sink = {take_begin, take_data, &taking};
    struct call call = {.method = method, .timeout_ms = CALL_MS, .sink = &sink};
    bool is_hello = strcmp(method, "hello") == 0;
    int rc = 0;
    for (int i = 5; i < argc && !rc; i++) {
        if (argv[i][0] == '{') {
            params = cJSON_Parse(argv[i]);
        } else if ((equals = strchr(argv[i], '='))) {
            rc = file_read(equals + 1, &file, err);
            argv[i][equals - argv[i]] = '\0';
            source.name = argv[i];
            source.bytes = file.size;
            source.data = file.data;
            call.sources = &source;
            call.source_count = 1;
        }
    }
    call.params = is_hello ? greeting : params;
    if (!rc && !(rc = file_join(path, sizeof path, argv[3], "station.pem", err)))
        rc = file_read(path, &certificate, err);
    if (!rc && !(rc = file_join(path, sizeof path, argv[3], "station.key", err)))
        rc = file_read(path, &key, err);
    if (!rc && !(rc = file_join(path, sizeof path, argv[3], "token.key", err)))
        rc = file_read(path, &token_key, err);
    const struct credentials credentials = {.certificate_pem = rc ? "" : buffer_text(&certificate),
                                            .private_key_pem = rc ? "" : buffer_text(&key)};
    const struct session_config config = {.credentials = &credentials};
    if (!rc)
        rc = transport_open(argv[2], OPEN_MS, &transport, err);
    if (!rc)
        rc = session_open(transport, &config, &s, err);
    if (!rc && !is_hello && (!token || strcmp(token, "clear") != 0)) {
        const struct call hello = {.method = "hello", .params = greeting, .timeout_ms = OPEN_MS};
        rc = session_call(s, &hello, &said, err);
        if (!rc)
            rc = session_secure(s, OPEN_MS, err);
        if (!rc && (!token || strcmp(token, "none") != 0))
            rc = enter_unit(s, said, buffer_text(&token_key), token, err);
    }
    if (!rc)
        rc = session_call(s, &call, &result, err);
    if (!rc) {
        char *text = cJSON_PrintUnformatted(result);
        puts(text ? text : "");
        free(text);
    }
    session_close(s);
    cJSON_Delete(result);
    cJSON_Delete(said);
    cJSON_Delete(params);
    cJSON_Delete(greeting);
    buffer_free(&certificate);
    buffer_free(&key);
    buffer_free(&token_key);
    buffer_free(&file);
    return rc;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    int rc = ERROR_INPUT;
    if (argc == 3 && strcmp(argv[1], "world") == 0)
        rc = make_world(argv[2], &err);
    else if (argc == 3 && strcmp(argv[1], "keys") == 0)
        rc = make_keys(argv[2], &err);
    else if (argc == 5 && strcmp(argv[1], "flash") == 0)
        rc = make_flash(argv[2], argv[3], argv[4], &err);
    else if (argc >= 5 && strcmp(argv[1], "call") == 0)
        rc = call_unit(argc, argv, &err);
    else
        error_set(
            &err, rc,
            "station_peer world DIR | keys DIR | flash DIR KEYS BOARD | call PORT KEYS METHOD ...");
    if (rc)
        printf("%s: %s\n", error_name(rc), err.text);
    return rc ? 1 : 0;
}
