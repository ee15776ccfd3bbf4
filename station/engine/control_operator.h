/* Accounts and signing in, on behalf of clients (operators.h).
 *
 *   operator.first {name, pin, badge?}               the first account, an engineer's
 *   operator.sign_in {name or badge, pin}            -> {"session", "name", "role"}
 *   operator.sign_out {session}
 *   operator.who {session}                           -> {"name", "role"}
 *   operator.list {session}                          -> {"operators": [{name, role, badge, wrong,
 *                                                        locked_s}]}
 *   operator.put {session, name, role, pin?, badge?} makes or changes one; a new PIN opens a lock
 *   operator.pin {name, old, pin}                    one's own
 *   operator.remove {session, name}
 *
 * ERROR_REFUSED for a wrong PIN, an unknown name (which takes as long) and a locked account. */
#ifndef TAKT_STATION_ENGINE_CONTROL_OPERATOR_H
#define TAKT_STATION_ENGINE_CONTROL_OPERATOR_H

#include "station/engine/control_run.h"

int control_operator_first(struct engine *e, const struct control_request *r, const cJSON *params,
                           cJSON **result, struct error *err);
int control_operator_sign_in(struct engine *e, const struct control_request *r, const cJSON *params,
                             cJSON **result, struct error *err);
int control_operator_sign_out(struct engine *e, const struct control_request *r,
                              const cJSON *params, cJSON **result, struct error *err);
int control_operator_who(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err);
int control_operator_list(struct engine *e, const struct control_request *r, const cJSON *params,
                          cJSON **result, struct error *err);
int control_operator_put(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err);
int control_operator_pin(struct engine *e, const struct control_request *r, const cJSON *params,
                         cJSON **result, struct error *err);
int control_operator_remove(struct engine *e, const struct control_request *r, const cJSON *params,
                            cJSON **result, struct error *err);

/* At the end: PINs under way are forgotten. */
void control_operator_stop(struct engine *e);

#endif
