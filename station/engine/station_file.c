#include "station/engine/station_file.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/fixture.h"
#include "protocol/base/file.h"
#include "protocol/formats/signing.h"
#include "protocol/formats/token.h"
#include "provisioning/signer.h"
#include "reports/outbox.h"
#include "station/engine/station_console.h"

enum {
    PEM_BYTES_MAX = 1 << 20,
    WARN_BELOW_MAX = 100000000,
    LEASE_IDENTITIES_MAX = 5000, /* they come in one message */
    LEASE_HOURS_MAX = 24 * 90,
    CERTIFICATE_YEARS_MAX = 100,
};

static const char *const station_members[] = {
    "station",    "line",   "site",          "state_dir",   "products_dir",
    "boards_dir", "bundle", "custody",       "credentials", "instruments",
    "slots",      "outbox", "deliveries",    "pool",        "surroundings",
    "rack",       "clock",  "campaigns_dir", "console",     "device_ca",
    NULL};

/* The file's own folder, which relative paths start from. */
static int folder_of(const char *path, char *absolute, char *folder, struct error *err)
{
    if (!realpath(path, absolute))
        return error_errno(err, ERROR_MISSING, "cannot open station file %s", path);
    snprintf(folder, PATH_MAX, "%s", absolute);
    *strrchr(folder, '/') = '\0';
    return 0;
}

static int take_path(const struct json_document *doc, const cJSON *object, const char *name,
                     const char *folder, char out[PATH_MAX], struct error *err)
{
    const char *value;
    int rc = json_need_string(doc, object, name, &value, err);
    if (!rc && !*value)
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(object, name), err,
                           "'%s' is empty, expected a path", name);
    return rc ? rc : file_join(out, PATH_MAX, folder, value, err);
}

static int take_pem(const struct json_document *doc, const cJSON *object, const char *name,
                    const char *folder, const char **out, struct error *err)
{
    char path[PATH_MAX];
    struct buffer text = {.limit_bytes = PEM_BYTES_MAX};
    struct error why = {0};
    int rc = take_path(doc, object, name, folder, path, err);
    if (rc)
        return rc;
    rc = file_read(path, &text, &why);
    if (rc)
        rc =
            json_complain(doc, cJSON_GetObjectItemCaseSensitive(object, name), err, "%s", why.text);
    else if (!buffer_text(&text) || !(*out = strdup(buffer_text(&text))))
        rc = error_set(err, ERROR_MEMORY, "reading %s: out of memory", path);
    if (text.data)
        OPENSSL_cleanse(text.data, text.size);
    buffer_free(&text);
    return rc;
}

/* A signer's address: a file's path, or one as signer.h has them. */
static int take_signer(const struct json_document *doc, const cJSON *given, const char *name,
                       const char *folder, char out[PATH_MAX + 16], struct error *err)
{
    char path[PATH_MAX];
    const char *address;
    int rc = take_path(doc, given, name, folder, path, err);
    if (!rc)
        rc = json_need_string(doc, given, name, &address, err);
    if (rc)
        return rc;
    if (strchr(address, ':'))
        snprintf(out, PATH_MAX + 16, "%s", address);
    else
        snprintf(out, PATH_MAX + 16, "file:%s", path);
    return 0;
}

/* Opened to be sure that it can be. */
static int take_token_key(struct station_file *s, const cJSON *given, const char *folder,
                          struct error *err)
{
    const struct json_document *doc = s->document;
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(given, "token_key");
    struct signer *signer;
    struct error why = {0};
    long long life_s = STATION_TOKEN_LIFE_S;
    int rc = 0;
    if (cJSON_GetObjectItemCaseSensitive(given, "token_life_s"))
        rc = json_need_integer(doc, given, "token_life_s", 10, TOKEN_LIFE_MAX_S, &life_s, err);
    s->token_life_s = (int)life_s;
    if (rc || !at)
        return rc;
    rc = take_signer(doc, given, "token_key", folder, s->token_key, err);
    if (rc)
        return rc;
    rc = signer_open(s->token_key, &signer, &why);
    if (rc)
        return json_complain(doc, at, err, "%s", why.text);
    signer_close(signer);
    return 0;
}

