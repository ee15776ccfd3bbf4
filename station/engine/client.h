/* taktd's control socket from the other side: for the console, `takt` and scripts. control.h lists
 * the methods. Closing a client stops nothing. */
#ifndef TAKT_STATION_ENGINE_CLIENT_H
#define TAKT_STATION_ENGINE_CLIENT_H

#include <cjson/cJSON.h>

#include "protocol/base/error.h"

struct client;

/* The socket is station_file_socket()'s. ERROR_MISSING when no taktd listens there. */
int client_connect(const char *socket_path, struct client **out, struct error *err);
void client_close(struct client *c);   /* NULL is fine */
int client_fd(const struct client *c); /* readable when an event may have come */

/* Who speaks: every later call carries the session ("" none). At first it is that of the
 * environment variable TAKT_SESSION, which `takt operator sign-in` prints, so that scripts sign in
 * once. */
void client_session(struct client *c, const char *session);

/* Params are taken over, also on failure; NULL is none. On 0 *result (may be NULL) is the
 * caller's. A refusal comes back with taktd's own code and message. */
int client_call(struct client *c, const char *method, cJSON *params, int timeout_ms, cJSON **result,
                struct error *err);
/* After "subscribe": the params of the next status event, the caller's. ERROR_TIMEOUT,
 * ERROR_CLOSED. timeout_ms 0 takes what is there. */
int client_event(struct client *c, int timeout_ms, cJSON **event, struct error *err);

#endif
