/* Secrets of this process: where they are kept in memory, and which files may hold them. */
#ifndef TAKT_PROVISIONING_SECRET_H
#define TAKT_PROVISIONING_SECRET_H

#include <stddef.h>
#include <sys/types.h>

#include "protocol/base/error.h"

/* A page of its own, zeroed: never swapped, not in core dumps, and empty in forked workers, which
 * have no business with it. `what` names it in errors: "the custody key". */
int secret_page_new(const char *what, void **out, struct error *err);
void secret_page_free(void *page); /* wipes it; NULL is fine */

/* Opens a file that holds a secret: a plain file of this user with mode 0600 that is no link.
 * ERROR_MISSING when there is none, ERROR_REFUSED when others may read it. */
int secret_file_open(const char *what, const char *path, int *fd, off_t *size, struct error *err);

#endif