static int take_credentials(struct station_file *s, const char *folder, struct error *err)
{
    static const char *const members[] = {"certificate", "key",          "factory_ca", "bundle_key",
                                          "token_key",   "token_life_s", "plan_key",   NULL};
    const struct json_document *doc = s->document;
    const cJSON *given;
    if (!cJSON_GetObjectItemCaseSensitive(json_root(doc), "credentials"))
        return 0;
    int rc = json_need_object(doc, json_root(doc), "credentials", &given, err);
    if (!rc)
        rc = json_only(doc, given, members, err);
    if (!rc)
        rc = take_pem(doc, given, "certificate", folder, &s->credentials.certificate_pem, err);
    if (!rc)
        rc = take_pem(doc, given, "key", folder, &s->credentials.private_key_pem, err);
    /* The station names its CA for completeness; a unit's certificate is its own (session.h), so
     * the station's side accepts any. */
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "factory_ca")) {
        char path[PATH_MAX];
        rc = take_path(doc, given, "factory_ca", folder, path, err);
    }
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "bundle_key"))
        rc = take_pem(doc, given, "bundle_key", folder, &s->bundle_key_pem, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "plan_key")) {
        struct error why = {0};
        rc = take_pem(doc, given, "plan_key", folder, &s->plan_key_pem, err);
        if (!rc && signing_public_key_check(s->plan_key_pem, &why))
            rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(given, "plan_key"), err, "%s",
                               why.text);
    }
    return rc ? rc : take_token_key(s, given, folder, err);
}

static int take_custody(const struct json_document *doc, const char *folder,
                        struct station_identities *out, struct error *err)
{
    const cJSON *root = json_root(doc);
    const char *address;
    char path[PATH_MAX];
    if (!cJSON_GetObjectItemCaseSensitive(root, "custody"))
        return 0;
    int rc = json_need_string(doc, root, "custody", &address, err);
    if (rc)
        return rc;
    if (!strchr(address, ':'))
        return json_complain(doc, cJSON_GetObjectItemCaseSensitive(root, "custody"), err,
                             "'custody' is '%s', expected \"file:PATH\" or \"pkcs11:URI\"",
                             address);
    if (strncmp(address, "file:", 5) != 0) {
        snprintf(out->custody, sizeof out->custody, "%s", address);
        return 0;
    }
    rc = file_join(path, sizeof path, folder, address + 5, err);
    if (!rc)
        snprintf(out->custody, sizeof out->custody, "file:%s", path);
    return rc;
}

static int take_deliveries(const struct json_document *doc, const char *folder,
                           struct station_identities *out, struct error *err)
{
    static const char *const members[] = {"platform_certificate", "certificate", "key", NULL};
    struct delivery_keys *keys = &out->deliveries;
    const cJSON *given;
    if (!cJSON_GetObjectItemCaseSensitive(json_root(doc), "deliveries"))
        return 0;
    int rc = json_need_object(doc, json_root(doc), "deliveries", &given, err);
    if (!rc)
        rc = json_only(doc, given, members, err);
    if (!rc)
        rc = take_path(doc, given, "certificate", folder, keys->certificate, err);
    if (!rc)
        rc = take_path(doc, given, "key", folder, keys->key, err);
    if (!rc)
        rc = take_path(doc, given, "platform_certificate", folder, keys->platform, err);
    return rc;
}

