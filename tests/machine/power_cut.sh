#!/usr/bin/env bash
# The power goes at every write of an update and of its trial: whatever the moment, the unit starts
# one of the two versions, whole by its hashes, and its identity is intact.
#   CUTS=N of the update's operations really start in the machine (3), SEED=N which
. "$(dirname "$0")/bare.bash"
. "$(dirname "$0")/stub.bash"
key=$work/bundle.key
bundles=()

version_make() { # RELEASE: a kernel that says a and b alike, and a root file system of its own
    head -c 4000000 /dev/urandom >"$work/rootfs.$1"
    stub_make "$1" && "$takt" bundle make --board qemu-virt --version "0.$1" --release "$1" \
        --key "$key" --image kernel="$work/stub_$1" --image rootfs="$work/rootfs.$1" \
        --out "$work/bundle.$1" && bundles+=("$work/bundle.$1")
}

# A unit that runs 0.1 in slot a; slot b holds what was there before.
unit_of_the_line() {
    "$takt" bundle key --out "$key" && version_make 1 && version_make 2 && bare_new &&
        flash_put "$work/stub_1" kernel_a && flash_put "$work/rootfs.1" rootfs_a &&
        head -c 8000000 /dev/urandom >"$work/old" && flash_put "$work/old" kernel_b &&
        flash_put "$work/old" rootfs_b &&
        flash_peer set loader=closed slot_a_version=0.1 slot_a_release=1 && flash_peer identify &&
        cp "$bare_flash" "$work/before.img" && flash_peer bootable "${bundles[@]}" &&
        operations=$(flash_peer update "$work/bundle.2" "$key.pub" 0) &&
        cp "$bare_flash" "$work/updated.img"
}

cut_everywhere() {
    bare_new "$work/before.img" &&
        [ "$(flash_peer cut "$work/bundle.2" "$key.pub" "${bundles[@]}")" = "$operations" ]
}

# What the firmware decides for this flash is what the machine then starts.
really_starts() { # OPERATION
    local next
    bare_new "$work/before.img" &&
        flash_peer update "$work/bundle.2" "$key.pub" "$1" >/dev/null &&
        next=$(flash_peer bootable "${bundles[@]}") && bare_on &&
        bare_says "STUB ${next:4:1} .*takt.slot=${next:0:1}" 120
    local rc=$?
    bare_off
    return $rc
}

# Every write of U-Boot's script while it counts the trial down and gives it up, recorded by QEMU.
trial_is_recorded() {
    local rc=0
    bare_new "$work/updated.img" || return 1
    bare_on --record writes.log
    until_true 180 bare_said 'STUB 1 .*did not prove itself' || rc=1
    bare_off
    starts_of_trial=$(grep -ac '^STUB 2' "$bare_log")
    [ $rc = 0 ] && [ "$starts_of_trial" = 3 ]
}

trial_cut_everywhere() {
    bare_new "$work/updated.img" &&
        writes=$(flash_peer cuts "$bare_dir/writes.log" 0 "${bundles[@]}") && [ "$writes" -ge 16 ]
}

trial_really_starts() { # WRITES
    local next
    bare_new "$work/updated.img" && flash_peer replay "$bare_dir/writes.log" 0 "$1" &&
        next=$(flash_peer bootable "${bundles[@]}") && bare_on &&
        bare_says "STUB ${next:4:1} .*takt.slot=${next:0:1}" 120
    local rc=$?
    bare_off
    return $rc
}

stub_ready
check "a unit with 0.1 in slot a, and an update to 0.2" unit_of_the_line
check "cut in the middle of each operation of the update: ${operations:=0} of them" cut_everywhere
RANDOM=${SEED:-1}
for ((i = 0; i < ${CUTS:-3}; i++)); do
    n=$((RANDOM % operations + 1))
    check "cut in operation $n: the machine starts what the firmware says" really_starts $n
done
check "U-Boot counts the trial down and gives it up, every write recorded" trial_is_recorded
check "cut after each of U-Boot's writes" trial_cut_everywhere
echo "  ${operations} operations of the update, ${writes:=0} writes of its trial"
for ((i = 0; i < ${CUTS:-3}; i++)); do
    n=$((RANDOM % writes + 1))
    check "cut after write $n of the trial: the machine starts what the firmware says" \
        trial_really_starts $n
done
suite_end
