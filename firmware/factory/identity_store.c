#include "firmware/factory/identity_store.h"

#include <string.h>

#include "firmware/update/twin.h"

static enum twin_copy_state examine(const uint8_t *record, uint32_t *sequence)
{
    struct identity_record decoded;
    int rc = identity_record_decode(record, &decoded, NULL);
    *sequence = decoded.sequence;
    explicit_bzero(&decoded, sizeof decoded);
    return rc == 0 ? TWIN_VALID : rc == ERROR_MISSING ? TWIN_ERASED : TWIN_DAMAGED;
}

static bool newer(uint32_t a, uint32_t b)
{
    return a > b; /* a flash wears out long before 2^32 writes */
}

static struct twin twin_of(const struct identity_store *s)
{
    return (struct twin){.hal = s->hal,
                         .board = s->board,
                         .partition = "identity",
                         .record_bytes = IDENTITY_RECORD_BYTES,
                         .examine = examine,
                         .newer = newer};
}

int identity_load(const struct identity_store *s, enum identity_state *state,
                  struct identity_record *out, struct error *err)
{
    struct twin twin = twin_of(s);
    struct twin_found found;
    uint8_t bytes[IDENTITY_RECORD_BYTES];
    memset(out, 0, sizeof *out);
    int rc = twin_load(&twin, &found, bytes, err);
    if (!rc && found.newest >= 0) {
        rc = identity_record_decode(bytes, out, err);
        *state = out->locked ? IDENTITY_LOCKED : IDENTITY_WRITTEN;
    } else if (!rc) {
        *state = found.state[0] == TWIN_ERASED || found.state[1] == TWIN_ERASED ? IDENTITY_EMPTY
                                                                                : IDENTITY_DAMAGED;
    }
    explicit_bzero(bytes, sizeof bytes);
    return rc;
}

int identity_save(const struct identity_store *s, struct identity_record *record, struct error *err)
{
    struct twin twin = twin_of(s);
    enum identity_state state;
    struct identity_record present;
    uint8_t bytes[IDENTITY_RECORD_BYTES];
    int rc = identity_load(s, &state, &present, err);
    record->sequence = present.sequence + 1;
    explicit_bzero(&present, sizeof present);
    if (!rc && state != IDENTITY_EMPTY && state != IDENTITY_WRITTEN)
        rc = error_set(err, ERROR_STATE, "the identity is %s", identity_state_name(state));
    if (!rc) {
        identity_record_encode(record, bytes);
        rc = twin_store(&twin, bytes, err);
        explicit_bzero(bytes, sizeof bytes);
    }
    return rc;
}

int identity_heal(const struct identity_store *s, struct error *err)
{
    struct twin twin = twin_of(s);
    return twin_heal(&twin, err);
}

const char *identity_state_name(enum identity_state state)
{
    static const char *const names[] = {"empty", "written", "locked", "damaged"};
    return names[state];
}