static int take_lease(const struct json_document *doc, const cJSON *pool,
                      struct station_identities *out, struct error *err)
{
    static const char *const members[] = {"identities", "hours", NULL};
    const cJSON *given;
    int rc = json_need_object(doc, pool, "lease", &given, err);
    if (!rc && !out->shared[0])
        rc = json_complain(doc, given, err, "a lease is of a 'shared' pool, and there is none");
    if (!rc)
        rc = json_only(doc, given, members, err);
    if (!rc)
        rc = json_need_integer(doc, given, "identities", 1, LEASE_IDENTITIES_MAX,
                               &out->lease_identities, err);
    if (!rc)
        rc = json_need_integer(doc, given, "hours", 1, LEASE_HOURS_MAX, &out->lease_hours, err);
    return rc;
}

static int take_pool(const struct json_document *doc, struct station_identities *out,
                     struct error *err)
{
    static const char *const members[] = {"warn_below", "shared", "lease", NULL};
    const cJSON *given;
    const char *address;
    if (!cJSON_GetObjectItemCaseSensitive(json_root(doc), "pool"))
        return 0;
    int rc = json_need_object(doc, json_root(doc), "pool", &given, err);
    if (!rc)
        rc = json_only(doc, given, members, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "warn_below"))
        rc = json_need_integer(doc, given, "warn_below", 0, WARN_BELOW_MAX, &out->warn_below, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "shared")) {
        rc = json_need_string(doc, given, "shared", &address, err);
        if (!rc &&
            ((strncmp(address, "postgresql://", 13) && strncmp(address, "postgres://", 11)) ||
             strlen(address) >= sizeof out->shared))
            rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(given, "shared"), err,
                               "'shared' is no address of a PostgreSQL database, expected "
                               "postgresql://...");
        if (!rc)
            strcpy(out->shared, address);
    }
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "lease"))
        rc = take_lease(doc, given, out, err);
    return rc;
}

static int take_device_ca(const struct json_document *doc, const char *folder,
                          struct station_identities *out, struct error *err)
{
    static const char *const members[] = {"certificate", "key", "years", NULL};
    const cJSON *given;
    if (!cJSON_GetObjectItemCaseSensitive(json_root(doc), "device_ca"))
        return 0;
    int rc = json_need_object(doc, json_root(doc), "device_ca", &given, err);
    if (!rc)
        rc = json_only(doc, given, members, err);
    if (!rc)
        rc = take_path(doc, given, "certificate", folder, out->device_ca.certificate, err);
    if (!rc)
        rc = take_signer(doc, given, "key", folder, out->device_ca.key, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(given, "years"))
        rc = json_need_integer(doc, given, "years", 1, CERTIFICATE_YEARS_MAX, &out->device_ca.years,
                               err);
    return rc;
}

int station_file_identities(const struct json_document *doc, const char *folder,
                            struct station_identities *out, struct error *err)
{
    *out = (struct station_identities){0};
    int rc = take_custody(doc, folder, out, err);
    if (!rc)
        rc = take_pool(doc, out, err);
    if (!rc)
        rc = take_device_ca(doc, folder, out, err);
    return rc ? rc : take_deliveries(doc, folder, out, err);
}

/* One lease is of an instrument as a whole where the file gives its capacity, else of the one
 * channel the slot is wired to. */
struct resource_name {
    const char *instrument;
    int channel; /* 0 = the whole instrument */
};

static int find_resource(struct station_file *s, struct resource_name *names, const cJSON *wire)
{
    const cJSON *instruments =
        cJSON_GetObjectItemCaseSensitive(json_root(s->document), "instruments");
    const char *name = json_string(wire, "instrument", "");
    const cJSON *instrument = cJSON_GetObjectItemCaseSensitive(instruments, name);
    int capacity = (int)json_number(instrument, "capacity", 0);
    int channel = capacity ? 0 : (int)json_number(wire, "channel", 1);
    for (size_t i = 0; i < s->resource_count; i++)
        if (strcmp(names[i].instrument, name) == 0 && names[i].channel == channel)
            return (int)i;
    if (s->resource_count == STATION_RESOURCES_MAX)
        return -1;
    names[s->resource_count] = (struct resource_name){name, channel};
    s->capacity[s->resource_count] = capacity ? capacity : 1;
    return (int)s->resource_count++;
}

