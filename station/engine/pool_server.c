#include "station/engine/pool_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/digest.h"
#include "protocol/base/json.h"
#include "station/engine/channel.h"

enum { AGAIN_MS = 1000, IDS_MAX = 100000 };

struct server {
    const char *address;
    struct shared_pool *pool; /* NULL while it is not reached */
    int64_t tried_ms;
    struct error why;
};

/* Whoever asks right after a failed attempt gets its answer: a wait would be everybody's. */
static int reach(struct server *s, struct error *err)
{
    if (s->pool)
        return 0;
    if (s->why.code && clock_mono_ms() - s->tried_ms < AGAIN_MS) {
        *err = s->why;
        return err->code;
    }
    memset(&s->why, 0, sizeof s->why);
    const int rc = shared_pool_open(s->address, &s->pool, &s->why);
    s->tried_ms = clock_mono_ms();
    if (rc)
        *err = s->why;
    return rc;
}

cJSON *pool_server_identity(const struct shared_identity *i)
{
    char hex[2 * sizeof i->sealed + 1];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "id", (double)i->id);
    cJSON_AddStringToObject(o, "did", i->did);
    cJSON_AddStringToObject(o, "mac", i->mac);
    hex_encode(i->fingerprint, sizeof i->fingerprint, hex);
    cJSON_AddStringToObject(o, "fingerprint", hex);
    hex_encode(i->sealed, i->sealed_bytes, hex);
    cJSON_AddStringToObject(o, "sealed", hex);
    cJSON_AddNumberToObject(o, "state", i->state);
    return o;
}

int pool_server_take_identity(const cJSON *said, struct shared_identity *out, struct error *err)
{
    const char *did = json_string(said, "did", ""), *mac = json_string(said, "mac", "");
    const char *sealed = json_string(said, "sealed", "");
    *out = (struct shared_identity){.id = (int64_t)json_number(said, "id", 0),
                                    .state = (enum identity_state)json_number(said, "state", 0),
                                    .sealed_bytes = strlen(sealed) / 2};
    if (strlen(did) >= sizeof out->did || strlen(mac) >= sizeof out->mac ||
        out->sealed_bytes > sizeof out->sealed ||
        hex_decode(sealed, out->sealed, out->sealed_bytes) ||
        hex_decode(json_string(said, "fingerprint", ""), out->fingerprint, sizeof out->fingerprint))
        return error_set(err, ERROR_PROTOCOL, "what the shared pool gave is no identity");
    strcpy(out->did, did);
    strcpy(out->mac, mac);
    return 0;
}

static int reserve(struct server *s, const cJSON *asked, cJSON *answer, struct error *err)
{
    struct shared_identity i;
    const struct pool_request r = {.chip_id = json_string(asked, "chip_id", ""),
                                   .serial = json_string(asked, "serial", ""),
                                   .order = json_string(asked, "order", ""),
                                   .station = json_string(asked, "station", ""),
                                   .operator_name = json_string(asked, "operator", ""),
                                   .wall_ms = (int64_t)json_number(asked, "wall_ms", 0)};
    cJSON_AddNumberToObject(answer, "n", json_number(asked, "n", 0));
    int rc = reach(s, err);
    if (!rc)
        rc = shared_pool_reserve(s->pool, &r, &i, err);
    if (!rc)
        cJSON_AddItemToObject(answer, "identity", pool_server_identity(&i));
    return rc;
}

/* As far as it comes: each is told by itself. */
static int report(struct server *s, const cJSON *asked, cJSON *answer, struct error *err)
{
    const cJSON *row;
    cJSON *done = cJSON_AddArrayToObject(answer, "reported");
    int rc = reach(s, err);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(asked, "rows"))
    {
        bool conflict = false;
        const struct shared_report r = {.id = (int64_t)json_number(row, "id", 0),
                                        .state = (enum identity_state)json_number(row, "state", 0),
                                        .chip_id = json_string(row, "chip_id", ""),
                                        .serial = json_string(row, "serial", ""),
                                        .order = json_string(row, "order", ""),
                                        .station = json_string(row, "station", ""),
                                        .operator_name = json_string(row, "operator", ""),
                                        .reason = json_string(row, "reason", ""),
                                        .reserved_ms = (int64_t)json_number(row, "reserved", 0),
                                        .injected_ms = (int64_t)json_number(row, "injected", 0),
                                        .confirmed_ms = (int64_t)json_number(row, "confirmed", 0),
                                        .quarantined_ms =
                                            (int64_t)json_number(row, "quarantined", 0),
                                        .scrapped_ms = (int64_t)json_number(row, "scrapped", 0)};
        if (!rc)
            rc = shared_pool_report(s->pool, &r, &conflict, err);
        if (rc)
            break;
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "id", (double)r.id);
        cJSON_AddNumberToObject(o, "state", r.state);
        cJSON_AddBoolToObject(o, "conflict", conflict);
        cJSON_AddItemToArray(done, o);
    }
    return rc;
}

