/* What ends everything at once, whatever else a campaign wants: pure. */
#ifndef TAKT_STATION_CAMPAIGN_INTERLOCK_H
#define TAKT_STATION_CAMPAIGN_INTERLOCK_H

#include "station/campaign/campaign.h"

struct interlock_view {
    int64_t now_ms, contact_ms; /* now, and when the chamber last answered */
    double chamber_c;           /* as it answered then; NAN: it has not yet */
    bool door_open, alarm;
};

/* True when outputs must go off now; `why` says it in one line. Where both hold, heat is named
 * before a door, and a door before silence. */
bool interlock_judge(const struct campaign *c, const struct interlock_view *v, char why[160]);

#endif
