/* The agent as a station meets it: every method, and what it refuses. */
#include <openssl/x509.h>
#include <pthread.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/formats/bundle.h"
#include "protocol/formats/unit_key.h"
#include "tests/unit/firmware/agent_station.h"

static void test_hello_is_open_and_everything_else_needs_a_secure_session(void **state)
{
    struct fixture *f = *state;
    connect_station(f);
    passes(f, "hello", "{\"versions\":[1],\"client\":\"t\"}");
    assert_int_equal(number(f, "version"), 1);
    assert_string_equal(json_string(f->result, "board", ""), "tiny");
    assert_string_equal(json_string(f->result, "chip_id", ""), "00112233445566778899aabbccddeeff");
    assert_string_equal(json_string(f->result, "boot_slot", ""), "a");
    assert_true(json_bool(f->result, "factory_mode", false));
    assert_true(capable(f, "camera.capture"));
    assert_true(capable(f, "factory.lock"));
    refused(f, "hello", "{\"versions\":[2,3]}", "versions");
    refused(f, "unit.info", "{}", "secure");
    refused(f, "identity.read", "{}", "secure");
    refused(f, "factory.lock", "{}", "secure");
}

static void test_a_part_that_the_board_lacks_is_no_capability(void **state)
{
    struct fixture *f = *state;
    f->m.hal.motor = NULL;
    f->m.hal.radio = NULL;
    power_cycle(f);
    secure_station(f);
    passes(f, "hello", "{\"versions\":[1]}");
    assert_false(capable(f, "ptz.home"));
    assert_false(capable(f, "wifi.join"));
    assert_true(capable(f, "audio.play"));
    refused(f, "ptz.home", "{\"axis\":\"pan\"}", "ptz.home");
}

