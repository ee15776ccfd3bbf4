/* The inside of the process that speaks with the shared pool: one request after the other. */
#ifndef TAKT_STATION_ENGINE_POOL_SERVER_H
#define TAKT_STATION_ENGINE_POOL_SERVER_H

#include <cjson/cJSON.h>

#include "protocol/base/error.h"
#include "provisioning/shared_pool.h"

/* Serves requests of the channel on `fd`, which it takes over, until its other end closes:
 *
 *   {"ask":"reserve","n",...}          {"n","rc","text","identity"}
 *   {"ask":"report","rows":[...]}      {"reported":[{"id","state","conflict"}],"rc","text"}
 *   {"ask":"lease","token",...}        {"lease","identities":[...],"rc","text"}
 *   {"ask":"give_back","token","ids"}  {"given_back","rc","text"}
 *   {"ask":"watch","at_most"}          {"free","rc","text"}
 */
int pool_serve(const char *address, int fd, struct error *err);

/* An identity in a message, its bytes in hex. */
cJSON *pool_server_identity(const struct shared_identity *i);
int pool_server_take_identity(const cJSON *said, struct shared_identity *out, struct error *err);

#endif
