#include "station/flash/usb/usb_descriptors.h"

#include <string.h>

enum {
    DEVICE = 1,
    CONFIGURATION = 2,
    INTERFACE = 4,
    ENDPOINT = 5,
    DFU_FUNCTIONAL = 0x21,
    DEVICE_BYTES = 18,
    CONFIGURATION_BYTES = 9,
    INTERFACE_BYTES = 9,
    ENDPOINT_BYTES = 7,
    DFU_BYTES = 9,
    CLASS_APPLICATION = 0xfe,
};

static uint16_t word(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void take_interface(const uint8_t *p, struct usb_descriptors *out,
                           struct usb_interface **now)
{
    *now = NULL;
    if (out->interface_count == USB_INTERFACES_MAX)
        return;
    *now = &out->interfaces[out->interface_count++];
    **now = (struct usb_interface){.number = p[2],
                                   .alternate = p[3],
                                   .class_ = p[5],
                                   .subclass = p[6],
                                   .protocol = p[7],
                                   .name_index = p[8]};
}

static void take_endpoint(const uint8_t *p, struct usb_interface *now)
{
    if (!now || now->endpoint_count == USB_ENDPOINTS_MAX)
        return;
    now->endpoints[now->endpoint_count++] = (struct usb_endpoint){
        .address = p[2], .kind = p[3] & 3, .packet_bytes = word(p + 4) & 0x7ff};
}

/* One functional descriptor may stand behind the first or the last of several alternates: it is
 * all of theirs. */
static void take_dfu(const uint8_t *p, struct usb_descriptors *out)
{
    for (size_t i = 0; i < out->interface_count; i++) {
        struct usb_interface *at = &out->interfaces[i];
        if (at->class_ != CLASS_APPLICATION || at->subclass != 1)
            continue;
        at->has_dfu = true;
        at->dfu_attributes = p[2];
        at->dfu_transfer_bytes = word(p + 5);
        at->dfu_version = word(p + 7);
    }
}

static int bad(struct error *err, const char *what)
{
    return error_set(err, ERROR_PROTOCOL, "USB descriptors: %s", what);
}

int usb_descriptors_parse(const void *data, size_t size, struct usb_descriptors *out,
                          struct error *err)
{
    const uint8_t *p = data, *end = p + size;
    struct usb_interface *now = NULL;
    *out = (struct usb_descriptors){0};
    if (size < DEVICE_BYTES || p[0] < DEVICE_BYTES || p[1] != DEVICE || p[0] > size)
        return bad(err, "no device descriptor");
    out->vendor = word(p + 8);
    out->product = word(p + 10);
    out->device_version = word(p + 12);
    out->product_index = p[15];
    p += p[0];
    if (end - p < CONFIGURATION_BYTES || p[0] < CONFIGURATION_BYTES || p[1] != CONFIGURATION)
        return bad(err, "no configuration");
    out->configuration = p[5];
    if (word(p + 2) > end - p)
        return bad(err, "the configuration is cut short");
    end = p + word(p + 2);
    while (end - p >= 2) {
        if (p[0] < 2 || p[0] > end - p)
            return bad(err, "one has a length that cannot be");
        if (p[1] == INTERFACE && p[0] >= INTERFACE_BYTES)
            take_interface(p, out, &now);
        else if (p[1] == ENDPOINT && p[0] >= ENDPOINT_BYTES)
            take_endpoint(p, now);
        else if (p[1] == DFU_FUNCTIONAL && p[0] >= DFU_BYTES)
            take_dfu(p, out);
        p += p[0];
    }
    return 0;
}

const struct usb_interface *usb_find_interface(const struct usb_descriptors *d, uint8_t class_,
                                               uint8_t subclass, uint8_t protocol)
{
    for (size_t i = 0; i < d->interface_count; i++) {
        const struct usb_interface *at = &d->interfaces[i];
        if (at->class_ == class_ && at->subclass == subclass && at->protocol == protocol)
            return at;
    }
    return NULL;
}

const struct usb_endpoint *usb_find_bulk(const struct usb_interface *i, bool in)
{
    for (size_t n = 0; n < i->endpoint_count; n++)
        if (i->endpoints[n].kind == 2 && (i->endpoints[n].address >> 7) == in)
            return &i->endpoints[n];
    return NULL;
}