static void test_wrong_params_are_named_with_what_was_expected(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    const int writes = f->m.flash.writes;
    static const char *const cases[][3] = {
        {"camera.capture", "{}", "'frames' is missing, expected a number from 1 to 16"},
        {"camera.capture", "{\"frames\":17}", "'frames' is 17, expected 1 to 16"},
        {"camera.capture", "{\"frames\":1.5}", "whole number"},
        {"camera.capture", "{\"frames\":\"1\"}", "not a number"},
        {"camera.capture", "{\"frame\":1}", "did you mean 'frames'"},
        {"camera.record", "{\"stream\":\"third\"}", "'main', 'sub', 'jpeg'"},
        {"camera.record", "{\"stream\":\"main\",\"duration_ms\":10001}", "expected 0 to 10000"},
        {"camera.record", "{\"stream\":\"main\"}", "does not reach the unit's encoder"},
        {"camera.configure", "{\"ir_cut\":\"dusk\"}", "'day', 'night'"},
        {"camera.configure", "{\"ir_led\":1.1}", "expected 0 to 1"},
        {"camera.configure", "{\"stream\":1}", "true or false"},
        {"ptz.home", "{\"axis\":\"roll\"}", "'pan', 'tilt'"},
        {"ptz.move", "{}", "neither"},
        {"ptz.move", "{\"pan_deg\":351}", "expected 0 to 350"},
        {"ptz.move", "{\"tilt_deg\":-1}", "expected 0 to 100"},
        {"audio.record", "{\"rate_hz\":44100,\"seconds\":1}", "8000, 16000 or 48000"},
        {"audio.record", "{\"rate_hz\":16000,\"seconds\":16}", "expected 0.01 to 15"},
        {"audio.play", "{\"rate_hz\":16000,\"volume\":0.5}", "'pcm' is missing"},
        {"wifi.join", "{\"ssid\":\"\",\"passphrase\":\"12345678\",\"timeout_ms\":1000}", "'ssid'"},
        {"wifi.join", "{\"ssid\":\"x\",\"passphrase\":\"1234\",\"timeout_ms\":1000}", "8 to 63"},
        {"wifi.throughput", "{\"host\":\"-s\",\"port\":5201,\"seconds\":1,\"direction\":\"up\"}",
         "'host'"},
        {"wifi.throughput", "{\"host\":\"a;b\",\"port\":5201,\"seconds\":1,\"direction\":\"up\"}",
         "'host'"},
        {"card.speed", "{\"bytes\":1000,\"seed\":1}", "whole blocks"},
        {"card.speed", "{\"bytes\":16777728,\"seed\":1}", "expected 512 to"},
        {"button.watch", "{\"button\":\"power\",\"seconds\":1}", "this board has not"},
        {"led.set", "{\"led\":\"status_blue\"}", "'on' is missing"},
        {"system.load", "{\"load\":\"max\"}", "'standby'"},
        {"unit.info", "{\"x\":1}", "unknown param 'x'"},
        {"identity.write", "{\"did\":\"1\",\"mac\":\"01:00:00:00:00:01\",\"key\":\"00\"}",
         "device"},
        {"flash.write", "{\"image\":\"rootfs\"}", "flash.begin"},
        {"flash.activate", "{}", "flash.begin"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(f, cases[i][0], cases[i][1], cases[i][2]);
    assert_int_equal(f->m.flash.writes, writes);
}

static void test_frames_come_whole_and_in_order(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    passes(f, "camera.configure", "{\"ir_cut\":\"night\",\"ir_led\":0.5,\"stream\":true}");
    assert_string_equal(json_string(f->result, "ir_cut", ""), "night");
    assert_true(json_bool(f->result, "stream", false));
    passes(f, "camera.capture", "{\"frames\":3}");
    assert_int_equal(f->received.count, 3);
    for (int i = 0; i < 3; i++) {
        char name[24];
        snprintf(name, sizeof name, "frame%d", i);
        assert_string_equal(f->received.name[i], name);
        assert_int_equal(f->received.data[i].size, 64 * 32 * 3 / 2);
        assert_int_equal(f->received.data[i].data[0], i + 1); /* the sequence it was filled with */
        const cJSON *about =
            cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(f->result, "frames"), i);
        assert_int_equal(json_number(about, "sequence", 0), i + 1);
        assert_int_equal(json_number(about, "width_px", 0), 64);
    }
}

static int drop_begin(void *context, const char *name, const char *type, uint64_t bytes,
                      struct error *err)
{
    return 0;
}

static int drop_data(void *context, const uint8_t *data, size_t size, struct error *err)
{
    return 0;
}

struct capturing {
    struct session *session;
    int rc;
};

static void *capture_sixteen(void *context)
{
    struct capturing *c = context;
    cJSON *params = cJSON_Parse("{\"frames\":16}");
    const struct attachment_sink sink = {drop_begin, drop_data, NULL};
    const struct call ask = {
        .method = "camera.capture", .params = params, .timeout_ms = CALL_MS, .sink = &sink};
    c->rc = session_call(c->session, &ask, NULL, NULL);
    cJSON_Delete(params);
    return NULL;
}

static void test_two_calls_on_one_part_take_turns(void **state)
{
    struct fixture *f = *state;
    struct capturing c[4];
    pthread_t threads[4];
    secure_station(f);
    for (int i = 0; i < 4; i++) {
        c[i] = (struct capturing){.session = f->session};
        assert_int_equal(pthread_create(&threads[i], NULL, capture_sixteen, &c[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(c[i].rc, 0);
    }
    assert_int_equal(f->m.camera.sequence, 64);
    assert_int_equal(f->m.camera.most_inside, 1);
}

static void test_pan_and_tilt_count_the_boards_microsteps(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    refused(f, "ptz.move", "{\"pan_deg\":10}", "not homed");
    passes(f, "ptz.home", "{\"axis\":\"pan\"}");
    passes(f, "ptz.home", "{\"axis\":\"tilt\"}");
    passes(f, "ptz.move", "{\"pan_deg\":100,\"tilt_deg\":45,\"speed_dps\":20}");
    /* 181.14546 microsteps a degree: see test_board. */
    assert_int_equal(number(f, "pan_microsteps"), 18115);
    assert_int_equal(number(f, "tilt_microsteps"), 8152);
    assert_float_equal(f->m.motor.last_speed, 3622.909, 0.01);
    passes(f, "ptz.status", NULL);
    const cJSON *pan = cJSON_GetObjectItemCaseSensitive(f->result, "pan");
    assert_float_equal(json_number(pan, "deg", 0), 100, 0.003);
    assert_true(json_bool(pan, "homed", false));
}

static void test_sound_goes_both_ways_bit_for_bit(void **state)
{
    struct fixture *f = *state;
    int16_t tone[8000];
    secure_station(f);
    for (int i = 0; i < 8000; i++)
        tone[i] = (int16_t)(i * 37);
    if (call_with(f, "audio.play", "{\"rate_hz\":16000,\"volume\":0.5}", "pcm", tone, sizeof tone))
        fail_msg("%s", f->err.text);
    assert_int_equal(number(f, "samples"), 8000);
    assert_int_equal(f->m.audio.played_rate_hz, 16000);
    assert_memory_equal(f->m.audio.played, tone, sizeof tone);
    assert_true(call_with(f, "audio.play", "{\"rate_hz\":16000,\"volume\":0.5}", "pcm", tone, 3) <
                0);
    passes(f, "audio.record", "{\"rate_hz\":48000,\"seconds\":0.5}");
    assert_int_equal(number(f, "samples"), 24000);
    assert_int_equal(f->received.data[0].size, 48000);
    assert_int_equal(((int16_t *)f->received.data[0].data)[1999], 999);
}

static void test_an_identity_is_written_read_back_and_locked_for_good(void **state)
{
    static const char written[] =
        "{\"did\":\"460012345\",\"mac\":\"5C:C3:36:12:34:56\",\"serial\":\"SN1\","
        "\"key\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}";
    struct fixture *f = *state;
    secure_station(f);
    passes(f, "identity.read", NULL);
    assert_string_equal(json_string(f->result, "state", ""), "empty");
    refused(f, "factory.lock", NULL, "identity is empty");
    passes(f, "identity.write", written);
    passes(f, "identity.read", NULL);
    assert_string_equal(json_string(f->result, "state", ""), "written");
    assert_string_equal(json_string(f->result, "did", ""), "460012345");
    assert_string_equal(json_string(f->result, "mac", ""), "5c:c3:36:12:34:56");
    assert_string_equal(json_string(f->result, "serial", ""), "SN1");
    assert_string_equal(json_string(f->result, "key", ""),
                        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

    passes(f, "factory.lock", NULL);
    assert_true(json_bool(f->result, "locked", false));
    /* In the same session, in a new one, after a restart: nothing but hello. */
    refused(f, "identity.read", NULL, "factory mode is closed");
    refused(f, "camera.capture", "{\"frames\":1}", "factory mode is closed");
    refused(f, "factory.lock", NULL, "factory mode is closed");
    for (int start = 0; start < 2; start++) {
        passes(f, "hello", "{\"versions\":[1]}");
        assert_false(json_bool(f->result, "factory_mode", true));
        assert_true(capable(f, "hello"));
        assert_false(capable(f, "identity.read"));
        power_cycle(f);
        connect_station(f);
    }
    assert_int_equal(session_secure(f->session, CALL_MS, &f->err), ERROR_REMOTE);
    assert_non_null(strstr(f->err.text, "no credentials"));
    refused(f, "identity.read", NULL, "no method");
}

/* Whoever holds a CA's key can sign; whether it is the factory's is for the platform to say. */
static void certificate_for(const char *request_hex, const char *subject, char *out_hex)
{
    uint8_t der[UNIT_CERTIFICATE_MAX], *at = der;
    const uint8_t *from = der;
    const size_t bytes = strlen(request_hex) / 2;
    assert_int_equal(hex_decode(request_hex, der, bytes), 0);
    X509_REQ *request = d2i_X509_REQ(NULL, &from, (long)bytes);
    EVP_PKEY *ca = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    assert_true(request && ca && x);
    assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
    X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
                               (const unsigned char *)subject, -1, -1, 0);
    X509_set_pubkey(x, X509_REQ_get0_pubkey(request));
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 1000);
    assert_true(X509_sign(x, ca, EVP_sha256()) > 0);
    const int n = i2d_X509(x, &at);
    assert_true(n > 0 && n <= UNIT_CERTIFICATE_MAX);
    hex_encode(der, (size_t)n, out_hex);
    X509_free(x);
    EVP_PKEY_free(ca);
    X509_REQ_free(request);
}

static void test_a_unit_makes_its_key_itself_and_never_gives_it_away(void **state)
{
    static const char names[] =
        "{\"did\":\"CAM-1\",\"mac\":\"5C:C3:36:12:34:56\",\"serial\":\"SN1\"}";
    struct fixture *f = *state;
    char first[2 * UNIT_REQUEST_MAX + 1], hex[2 * UNIT_CERTIFICATE_MAX + 1],
        params[2 * UNIT_CERTIFICATE_MAX + 64];
    uint8_t certificate[UNIT_CERTIFICATE_MAX], proof[UNIT_PROOF_MAX], nonce[UNIT_NONCE_BYTES];
    secure_station(f);
    refused(f, "identity.certify", "{\"certificate\":\"00\"}", "identity.request comes first");
    passes(f, "identity.request", names);
    snprintf(first, sizeof first, "%s", json_string(f->result, "request", ""));
    refused(f, "factory.lock", NULL, "no certificate");
    refused(f, "identity.request",
            "{\"did\":\"CAM-2\",\"mac\":\"5C:C3:36:12:34:56\",\"serial\":\"SN1\"}",
            "is CAM-1 already");

    certificate_for(first, "CAM-2", hex);
    snprintf(params, sizeof params, "{\"certificate\":\"%s\"}", hex);
    refused(f, "identity.certify", params, "is of 'CAM-2'");
    refused(f, "identity.certify", "{\"certificate\":\"3000\"}", "no certificate");
    certificate_for(first, "CAM-1", hex);
    snprintf(params, sizeof params, "{\"certificate\":\"%s\"}", hex);
    /* Off and on again: the key is the same one. */
    power_cycle(f);
    connect_station(f);
    secure_station(f);
    passes(f, "identity.request", names);
    passes(f, "identity.certify", params);

    passes(f, "identity.read", NULL);
    assert_string_equal(json_string(f->result, "state", ""), "written");
    assert_string_equal(json_string(f->result, "certificate", ""), hex);
    assert_null(cJSON_GetObjectItem(f->result, "key"));
    passes(f, "identity.prove",
           "{\"nonce\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}");
    const char *proof_hex = json_string(f->result, "proof", "");
    for (int i = 0; i < UNIT_NONCE_BYTES; i++)
        nonce[i] = (uint8_t)i;
    assert_int_equal(hex_decode(proof_hex, proof, strlen(proof_hex) / 2), 0);
    assert_int_equal(hex_decode(hex, certificate, strlen(hex) / 2), 0);
    assert_int_equal(
        unit_proof_check(certificate, strlen(hex) / 2, nonce, proof, strlen(proof_hex) / 2, NULL),
        0);
    passes(f, "factory.lock", NULL);
    refused(f, "identity.prove", NULL, "factory mode is closed");
}

/* A bundle of 3 chunks and a bit for this board; the file is gone again. */
static void make_bundle(struct fixture *f, uint8_t *rootfs, size_t size, struct buffer *manifest)
{
    char folder[] = "/tmp/test_agent.XXXXXX", image[64], path[64];
    struct bundle *b;
    size_t head_size;
    assert_non_null(mkdtemp(folder));
    snprintf(image, sizeof image, "%s/rootfs", folder);
    snprintf(path, sizeof path, "%s/bundle", folder);
    for (size_t i = 0; i < size; i++)
        rootfs[i] = (uint8_t)(i * 31 + i / 253);
    assert_int_equal(file_write(image, rootfs, size, 0600, NULL), 0);
    const struct bundle_recipe r = {.board = &f->board,
                                    .version = "2.0",
                                    .release = 2,
                                    .private_key_pem = f->key.private_pem,
                                    .image_count = 1,
                                    .images = {{"rootfs", image}}};
    if (bundle_make(&r, path, &f->err) || bundle_open(path, f->key.public_pem, &b, &f->err))
        fail_msg("%s", f->err.text);
    const uint8_t *head = bundle_signed_manifest(b, &head_size);
    buffer_append(manifest, head, head_size);
    bundle_close(b);
    unlink(image);
    unlink(path);
    rmdir(folder);
}

static void test_an_update_goes_to_the_other_slot_and_is_committed_after_its_restart(void **state)
{
    enum { SIZE = 3 * 65536 + 100 };
    struct fixture *f = *state;
    struct buffer manifest = {0};
    uint8_t *rootfs = malloc(SIZE), hash[DIGEST_BYTES];
    char hex[DIGEST_TEXT];
    make_bundle(f, rootfs, SIZE, &manifest);
    secure_station(f);
    const int writes = f->m.flash.writes;

    manifest.data[100] ^= 1;
    assert_true(call_with(f, "flash.begin", NULL, "manifest", manifest.data, manifest.size) < 0);
    manifest.data[100] ^= 1;
    assert_true(call_with(f, "flash.begin", NULL, "manifest", manifest.data, 50) < 0);
    assert_true(call(f, "flash.begin", NULL) < 0);
    assert_int_equal(f->m.flash.writes, writes);

    if (call_with(f, "flash.begin", NULL, "manifest", manifest.data, manifest.size))
        fail_msg("%s", f->err.text);
    assert_string_equal(json_string(f->result, "slot", ""), "b");
    const cJSON *image =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(f->result, "images"), 0);
    assert_string_equal(json_string(image, "partition", ""), "rootfs_b");
    refused(f, "flash.activate", NULL, "not verified");
    assert_true(call_with(f, "flash.write", "{\"image\":\"rootfs\"}", "data", rootfs, SIZE - 1) <
                0);
    if (call_with(f, "flash.write", "{\"image\":\"rootfs\"}", "data", rootfs, SIZE))
        fail_msg("%s", f->err.text);
    assert_int_equal(number(f, "written_bytes"), 3 * 65536 + 2048);
    passes(f, "flash.verify", "{\"image\":\"rootfs\"}");
    digest_bytes(rootfs, SIZE, hash);
    hex_encode(hash, sizeof hash, hex);
    assert_string_equal(json_string(f->result, "sha256", ""), hex);
    passes(f, "flash.activate", NULL);
    assert_int_equal(number(f, "tries"), 3);
    refused(f, "flash.commit", NULL, "restart first");

    passes(f, "unit.restart", NULL);
    assert_true(agent_restart_wanted(f->agent));
    power_cycle(f);
    secure_station(f);
    passes(f, "unit.info", NULL);
    assert_string_equal(json_string(f->result, "boot_slot", ""), "b");
    assert_string_equal(json_string(f->result, "firmware", ""), "2.0");
    assert_true(json_bool(f->result, "on_trial", false));
    assert_true(number(f, "rss_bytes") > 100000);
    passes(f, "identity.write",
           "{\"did\":\"1\",\"mac\":\"5c:c3:36:12:34:56\",\"serial\":\"\","
           "\"key\":\"000102030405060708090a0b0c0d0e0f\"}");
    refused(f, "factory.lock", NULL, "on trial"); /* it would fall back with nobody to commit */
    passes(f, "flash.commit", NULL);
    passes(f, "factory.lock", NULL);
    free(rootfs);
    buffer_free(&manifest);
}

static void test_a_true_card_is_measured_and_left_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct card *c = &f->m.card;
    uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];
    secure_station(f);
    for (uint64_t i = 0; i < c->real; i++)
        c->bytes[i] = (uint8_t)(i * 7 + i / 511);
    digest_bytes(c->bytes, c->real, before);
    passes(f, "card.speed", "{\"bytes\":3000320,\"seed\":42}");
    assert_int_equal(number(f, "bad_blocks"), 0);
    assert_int_equal(number(f, "bytes"), 3000320);
    assert_true(number(f, "write_ms") > 0 && number(f, "read_ms") > 0);
    passes(f, "card.probe", "{\"seed\":42,\"probes\":64}");
    assert_int_equal(number(f, "wrong_blocks"), 0);
    assert_int_equal(number(f, "highest_good_byte"), 64 << 20);
    digest_bytes(c->bytes, c->real, after);
    assert_memory_equal(before, after, sizeof before);
}

