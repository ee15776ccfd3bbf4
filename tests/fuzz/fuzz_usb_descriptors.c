/* What a device says of itself over USB: counts stay within their arrays, and whatever is found by
 * class is one of them. */
#include <stdint.h>
#include <stdlib.h>

#include "station/flash/usb/usb_descriptors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct usb_descriptors d = {0};
    struct error err = {0};
    if (usb_descriptors_parse(data, size, &d, &err)) {
        if (!err.text[0])
            abort();
        return 0;
    }
    if (d.interface_count > USB_INTERFACES_MAX)
        abort();
    for (size_t i = 0; i < d.interface_count; i++) {
        const struct usb_interface *it = &d.interfaces[i];
        const struct usb_interface *found =
            usb_find_interface(&d, it->class_, it->subclass, it->protocol);
        if (it->endpoint_count > USB_ENDPOINTS_MAX || !found || found > it)
            abort();
        for (int in = 0; in < 2; in++) {
            const struct usb_endpoint *e = usb_find_bulk(it, in);
            if (e && (e < it->endpoints || e >= it->endpoints + it->endpoint_count ||
                      (e->address >> 7) != in))
                abort();
        }
    }
    return 0;
}
