#include "firmware/hal/linux/nl80211_answer.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>
#include <stdio.h>
#include <string.h>

bool attributes_next(struct attributes *in, struct attribute *out)
{
    struct nlattr head;
    size_t left = (size_t)(in->end - in->at);
    if (left < sizeof head)
        return false;
    memcpy(&head, in->at, sizeof head);
    if (head.nla_len < sizeof head || head.nla_len > left)
        return false;
    *out = (struct attribute){head.nla_type & NLA_TYPE_MASK, in->at + sizeof head,
                              head.nla_len - sizeof head};
    size_t padded = NLA_ALIGN(head.nla_len);
    in->at += padded < left ? padded : left;
    return true;
}

static struct attributes within(const uint8_t *data, size_t size)
{
    return (struct attributes){data, data + size};
}

/* A number of 1, 2 or 4 bytes in the machine's order; `otherwise` when the size is none of these.
 */
static int64_t number(const struct attribute *a, int64_t otherwise)
{
    uint16_t two;
    uint32_t four;
    if (a->size == 1)
        return a->data[0];
    if (a->size == sizeof two)
        return memcpy(&two, a->data, sizeof two), two;
    if (a->size == sizeof four)
        return memcpy(&four, a->data, sizeof four), four;
    return otherwise;
}

uint16_t nl80211_family(const uint8_t *attributes, size_t size)
{
    struct attributes in = within(attributes, size);
    struct attribute a;
    while (attributes_next(&in, &a))
        if (a.type == CTRL_ATTR_FAMILY_ID && a.size == 2)
            return (uint16_t)number(&a, 0);
    return 0;
}

void nl80211_interface(const uint8_t *attributes, size_t size, struct radio_link *out)
{
    struct attributes in = within(attributes, size);
    struct attribute a;
    while (attributes_next(&in, &a)) {
        if (a.type == NL80211_ATTR_SSID && a.size < sizeof out->ssid) {
            memcpy(out->ssid, a.data, a.size);
            out->ssid[a.size] = '\0';
        } else if (a.type == NL80211_ATTR_WIPHY_FREQ) {
            out->frequency_mhz = (int)number(&a, 0);
        }
    }
}

/* 802.11's elements: u8 id, u8 length, data; the network's name has id 0. */
static void read_elements(const struct attribute *elements, struct radio_link *out)
{
    const uint8_t *at = elements->data;
    size_t left = elements->size;
    while (left >= 2 && left - 2 >= at[1]) {
        const size_t length = at[1];
        if (at[0] == 0 && length < sizeof out->ssid) {
            memcpy(out->ssid, at + 2, length);
            out->ssid[length] = '\0';
            return;
        }
        at += 2 + length;
        left -= 2 + length;
    }
}

void nl80211_bss(const uint8_t *attributes, size_t size, struct radio_link *out)
{
    struct attributes in = within(attributes, size), inner;
    struct attribute a, b, elements = {0};
    while (attributes_next(&in, &a)) {
        if (a.type != NL80211_ATTR_BSS)
            continue;
        bool ours = false;
        inner = within(a.data, a.size);
        while (attributes_next(&inner, &b)) {
            if (b.type == NL80211_BSS_STATUS)
                ours = number(&b, -1) == NL80211_BSS_STATUS_ASSOCIATED;
            else if (b.type == NL80211_BSS_INFORMATION_ELEMENTS)
                elements = b;
        }
        if (ours)
            read_elements(&elements, out);
    }
}

static void read_rate(const struct attribute *rate, struct radio_link *out)
{
    struct attributes in = within(rate->data, rate->size);
    struct attribute a;
    while (
        attributes_next(&in, &a)) /* 100 kbit/s; the 16 bits of the older one overflow at 6.5 G */
        if (a.type == NL80211_RATE_INFO_BITRATE32 ||
            (a.type == NL80211_RATE_INFO_BITRATE && !out->tx_rate_mbps))
            out->tx_rate_mbps = (double)number(&a, 0) / 10;
}

void nl80211_station(const uint8_t *attributes, size_t size, struct radio_link *out)
{
    struct attributes in = within(attributes, size), inner;
    struct attribute a, b;
    while (attributes_next(&in, &a)) {
        if (a.type == NL80211_ATTR_MAC && a.size == 6) {
            out->associated = true;
            snprintf(out->bssid, sizeof out->bssid, "%02x:%02x:%02x:%02x:%02x:%02x", a.data[0],
                     a.data[1], a.data[2], a.data[3], a.data[4], a.data[5]);
        }
        if (a.type != NL80211_ATTR_STA_INFO)
            continue;
        inner = within(a.data, a.size);
        while (attributes_next(&inner, &b)) {
            if (b.type == NL80211_STA_INFO_SIGNAL && b.size == 1)
                out->rssi_dbm = (int8_t)b.data[0];
            else if (b.type == NL80211_STA_INFO_TX_BITRATE)
                read_rate(&b, out);
        }
    }
}

void nl80211_country(const uint8_t *attributes, size_t size, struct radio_link *out)
{
    struct attributes in = within(attributes, size);
    struct attribute a;
    while (attributes_next(&in, &a)) {
        if (a.type != NL80211_ATTR_REG_ALPHA2 || a.size < 2)
            continue;
        for (int i = 0; i < 2; i++) /* two letters, or "00" for the world */
            if (!(a.data[i] >= 'A' && a.data[i] <= 'Z') && a.data[i] != '0')
                return;
        memcpy(out->country, a.data, 2);
        out->country[2] = '\0';
    }
}
