/* The engine's inside: what its files share. */
#ifndef TAKT_STATION_ENGINE_CORE_H
#define TAKT_STATION_ENGINE_CORE_H

#include <stdint.h>

#include "provisioning/device_ca.h"
#include "provisioning/pool.h"
#include "provisioning/signer.h"
#include "reports/store.h"
#include "station/engine/engine.h"
#include "station/engine/loop.h"
#include "station/engine/notify.h"
#include "station/engine/schedule.h"
#include "station/engine/slot.h"
#include "station/engine/station_file.h"
#include "station/engine/vocabulary.h"

struct journal;
struct control;
struct fixture_process;
struct outbox_process;
struct pool_process;
struct campaign_process;
struct operators;
struct operator_wish;

/* One thing to be committed: written (again, as often as the transaction fails), then done. */
struct op {
    struct op *next;
    bool queued;
    bool once;   /* a failed commit is its answer: not tried again (someone waits for it) */
    bool single; /* one call that takes back its own rows when it fails */
    int (*write)(struct op *op, struct error *err);
    void (*done)(struct op *op, int rc, const struct error *err);
    int rc;
    struct error error;
    void *context;
};

struct engine {
    const struct engine_config *config;
    struct station_file *station;
    struct vocabulary vocabulary;
    struct loop loop;
    struct store *store;
    struct custody *custody;
    struct pool *pool;
    struct signer *signer;       /* of factory tokens; NULL when the station has none */
    struct device_ca *device_ca; /* NULL when units make no keys of their own here */
    struct journal *journal;
    struct control *control;
    struct operators *operators;
    struct operator_wish *operator_wishes;
    struct fixture_process *fixture;
    struct outbox_process *outbox;
    struct pool_process *shared;       /* NULL when the station shares no pool */
    struct campaign_process *campaign; /* NULL while none is under way */
    char store_path[PATH_MAX], attachments_dir[PATH_MAX], socket_path[PATH_MAX];
    char fixture_socket[PATH_MAX];
    int guard_fd;
    struct notify notify;
    struct schedule schedule;
    struct plan *golden_plan; /* whose golden unit status tells of; NULL for none */
    struct {
        char plan_sha256[65];
        double *ms;
        int64_t until_ms; /* looked up anew after that */
    } usual;              /* times of the plan that was started last */
    struct slot slots[STATION_SLOTS_MAX];
    size_t slot_count;
    struct op *ops, **ops_end;
    char paused[480]; /* why nothing is being committed; "" while all is well */
    char recovered[PATH_MAX +
                   300]; /* what became of a damaged store at the start; "" for a whole one */
    int64_t retry_at_ms; /* when paused */
    bool changed, stopping;
};

void engine_queue(struct engine *e, struct op *op);
/* The storage itself failed, as against one call being refused. */
bool engine_storage_failed(int rc);
struct slot *engine_slot(struct engine *e, int number); /* NULL when there is none */

/* Loads what a run needs and checks all that can be checked before a unit is touched. Without
 * slots (a run that goes on): plan, board and bundle alone. */
struct start {
    const char *plan, *order, *operator_name, *mode;
};
int engine_prepare(struct engine *e, const struct start *start, struct slot *const *slots,
                   size_t count, struct plan **plan, struct board *board, char bundle_sha256[65],
                   struct error *err);
/* Goes on with what was open when taktd ended. */
int engine_recover(struct engine *e, struct error *err);

#endif
