/* Unix sockets by a path of any length. */
#ifndef TAKT_STATION_ENGINE_SOCKET_PATH_H
#define TAKT_STATION_ENGINE_SOCKET_PATH_H

#include "protocol/base/error.h"

/* A listening socket at `path`, mode 0660, in place of one that nobody serves any more. */
int socket_listen(const char *path, int *fd, struct error *err);
/* ERROR_MISSING when nobody listens there. */
int socket_connect(const char *path, int *fd, struct error *err);

#endif
