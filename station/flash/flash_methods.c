#include "station/flash/flash_methods.h"

#include <stdio.h>
#include <string.h>

#include "station/flash/network/network.h"
#include "station/flash/sd/sd.h"
#include "station/flash/uart/uart.h"
#include "station/flash/usb/usb_flash.h"

const struct flash_method *const flash_methods[] = {
    &network_method,
    &sd_method,
    &uart_method,
    &usb_flash_method,
    NULL,
};

int flash_method_find(const char *name, const struct flash_method **out, struct error *err)
{
    char names[128] = "";
    for (size_t i = 0; flash_methods[i]; i++) {
        if (strcmp(flash_methods[i]->name, name) == 0) {
            *out = flash_methods[i];
            return 0;
        }
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                 flash_methods[i]->name);
    }
    return error_set(err, ERROR_INPUT, "method '%s': expected one of %s", name, names);
}
