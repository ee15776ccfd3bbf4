#!/usr/bin/env bash
# The power goes in the middle of a write to the machine's flash, at a place that a seed draws: while
# the unit records to UBIFS, has its identity written, takes an update, goes over to it, or makes its
# data partition. After each cut the machine starts, from power-on by U-Boot, and must
#   start the slot that the firmware says, whole by its hashes        (flash_cut.c makes the cut)
#   mount UBIFS, with the kernel's own check of all of it on, without an error
#   have one of the identities it was given, to the byte
#   have every frame that was on record before the cut, none broken, and go on recording (recorder.c)
#
#   MOMENTS=WORDS     of record identity update switch format (all; update_cut.sh cuts at each write of an update)
#   CUTS=N ROUND=N    cuts (5), and after how many the unit works anew, on the flash as it then is (50)
#   SEED=N JOBS=N     seed of the first cut (1), the next has the next; machines at once (1)
#   STATE=DIR         what a run that was ended goes on from; a failed cut's round stays there
#   REPLAY=SEED       that cut of STATE alone
#   LOST=N            a flash that lies: of what it said was written, the latest N are gone
#
# This is a sample, a cut at each moment; tests/soak/machine_cuts.sh makes a thousand.
#
# The unit's image is the board's with what only the cuts need of it: no camera, sound or radio.
. "$(dirname "$0")/bare.bash"
. "$(dirname "$0")/stub.bash"
cuts=${CUTS:-5} per_round=${ROUND:-50} first_seed=${SEED:-1} jobs=${JOBS:-1} lost=${LOST:-} kept=
state=${STATE:-$work/state} unit= patience=600 # s: other work may hold the machine up
read -ra moments <<<"${MOMENTS:-record identity update switch format}"
flash_cut=$build/tests/machine/flash_cut
stub_ready
make -s -C "$repo" "${flash_cut#"$repo"/}" || exit 2
mkdir -p "$state" && state=$(cd "$state" && pwd) unit=$state/unit journal=$state/journal || exit 2
touch "$journal"
bundles=("$unit/a.takt" "$unit/b.takt")
partition_bytes() { # NAME: "OFFSET END"
    sed 's|^ *//.*||' "$board_file" | jq -r --arg p "$1" '.flash.partitions[] | select(.name == $p) |
        "\(.offset_kib * 1024) \((.offset_kib + .size_kib) * 1024)"'
}

# ---- the unit, with slot a's version in a and slot b's in b --------------------------------------

root_make() { # SLOT
    echo "cuts-$1" >"$work/root/etc/takt/version"
    mksquashfs "$work/root" "$unit/rootfs_$1" -quiet -no-progress -noappend -all-root -no-xattrs \
        -comp lz4 >/dev/null
}

root_prepare() {
    unsquashfs -d "$work/root" "$image/rootfs" >/dev/null &&
        arm-linux-gnueabihf-gcc --sysroot="$build/sysroot-armhf" -static -std=c11 -D_GNU_SOURCE -O2 \
            -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -I"$repo" -o "$work/root/usr/bin/recorder" \
            "$repo/tests/machine/recorder.c" &&
        sed -i 's/ --port serial:[^ ]* --console-log//' "$work/root/etc/takt/camd" || return 1
    cat >"$work/root/etc/takt/start" <<'END'
#!/bin/sh
exec >/dev/console 2>&1
load() { while read -r module options; do insmod "/lib/modules/$module" $options; done; }
grep qemu_fw_cfg /etc/takt/modules | load
load </etc/takt/data_modules
sed -n 's/.*takt\.slot=\(.\).*/takt: slot \1/p' /proc/cmdline
mount -t debugfs debugfs /sys/kernel/debug
checks=$(echo /sys/kernel/debug/ubifs/chk_*)
for check in $checks; do echo 1 >"$check"; done
/etc/takt/data
echo "takt: fs: $(echo $checks | busybox wc -w) checks, $(dmesg | busybox grep -c -i 'UBIFS error\|ubi[0-9]* error') errors"
dmesg | grep -i 'UBIFS error\|ubi[0-9]* error'
for check in $checks; do echo 0 >"$check"; done
until dmesg | grep 'camd: identity: '; do sleep 0.1; done
recorder /data/recordings &
grep 'virtio\|failover' /etc/takt/modules | load
/etc/takt/network
END
    root_make a && root_make b
}

