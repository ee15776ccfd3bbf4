/* The audit chain's head as it was at some moment, signed by the token key, to be kept elsewhere:
 * whoever can write the store can forge the whole chain, but not one that has this head in it.
 *
 * A text of two lines: a JSON object {"format":1,"station","entries","hash","at"}, and the
 * signature over that line without its end (signing.h) in hex. */
#ifndef TAKT_PROVISIONING_AUDIT_WITNESS_H
#define TAKT_PROVISIONING_AUDIT_WITNESS_H

#include "protocol/base/buffer.h"
#include "provisioning/audit.h"
#include "provisioning/signer.h"

enum { AUDIT_WITNESS_BYTES_MAX = 4096 };

/* ERROR_MISSING when nothing is on record yet. */
int audit_witness_make(sqlite3 *db, struct signer *signer, const char *station, int64_t wall_ms,
                       struct buffer *out, struct error *err);
/* Whether the chain still has that entry: to be asked besides audit_verify(). `name` is the file's,
 * for errors. ERROR_INPUT not a witness, ERROR_REFUSED not signed by that key, ERROR_MISMATCH the
 * chain is another one, or shorter. */
int audit_witness_check(sqlite3 *db, const char *name, const char *text, size_t size,
                        const char *public_key_pem, struct audit_head *out, struct error *err);

#endif
