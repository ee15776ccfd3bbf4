/* Bluetooth's host controller interface as far as advertising and listening go: packets as they
 * are on its UART transport H4 and on Linux's HCI sockets. Pure. Source: Bluetooth Core 5.4, vol 4,
 * part A (H4) and part E (commands 7.3 and 7.8, events 7.7). */
#ifndef TAKT_PROTOCOL_FORMATS_HCI_H
#define TAKT_PROTOCOL_FORMATS_HCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HCI_COMMAND_PACKET = 1, /* the first byte of a packet says its kind */
    HCI_EVENT_PACKET = 4,
    HCI_COMMAND_HEAD = 4, /* kind, opcode (two bytes, low one first), length */
    HCI_EVENT_HEAD = 3,   /* kind, event, length */
    HCI_PACKET_MAX = 4 + 255,
    HCI_ADDRESS_TEXT = 18, /* "02:00:5e:10:00:01" */
    HCI_NAME_MAX = 29,     /* an advertisement has 31 bytes, two of them the name's head */
    HCI_DATA_BYTES = 31,
};

/* 7.3, 7.4 and 7.8 */
enum hci_opcode {
    HCI_SET_EVENT_MASK = 0x0c01,
    HCI_RESET = 0x0c03,
    HCI_READ_BD_ADDR = 0x1009,
    HCI_LE_SET_ADVERTISING_PARAMETERS = 0x2006,
    HCI_LE_SET_ADVERTISING_DATA = 0x2008,
    HCI_LE_SET_ADVERTISING_ENABLE = 0x200a,
    HCI_LE_SET_SCAN_PARAMETERS = 0x200b,
    HCI_LE_SET_SCAN_ENABLE = 0x200c,
};

/* Each writes a whole command packet and returns its bytes. */
size_t hci_command(uint8_t out[HCI_PACKET_MAX], enum hci_opcode opcode, const void *params,
                   uint8_t size);
/* All events of the usual mask, and those of low energy, which it leaves out (7.3.1). */
size_t hci_event_mask(uint8_t out[HCI_PACKET_MAX]);
/* Not connectable, from the public address, on all three channels; 100 to 10240 ms (7.8.5). */
size_t hci_advertising_parameters(uint8_t out[HCI_PACKET_MAX], int interval_ms);
/* The complete local name (7.8.7; Core Specification Supplement, part A, 1.2); cut at
 * HCI_NAME_MAX. */
size_t hci_advertising_data(uint8_t out[HCI_PACKET_MAX], const char *name);
size_t hci_advertising_enable(uint8_t out[HCI_PACKET_MAX], bool on);
/* Passive, without a pause, window_ms 10 to 10240 on a channel in turn (7.8.10). */
size_t hci_scan_parameters(uint8_t out[HCI_PACKET_MAX], int window_ms);
/* Every advertisement is reported, as often as it is heard (7.8.11). */
size_t hci_scan_enable(uint8_t out[HCI_PACKET_MAX], bool on);

/* Bytes of the packet that begins here: 0 when more must come to know, -1 when none can. */
int hci_packet_bytes(const uint8_t *data, size_t size);

/* Is this whole packet the completion of that command (7.7.14, 7.7.15)? Then its status, 0 = done,
 * and what is returned behind it. */
bool hci_completes(const uint8_t *packet, size_t size, enum hci_opcode opcode, uint8_t *status,
                   const uint8_t **returned, size_t *returned_bytes);

/* Six bytes, the last of the address first, as text. */
void hci_address(const uint8_t address[6], char out[HCI_ADDRESS_TEXT]);
/* The other way; false when the text is no address. */
bool hci_address_bytes(const char *text, uint8_t out[6]);

struct hci_report {
    char address[HCI_ADDRESS_TEXT];
    bool public_address;
    char name[HCI_NAME_MAX + 1]; /* complete or shortened; "" = it gives none */
    int rssi_dbm;                /* 127: the controller does not know (7.7.65.2) */
};

/* The reports of an LE Advertising Report event, at most `most`; 0 for any other packet, and for
 * one that is cut off. */
size_t hci_reports(const uint8_t *packet, size_t size, struct hci_report *out, size_t most);
/* Writes such an event with one report and returns its bytes: for controllers of tests and of the
 * bench. */
size_t hci_report_event(uint8_t out[HCI_PACKET_MAX], const uint8_t address[6], const char *name,
                        int rssi_dbm);
/* The completion of a command with what it returns behind the status: likewise. */
size_t hci_completion(uint8_t out[HCI_PACKET_MAX], enum hci_opcode opcode, uint8_t status,
                      const void *returned, uint8_t size);

#endif