unit_make() {
    [ ! -e "$unit/made" ] || return 0
    local slot
    rm -rf "$unit" && mkdir -p "$unit" && root_prepare && "$takt" bundle key --out "$unit/key" &&
        printf '%s\n' "$("$takt" bundle show "$image/bundle.takt" --json | jq -r .release)" >"$unit/release" &&
        cp "$unit/key.pub" "$work/root/etc/takt/bundle.pem" && root_make a && root_make b && bare_new || return 1
    for slot in a b; do
        "$takt" bundle make --board qemu-virt --release "$(cat "$unit/release")" --version "cuts-$slot" \
            --key "$unit/key" --image kernel="$image/kernel" --image rootfs="$unit/rootfs_$slot" \
            --out "$unit/$slot.takt" && flash_put "$image/kernel" "kernel_$slot" &&
            flash_put "$unit/rootfs_$slot" "rootfs_$slot" || return 1
    done
    "$peer" keys "$unit/keys" && keys=$unit/keys && flash_peer identify && put_credentials &&
        flash_peer set slot_a_version=cuts-a "slot_a_release=$(cat "$unit/release")" &&
        cp "$bare_flash" "$unit/flash.img" && flash_peer bootable "${bundles[@]}" && touch "$unit/made"
}

# ---- a round: what the unit does before the cuts, every write recorded ---------------------------

at_moment() { [[ " ${moments[*]} " = *" $1 "* ]]; }
window() { # MOMENT FROM TO LOW HIGH
    echo "$*" >>"$round/windows"
}
writes() { "$flash_cut" count "$bare_dir/writes.log"; }
last_frame() { tr -d '\r' <"$bare_log" | sed -n 's/^recorded \([0-9]*\)$/\1/p' | tail -n 1; }
frame_after() { [ "$(last_frame || echo 0)" -ge "$1" ] 2>/dev/null; }
# Which frames were told before how many writes were made: told first, counted then.
acknowledge() {
    local frame
    while sleep 0.2; do
        frame=$(last_frame)
        [ -z "$frame" ] || echo "$(writes) $frame"
    done
}

write_identity() { # N: DID stays, all else is new
    local serial="TK$1" mac key
    mac=5cc336$(printf %06x "$1") key=$(printf '%s' "$serial" | sha256sum | cut -c 1-64)
    echo "123456789 $serial $mac $key" >>"$round/identities"
    call identity.write "{\"did\":\"123456789\",\"serial\":\"$serial\",\"key\":\"$key\",\"mac\":\"$(sed 's/../&:/g; s/:$//' <<<"$mac")\"}"
}

# Slot of the unit that does not run: some of its blocks hold something else.
other_slot_spoilt() { # SLOT
    local offset end i
    read -r offset end < <(partition_bytes "rootfs_$1")
    for ((i = 0; i < 3; i++)); do
        head -c 262144 /dev/urandom | dd of="$bare_flash" bs=262144 conv=notrunc status=none \
            seek=$((offset / 262144 + RANDOM % 26))
    done
}

update_to() { # SLOT
    head_of "$unit/$1.takt" >"$work/manifest" && call flash.begin manifest="$work/manifest" &&
        call flash.write '{"image":"kernel"}' data="$image/kernel" &&
        call flash.write '{"image":"rootfs"}' data="$unit/rootfs_$1" &&
        call flash.verify '{"image":"kernel"}' && call flash.verify '{"image":"rootfs"}'
}

goes_over_to() { # SLOT
    local starts
    starts=$(grep -ac "takt: slot $1" "$bare_log")
    call flash.activate && { call unit.restart || :; } # the answer may not get out any more
    bare_says "takt: slot $1" $patience $((starts + 1)) && until_true $patience answers && call flash.commit
}

