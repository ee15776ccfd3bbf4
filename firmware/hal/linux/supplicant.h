/* wpa_supplicant through its control socket (/run/wpa_supplicant/INTERFACE): commands and answers
 * are lines of text in datagrams, events begin with "<N>". */
#ifndef TAKT_FIRMWARE_HAL_LINUX_SUPPLICANT_H
#define TAKT_FIRMWARE_HAL_LINUX_SUPPLICANT_H

#include "firmware/hal/linux/parts.h"

struct supplicant;

/* Waits for the socket as linux.h says; ERROR_MISSING when nobody listens on it. */
int supplicant_open(const struct linux_unit *u, const char *interface, struct supplicant **out,
                    struct error *err);
void supplicant_close(struct supplicant *s); /* NULL is fine */

/* Joins that network alone; the radio's errors. Not before the keys are in place. low_band_alone:
 * nothing but 2.4 GHz is listened to. */
int supplicant_join(struct supplicant *s, const char *ssid, const char *passphrase,
                    bool low_band_alone, int timeout_ms, struct error *err);
/* Forgets every network. */
int supplicant_leave(struct supplicant *s, struct error *err);

/* ---- pure ---------------------------------------------------------------------------------- */

enum supplicant_event {
    EVENT_OTHER,
    EVENT_CONNECTED,
    EVENT_NOT_FOUND, /* a scan did not hear the network */
    EVENT_WRONG_KEY,
    EVENT_ENDING, /* the supplicant itself */
};

/* What a datagram says. Bytes of other people's networks may be in it: only what stands at its
 * start, or behind its last quote, is the supplicant's own word. */
enum supplicant_event supplicant_event(const char *text, size_t size);

/* "7\n" -> 7; -1 for anything else. */
int supplicant_id(const char *answer, size_t size);

/* The value of SET_NETWORK ... ssid: hex, so that any byte may be in it. out: 2 * 32 + 1. */
int supplicant_ssid(const char *ssid, char out[65], struct error *err);
/* The value of psk: a passphrase in quotes. IEEE 802.11 annex J: 8 to 63 characters of 32 to 126.
 */
int supplicant_psk(const char *passphrase, char out[66], struct error *err);

#endif