/* What is on a card is its user's: blank ones and those without a file are formatted, no other. */
static void test_a_card_is_formatted_when_nothing_is_on_it(void **state)
{
    struct fixture *f = *state;
    struct card *c = &f->m.card;
    uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];
    secure_station(f);
    for (uint64_t i = 0; i < c->real; i++)
        c->bytes[i] = (uint8_t)(i * 7 + i / 511);
    digest_bytes(c->bytes, c->real, before);
    refused(f, "card.format", NULL, "its user's (file system: none)");
    digest_bytes(c->bytes, c->real, after);
    assert_memory_equal(before, after, sizeof before);

    memset(c->bytes, 0xff, c->real); /* as cards come that never had one */
    passes(f, "card.format", NULL);
    assert_int_equal(number(f, "cluster_bytes"), 512);
    passes(f, "card.status", NULL);
    assert_string_equal(json_string(f->result, "filesystem", ""), "fat32");
    passes(f, "card.format", NULL); /* it has no file */

    const uint64_t first = 8192 * 512;
    uint8_t *boot = c->bytes + first;
    const uint32_t fat_blocks = boot[36] | (uint32_t)boot[37] << 8 | (uint32_t)boot[38] << 16;
    uint8_t *root = c->bytes + first + (32 + 2 * (uint64_t)fat_blocks) * 512;
    memcpy(root, "HOLIDAY JPG\x20", 12);
    refused(f, "card.format", NULL, "its user's (file system: fat32)");
    assert_memory_equal(root, "HOLIDAY JPG", 11);
    root[0] = 0xe5; /* deleted */
    memcpy(root + 32, "TAKT       \x08", 12);
    passes(f, "card.format", NULL);
    memset(c->bytes + first, 0, 512); /* as a format leaves it that was cut off */
    passes(f, "card.format", NULL);
    f->m.card.protected_ = true;
    refused(f, "card.format", NULL, "write-protected");
    f->m.card.protected_ = false;
    refused(f, "card.format", "{\"over\":\"fat32\"}", "over");
}