works() { # SLOT that it is to go over to
    local from to data_at data_end id_at id_end env_at env_end frame
    read -r data_at data_end < <(partition_bytes data)
    read -r id_at id_end < <(partition_bytes identity)
    read -r env_at env_end < <(partition_bytes env)
    bare_says '^recorder: holds' $patience && until_true $patience answers || return 1
    frame=$(tr -d '\r' <"$bare_log" | sed -n 's/^recorder: holds .* to \([0-9]*\),.*/\1/p' | tail -n 1)
    [ -z "$frame" ] || echo "0 $frame" >>"$round/acks"
    from=$(writes) frame=$(last_frame)
    until_true $patience frame_after $((${frame:-0} + 60)) && to=$(writes) &&
        window record "$from" "$to" "$data_at" "$data_end" || return 1
    if at_moment identity; then
        write_identity $((number * 3 + 1)) && write_identity $((number * 3 + 2)) &&
            from=$to to=$(writes) && window identity "$from" "$to" "$id_at" "$id_end" || return 1
    fi
    if at_moment update || at_moment switch; then
        update_to "$1" && from=$to to=$(writes) && window update "$from" "$to" 0 "$env_at" &&
            goes_over_to "$1" && from=$to to=$(writes) &&
            window switch "$from" "$to" "$env_at" "$env_end" || return 1
    fi
}

# A cut left it on trial: until it has committed to its slot the other is what it falls back to, and an
# update of that one, whole as it is, would write nothing.
commits() {
    bare_on --port "$port" && until_true $patience answers && call flash.commit
    local rc=$?
    bare_off
    return $rc
}

round_works() { # NUMBER
    local next other rc=0
    [ ! -e "$round/ready" ] || return 0
    rm -rf "$round" && mkdir -p "$round" && : >"$round/acks" &&
        bare_new "$([ -e "$state/flash.img" ] && echo "$state/flash.img" || echo "$unit/flash.img")" &&
        flash_peer identity >"$round/identities" || return 1
    next=$(flash_peer bootable "${bundles[@]}") || return 1
    if [[ $next == *"on trial"* ]]; then
        commits && next=$(flash_peer bootable "${bundles[@]}") || return 1
    fi
    other=$([ "${next:0:1}" = a ] && echo b || echo a)
    other_slot_spoilt "$other"
    cp --reflink=auto "$bare_flash" "$round/base.img" &&
        bare_on --port "$port" --record writes.log || rc=1
    acknowledge >>"$round/acks" &
    local acknowledging=$!
    [ $rc != 0 ] || works "$other" || rc=1
    kill "$acknowledging"
    wait "$acknowledging" 2>/dev/null
    bare_off
    [ $rc = 0 ] && mv "$bare_dir/writes.log" "$round/" || { grep -av "^recorded" "$bare_log" | tail -n 25; return 1; }
    # A unit whose data partition is blank makes it.
    local at end blank=$round/blank.img
    read -r at end < <(partition_bytes data)
    cp --reflink=auto "$round/base.img" "$blank" &&
        tr '\0' '\377' </dev/zero | head -c $((end - at)) |
        dd of="$blank" bs=64K seek="$at" oflag=seek_bytes conv=notrunc status=none &&
        bare_new "$blank" && bare_on --record writes.log && bare_says '^recorder: holds nothing' $patience || rc=1
    [ $rc != 0 ] || window format 0 "$(writes)" "$at" "$end"
    bare_off
    [ $rc = 0 ] && mv "$bare_dir/writes.log" "$round/format.log" && touch "$round/ready"
}

# ---- one cut --------------------------------------------------------------------------------------

