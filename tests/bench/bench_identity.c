/* Identities a second from a pool that eight stations share, beside the bare UPDATE ... RETURNING
 * of the same database; and what a session costs before the first identity goes over a UART of
 * 115200 baud: link, hello, TLS 1.3 with both certificates, factory token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "protocol/formats/signing.h"
#include "provisioning/shared_pool.h"
#include "tests/integration/enter.h"
#include "tests/unit/protocol/peers.h"
#include "tests/unit/reports/postgres_fixture.h"

enum { STATIONS = 8, EACH = 250, BAUD = 115200 };

static int run_sql(const char *address, const char *sql)
{
    PGconn *c = PQconnectdb(address);
    PGresult *r = PQexec(c, sql);
    const ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fprintf(stderr, "bench_identity: %s\n", PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : -1;
}

static int reserve_all(const char *address, int station, int ready, int go)
{
    struct shared_pool *p = NULL;
    struct error err = {0};
    char word = 'r', name[24], chip[48];
    int rc = shared_pool_open(address, &p, &err);
    if (write(ready, &word, 1) != 1 || read(go, &word, 1) != 0)
        return 1;
    snprintf(name, sizeof name, "s%d", station);
    for (int n = 0; n < EACH && !rc; n++) {
        struct shared_identity i;
        snprintf(chip, sizeof chip, "chip-%d-%d", station, n);
        const struct pool_request r = {.chip_id = chip,
                                       .serial = "SN",
                                       .order = "WO-1",
                                       .station = name,
                                       .operator_name = "li",
                                       .wall_ms = 1790000000000};
        rc = shared_pool_reserve(p, &r, &i, &err);
    }
    if (rc)
        fprintf(stderr, "bench_identity, station %d: %s\n", station, err.text);
    shared_pool_close(p);
    return rc != 0;
}

/* The least that a durable reservation can be: a row that is known, with nothing to look for. */
static int update_all(const char *address, int station, int ready, int go)
{
    PGconn *c = PQconnectdb(address);
    char word = 'r', id[24], chip[48];
    int rc = 0;
    if (write(ready, &word, 1) != 1 || read(go, &word, 1) != 0)
        return 1;
    for (int n = 0; n < EACH && !rc; n++) {
        snprintf(id, sizeof id, "%d", station * EACH + n + 1);
        snprintf(chip, sizeof chip, "chip-%d-%d", station, n);
        const char *const values[] = {id, chip};
        PGresult *r = PQexecParams(c,
                                   "UPDATE bare SET state = 1, chip_id = $2 WHERE id = $1::bigint"
                                   " RETURNING id, did, key_sealed",
                                   2, NULL, values, NULL, NULL, 0);
        rc = PQntuples(r) != 1;
        PQclear(r);
    }
    PQfinish(c);
    return rc;
}

/* Per second, all stations at once; 0 when one failed. */
static double rate(const char *address,
                   int (*work)(const char *address, int station, int ready, int go))
{
    int ready[2], go[2], failed = 0, status;
    char word;
    if (pipe(ready) || pipe(go))
        return 0;
    for (int s = 0; s < STATIONS; s++)
        if (fork() == 0) {
            close(go[1]);
            _exit(work(address, s, ready[1], go[0]));
        }
    for (int s = 0; s < STATIONS; s++)
        failed |= read(ready[0], &word, 1) != 1;
    const int64_t from = clock_mono_ns();
    close(go[1]);
    for (int s = 0; s < STATIONS && wait(&status) > 0; s++)
        failed |= status != 0;
    const double seconds = (double)(clock_mono_ns() - from) / 1e9;
    close(go[0]);
    close(ready[0]);
    close(ready[1]);
    return failed ? 0 : STATIONS * EACH / seconds;
}

static int fill(const char *address)
{
    struct shared_pool *p = NULL;
    struct error err = {0};
    if (shared_pool_open(address, &p, &err))
        return -1;
    shared_pool_close(p);
    return run_sql(
        address,
        "INSERT INTO takt_pool.import(file, sha256, operator, station, wall_ms)"
        " VALUES ('bench', '', '', '', 0);"
        "INSERT INTO takt_pool.identity(did, mac, key_fingerprint, key_sealed, import, import_line)"
        " SELECT n, n, sha256(int4send(n)), sha256(int4send(n)) || sha256(int4send(n)), 1, n FROM"
        " generate_series(1, 20000) n;"
        "CREATE TABLE bare AS SELECT id, did, mac, key_sealed, state, chip_id FROM"
        " takt_pool.identity; ALTER TABLE bare ADD PRIMARY KEY (id); ANALYZE");
}

static int bench_pool(void)
{
    char address[200];
    struct postgres_fixture *p = postgres_new();
    if (!p)
        return -1;
    postgres_database(p, address);
    double bare = 0, shared = 0;
    if (fill(address) == 0) {
        bare = rate(address, update_all);
        shared = rate(address, reserve_all);
    }
    postgres_free(p);
    if (bare <= 0 || shared <= 0)
        return -1;
    printf("{\"bench\":\"identity_reserve\",\"value\":%.0f,\"unit\":\"identities/s\","
           "\"reference\":%.0f,\"peer\":\"UPDATE RETURNING\",\"method\":\"%d stations at once, "
           "%d each, from a pool of 20,000; durable, quotas looked for, one PostgreSQL 15 on this "
           "machine; the peer: the bare UPDATE ... WHERE id ... RETURNING by as many connections "
           "on a copy of the table without its rules\"}\n",
           shared, bare, STATIONS, EACH);
    return 0;
}

/* ---- a session over a slow line ---------------------------------------------------------------
 */