/* Real sizes that share no factor with anything: the wrap is found to the byte. */
static void test_a_card_that_wraps_is_found_out_and_left_as_it_was(void **state)
{
    static const uint64_t reals[] = {8 << 20, 5000192, 33554432 - 512, 63 << 20};
    struct fixture *f = *state;
    struct card *c = &f->m.card;
    uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];
    secure_station(f);
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        c->real = reals[i];
        for (uint64_t b = 0; b < c->claimed; b++)
            c->bytes[b] = (uint8_t)(b * 11 + b / 509);
        digest_bytes(c->bytes, c->real, before);
        passes(f, "card.probe", "{\"seed\":7,\"probes\":32}");
        assert_true(number(f, "wrong_blocks") > 0);
        assert_int_equal(number(f, "highest_good_byte"), reals[i]);
        digest_bytes(c->bytes, c->real, after);
        assert_memory_equal(before, after, sizeof before);
    }
}

static void test_a_card_that_loses_writes_is_found_out(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    f->m.card.loses = true;
    f->m.card.real = 20 << 20;
    passes(f, "card.probe", "{\"seed\":7,\"probes\":64}");
    assert_true(number(f, "wrong_blocks") > 40); /* 44 of 64 MiB are missing */
    assert_true(number(f, "highest_good_byte") <= 20 << 20);
    assert_true(number(f, "highest_good_byte") >= 18 << 20);
    passes(f, "card.speed", "{\"bytes\":1048576,\"seed\":1}");
    assert_int_equal(number(f, "bad_blocks"), 2048);
    f->m.card.absent = true;
    refused(f, "card.speed", "{\"bytes\":1048576,\"seed\":1}", "no card");
    f->m.card.absent = false;
    f->m.card.protected_ = true;
    refused(f, "card.probe", "{\"seed\":7,\"probes\":64}", "write-protected");
}

