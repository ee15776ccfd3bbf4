/* What the shared pool's own files share. */
#ifndef TAKT_PROVISIONING_SHARED_PARTS_H
#define TAKT_PROVISIONING_SHARED_PARTS_H

#include <libpq-fe.h>

#include "provisioning/shared_pool.h"

enum { SHARED_VALUES_MAX = 16, SHARED_TRIES = 8 };

struct shared_pool {
    PGconn *pg;
    bool prepared; /* the reservation, on this connection */
};

/* A statement with its values, by `types`: i int64_t, z int64_t where 0 is NULL, t const char *, n
 * const char * where "" or NULL is NULL, b const void * then size_t. NULL with err set on failure;
 * texts come back as text, bytes as \x hex. */
PGresult *shared_query(struct shared_pool *p, struct error *err, const char *sql, const char *types,
                       ...);
/* The same without rows; *changed, when wanted, is how many rows it wrote. */
int shared_run(struct shared_pool *p, struct error *err, int64_t *changed, const char *sql,
               const char *types, ...);
/* What was begun, as far as it can still be said to the server; it does so by itself otherwise. */
void shared_roll_back(struct shared_pool *p);
int64_t shared_number_at(const PGresult *r, int row, int column);
/* A row of id, did, mac, fingerprint, sealed key, state. */
int shared_identity_at(const PGresult *r, int row, struct shared_identity *out, struct error *err);

#endif
