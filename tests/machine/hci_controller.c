/* A Bluetooth controller of the kernel's hci_vhci, as far as advertising goes:
 *
 *   hci_controller ADDRESS
 *
 * A line of stdout a change: "controller hci0", "reset", "advertises NAME every MS ms, type N",
 * "silent". Commands that it has not are answered with Unknown HCI Command, as real ones do. What
 * the kernel gets and gives is its own: created raw, so that it asks nothing at setup. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/formats/hci.h"

enum { VENDOR_PACKET = 0xff, RAW_DEVICE = 0x80, UNKNOWN_COMMAND = 0x01, DISALLOWED = 0x0c };

static struct {
    uint8_t address[6], type;
    char name[HCI_NAME_MAX + 1];
    int interval_ms;
} own;

static uint8_t take(enum hci_opcode opcode, const uint8_t *params, size_t size)
{
    switch (opcode) {
    case HCI_RESET:
        printf("reset\n");
        memset(own.name, 0, sizeof own.name);
        own.interval_ms = 0;
        return 0;
    case HCI_READ_BD_ADDR:
        return 0;
    case HCI_LE_SET_ADVERTISING_PARAMETERS:
        own.interval_ms = (params[0] | params[1] << 8) * 5 / 8;
        own.type = params[4];
        return size == 15 && params[13] ? 0 : UNKNOWN_COMMAND;
    case HCI_LE_SET_ADVERTISING_DATA:
        /* Used bytes, and in them one structure: length, 9 for a complete name, the name. */
        if (size != 32 || params[0] < 2 || params[2] != 9 || params[1] != params[0] - 1)
            return UNKNOWN_COMMAND;
        memcpy(own.name, params + 3, params[1] - 1U);
        return 0;
    case HCI_LE_SET_ADVERTISING_ENABLE:
        if (size != 1 || (params[0] && (!own.interval_ms || !own.name[0])))
            return DISALLOWED;
        if (params[0])
            printf("advertises %s every %d ms, type %d\n", own.name, own.interval_ms, own.type);
        else
            printf("silent\n");
        return 0;
    default:
        return UNKNOWN_COMMAND;
    }
}

int main(int argc, char **argv)
{
    static const uint8_t create[2] = {VENDOR_PACKET, RAW_DEVICE};
    uint8_t packet[HCI_PACKET_MAX], answer[HCI_PACKET_MAX];
    ssize_t n;
    int fd = open("/dev/vhci", O_RDWR | O_CLOEXEC);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2 || !hci_address_bytes(argv[1], own.address) || fd < 0 ||
        write(fd, create, sizeof create) != sizeof create) {
        perror("hci_controller ADDRESS: /dev/vhci");
        return 2;
    }
    while ((n = read(fd, packet, sizeof packet)) > 0) {
        if (packet[0] == VENDOR_PACKET && n == 4)
            printf("controller hci%d\n", packet[2] | packet[3] << 8);
        if (packet[0] != HCI_COMMAND_PACKET || hci_packet_bytes(packet, (size_t)n) != (int)n)
            continue;
        const enum hci_opcode opcode = (enum hci_opcode)(packet[1] | packet[2] << 8);
        const uint8_t status = take(opcode, packet + HCI_COMMAND_HEAD, packet[3]);
        const bool tells = opcode == HCI_READ_BD_ADDR;
        const size_t size =
            hci_completion(answer, opcode, status, own.address, tells ? sizeof own.address : 0);
        if (write(fd, answer, size) != (ssize_t)size)
            return 3;
    }
    return 3;
}