static void *press(void *context)
{
    struct fixture *f = context;
    clock_sleep_until_ns(clock_mono_ns() + 100000000);
    f->m.gpio.level = false;
    clock_sleep_until_ns(clock_mono_ns() + 100000000);
    f->m.gpio.level = true;
    return NULL;
}

static void test_a_press_is_seen_while_an_led_is_set(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    secure_station(f);
    passes(f, "led.set", "{\"led\":\"status_blue\",\"on\":true}");
    assert_true(f->m.gpio.led);
    assert_int_equal(pthread_create(&thread, NULL, press, f), 0);
    passes(f, "button.watch", "{\"button\":\"reset\",\"seconds\":10,\"until_changes\":2}");
    pthread_join(thread, NULL);
    assert_true(json_bool(f->result, "level_at_start", false));
    const cJSON *changes = cJSON_GetObjectItemCaseSensitive(f->result, "changes");
    assert_int_equal(cJSON_GetArraySize(changes), 2);
    const cJSON *down = cJSON_GetArrayItem(changes, 0), *up = cJSON_GetArrayItem(changes, 1);
    assert_false(json_bool(down, "level", true));
    assert_true(json_bool(up, "level", false));
    assert_true(json_number(up, "at_ms", 0) - json_number(down, "at_ms", 0) >= 50);
}

