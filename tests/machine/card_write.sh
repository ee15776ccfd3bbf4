#!/usr/bin/env bash
# Cards written in real readers, as far as a kernel has them without any: scsi_debug's disks, which
# say that they can be taken out. Several at once; and each way in which a reader or card goes wrong.
. "$(dirname "$0")/guest.bash"
guest_run "sd_mod;vfat;nls_cp437;nls_ascii" --seconds 900
board=$repo/tests/machine/uboot-board.json

readers() { # [parameter...]: three of 40 MiB unless said otherwise; they become sda, sdb, sdc
    ! grep -q '^scsi_debug ' /proc/modules || modprobe -r scsi_debug || return 1
    modprobe scsi_debug per_host_store=1 add_host=3 dev_size_mb=40 removable=1 "$@" &&
        until_true 60 test -b /dev/sdc -a -b /dev/sda
}
bundle_of() { # OUT ROOTFS-MIB
    head -c "$(($2 << 20))" /dev/urandom >"$work/rootfs" &&
        "$takt" bundle make --board "$board" --release 1 --version 0.1 --key "$work/key" \
            --image rootfs="$work/rootfs" --out "$1"
}
card() { # PORT [BUNDLE]
    "$takt" flash --method sd --port "$1" --bundle "${2:-$work/bundle.takt}" --key "$work/key.pub" \
        --board "$board" --json >"$work/out" 2>"$work/err"
    local rc=$?
    cat "$work/out" "$work/err"
    return $rc
}
fails() { # STATUS TEXT PORT [BUNDLE]
    card "${@:3}"
    [ $? = "$1" ] && grep -q -- "$2" "$work/err"
}

listed() {
    readers && "$takt" card list --json >"$work/list" && cat "$work/list" &&
        jq -e '[.[] | select(has("why_not") | not) | .disk] | sort == ["/dev/sda", "/dev/sdb", "/dev/sdc"]' "$work/list"
}
three_at_once() {
    card "image:$work/card.img" && card /dev/sda,/dev/sdb,/dev/sdc && jq -e .verified "$work/out" || return 1
    # The time in a file system differs from one image to the next: what is in it does not.
    local disk
    for disk in sda sdb sdc; do
        cmp "$work/bundle.takt" <(mtype -i "/dev/$disk@@1M" ::takt.bin) || return 1
    done
}
no_unit_yet() { "$takt" card result /dev/sdb; [ $? = 1 ]; }
mounted() {
    local n
    mkdir -p "$work/at" && mount -t vfat /dev/sda1 "$work/at" || return 1
    fails 3 "sda1 is mounted at $work/at" /dev/sda
    n=$?
    umount "$work/at"
    return $n
}
held() { # by another program, that mounts nothing
    local n
    python3 -c 'import os, time; os.open("/dev/sda", os.O_RDWR | os.O_EXCL); print(flush=True); time.sleep(600)' >"$work/holds" &
    local holder=$!
    until_true 60 test -s "$work/holds"
    fails 3 "busy: " /dev/sda
    n=$?
    kill $holder
    wait $holder 2>/dev/null
    return $n
}
one_of_three() { # the others are written all the same
    local n
    mkdir -p "$work/at" && mount -t vfat /dev/sdb1 "$work/at" || return 1
    dd if=/dev/zero of=/dev/sdc bs=1M count=2 oflag=direct status=none
    fails 3 "1 of 3 cards are not written: busy: sdb1" /dev/sda,/dev/sdb,/dev/sdc &&
        cmp "$work/bundle.takt" <(mtype -i "/dev/sdc@@1M" ::takt.bin)
    n=$?
    umount "$work/at"
    return $n
}
partition() { fails 3 "sda1 is a partition" /dev/sda1; }
too_small() { bundle_of "$work/large.takt" 15 && readers dev_size_mb=16 && fails 1 "too small: 16 MB" /dev/sda "$work/large.takt"; }
fixed() { readers removable=0 && fails 3 "sda is no card reader" /dev/sda && ! head -c 512 /dev/sda | tr -d '\0' | grep -q .; }
protected() { readers wp=1 && fails 3 "write-protected" /dev/sda; }
forgets() { readers fake_rw=1 && fails 1 "not verified: .* does not hold what was written" /dev/sda; }
writing() { [ "$(awk '{ print $5 }' /sys/block/sda/stat)" -gt 8 ]; }
pulled() {
    readers delay=20 || return 1
    fails 1 "gone: the card in /dev/sda was pulled out" /dev/sda &
    local flashing=$!
    until_true 60 writing && echo 1 >/sys/block/sda/device/delete
    wait $flashing
}
no_reader() { fails 3 "no device: there is no disk /dev/sdz" /dev/sdz; }

"$takt" bundle key --out "$work/key" && bundle_of "$work/bundle.takt" 1 || exit 2
check "the readers are listed, and may be written" listed
check "three at once, each verified" three_at_once
check "a card that no unit had says so" no_unit_yet
check "one that is mounted is not written, and says where" mounted
check "one that another program holds is busy" held
check "one card's trouble is its own" one_of_three
check "a partition is no card" partition
check "no such reader" no_reader
check "a card that is too small" too_small
check "a disk that cannot be taken out is never written" fixed
check "a write-protected card" protected
check "a card that does not keep what is written" forgets
check "a card pulled out half way" pulled
suite_end