struct wire { /* one direction: as many bytes a second as the line carries */
    int from, to;
    atomic_long bytes;
};

static void *carry(void *context)
{
    struct wire *w = context;
    uint8_t data[64];
    ssize_t n;
    int64_t free_at = clock_mono_ns();
    while ((n = read(w->from, data, sizeof data)) > 0) {
        atomic_fetch_add(&w->bytes, n);
        const int64_t now = clock_mono_ns();
        /* 8N1: ten bits a byte. */
        free_at = (free_at > now ? free_at : now) + n * INT64_C(10000000000) / BAUD;
        clock_sleep_until_ns(free_at);
        if (write(w->to, data, (size_t)n) != n)
            break;
    }
    shutdown(w->to, SHUT_WR);
    return NULL;
}

static int say_hello(void *context, struct request *r, const cJSON *params, cJSON **result,
                     struct error *err)
{
    (void)context, (void)r, (void)params, (void)err;
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "version", 1);
    cJSON_AddStringToObject(*result, "agent", "camd");
    cJSON_AddStringToObject(*result, "board", "ssc337de-nand128");
    cJSON_AddStringToObject(*result, "chip_id", "5cc336000000000000000000000000a1");
    cJSON_AddStringToObject(*result, "boot_slot", "a");
    cJSON_AddBoolToObject(*result, "factory_mode", true);
    cJSON_AddStringToObject(*result, "nonce", "00112233445566778899aabbccddeeff");
    return 0;
}

static int let_in(void *context, struct request *r, const cJSON *params, cJSON **result,
                  struct error *err)
{
    (void)context, (void)r, (void)params, (void)result, (void)err;
    return 0;
}

static const struct method unit_methods[] = {
    {"hello", true, say_hello}, {"factory.enter", false, let_in}, {0}};

struct side {
    struct transport *transport;
    struct session_config config;
    struct session *session;
    int rc;
    struct error err;
};

static void *open_side(void *context)
{
    struct side *s = context;
    s->rc = session_open(s->transport, &s->config, &s->session, &s->err);
    return NULL;
}

static int bench_session(void)
{
    struct certificate ca, station, unit;
    struct signing_key token;
    struct error err = {0};
    int left[2], right[2];
    pthread_t threads[3];
    if (certificate_make_ca("factory", 10, &ca, &err) ||
        certificate_issue(&ca, "station", "station", 10, &station, &err) ||
        certificate_make_unit("c0ffee01", &unit, &err) || signing_key_make(&token, &err) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, left) || socketpair(AF_UNIX, SOCK_STREAM, 0, right))
        return -1;
    struct wire out = {.from = left[1], .to = right[0]}, back = {.from = right[0], .to = left[1]};
    const struct credentials ours = {.certificate_pem = station.certificate_pem,
                                     .private_key_pem = station.private_key_pem};
    const struct credentials theirs = {.certificate_pem = unit.certificate_pem,
                                       .private_key_pem = unit.private_key_pem,
                                       .ca_pem = ca.certificate_pem};
    struct side s = {.config = {.credentials = &ours}};
    struct side u = {.config = {.server = true,
                                .methods = unit_methods,
                                .credentials = &theirs,
                                .require_secure = true}};
    if (transport_from_fd(left[0], left[0], false, "station", &s.transport, &err) ||
        transport_from_fd(right[1], right[1], false, "unit", &u.transport, &err))
        return -1;
    pthread_create(&threads[0], NULL, carry, &out);
    pthread_create(&threads[1], NULL, carry, &back);
    pthread_create(&threads[2], NULL, open_side, &u);
    const int64_t from = clock_mono_ns();
    open_side(&s);
    pthread_join(threads[2], NULL);
    cJSON *hello = NULL;
    const struct call call = {.method = "hello", .timeout_ms = 20000};
    int rc = s.rc ? s.rc : u.rc;
    err = s.err;
    if (!rc)
        rc = session_call(s.session, &call, &hello, &err);
    if (!rc)
        rc = session_secure(s.session, 30000, &err);
    if (!rc)
        rc = enter_unit(s.session, hello, token.private_pem, NULL, &err);
    const double seconds = (double)(clock_mono_ns() - from) / 1e9;
    const long bytes = atomic_load(&out.bytes) + atomic_load(&back.bytes);
    const long most = atomic_load(&back.bytes) > atomic_load(&out.bytes) ? atomic_load(&back.bytes)
                                                                         : atomic_load(&out.bytes);
    cJSON_Delete(hello);
    session_close(s.session);
    session_close(u.session);
    shutdown(left[1], SHUT_RDWR);
    shutdown(right[0], SHUT_RDWR);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    close(left[1]);
    close(right[0]);
    certificate_free(&ca);
    certificate_free(&station);
    certificate_free(&unit);
    signing_key_free(&token);
    if (rc) {
        fprintf(stderr, "bench_identity, session: %s\n", err.text);
        return -1;
    }
    printf("{\"bench\":\"session_setup_bytes\",\"value\":%ld,\"unit\":\"bytes\",\"method\":\"both "
           "directions: link, hello, TLS 1.3 with both certificates, factory token; %ld of them "
           "in the busier one\"}\n",
           bytes, most);
    printf("{\"bench\":\"session_setup_115200\",\"value\":%.3f,\"unit\":\"s\",\"reference\":%.3f,"
           "\"peer\":\"the line alone\",\"method\":\"the same over a line of 115200 baud, 8N1, on "
           "this machine; the line alone: the bytes one after the other, none at the same time\"}"
           "\n",
           seconds, (double)bytes * 10 / BAUD);
    return 0;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* the unit says good-bye to a station that is gone */
    return bench_session() || bench_pool() ? 3 : 0;
}