static void test_a_call_taken_back_frees_its_part_soon(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    cJSON *params = cJSON_Parse("{\"button\":\"reset\",\"seconds\":60}");
    const struct call ask = {.method = "button.watch", .params = params, .timeout_ms = 200};
    int64_t began = clock_mono_ms();
    assert_int_equal(session_call(f->session, &ask, NULL, &f->err), ERROR_TIMEOUT);
    disconnect(f); /* waits for what is served */
    assert_true(clock_mono_ms() - began < 5000);
    cJSON_Delete(params);
}

static void test_wifi_is_joined_and_left(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    refused(f, "wifi.join", "{\"ssid\":\"else\",\"passphrase\":\"12345678\",\"timeout_ms\":1000}",
            "no network");
    refused(f, "wifi.throughput",
            "{\"host\":\"127.0.0.1\",\"port\":1,\"seconds\":1,\"direction\":\"up\"}", "not joined");
    passes(f, "wifi.join", "{\"ssid\":\"line\",\"passphrase\":\"12345678\",\"timeout_ms\":1000}");
    assert_float_equal(number(f, "rssi_dbm"), -41.5, 0);
    refused(f, "wifi.throughput",
            "{\"host\":\"127.0.0.1\",\"port\":1,\"seconds\":1,\"direction\":\"up\"}", "iperf3");
    passes(f, "wifi.leave", NULL);
    assert_false(f->m.radio.joined);
}

