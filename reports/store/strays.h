/* Files below attachments/ that no row names: counted, or removed. Only while nobody writes may
 * they be removed: an attachment's file is there before its row. */
#ifndef TAKT_REPORTS_STORE_STRAYS_H
#define TAKT_REPORTS_STORE_STRAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "reports/store.h"

int maintenance_strays(struct store *s, const char *attachments_dir, bool remove, int64_t *count,
                       struct error *err);

#endif
