#include "firmware/hal/linux/supplicant.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum { ANSWER_MS = 10000, /* a key is hashed 8192 times */ ANSWER_MAX = 4096, SCANS = 2 };

struct supplicant {
    char interface[16];
    int fd, event_fd; /* commands and answers; events */
};

/* ---- pure ---------------------------------------------------------------------------------- */

static bool starts(const char *text, size_t size, const char *word)
{
    size_t n = strlen(word);
    return size >= n && memcmp(text, word, n) == 0;
}

enum supplicant_event supplicant_event(const char *text, size_t size)
{
    if (size && text[0] == '<') {
        const char *end = memchr(text, '>', size);
        if (!end)
            return EVENT_OTHER;
        size -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    if (starts(text, size, "CTRL-EVENT-CONNECTED "))
        return EVENT_CONNECTED;
    if (starts(text, size, "CTRL-EVENT-NETWORK-NOT-FOUND"))
        return EVENT_NOT_FOUND;
    if (starts(text, size, "CTRL-EVENT-TERMINATING"))
        return EVENT_ENDING;
    if (starts(text, size, "CTRL-EVENT-SSID-TEMP-DISABLED ")) {
        const char *quote = memrchr(text, '"', size);
        const char *own = quote ? quote + 1 : text;
        if (memmem(own, size - (size_t)(own - text), " reason=WRONG_KEY", 17))
            return EVENT_WRONG_KEY;
    }
    return EVENT_OTHER;
}

int supplicant_id(const char *answer, size_t size)
{
    int id = 0;
    if (size && answer[size - 1] == '\n')
        size--;
    if (!size || size > 6)
        return -1;
    for (size_t i = 0; i < size; i++) {
        if (answer[i] < '0' || answer[i] > '9')
            return -1;
        id = id * 10 + answer[i] - '0';
    }
    return id;
}

int supplicant_ssid(const char *ssid, char out[65], struct error *err)
{
    size_t n = strlen(ssid);
    if (n < 1 || n > 32)
        return error_set(err, ERROR_INPUT, "a network name of %zu bytes, expected 1 to 32", n);
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned char)ssid[i]);
    return 0;
}

int supplicant_psk(const char *passphrase, char out[66], struct error *err)
{
    size_t n = strlen(passphrase);
    if (n < 8 || n > 63)
        return error_set(err, ERROR_INPUT, "a passphrase of %zu characters, expected 8 to 63", n);
    for (size_t i = 0; i < n; i++)
        if (passphrase[i] < 32 || passphrase[i] > 126)
            return error_set(err, ERROR_INPUT,
                             "character %zu of the passphrase is none of 32 to 126", i + 1);
    snprintf(out, 66, "\"%s\"", passphrase);
    return 0;
}

/* ---- the socket ---------------------------------------------------------------------------- */

static int connect_to(const struct linux_unit *u, const char *interface, int *out,
                      struct error *err)
{
    const struct sockaddr_un any = {.sun_family = AF_UNIX};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "/run/wpa_supplicant/%s", interface);
    int fd = *out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, ERROR_IO, "cannot make a socket");
    /* A name of the kernel's choice, for the answers to come to. */
    if (bind(fd, (const struct sockaddr *)&any, sizeof any.sun_family))
        return error_errno(err, ERROR_IO, "cannot bind a socket");
    while (connect(fd, (const struct sockaddr *)&to, sizeof to))
        if ((errno != ENOENT && errno != ECONNREFUSED) || !linux_wait(u))
            return error_errno(err, ERROR_MISSING, "no wpa_supplicant answers at %s", to.sun_path);
    return 0;
}

/* Waits for a datagram; its size, 0 at the deadline, or an error. */
static int receive(int fd, int64_t until_ms, char *out, size_t size, struct error *err)
{
    for (;;) {
        int64_t left = until_ms - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, left > 0 ? (int)left : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return 0;
        ssize_t n = recv(fd, out, size, MSG_DONTWAIT);
        if (n > 0)
            return (int)n;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return error_errno(err, ERROR_CLOSED, "wpa_supplicant is gone");
    }
}