/* Slots that name the same fixture share its room; its number is that of the first of them. */
static int take_fixture(const struct station_file *s, const cJSON *object,
                        struct station_file_slot *slot, struct error *err)
{
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(object, "fixture");
    const cJSON *slots = cJSON_GetObjectItemCaseSensitive(json_root(s->document), "slots");
    slot->fixture = -1;
    if (!given)
        return 0;
    if (!cJSON_IsString(given) || !given->valuestring[0])
        return json_complain(s->document, given, err, "'fixture' must be a name");
    for (const cJSON *other = slots->child; other; other = other->next)
        if (strcmp(json_string(other, "fixture", ""), given->valuestring) == 0) {
            slot->fixture = json_line(s->document, other);
            return 0;
        }
    return 0;
}

static int take_slot(struct station_file *s, struct resource_name *names, const cJSON *object,
                     struct error *err)
{
    static const char *const members[] = {"slot", "port", "wiring", "fixture", NULL};
    const struct json_document *doc = s->document;
    struct station_file_slot *slot = &s->slots[s->slot_count];
    long long number;
    const cJSON *wiring;
    int rc = json_only(doc, object, members, err);
    if (!rc)
        rc = json_need_integer(doc, object, "slot", 1, STATION_SLOTS_MAX, &number, err);
    if (!rc)
        rc = json_need_string(doc, object, "port", &slot->port, err);
    if (!rc)
        rc = json_need_object(doc, object, "wiring", &wiring, err);
    if (rc)
        return rc;
    slot->number = (int)number;
    slot->line = json_line(doc, object);
    rc = take_fixture(s, object, slot, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < s->slot_count; i++)
        if (s->slots[i].number == slot->number)
            return json_complain(doc, cJSON_GetObjectItemCaseSensitive(object, "slot"), err,
                                 "slot %d is there already, in line %d", slot->number,
                                 s->slots[i].line);
    for (const cJSON *wire = wiring->child; wire; wire = wire->next) {
        int resource = find_resource(s, names, wire);
        if (resource < 0 || slot->wire_count == STATION_WIRES_PER_SLOT)
            return json_complain(doc, wire, err, "too many wires, expected at most %d a slot",
                                 STATION_WIRES_PER_SLOT);
        slot->wires[slot->wire_count++] =
            (struct station_file_wire){wire->string, json_string(wire, "instrument", ""), resource};
    }
    s->slot_count++;
    return 0;
}

static int take_slots(struct station_file *s, struct error *err)
{
    const cJSON *slots;
    int rc = json_need_array(s->document, json_root(s->document), "slots", &slots, err);
    if (rc)
        return rc;
    int count = cJSON_GetArraySize(slots);
    if (count < 1 || count > STATION_SLOTS_MAX)
        return json_complain(s->document, slots, err, "%d slots, expected 1 to %d", count,
                             STATION_SLOTS_MAX);
    struct resource_name *names = calloc(STATION_RESOURCES_MAX, sizeof *names);
    if (!names)
        return error_set(err, ERROR_MEMORY, "reading a station file: out of memory");
    for (const cJSON *slot = slots->child; !rc && slot; slot = slot->next)
        rc = cJSON_IsObject(slot) ? take_slot(s, names, slot, err)
                                  : json_complain(s->document, slot, err, "a slot is an object");
    free(names);
    return rc;
}