static int add_identity(void *context, const struct shared_identity *i, struct error *err)
{
    (void)err;
    cJSON_AddItemToArray(context, pool_server_identity(i));
    return 0;
}

static int lease(struct server *s, const cJSON *asked, cJSON *answer, struct error *err)
{
    const struct shared_lease_wish w = {.token = json_string(asked, "token", ""),
                                        .station = json_string(asked, "station", ""),
                                        .identities = (int64_t)json_number(asked, "wanted", 0),
                                        .wall_ms = (int64_t)json_number(asked, "wall_ms", 0),
                                        .ends_ms = (int64_t)json_number(asked, "ends_ms", 0)};
    cJSON_AddStringToObject(answer, "lease", w.token);
    cJSON *identities = cJSON_AddArrayToObject(answer, "identities");
    int rc = reach(s, err);
    return rc ? rc : shared_lease_take(s->pool, &w, add_identity, identities, err);
}

static int give_back(struct server *s, const cJSON *asked, cJSON *answer, struct error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(asked, "ids"), *id;
    const int count = cJSON_GetArraySize(list);
    const char *token = json_string(asked, "token", "");
    cJSON_AddStringToObject(answer, "given_back", token);
    int64_t *ids = count <= IDS_MAX ? calloc((size_t)count + 1, sizeof *ids) : NULL;
    size_t n = 0;
    if (!ids)
        return error_set(err, ERROR_MEMORY, "giving a lease back: out of memory");
    cJSON_ArrayForEach(id, list) ids[n++] = (int64_t)id->valuedouble;
    int rc = reach(s, err);
    if (!rc)
        rc = shared_lease_give_back(s->pool, token, ids, n, clock_wall_ms(), err);
    free(ids);
    return rc;
}

static int watch_free(struct server *s, const cJSON *asked, cJSON *answer, struct error *err)
{
    int64_t free = 0;
    int rc = reach(s, err);
    if (!rc)
        rc = shared_pool_free_up_to(s->pool, (int64_t)json_number(asked, "at_most", 1), &free, err);
    uint8_t proof[SHARED_PROOF_MAX];
    char hex[2 * SHARED_PROOF_MAX + 1] = "";
    size_t size = 0;
    if (!rc)
        rc = shared_pool_proof(s->pool, proof, &size, err);
    if (!rc)
        hex_encode(proof, size, hex);
    cJSON_AddStringToObject(answer, "proof", hex);
    cJSON_AddNumberToObject(answer, "free", rc ? -1 : (double)free);
    return rc;
}

static cJSON *answer_to(struct server *s, const cJSON *asked)
{
    static const struct {
        const char *ask;
        int (*serve)(struct server *s, const cJSON *asked, cJSON *answer, struct error *err);
    } table[] = {{"reserve", reserve},
                 {"report", report},
                 {"lease", lease},
                 {"give_back", give_back},
                 {"watch", watch_free}};
    struct error err = {0};
    cJSON *answer = cJSON_CreateObject();
    int rc = ERROR_PROTOCOL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(json_string(asked, "ask", ""), table[i].ask) == 0)
            rc = table[i].serve(s, asked, answer, &err);
    /* A connection that broke is made anew; one where anything else went wrong is kept. */
    if (rc == ERROR_CLOSED || rc == ERROR_IO) {
        shared_pool_close(s->pool);
        s->pool = NULL;
        s->why = err;
        s->tried_ms = clock_mono_ms();
    }
    cJSON_AddNumberToObject(answer, "rc", rc);
    cJSON_AddStringToObject(answer, "text", rc ? err.text : "");
    return answer;
}

int pool_serve(const char *address, int fd, struct error *err)
{
    struct server s = {.address = address};
    struct channel *channel = NULL;
    int rc = channel_create(fd, &channel, err);
    while (!rc) {
        cJSON *asked = NULL;
        rc = channel_wait(channel, -1, &asked, err);
        if (rc)
            break;
        cJSON *answer = answer_to(&s, asked);
        rc = channel_send(channel, answer, err);
        if (!rc)
            rc = channel_drain(channel, -1, err);
        cJSON_Delete(answer);
        cJSON_Delete(asked);
    }
    shared_pool_close(s.pool);
    channel_free(channel);
    return rc == ERROR_CLOSED ? 0 : rc;
}
