/* A record kept twice, one copy an erase block: what a boot environment and an identity need so
 * that a power cut at any moment leaves the old or the new one whole.
 *
 * A store programs the copy that is not the newest, reads it back, and only then brings the other
 * one up to it, so that damage to one block loses nothing either. */
#ifndef TAKT_FIRMWARE_UPDATE_TWIN_H
#define TAKT_FIRMWARE_UPDATE_TWIN_H

#include "firmware/hal/hal.h"

enum twin_copy_state {
    TWIN_ERASED,  /* all 0xFF where the record would be */
    TWIN_DAMAGED, /* neither erased nor a record: half-written, or flash gone bad */
    TWIN_VALID,
};

struct twin {
    const struct hal *hal;
    const struct board *board;
    const char *partition; /* two erase blocks at least */
    size_t record_bytes;   /* read and written */
    /* What a copy is, and its sequence when valid; pure. */
    enum twin_copy_state (*examine)(const uint8_t *record, uint32_t *sequence);
    /* Is a newer than b? Sequences may wrap around. */
    bool (*newer)(uint32_t a, uint32_t b);
};

struct twin_found {
    enum twin_copy_state state[2];
    uint32_t sequence[2];
    int newest; /* 0 or 1; -1 when no copy is valid */
    bool equal; /* both valid and the same, byte for byte */
};

/* Reads both copies; the newest valid one goes into `record` (record_bytes; may be NULL). Finding
 * none is not an error: see out->newest. */
int twin_load(const struct twin *t, struct twin_found *out, uint8_t *record, struct error *err);
/* Writes a record whose sequence is newer than any there; both copies hold it on return.
 * ERROR_MISMATCH when the flash reads back otherwise. */
int twin_store(const struct twin *t, const uint8_t *record, struct error *err);
/* Brings the other copy up to the newest, after a cut between the two writes. */
int twin_heal(const struct twin *t, struct error *err);

#endif
