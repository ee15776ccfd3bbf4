/* The station file: slots, their wiring, where things are kept. Format: docs/architecture.md. */
#ifndef TAKT_STATION_ENGINE_STATION_FILE_H
#define TAKT_STATION_ENGINE_STATION_FILE_H

#include <limits.h>

#include "protocol/base/json.h"
#include "protocol/wire/session.h"
#include "provisioning/delivery.h"

enum {
    STATION_SLOTS_MAX = 64,
    STATION_WIRES_PER_SLOT = 12,
    STATION_RESOURCES_MAX = 512,
    STATION_TOKEN_LIFE_S = 600, /* unless the file says otherwise */
};

struct station_file_wire {
    const char *class_name, *instrument;
    int resource; /* what a lease is of: an instrument, or one channel of it */
};

struct station_file_slot {
    int number; /* as people say it, 1 to 64 */
    const char *port;
    struct station_file_wire wires[STATION_WIRES_PER_SLOT];
    size_t wire_count;
    int fixture; /* slots with the same number share one (a dark room); -1: on its own */
    int line;
};

/* What of it concerns identities. */
struct station_identities {
    char custody[PATH_MAX + 16];     /* "file:/..." or "pkcs11:..."; "" when none */
    struct delivery_keys deliveries; /* the platform's and ours; .platform "" when none */
    long long warn_below;            /* free identities; 0: nobody is warned */
    char shared[1024];               /* "postgresql://..."; "" when the pool is the station's own */
    long long lease_identities;      /* held for when the network is gone; 0: none */
    long long lease_hours;
    struct {
        char certificate[PATH_MAX]; /* PEM; "" when no unit makes its key itself */
        char key[PATH_MAX + 16];    /* signer's address, "file:/..." or "pkcs11:..." */
        long long years;            /* of a unit's certificate; 0: without end */
    } device_ca;
};

struct station_file {
    struct json_document *document;
    char path[PATH_MAX]; /* absolute */
    const char *station, *line, *site;
    char state_dir[PATH_MAX], products_dir[PATH_MAX], boards_dir[PATH_MAX];
    char bundle[PATH_MAX]; /* "" when none */
    struct station_identities identities;
    struct credentials credentials; /* PEM texts, owned; NULLs when none are given */
    char token_key[PATH_MAX + 16];  /* signer's address, "file:/..."; "" when none */
    int token_life_s;               /* of a factory token */
    const char *plan_key_pem;   /* public: whose plans are run; NULL when unsigned ones are, too */
    const char *bundle_key_pem; /* public: whose bundles are flashed; NULL when none */
    bool has_instruments;
    char campaigns_dir[PATH_MAX]; /* "" when none */
    const char *clock;            /* address of simulated time; "" is the system's */
    struct station_file_slot slots[STATION_SLOTS_MAX];
    size_t slot_count;
    int capacity[STATION_RESOURCES_MAX]; /* slots at once, by resource */
    size_t resource_count;
};

/* Everything checked, instruments by fixture_check(); a complaint names file and line. Makes
 * nothing. */
int station_file_load(const char *path, struct station_file **out, struct error *err);
void station_file_free(struct station_file *s);

/* Only what concerns identities; `folder` is the file's own, which relative paths start from. */
int station_file_identities(const struct json_document *document, const char *folder,
                            struct station_identities *out, struct error *err);

/* Only where the control socket is, for clients: out has room for PATH_MAX. */
int station_file_socket(const char *path, char *out, struct error *err);

#endif
