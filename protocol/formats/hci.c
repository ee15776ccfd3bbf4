#include "protocol/formats/hci.h"

#include <stdio.h>
#include <string.h>

#include "protocol/base/little_endian.h"

enum {
    EVENT_COMMAND_COMPLETE = 0x0e,
    EVENT_COMMAND_STATUS = 0x0f,
    EVENT_LE_META = 0x3e,
    LE_ADVERTISING_REPORT = 0x02,
    NONCONNECTABLE = 0x03, /* advertising type, and event type of its report */
    NAME_SHORTENED = 0x08,
    NAME_COMPLETE = 0x09,
    REPORT_HEAD = 9, /* event type, address type, address, bytes of data; the level comes behind */
};

/* ---- commands ------------------------------------------------------------------------------ */

size_t hci_command(uint8_t out[HCI_PACKET_MAX], enum hci_opcode opcode, const void *params,
                   uint8_t size)
{
    out[0] = HCI_COMMAND_PACKET;
    le16_put(out + 1, opcode);
    out[3] = size;
    if (size)
        memcpy(out + HCI_COMMAND_HEAD, params, size);
    return HCI_COMMAND_HEAD + (size_t)size;
}

size_t hci_event_mask(uint8_t out[HCI_PACKET_MAX])
{
    /* The default, 0x00001fffffffffff, and bit 61. */
    static const uint8_t mask[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0x20};
    return hci_command(out, HCI_SET_EVENT_MASK, mask, sizeof mask);
}

/* In the controller's units of 0.625 ms. */
static unsigned slots_of(int ms)
{
    return (unsigned)ms * 8 / 5;
}

size_t hci_advertising_parameters(uint8_t out[HCI_PACKET_MAX], int interval_ms)
{
    uint8_t params[15] = {0};
    le16_put(params, slots_of(interval_ms));
    le16_put(params + 2, slots_of(interval_ms));
    params[4] = NONCONNECTABLE;
    params[13] = 7; /* channels 37, 38 and 39 */
    return hci_command(out, HCI_LE_SET_ADVERTISING_PARAMETERS, params, sizeof params);
}

/* The 31 bytes of an advertisement that gives a name; returns how many are used. */
static uint8_t name_data(uint8_t out[HCI_DATA_BYTES], const char *name)
{
    const uint8_t length = (uint8_t)strnlen(name, HCI_NAME_MAX);
    memset(out, 0, HCI_DATA_BYTES);
    out[0] = (uint8_t)(length + 1);
    out[1] = NAME_COMPLETE;
    memcpy(out + 2, name, length);
    return (uint8_t)(length + 2);
}

size_t hci_advertising_data(uint8_t out[HCI_PACKET_MAX], const char *name)
{
    uint8_t params[1 + HCI_DATA_BYTES];
    params[0] = name_data(params + 1, name);
    return hci_command(out, HCI_LE_SET_ADVERTISING_DATA, params, sizeof params);
}

size_t hci_advertising_enable(uint8_t out[HCI_PACKET_MAX], bool on)
{
    const uint8_t enable = on;
    return hci_command(out, HCI_LE_SET_ADVERTISING_ENABLE, &enable, 1);
}

size_t hci_scan_parameters(uint8_t out[HCI_PACKET_MAX], int window_ms)
{
    uint8_t params[7] = {0};
    le16_put(params + 1, slots_of(window_ms));
    le16_put(params + 3, slots_of(window_ms));
    return hci_command(out, HCI_LE_SET_SCAN_PARAMETERS, params, sizeof params);
}

size_t hci_scan_enable(uint8_t out[HCI_PACKET_MAX], bool on)
{
    const uint8_t params[2] = {on, 0};
    return hci_command(out, HCI_LE_SET_SCAN_ENABLE, params, sizeof params);
}

/* ---- packets ------------------------------------------------------------------------------- */

int hci_packet_bytes(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const size_t head = data[0] == HCI_COMMAND_PACKET ? HCI_COMMAND_HEAD : HCI_EVENT_HEAD;
    if (data[0] != HCI_COMMAND_PACKET && data[0] != HCI_EVENT_PACKET)
        return -1;
    if (size < head)
        return 0;
    const size_t whole = head + data[head - 1];
    return size < whole ? 0 : (int)whole;
}

static bool is_event(const uint8_t *packet, size_t size, uint8_t event)
{
    return size >= HCI_EVENT_HEAD && packet[0] == HCI_EVENT_PACKET && packet[1] == event &&
           size >= HCI_EVENT_HEAD + (size_t)packet[2];
}

