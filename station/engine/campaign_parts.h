/* The parts of campaign_process.h: its process, what that says, one that begins, one that was open,
 * and what people order. Only they include this. */
#ifndef TAKT_STATION_ENGINE_CAMPAIGN_PARTS_H
#define TAKT_STATION_ENGINE_CAMPAIGN_PARTS_H

#include <sys/types.h>

#include "station/campaign/campaign.h"
#include "station/campaign/serve.h"
#include "station/engine/campaign_process.h"
#include "station/engine/channel.h"

struct campaign_process {
    int64_t id;
    struct campaign *campaign;
    struct board board;
    struct campaign_place *places;
    size_t place_count;
    char order[65], operator_name[65];

    pid_t pid; /* 0: it does not run */
    struct channel *channel;
    struct watch watch;
    int64_t again_ns; /* to be started (again) then; 0: it is not to be */
    bool ends;        /* what it noted last is not "running" any more */
};

/* Forks the process of e->campaign, which goes on from what is committed. */
int campaign_parts_launch(struct engine *e, struct error *err);
/* It ended by itself, or is to end. Started again while the campaign is running. */
void campaign_parts_forget(struct engine *e);
void campaign_parts_free(struct engine *e); /* e->campaign, whose process does not run */

/* It said something: a note or a question on its way into the store (the watch's `ready`). */
void campaign_parts_said(struct watch *w);

int campaign_parts_board(struct engine *e, const char *name, struct board *out, struct error *err);
void campaign_parts_add_place(struct campaign_process *p, const char *kind, int n, const char *port,
                              int slot);
/* Every slot asked for, or every idle one, and the units of the rack. */
int campaign_parts_take_places(struct engine *e, const cJSON *params, struct campaign_process *p,
                               struct error *err);

/* One that was open, as campaign_current() gives it: its state, committed at once; and begins with
 * it, *why being what keeps it from that. */
int campaign_parts_put_state(struct engine *e, const cJSON *kept, const char *state,
                             const char *reason, struct error *err);
int campaign_parts_go_on(struct engine *e, const cJSON *kept, struct error *why);

#endif
