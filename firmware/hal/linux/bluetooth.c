/* Bluetooth through the kernel's user channel of a controller: this program alone has it, and what
 * goes through is HCI's own packets (net/bluetooth/hci_sock.c). No daemon is needed. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "firmware/hal/linux/parts.h"
#include "protocol/base/clock.h"

enum { ANSWER_MS = 3000 };

/* Of the kernel's include/net/bluetooth, which it does not give to programs. */
enum { PROTOCOL_HCI = 1, CHANNEL_USER = 1 };
struct hci_socket_address {
    unsigned short family, device, channel;
};

struct bluetooth {
    struct linux_unit *unit;
    int fd; /* -1: the controller is off */
};

int linux_bluetooth_open(struct linux_unit *u, struct bluetooth **out, struct error *err)
{
    struct bluetooth *b = *out = calloc(1, sizeof *b);
    if (!b)
        return error_set(err, ERROR_MEMORY, "no memory for Bluetooth");
    b->unit = u;
    b->fd = -1;
    return 0;
}

static void switch_off(struct bluetooth *b)
{
    if (b->fd >= 0)
        close(b->fd);
    b->fd = -1;
}

static int switch_on(struct bluetooth *b, struct error *err)
{
    const char *name = b->unit->board->linux.bluetooth;
    const struct hci_socket_address there = {.family = AF_BLUETOOTH,
                                             .device = (unsigned short)atoi(name + strlen("hci")),
                                             .channel = CHANNEL_USER};
    int rc;
    if (b->fd >= 0)
        return 0;
    do { /* its driver loads beside camd */
        b->fd = socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC, PROTOCOL_HCI);
        rc = b->fd < 0 || bind(b->fd, (const struct sockaddr *)&there, sizeof there) ? errno : 0;
        if (rc)
            switch_off(b);
    } while ((rc == ENODEV || rc == EAFNOSUPPORT || rc == EPROTONOSUPPORT) && linux_wait(b->unit));
    errno = rc;
    if (!rc)
        return 0;
    if (rc == ENODEV || rc == EAFNOSUPPORT || rc == EPROTONOSUPPORT)
        return error_set(err, ERROR_MISSING, "there is no Bluetooth controller %s", name);
    return error_errno(err, rc == EBUSY || rc == EALREADY ? ERROR_BUSY : ERROR_IO,
                       "cannot have the Bluetooth controller %s", name);
}

/* One packet is one message. Others' events in between are passed over. */
static int command(struct bluetooth *b, const char *what, enum hci_opcode opcode,
                   const uint8_t *packet, size_t size, uint8_t *returned, size_t returned_bytes,
                   struct error *err)
{
    const int64_t until_ms = clock_mono_ms() + ANSWER_MS;
    uint8_t answer[HCI_PACKET_MAX + 1], status;
    const uint8_t *behind;
    size_t behind_bytes;
    if (write(b->fd, packet, size) != (ssize_t)size)
        return error_errno(err, ERROR_IO, "Bluetooth: cannot %s", what);
    for (;;) {
        struct pollfd ready = {.fd = b->fd, .events = POLLIN};
        const int64_t left_ms = until_ms - clock_mono_ms();
        const int n = left_ms > 0 ? poll(&ready, 1, (int)left_ms) : 0;
        if (n == 0)
            return error_set(err, ERROR_TIMEOUT, "Bluetooth: the controller does not %s", what);
        const ssize_t got = n < 0 ? -1 : read(b->fd, answer, sizeof answer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_errno(err, ERROR_IO, "Bluetooth: cannot %s", what);
        if (hci_completes(answer, (size_t)got, opcode, &status, &behind, &behind_bytes))
            break;
    }
    if (status)
        return error_set(err, ERROR_IO, "Bluetooth: the controller refused to %s (0x%02x)", what,
                         status);
    if (behind_bytes < returned_bytes)
        return error_set(err, ERROR_PROTOCOL, "Bluetooth: %zu bytes when asked to %s, expected %zu",
                         behind_bytes, what, returned_bytes);
    if (returned_bytes)
        memcpy(returned, behind, returned_bytes);
    return 0;
}

static int advertise(struct bluetooth *b, const char *name, char address[HCI_ADDRESS_TEXT],
                     struct error *err)
{
    uint8_t packet[HCI_PACKET_MAX], own[6];
    int rc = switch_on(b, err);
    if (rc)
        return rc;
    size_t n = hci_command(packet, HCI_RESET, NULL, 0);
    rc = command(b, "reset", HCI_RESET, packet, n, NULL, 0, err);
    n = hci_command(packet, HCI_READ_BD_ADDR, NULL, 0);
    if (!rc)
        rc = command(b, "tell its address", HCI_READ_BD_ADDR, packet, n, own, sizeof own, err);
    n = hci_advertising_parameters(packet, BLUETOOTH_INTERVAL_MS);
    if (!rc)
        rc = command(b, "set its advertising up", HCI_LE_SET_ADVERTISING_PARAMETERS, packet, n,
                     NULL, 0, err);
    n = hci_advertising_data(packet, name);
    if (!rc)
        rc = command(b, "take the name", HCI_LE_SET_ADVERTISING_DATA, packet, n, NULL, 0, err);
    n = hci_advertising_enable(packet, true);
    if (!rc)
        rc = command(b, "advertise", HCI_LE_SET_ADVERTISING_ENABLE, packet, n, NULL, 0, err);
    if (rc)
        switch_off(b);
    else
        hci_address(own, address);
    return rc;
}

/* A controller that lost its host would go on by itself; after a reset it does nothing. */
void linux_bluetooth_silence(struct bluetooth *b)
{
    uint8_t packet[HCI_PACKET_MAX];
    if (b->fd >= 0)
        command(b, "reset", HCI_RESET, packet, hci_command(packet, HCI_RESET, NULL, 0), NULL, 0,
                NULL);
    switch_off(b);
}

static int silence(struct bluetooth *b, struct error *err)
{
    linux_bluetooth_silence(b);
    return 0;
}

void linux_bluetooth_close(struct bluetooth *b)
{
    if (!b)
        return;
    linux_bluetooth_silence(b);
    free(b);
}

const struct bluetooth_ops linux_bluetooth_ops = {advertise, silence};
