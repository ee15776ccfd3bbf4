/* Traceability (IPC-1782): from a unit to every program, limit, instrument and operator that
 * touched it, and from a bad batch of any of those to every unit. Works on every engine. */
#ifndef TAKT_REPORTS_TRACE_H
#define TAKT_REPORTS_TRACE_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "protocol/base/error.h"
#include "reports/store.h"

/* Documents as docs/records.md describes them, freed by the caller with cJSON_Delete(); `reader`
 * is a handle of store_open_reader(). Texts are UTF-8. */

/* What touched the unit of this chip id or serial. When several units answer to the name (a board
 * was swapped under its label) all of them are traced. ERROR_MISSING. */
int trace_unit(struct store *reader, const char *name, cJSON **out, struct error *err);

/* Every unit that `name` touched in a run begun within [from_ms, to_ms), as `kind` says; a batch
 * of nothing has none. ERROR_INPUT for an unknown kind. It is as of the moment it was opened;
 * nothing else is read through `reader` until it is closed. */
struct trace_batch;
int trace_batch_open(struct store *reader, const char *kind, const char *name, int64_t from_ms,
                     int64_t to_ms, struct trace_batch **out, struct error *err);
void trace_batch_close(struct trace_batch *b); /* NULL is fine */
size_t trace_batch_count(const struct trace_batch *b);
/* At most `most` units, those after the first `skip` in the order of their last runs, as an array
 * of the caller's. */
int trace_batch_page(struct trace_batch *b, size_t skip, size_t most, cJSON **units,
                     struct error *err);

struct trace_kind {
    const char *name;  /* "bundle", ... */
    const char *about; /* what its NAME is */
    const char *where; /* runs r that it touched, ?1 the name */
};
extern const struct trace_kind trace_kinds[]; /* ends with NULL name */

#endif
