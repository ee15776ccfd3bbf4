/* What nl80211 says of a link, out of the attributes of its answers. Pure: functions over bytes. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_NL80211_ANSWER_H
#define TAKT_FIRMWARE_HAL_LINUX_NL80211_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firmware/hal/radio.h"

struct attributes {
    const uint8_t *at, *end;
};

struct attribute {
    unsigned type; /* without the flags for nesting and byte order */
    const uint8_t *data;
    size_t size;
};

/* The next attribute (linux/netlink.h: u16 length with its header, u16 type, padding to 4). False
 * at the end, and at one whose length lies: what follows cannot be found any more. */
bool attributes_next(struct attributes *in, struct attribute *out);

/* u16 attribute CTRL_ATTR_FAMILY_ID of the controller's answer; 0 when it is not there. */
uint16_t nl80211_family(const uint8_t *attributes, size_t size);
/* NL80211_CMD_NEW_INTERFACE: frequency, and name of the network from kernels that have it here. */
void nl80211_interface(const uint8_t *attributes, size_t size, struct radio_link *out);
/* NL80211_CMD_NEW_SCAN_RESULTS, one heard network: the name, if it is the one associated with. */
void nl80211_bss(const uint8_t *attributes, size_t size, struct radio_link *out);
/* NL80211_CMD_NEW_STATION: the access point's address, level and rate. In station mode it is the
 * only station, and there is one exactly while the interface is associated. */
void nl80211_station(const uint8_t *attributes, size_t size, struct radio_link *out);
/* NL80211_CMD_GET_REG: whose rules of the air hold. */
void nl80211_country(const uint8_t *attributes, size_t size, struct radio_link *out);

#endif