/* What concerns campaigns: units that stand in no slot, where files lie, the clock. */
static int take_campaigns(struct station_file *s, const char *folder, struct error *err)
{
    const cJSON *root = json_root(s->document), *rack, *port;
    int rc = 0;
    s->clock = "";
    if (cJSON_GetObjectItemCaseSensitive(root, "campaigns_dir"))
        rc = take_path(s->document, root, "campaigns_dir", folder, s->campaigns_dir, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(root, "clock"))
        rc = json_need_string(s->document, root, "clock", &s->clock, err);
    if (rc || !cJSON_GetObjectItemCaseSensitive(root, "rack"))
        return rc;
    rc = json_need_array(s->document, root, "rack", &rack, err);
    if (rc)
        return rc;
    cJSON_ArrayForEach(port, rack)
    {
        if (!cJSON_IsString(port) || !*port->valuestring)
            return json_complain(s->document, port, err,
                                 "a unit of the rack is its port, as in \"tcp://10.0.0.7:41000\"");
    }
    return 0;
}

static int take_name(const struct station_file *s, const char *name, const char **out,
                     struct error *err)
{
    int rc = json_need_string(s->document, json_root(s->document), name, out, err);
    if (!rc && (!**out || strlen(*out) > 64))
        rc = json_complain(s->document,
                           cJSON_GetObjectItemCaseSensitive(json_root(s->document), name), err,
                           "'%s' must have 1 to 64 bytes", name);
    return rc;
}

int station_file_load(const char *path, struct station_file **out, struct error *err)
{
    char folder[PATH_MAX];
    *out = NULL;
    struct station_file *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERROR_MEMORY, "reading %s: out of memory", path);
    int rc = folder_of(path, s->path, folder, err);
    if (!rc)
        rc = json_load(path, &s->document, err);
    const cJSON *root = rc ? NULL : json_root(s->document);
    if (!rc && !cJSON_IsObject(root))
        rc = json_complain(s->document, root, err, "a station file is one object");
    if (!rc)
        rc = json_only(s->document, root, station_members, err);
    if (!rc)
        rc = take_name(s, "station", &s->station, err);
    if (!rc)
        rc = take_name(s, "line", &s->line, err);
    if (!rc)
        rc = take_name(s, "site", &s->site, err);
    if (!rc)
        rc = take_path(s->document, root, "state_dir", folder, s->state_dir, err);
    if (!rc)
        rc = take_path(s->document, root, "products_dir", folder, s->products_dir, err);
    if (!rc)
        rc = take_path(s->document, root, "boards_dir", folder, s->boards_dir, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(root, "bundle"))
        rc = take_path(s->document, root, "bundle", folder, s->bundle, err);
    if (!rc)
        rc = station_file_identities(s->document, folder, &s->identities, err);
    if (!rc)
        rc = take_credentials(s, folder, err);
    if (!rc)
        rc = take_campaigns(s, folder, err);
    if (!rc)
        rc = fixture_check(s->document, err);
    if (!rc)
        rc = outbox_check(s->document, err);
    struct station_console console;
    if (!rc)
        rc = station_console_take(s->document, &console, err);
    if (!rc)
        rc = take_slots(s, err);
    if (rc) {
        station_file_free(s);
        return rc;
    }
    s->has_instruments =
        cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "instruments")) > 0;
    *out = s;
    return 0;
}

static void free_secret(const char *text)
{
    if (text)
        OPENSSL_cleanse((void *)(uintptr_t)text, strlen(text));
    free((void *)(uintptr_t)text);
}

void station_file_free(struct station_file *s)
{
    if (!s)
        return;
    free_secret(s->credentials.certificate_pem);
    free_secret(s->credentials.private_key_pem);
    free_secret(s->bundle_key_pem);
    free_secret(s->plan_key_pem);
    json_free(s->document);
    free(s);
}

int station_file_socket(const char *path, char *out, struct error *err)
{
    char absolute[PATH_MAX], folder[PATH_MAX], state[PATH_MAX];
    struct json_document *doc = NULL;
    int rc = folder_of(path, absolute, folder, err);
    if (!rc)
        rc = json_load(path, &doc, err);
    if (!rc)
        rc = take_path(doc, json_root(doc), "state_dir", folder, state, err);
    if (!rc)
        rc = file_join(out, PATH_MAX, state, "taktd.sock", err);
    json_free(doc);
    return rc;
}