# "SEED MOMENT WRITE BYTES OFFSET: whole|what is not" into the journal.
cut_made() { # SEED
    local moment=${moments[$1 % ${#moments[@]}]} from to low high where
    local base=$round/base.img log=$round/writes.log must=-1 next id held why=
    read -r from to low high < <(sed -n "s/^$moment //p" "$round/windows")
    [ "$moment" != format ] || base=$round/blank.img log=$round/format.log
    bare_new /dev/null && where=$("$flash_cut" at "$base" "$log" "$bare_flash" \
        "$from" "$to" "$low" "$high" "$1" $lost) || { echo "cut $1 could not be made"; return 1; }
    [ "$moment" = format ] ||
        must=$(awk -v n="${where%% *}" 'BEGIN { m = -1 } $1 <= n && $2 > m { m = $2 } END { print m }' "$round/acks")
    started_whole || :
    bare_off
    echo "$1 $moment $where: ${why:-whole}" | tee -a "${kept:-$journal}"
    [ -z "$why" ]
}

# Sets why.
started_whole() {
    next=$(flash_peer bootable "${bundles[@]}") || { why="no slot starts whole with the identity"; return 1; }
    id=$(flash_peer identity)
    grep -qxF "$id" "$round/identities" || { why="an identity that was never given"; return 1; }
    bare_on
    bare_says "takt: slot ${next:0:1}" $patience || { why="it did not start slot ${next:0:1}"; return 1; }
    bare_says '^recorder: ' $patience || { why="the file system is not there"; return 1; }
    tr -d '\r' <"$bare_log" >"$bare_dir/said"
    # Half of a file system, cut off while it was made, is one that cannot be mounted: the unit makes it
    # anew, and the kernel's words about the half count for nothing.
    grep -qa 'takt: fs: [1-9][0-9]* checks, 0 errors' "$bare_dir/said" ||
        { [ "$moment" = format ] && grep -qa 'made anew' "$bare_dir/said"; } ||
        { why="file system: $(grep -a 'UBI' "$bare_dir/said" | head -n 1)"; return 1; }
    [ "$moment" = format ] || ! grep -qa 'made anew' "$bare_dir/said" || { why="the data partition was made anew"; return 1; }
    grep -qa 'camd: identity: written' "$bare_dir/said" || { why="$(grep -a 'camd: identity' "$bare_dir/said")"; return 1; }
    held=$(sed -n 's/^recorder: holds [0-9]* to \([0-9]*\), 0 broken$/\1/p' "$bare_dir/said")
    [ -n "$held" ] || { [ "$must" = -1 ] && grep -qa '^recorder: holds nothing' "$bare_dir/said" && held=-1; } ||
        { why="recordings: $(grep -a '^recorder: ' "$bare_dir/said")"; return 1; }
    [ "$held" -ge "$must" ] || { why="frame $must was on record, the latest is $held"; return 1; }
    bare_says "^recorded $((held + 1))" $patience || { why="it does not go on recording"; return 1; }
    bare_off
    [ "$(flash_peer identity)" = "$id" ] || { why="the identity changed while it started"; return 1; }
}

# The machines of a round, each with its share of the seeds and a folder of its own.
round_cuts() { # FIRST LAST
    local job seed pids=() rc=0
    for ((job = 0; job < jobs; job++)); do
        (
            work=$work/job$job failed=0
            mkdir -p "$work"
            trap bare_off EXIT
            for ((seed = $1 + job; seed <= $2; seed += jobs)); do
                grep -q "^$seed " "$journal" || cut_made "$seed" || { failed=1; bare_new "$unit/flash.img"; }
            done
            exit $failed
        ) &
        pids+=($!)
    done
    for job in "${pids[@]}"; do wait "$job" || rc=1; done
    # The next round goes on with what the last of these cuts left, if that was whole.
    [ $rc != 0 ] || [ ! -e "$work/job0/bare/flash.img" ] || mv "$work/job0/bare/flash.img" "$state/flash.img"
    return $rc
}

check "a unit with a version in each slot" unit_make
keys=$unit/keys
if [ -n "${REPLAY:-}" ]; then
    number=$(((REPLAY - first_seed) / per_round)) round=$state/round$number kept=/dev/null
    check "cut $REPLAY, made again alone; at first: $(sed -n "s/^$REPLAY //p" "$journal" | tail -n 1)" \
        cut_made "$REPLAY"
    suite_end
    exit
fi
RANDOM=$first_seed
for ((number = 0; number * per_round < cuts && failed == 0; number++)); do
    round=$state/round$number from=$((first_seed + number * per_round))
    to=$((from + per_round - 1)) last=$((first_seed + cuts - 1))
    [ $to -le $last ] || to=$last
    [ "$(awk -v a=$from -v b=$to '$1 >= a && $1 <= b' "$journal" | wc -l)" -le $((to - from)) ] || continue
    check "round $((number + 1)): it records, is given identities, updates and formats" round_works
    [ -e "$round/ready" ] || break
    check "cuts $from to $to: each starts, whole" round_cuts $from $to
    [ $failed != 0 ] || rm -rf "$round"
done
awk '{ sub(/.*: /, "", $0); n[$0]++ } END { for (w in n) printf "  %d %s\n", n[w], w }' "$journal"
awk '{ n[$2]++ } END { for (m in n) printf "  %s %d\n", m, n[m] }' "$journal"
suite_end
