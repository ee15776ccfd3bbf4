/* A session between station and unit that one of them would not have, on the audit chain. */
#ifndef TAKT_PROVISIONING_SESSION_REFUSAL_H
#define TAKT_PROVISIONING_SESSION_REFUSAL_H

#include <sqlite3.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct session_refusal {
    const char *chip_id; /* as the unit's hello said; "" where nobody said hello */
    const char *serial;  /* then the unit that was given an identity under it; "" while unknown */
    const char *gate;    /* where: "factory mode", "unit", "certificate" or "token" */
    const char *why;     /* in the words of who said no */
    const char *order, *station;
    int slot;
    const char *actor; /* who is at the station */
    int64_t wall_ms;
};

/* The entry ("session.refuse", the chip) is part of the caller's transaction. Where nobody said
 * hello there is one only for a unit whose identity is confirmed: it was finalized, any other slot
 * may just be empty. */
int session_refused(sqlite3 *db, const struct session_refusal *r, struct error *err);

#endif
