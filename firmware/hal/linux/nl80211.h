/* The kernel's own word on a Wi-Fi link (linux/nl80211.h), over a netlink socket of a few lines. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_NL80211_H
#define TAKT_FIRMWARE_HAL_LINUX_NL80211_H

#include "firmware/hal/radio.h"

/* ERROR_MISSING: no such interface, or it is no Wi-Fi. Not associated is no error. */
int nl80211_link(const char *interface, struct radio_link *out, struct error *err);

#endif
