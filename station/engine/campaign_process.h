/* The process that conducts a campaign, and what of it taktd does: writes down what it notes, signs
 * its tokens, starts it again, and goes on with an open campaign when taktd was restarted. */
#ifndef TAKT_STATION_ENGINE_CAMPAIGN_PROCESS_H
#define TAKT_STATION_ENGINE_CAMPAIGN_PROCESS_H

#include "station/engine/control_run.h"
#include "station/engine/core.h"

/* Goes on with a campaign that was running; one that cannot be gone on with is held, and says why.
 */
int campaign_process_recover(struct engine *e, struct error *err);
int64_t campaign_process_tick(struct engine *e, int64_t now_ns);
void campaign_process_stop(struct engine *e);
/* Does a unit of a campaign under way stand in this slot? No run may begin there. */
bool campaign_process_holds(const struct engine *e, int slot);
cJSON *campaign_process_describe(const struct engine *e); /* of "status"; {} without one */

/* The control socket's methods (control.h). */
int campaign_process_run(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err);
int campaign_process_pause(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err);
int campaign_process_resume(struct engine *e, const struct control_request *r, const cJSON *params,
                            cJSON **result, struct error *err);
int campaign_process_end(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err);
int campaign_process_leave(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err);
int campaign_process_join(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err);

#endif