/* One command; the answer's size, or an error. The command's text is not told: it may be a key. */
static int request(int fd, const char *what, const char *command, char *answer, size_t size,
                   struct error *err)
{
    int64_t until = clock_mono_ms() + ANSWER_MS;
    if (send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
        return error_errno(err, ERROR_CLOSED, "wpa_supplicant takes no %s", what);
    int n;
    do
        n = receive(fd, until, answer, size, err);
    while (n > 0 && answer[0] == '<');
    return n ? n : error_set(err, ERROR_TIMEOUT, "wpa_supplicant does not answer %s", what);
}

static int need_ok(int fd, const char *what, const char *command, struct error *err)
{
    char answer[ANSWER_MAX];
    int n = request(fd, what, command, answer, sizeof answer, err);
    if (n < 0)
        return n;
    return starts(answer, (size_t)n, "OK")
               ? 0
               : error_set(err, ERROR_REMOTE, "wpa_supplicant answered %s with '%.*s'", what,
                           (int)strcspn(answer, "\r\n") < n ? (int)strcspn(answer, "\r\n") : n,
                           answer);
}

int supplicant_open(const struct linux_unit *u, const char *interface, struct supplicant **out,
                    struct error *err)
{
    struct supplicant *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return error_set(err, ERROR_MEMORY, "no memory for the radio");
    s->fd = s->event_fd = -1;
    snprintf(s->interface, sizeof s->interface, "%s", interface);
    int rc = connect_to(u, interface, &s->fd, err);
    if (!rc)
        rc = connect_to(u, interface, &s->event_fd, err);
    if (!rc)
        rc = need_ok(s->event_fd, "ATTACH", "ATTACH", err);
    if (rc)
        supplicant_close(s);
    else
        *out = s;
    return rc;
}

void supplicant_close(struct supplicant *s)
{
    if (!s)
        return;
    if (s->event_fd >= 0) {
        /* Else it would go on sending until its queue to us is full. */
        if (send(s->event_fd, "DETACH", 6, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            errno = 0;
        close(s->event_fd);
    }
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

static int set(struct supplicant *s, int id, const char *name, const char *value, struct error *err)
{
    char command[160];
    snprintf(command, sizeof command, "SET_NETWORK %d %s %s", id, name, value);
    int rc = need_ok(s->fd, name, command, err);
    explicit_bzero(command, sizeof command);
    return rc;
}

/* The channels 1 to 13 of the 2.4 GHz band, IEEE 802.11-2020 table E-4. */
static const char band_2_4ghz[] =
    "2412 2417 2422 2427 2432 2437 2442 2447 2452 2457 2462 2467 2472";

static int describe(struct supplicant *s, int id, const char *ssid, const char *passphrase,
                    bool low_band_alone, struct error *err)
{
    char name[65], psk[66];
    int rc = supplicant_ssid(ssid, name, err);
    if (!rc)
        rc = set(s, id, "ssid", name, err);
    /* A chip may know a band for which the board has no antenna. */
    if (!rc && low_band_alone)
        rc = set(s, id, "freq_list", band_2_4ghz, err);
    if (!rc && low_band_alone)
        rc = set(s, id, "scan_freq", band_2_4ghz, err);
    if (!rc) /* networks that do not tell their name are asked for it */
        rc = set(s, id, "scan_ssid", "1", err);
    if (!rc)
        rc = set(s, id, "key_mgmt", passphrase[0] ? "WPA-PSK" : "NONE", err);
    if (!rc && passphrase[0] && !(rc = supplicant_psk(passphrase, psk, err))) {
        rc = set(s, id, "psk", psk, err);
        explicit_bzero(psk, sizeof psk);
    }
    return rc;
}

static int unheard_of(const char *ssid, bool low_band_alone, struct error *err)
{
    return error_set(err, ERROR_MISSING, "no network \"%s\" is heard%s", ssid,
                     low_band_alone ? " at 2.4 GHz, the board's only band" : "");
}

static int wait_joined(struct supplicant *s, const char *ssid, bool low_band_alone, int timeout_ms,
                       struct error *err)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    char text[ANSWER_MAX];
    int unheard = 0, n;
    while ((n = receive(s->event_fd, until, text, sizeof text, err)) > 0) {
        switch (supplicant_event(text, (size_t)n)) {
        case EVENT_CONNECTED:
            return 0;
        case EVENT_WRONG_KEY:
            return error_set(err, ERROR_REFUSED, "\"%s\" refused the passphrase", ssid);
        case EVENT_ENDING:
            return error_set(err, ERROR_CLOSED, "wpa_supplicant ended");
        case EVENT_NOT_FOUND:
            if (++unheard == SCANS)
                return unheard_of(ssid, low_band_alone, err);
            break;
        case EVENT_OTHER:
            break;
        }
    }
    if (n < 0)
        return n;
    return unheard ? unheard_of(ssid, low_band_alone, err)
                   : error_set(err, ERROR_TIMEOUT, "not associated with \"%s\" within %d ms", ssid,
                               timeout_ms);
}

int supplicant_leave(struct supplicant *s, struct error *err)
{
    return need_ok(s->fd, "REMOVE_NETWORK", "REMOVE_NETWORK all", err);
}

int supplicant_join(struct supplicant *s, const char *ssid, const char *passphrase,
                    bool low_band_alone, int timeout_ms, struct error *err)
{
    char answer[64], command[40];
    int rc = supplicant_leave(s, err);
    if (!rc) /* the second look comes after a second, not five */
        rc = need_ok(s->fd, "SCAN_INTERVAL", "SCAN_INTERVAL 1", err);
    if (rc)
        return rc;
    int n = request(s->fd, "ADD_NETWORK", "ADD_NETWORK", answer, sizeof answer, err);
    if (n < 0)
        return n;
    int id = supplicant_id(answer, (size_t)n);
    if (id < 0)
        return error_set(err, ERROR_REMOTE, "wpa_supplicant makes no network: '%.*s'", n, answer);
    rc = describe(s, id, ssid, passphrase, low_band_alone, err);
    /* What came before is about other networks. */
    while (!rc && recv(s->event_fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
        ;
    snprintf(command, sizeof command, "SELECT_NETWORK %d", id);
    if (!rc)
        rc = need_ok(s->fd, "SELECT_NETWORK", command, err);
    if (!rc)
        rc = wait_joined(s, ssid, low_band_alone, timeout_ms, err);
    if (rc)
        supplicant_leave(s, NULL);
    return rc;
}
