/* Bluetooth: what the unit sends, at the level that reaches the line's receiver. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/hal/emulator/parts.h"

struct bluetooth {
    struct unit *unit;
};

int emulated_bluetooth_open(struct unit *unit, struct bluetooth **out, struct error *err)
{
    struct bluetooth *b = *out = calloc(1, sizeof *b);
    if (!b)
        return error_set(err, ERROR_MEMORY, "no memory for the emulated Bluetooth");
    b->unit = unit;
    emulated_bluetooth_silence(b);
    return 0;
}

void emulated_bluetooth_silence(struct bluetooth *b)
{
    if (b)
        atomic_store(&b->unit->world->advertises, 0);
}

void emulated_bluetooth_close(struct bluetooth *b)
{
    emulated_bluetooth_silence(b);
    free(b);
}

/* The address is burnt into the controller as the chip's id is into the SoC: 02 marks it as one
 * that no maker was given (IEEE 802, 8.2). */
static void burnt_in(const struct unit *u, uint8_t address[6])
{
    const char *id = u->physics.chip_id;
    const size_t digits = strlen(id);
    unsigned byte = 0;
    for (int i = 0; i < 5; i++) {
        if (digits >= 10 && sscanf(id + digits - 2 * (size_t)(i + 1), "%2x", &byte) == 1)
            address[i] = (uint8_t)byte;
    }
    address[5] = 0x02;
}

static int advertise(struct bluetooth *b, const char *name, char address[HCI_ADDRESS_TEXT],
                     struct error *err)
{
    struct world *w = b->unit->world;
    uint8_t own[6] = {0};
    burnt_in(b->unit, own);
    hci_address(own, address);
    emulated_bluetooth_silence(b);
    if (b->unit->physics.bluetooth_dead > 0)
        return error_set(err, ERROR_TIMEOUT, "Bluetooth: the controller does not reset");
    snprintf(w->advertised_name, sizeof w->advertised_name, "%s", name);
    memcpy(w->advertised_address, own, sizeof own);
    atomic_store(&w->advertised_dbm, b->unit->physics.bluetooth_dbm);
    atomic_store(&w->advertises, 1);
    return 0;
}

static int silence(struct bluetooth *b, struct error *err)
{
    emulated_bluetooth_silence(b);
    return 0;
}

const struct bluetooth_ops emulated_bluetooth_ops = {advertise, silence};
