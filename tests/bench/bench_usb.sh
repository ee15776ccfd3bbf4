#!/usr/bin/env bash
# Fastboot: our client's rate to a gadget beside Debian's fastboot's to the same one, in the guest
# kernel (dummy_hcd, FunctionFS, no KVM: what is compared is the two clients, not USB). Both send one
# image of 15 MiB that does not repeat, in turns; a rate is taken from the download alone.
set -u
modules="configfs;libcomposite;usb_f_fs;dummy_hcd num=1"
repo=$(cd "$(dirname "$0")/../.." && pwd)
if [ -z "${TAKT_INSIDE:-}" ]; then
    make -C "$repo" --no-print-directory -s build/takt build/tests/machine/usb_gadget >&2 || exit 1
    TAKT_INSIDE=1 GUEST_ENVIRONMENT=TAKT_INSIDE exec "$repo/tests/machine/guest" --seconds 400 \
        --memory 1200 --modules "$modules" "$0"
fi
. "$repo/tests/integration/suite.bash"
. "$repo/tests/machine/usb.bash"

mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config
bytes=$((15 << 20))
usb_board ssc337de-nand128 '{ "gadget": "1d6b:0104" }'
head -c $bytes /dev/urandom >"$work/rootfs"
usb_bundle rootfs="$work/rootfs" >"$work/bundle.out" 2>&1 || exit 1

# Seconds between the lines of the log that begin and end a download.
ours() {
    gadget_blank 1 && gadget_start 1 fastboot && flash_unit 1 >"$work/ours.out" 2>&1 || return 1
    awk '{ split(substr($1, 12), t, "[:Z]"); now = t[1] * 3600 + t[2] * 60 + t[3] }
        from { print now - from; from = 0 } /-- download:/ { from = now }' "$work/unit.1/flash.log"
}
theirs() {
    gadget_blank 1 && gadget_start 1 fastboot && fastboot flash rootfs_a "$work/rootfs" >"$work/theirs" 2>&1 || return 1
    sed -n "s/^Sending.*OKAY \[ *\([0-9.]*\)s\].*/\1/p" "$work/theirs"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
for _ in 1 2 3 4 5; do
    ours >>"$work/ours" || exit 1
    theirs >>"$work/peer" || exit 1
done
gadget_stop 1
jq -cn --argjson ours "$(median <"$work/ours")" --argjson peer "$(median <"$work/peer")" --argjson bytes $bytes \
    '{bench: "usb fastboot download", value: ($bytes / $ours / 1e6), unit: "MB/s", reference: ($bytes / $peer / 1e6),
      peer: "fastboot", method: "median of 5 in turns, 15 MiB, same FunctionFS gadget on dummy_hcd in the guest kernel"}'
