/* A unit in the line's Wi-Fi: what steps of it share. */
#ifndef TAKT_STATION_STEPS_UNIT_WIFI_H
#define TAKT_STATION_STEPS_UNIT_WIFI_H

#include "fixtures/access_point.h"
#include "station/steps/step.h"

/* *joined is the answer to wifi.join, the caller's. ERROR_REMOTE when the unit says it could not.
 */
int unit_wifi_join(struct step_context *c, const struct access_point_facts *ap, int join_ms,
                   cJSON **joined, struct error *err);
/* So many whole seconds of TCP "up" or "down" against the access point's iperf3, as the receiving
 * side counted; *retransmits is added to. ERROR_REMOTE as above. */
int unit_wifi_traffic(struct step_context *c, const struct access_point_facts *ap,
                      const char *direction, double seconds, double *mbit_s, double *retransmits,
                      struct error *err);
/* The same of UDP at a rate, Mbit/s: *loss_percent of the datagrams and their *jitter_ms (RFC 3550,
 * 6.4.1) are raised to what came of it where that is worse. */
int unit_wifi_datagrams(struct step_context *c, const struct access_point_facts *ap,
                        const char *direction, double seconds, double mbit_s, double *loss_percent,
                        double *jitter_ms, struct error *err);

#endif
