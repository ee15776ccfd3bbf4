/* From what a campaign's process notes to rows of the store: within the caller's transaction. */
#ifndef TAKT_STATION_ENGINE_CAMPAIGN_RECORD_H
#define TAKT_STATION_ENGINE_CAMPAIGN_RECORD_H

#include "reports/campaign.h"
#include "station/campaign/campaign.h"

struct campaign_record_place {
    const struct campaign *campaign;
    int64_t id;
    const char *order, *operator_name, *site, *line, *station;
};

int campaign_record_figures(struct store *s, int64_t id, const struct campaign *c,
                            struct error *err);
/* Those of "surroundings", and every slot's supplies and attenuators. */
int campaign_record_instruments(struct store *s, int64_t id, const cJSON *station,
                                struct error *err);
/* A unit that failed or came to the end is a run of its own as well, closed at once: on its page,
 * in its trace, and out to the outbox's destinations, which is how a failure is told. */
int campaign_record_note(struct store *s, const struct campaign_record_place *place,
                         const cJSON *note, struct error *err);

#endif
