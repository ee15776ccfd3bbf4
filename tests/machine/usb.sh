#!/usr/bin/env bash
# Units on a real USB stack, the kernel's looped controllers, in one guest: fastboot, DFU and the boot
# ROMs, each with its peer and each also misbehaving.      [PART...] of fastboot stages sigmastar
. "$(dirname "$0")/guest.bash"
usb_units=4
. "$(dirname "$0")/usb.bash"
GUEST_ENVIRONMENT=USB_PARTS
export USB_PARTS=${*:-${USB_PARTS:-fastboot stages sigmastar}}
guest_run "$usb_modules;usb-storage" --seconds 2400 --memory 1600

mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config
for part in $USB_PARTS; do
    echo "  -- $part"
    . "$(dirname "$0")/usb_$part.bash"
done
suite_end
