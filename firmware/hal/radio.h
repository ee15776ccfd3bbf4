/* Wi-Fi in station mode. */
#ifndef TAKT_FIRMWARE_HAL_RADIO_H
#define TAKT_FIRMWARE_HAL_RADIO_H

#include <stdbool.h>

#include "protocol/base/error.h"

struct radio;

struct radio_link {
    bool associated;
    char ssid[33];
    char bssid[18]; /* "02:00:00:00:01:00" */
    int frequency_mhz;
    double rssi_dbm;
    double tx_rate_mbps; /* the negotiated PHY rate */
    char country[3];     /* whose rules of the air it keeps: "CN"; "00" is nobody's, "" not known */
};

/* How traffic to a host must be sent so that it crosses this radio: the interface to bind to on
 * Linux, or an address of the backend's own that leads to the host. */
struct radio_route {
    char host[64];
    int port;
    char interface[16]; /* "" = none needed */
};

struct radio_ops {
    /* ERROR_MISSING: no such network heard; ERROR_REFUSED: the key is wrong; ERROR_TIMEOUT. */
    int (*join)(struct radio *r, const char *ssid, const char *passphrase, int timeout_ms,
                struct error *err);
    int (*leave)(struct radio *r);
    int (*link)(struct radio *r, struct radio_link *out, struct error *err);
    int (*route)(struct radio *r, const char *host, int port, struct radio_route *out,
                 struct error *err);
};

#endif
