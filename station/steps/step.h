/* A step: one thing done to a unit, giving evidence in named values.
 *
 * A step sets instruments, asks the agent, hands what came back to measure, and reports
 * measurements. It never judges: limits are the plan's, verdicts the engine's. It does not know
 * which slot it runs for. Kinds are rows of one table (step_table.c), one file a kind. */
#ifndef TAKT_STATION_STEPS_STEP_H
#define TAKT_STATION_STEPS_STEP_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fixtures/fixture.h"
#include "protocol/base/error.h"
#include "protocol/formats/board.h"
#include "protocol/formats/unit_key.h"
#include "protocol/wire/session.h"

/* What a unit is to be, as committed in the store. Key bytes are wiped by whoever holds them. */
struct step_identity {
    char did[33];
    char mac[18];      /* "02:..": lower-case, colons */
    char key_hex[129]; /* "": the unit makes its key itself and gets a certificate */
    char state[16];    /* "reserved", "injected", "confirmed" */
};

/* What a step may ask of the engine that runs it. Each call is one committed transaction when it
 * returns. */
struct step_services {
    /* The identity of this unit: the same one again when it already has one. ERROR_FULL when the
     * pool is empty. */
    int (*identity_reserve)(void *engine, const char *chip_id, struct step_identity *out,
                            struct error *err);
    /* Moves it on: "injected", "confirmed" or "quarantined". */
    int (*identity_advance)(void *engine, const char *chip_id, const char *state,
                            struct error *err);
    /* The certificate of this unit's identity for the request that the unit made, both hex of DER
     * (protocol/formats/unit_key.h): the same one again for the same key. May be NULL where no
     * identities are given. */
    int (*identity_certify)(void *engine, const char *chip_id, const char *request_hex,
                            char certificate_hex[2 * UNIT_CERTIFICATE_MAX + 1], struct error *err);
    /* A result already committed in this run: {"measurement": value, ...} of step `id`. */
    int (*committed)(void *engine, const char *step_id, cJSON **out, struct error *err);
    void (*progress)(void *engine, double fraction, const char *text);
    void (*log)(void *engine, const char *text);
    /* Takes ownership of nothing; figures go out with the step's result. */
    int (*measured)(void *engine, const char *name, double value, const char *unit,
                    struct error *err);
    /* A text fact kept with the step and shown in the record ("did", "firmware"). */
    int (*noted)(void *engine, const char *name, const char *text, struct error *err);
    /* The limits a measurement of this step will be held against, for drawing them beside it:
     * -INFINITY and INFINITY where there is none. A step never judges by them. May be NULL. */
    void (*limits)(void *engine, const char *measurement, double *low, double *high);
    /* Kept by content hash; on return the bytes are on disk. */
    int (*attached)(void *engine, const char *name, const char *mime, const void *data, size_t size,
                    struct error *err);
    /* May be NULL. Between true and false the step is not ended, neither by its deadline nor by an
     * abort: an erase, a write, a key. Keep it short. */
    void (*section)(void *engine, bool inside);
    /* May be NULL. What this pass of the step draws its random choices from: kept, so that the pass
     * can be had again. At most 48 bits, so that a figure of JSON holds it. */
    uint64_t (*seed)(void *engine);
    /* May be NULL. What a campaign's condition commands now ("unit_motors"); NAN: no condition
     * does. */
    double (*commanded)(void *engine, const char *condition);
};

struct step_kind;

struct step_context {
    const struct step_kind *kind; /* set by step_run() */
    const cJSON *params;          /* checked, the kind's defaults filled in; never NULL */
    const struct board *board;    /* of the product */
    const char *product;          /* "ptz-indoor-3mp" */
    const char *order;
    const char *station;        /* its name, for those who are asked; NULL where there is none */
    const char *serial;         /* scanned or given; "" while unknown */
    const char *bundle_path;    /* the order's bundle; "" when none */
    const char *bundle_key_pem; /* public key it must be signed for; NULL when none */
    const char *unit_port;      /* for unit_link_open() */
    const struct credentials *credentials;
    struct unit_link *unit; /* the session to the unit, opened on first use (unit_link.h) */
    struct fixture *fixture;
    const bool *cancel; /* becomes true when the operator aborts: return soon */
    const struct step_services *services;
    void *engine;
    bool outside; /* a value so far was outside its limits: pictures are drawn larger then */
};

struct step_param {
    const char *name;
    enum { PARAM_NUMBER, PARAM_TEXT, PARAM_FLAG } kind;
    const char *fallback; /* as text; "" = must be given */
    double low, high;     /* numbers: allowed range */
    const char *about;    /* with its unit */
};

struct step_measurement {
    const char *name;
    const char *unit; /* limits must state the same */
    const char *about;
};

struct step_kind {
    const char *name;                            /* as plans write it: "image", "ptz", "lock" */
    const char *about;                           /* one line for people */
    const struct step_param *params;             /* ends with NULL name; may be NULL */
    const struct step_measurement *measurements; /* ends with NULL name; may be NULL */
    bool uninterruptible; /* an abort waits for its end (erase, write, key) */
    bool restores;        /* brings the slot to where later steps need it (power, session): done
                           * again when a run goes on after the station was restarted */
    bool needs_bundle;    /* a run is refused when the station has none */
    bool needs_identity;  /* takes one from the pool: a run is refused when there are too few */
    int (*run)(struct step_context *c, struct error *err);
};

/* All kinds of this build; NULL when there is none of that name. */
const struct step_kind *step_kind_find(const char *name);
const struct step_kind *const *step_kinds(void); /* ends with NULL */

/* Runs one step of that kind. */
int step_run(const struct step_kind *kind, struct step_context *c, struct error *err);

/* Params; plans are loaded with the kind's defaults filled in. */
double step_number(const struct step_context *c, const char *name);
const char *step_text(const struct step_context *c, const char *name);
bool step_flag(const struct step_context *c, const char *name);

/* Short forms of the services. */
int step_measured(struct step_context *c, const char *name, double value, const char *unit,
                  struct error *err);
/* A row of the kind's own list of measurements gives the unit. */
int step_value(struct step_context *c, const char *name, double value, struct error *err);
int step_noted(struct step_context *c, const char *name, const char *text, struct error *err);
/* What must not be interrupted, from its beginning to its end: see step_services.section. */
void step_section(struct step_context *c, bool inside);
/* What a measurement will be held against: -INFINITY and INFINITY without a limit. */
void step_limits(const struct step_context *c, const char *name, double *low, double *high);
/* Its unit, as the kind lists it; "" when it does not. */
const char *step_unit(const struct step_context *c, const char *name);
/* The seed of this pass; 1 where the engine has none to give. */
uint64_t step_seed(const struct step_context *c);
/* What a campaign's condition commands now; NAN where none does. */
double step_commanded(const struct step_context *c, const char *condition);
/* Sleeps in small parts; ERROR_CANCELLED once the operator aborts. */
int step_wait(const struct step_context *c, int ms, struct error *err);
bool step_cancelled(const struct step_context *c);
void step_progress(struct step_context *c, double fraction, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