static void test_what_is_watched_for_months_is_one_call(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    passes(f, "unit.health", NULL);
    assert_string_equal(json_string(f->result, "boot_slot", ""), "a");
    assert_string_equal(json_string(f->result, "boot_reason", ""), "power-on");
    assert_float_equal(number(f, "temperature_c"), 31, 0);
    assert_true(number(f, "rss_bytes") > 100000 && number(f, "threads") >= 1);
    assert_true(number(f, "descriptors") >= 3 && number(f, "cpu_ms") > 0);
    assert_int_equal(number(f, "throttled"), 1);
    assert_int_equal(number(f, "bad_blocks"), 2);
    assert_int_equal(number(f, "filesystem_errors"), 6);
    const cJSON *stream = cJSON_GetObjectItem(f->result, "streams")->child;
    assert_true(json_bool(stream, "streaming", false));
    assert_int_equal(json_number(stream, "frames", 0), 100);
    assert_float_equal(json_number(stream, "frame_rate_hz", 0), 20, 1e-9);
    assert_true(json_number(stream, "age_ms", 0) >= 40);
    refused(f, "unit.health", "{\"x\":1}", "unknown param 'x'");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
    const struct CMUnitTest tests[] = {
        TEST(test_hello_is_open_and_everything_else_needs_a_secure_session),
        TEST(test_a_part_that_the_board_lacks_is_no_capability),
        TEST(test_wrong_params_are_named_with_what_was_expected),
        TEST(test_frames_come_whole_and_in_order),
        TEST(test_two_calls_on_one_part_take_turns),
        TEST(test_pan_and_tilt_count_the_boards_microsteps),
        TEST(test_sound_goes_both_ways_bit_for_bit),
        TEST(test_an_identity_is_written_read_back_and_locked_for_good),
        TEST(test_a_unit_makes_its_key_itself_and_never_gives_it_away),
        TEST(test_an_update_goes_to_the_other_slot_and_is_committed_after_its_restart),
        TEST(test_a_true_card_is_measured_and_left_as_it_was),
        TEST(test_a_card_is_formatted_when_nothing_is_on_it),
        TEST(test_a_card_that_wraps_is_found_out_and_left_as_it_was),
        TEST(test_a_card_that_loses_writes_is_found_out),
        TEST(test_a_press_is_seen_while_an_led_is_set),
        TEST(test_a_call_taken_back_frees_its_part_soon),
        TEST(test_wifi_is_joined_and_left),
        TEST(test_what_is_watched_for_months_is_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
