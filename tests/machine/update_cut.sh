#!/usr/bin/env bash
# One real update on the machine, its agent writing through Linux's MTD; QEMU records each write to
# the flash. A power cut after any of them leaves a unit that starts one of the two versions, whole by
# its hashes, with its identity; a sample of them really starts.
#   CUTS=N of them (2), SEED=N which
. "$(dirname "$0")/bare.bash"
. "$(dirname "$0")/stub.bash"
writes=0 bundles=("$image/bundle.takt" "$work/next.takt")
stub_ready
bare_keys || exit 2

power_on() { bare_on --port "$port" "$@"; }

# The line's unit: credentials, identity, 0.1 in slot a, something else in b; and a newer bundle.
prepare() {
    local release
    release=$("$takt" bundle show "$image/bundle.takt" --json | jq -r .release)
    bare_new && flash_peer identify && put_credentials &&
        flash_peer set slot_a_version=first "slot_a_release=$release" &&
        head -c 8000000 /dev/urandom >"$work/old" && flash_put "$work/old" kernel_b &&
        flash_put "$work/old" rootfs_b && cp "$bare_flash" "$work/before.img" &&
        "$takt" bundle make --board qemu-virt --release $((release + 1)) --version next \
            --key "$build/image/development.key" --image kernel="$image/kernel" \
            --image rootfs="$image/rootfs" --out "$work/next.takt" &&
        flash_peer bootable "${bundles[@]}"
}

updated() {
    power_on --record writes.log && until_true 120 answers &&
        head_of "$work/next.takt" >"$work/manifest" && call flash.begin manifest="$work/manifest" &&
        call flash.write '{"image":"kernel"}' data="$image/kernel" &&
        call flash.write '{"image":"rootfs"}' data="$image/rootfs" &&
        call flash.verify '{"image":"kernel"}' && call flash.verify '{"image":"rootfs"}' &&
        call flash.activate && call unit.restart
}
on_trial_and_committed() {
    bare_says 'boot: slot b' 120 && until_true 120 answers && call unit.info | grep '"on_trial":true' &&
        call flash.commit
}
cut_everywhere() {
    cp "$work/before.img" "$bare_flash" &&
        writes=$(flash_peer cuts "$bare_dir/writes.log" 0 "${bundles[@]}") && [ "$writes" -ge 1000 ]
}
really_starts() { # WRITES
    local next rc
    bare_new "$work/before.img" && flash_peer replay "$bare_dir/writes.log" 0 "$1" &&
        next=$(flash_peer bootable "${bundles[@]}") && power_on &&
        bare_says "boot: slot ${next:0:1}" 120 && until_true 120 answers
    rc=$?
    bare_off
    return $rc
}

check "a unit of the line, and a newer bundle" prepare
check "its agent writes the bundle into slot b and activates it" updated
check "slot b starts on trial and is committed" on_trial_and_committed
bare_off
check "cut after each write" cut_everywhere
echo "  $writes writes"
RANDOM=${SEED:-1}
for ((i = 0; i < ${CUTS:-2} && writes > 0; i++)); do
    n=$(((RANDOM * 32768 + RANDOM) % writes + 1))
    check "cut after write $n: the machine starts what the firmware says, and answers" really_starts $n
done
suite_end