bool hci_completes(const uint8_t *packet, size_t size, enum hci_opcode opcode, uint8_t *status,
                   const uint8_t **returned, size_t *returned_bytes)
{
    /* A completion has how many commands may follow, the opcode, the status; a mere status has its
     * status first. */
    const bool complete = is_event(packet, size, EVENT_COMMAND_COMPLETE);
    if ((!complete && !is_event(packet, size, EVENT_COMMAND_STATUS)) || packet[2] < 4)
        return false;
    const uint8_t *of = packet + HCI_EVENT_HEAD + (complete ? 1 : 2);
    if ((of[0] | of[1] << 8) != (int)opcode)
        return false;
    *status = packet[HCI_EVENT_HEAD + (complete ? 3 : 0)];
    *returned = packet + HCI_EVENT_HEAD + 4;
    *returned_bytes = complete ? (size_t)packet[2] - 4 : 0;
    return true;
}

size_t hci_completion(uint8_t out[HCI_PACKET_MAX], enum hci_opcode opcode, uint8_t status,
                      const void *returned, uint8_t size)
{
    out[0] = HCI_EVENT_PACKET;
    out[1] = EVENT_COMMAND_COMPLETE;
    out[2] = (uint8_t)(4 + size);
    out[3] = 1;
    le16_put(out + 4, opcode);
    out[6] = status;
    if (size)
        memcpy(out + 7, returned, size);
    return HCI_EVENT_HEAD + 4 + (size_t)size;
}

/* ---- addresses, reports -------------------------------------------------------------------- */

void hci_address(const uint8_t a[6], char out[HCI_ADDRESS_TEXT])
{
    snprintf(out, HCI_ADDRESS_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", a[5], a[4], a[3], a[2], a[1],
             a[0]);
}

bool hci_address_bytes(const char *text, uint8_t out[6])
{
    unsigned a[6];
    int end = 0;
    if (strlen(text) != HCI_ADDRESS_TEXT - 1 ||
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &a[5], &a[4], &a[3], &a[2], &a[1], &a[0], &end) !=
            6 ||
        end != HCI_ADDRESS_TEXT - 1)
        return false;
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)a[i];
    return true;
}

/* Structures of length, kind and value, one behind the other (vol 3, part C, 11). */
static void read_name(const uint8_t *data, size_t size, char out[HCI_NAME_MAX + 1])
{
    out[0] = '\0';
    for (size_t at = 0; at + 1 < size && data[at]; at += 1 + (size_t)data[at]) {
        const size_t length = (size_t)data[at] - 1;
        if (at + 2 + length > size)
            return;
        if (data[at + 1] != NAME_COMPLETE && data[at + 1] != NAME_SHORTENED)
            continue;
        const size_t n = length < HCI_NAME_MAX ? length : HCI_NAME_MAX;
        for (size_t i = 0; i < n; i++) /* what anyone may send */
            out[i] =
                (char)(data[at + 2 + i] >= 32 && data[at + 2 + i] < 127 ? data[at + 2 + i] : '?');
        out[n] = '\0';
        return;
    }
}

size_t hci_reports(const uint8_t *packet, size_t size, struct hci_report *out, size_t most)
{
    if (!is_event(packet, size, EVENT_LE_META) || packet[2] < 2 ||
        packet[HCI_EVENT_HEAD] != LE_ADVERTISING_REPORT)
        return 0;
    const uint8_t *at = packet + HCI_EVENT_HEAD + 2, *end = packet + HCI_EVENT_HEAD + packet[2];
    size_t count = 0, told = packet[HCI_EVENT_HEAD + 1];
    for (; count < told && count < most; count++) {
        if (end - at < REPORT_HEAD + 1 || end - at < REPORT_HEAD + 1 + at[8])
            break;
        struct hci_report *r = &out[count];
        r->public_address = at[1] == 0;
        hci_address(at + 2, r->address);
        read_name(at + REPORT_HEAD, at[8], r->name);
        r->rssi_dbm = (int8_t)at[REPORT_HEAD + at[8]];
        at += REPORT_HEAD + 1 + at[8];
    }
    return count;
}

size_t hci_report_event(uint8_t out[HCI_PACKET_MAX], const uint8_t address[6], const char *name,
                        int rssi_dbm)
{
    uint8_t data[HCI_DATA_BYTES];
    const uint8_t used = name_data(data, name);
    out[0] = HCI_EVENT_PACKET;
    out[1] = EVENT_LE_META;
    out[2] = (uint8_t)(2 + REPORT_HEAD + used + 1);
    out[3] = LE_ADVERTISING_REPORT;
    out[4] = 1;
    out[5] = NONCONNECTABLE;
    out[6] = 0;
    memcpy(out + 7, address, 6);
    out[13] = used;
    memcpy(out + 14, data, used);
    out[14 + used] = (uint8_t)(int8_t)rssi_dbm;
    return HCI_EVENT_HEAD + (size_t)out[2];
}
