#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "station/flash/usb/usb_stages.h"

bool usb_loader_command(const struct board *board, const char *command, uint64_t flash_offset,
                        uint64_t bytes, char *out, size_t room)
{
    const struct {
        const char *name;
        uint64_t value;
    } values[] = {{"{memory}", board->boot.load_address},
                  {"{flash}", board_flash_address(board, flash_offset)},
                  {"{bytes}", bytes},
                  {"{blocks}", (bytes + 511) / 512},
                  {"{block}", flash_offset / 512}};
    size_t used = 0;
    out[0] = '\0';
    for (const char *p = command; *p && used + 20 < room;) {
        size_t i = 0;
        while (i < sizeof values / sizeof values[0] &&
               strncmp(p, values[i].name, strlen(values[i].name)) != 0)
            i++;
        if (i < sizeof values / sizeof values[0]) {
            used += (size_t)snprintf(out + used, room - used, "0x%" PRIx64, values[i].value);
            p += strlen(values[i].name);
        } else {
            out[used++] = *p++;
            out[used] = '\0';
        }
    }
    return out[0] != '\0';
}
