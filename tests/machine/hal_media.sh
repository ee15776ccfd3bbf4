#!/usr/bin/env bash
# The Linux HAL's camera, sound and system facts on vivid and snd-aloop, checked against v4l2-ctl,
# arecord, aplay and sox.
. "$(dirname "$0")/guest.bash"
guest_run "vivid n_devs=1 node_types=0x1;snd-aloop pcm_substreams=1" --seconds 600 --append "takt.slot=b"
clock_ms() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }

# ---- system ----
echo "0x5CC336000000000000000000000000A1" >/run/chip_id
echo 41500 >/run/temperature
system_facts() { call facts && equal "$(result '.[0] | [.chip_id, .boot_slot, .boot_reason, .temperature_c] | join(" ")')" \
    "5cc336000000000000000000000000a1 b power-on 41.5"; }
check "facts: chip id, slot of the kernel's command line, reason, temperature" system_facts
broken_id() { echo "no id at all" >/run/chip_id && refused input facts; }
check "a chip id that is none is refused" broken_id
echo 5cc336000000000000000000000000a1 >/run/chip_id

# ---- camera ----
v4l2-ctl -d /dev/video0 -c osd_text_mode=2 >/dev/null 2>&1
frames_alike() { # the same pixels as v4l2-ctl gets when it asks for the same colours
    call stream 1 , frames 3 "$work/frames" || return 1
    v4l2-ctl -d /dev/video0 --set-fmt-video=width=640,height=360,pixelformat=NV12,ycbcr=709,quantization=full-range \
        --stream-mmap --stream-count=3 --stream-to="$work/theirs" >/dev/null 2>&1
    local size=$((640 * 360 * 3 / 2))
    equal "$(stat -c %s "$work/frames") $(result '.[2].width_px, .[2].height_px' | xargs)" "$((3 * size)) 640 360" &&
        cmp <(tail -c $size "$work/frames") <(tail -c $size "$work/theirs")
}
check "frames are byte for byte those of v4l2-ctl" frames_alike
luma() { od -An -tu1 -j "$1" -N 1 "$work/frames" | tr -d ' '; }
# SMPTE bars of 75 %: white 191; blue (0, 0, 191) has 191 * 0.0722 of BT.709 at full range.
bars() { near "$(luma 20)" 191 0.02 && near "$(luma $((640 - 120)))" $((191 * 722 / 10000)) 0.15; }
check "colour bars have BT.709's luma at full range" bars
counted() { holds '[.[].sequence] as $s | [.[].timestamp_us] as $t | $s[0] < $s[1] and $s[1] < $s[2] and
    $t[0] < $t[1] and $t[1] < $t[2] and $t[2] / 1000 < '"$(clock_ms)"; }
check "sequence and monotonic time go up" counted
gain() {
    call stream 1 , configure day 0 auto 1 || return 1
    local exposure
    exposure=$(result '.[0].exposure_ms')
    call stream 1 , configure day 0 "$exposure" 2 &&
        equal "$(result '.[0].gain') $(v4l2-ctl -d /dev/video0 -C gain | tr -dc 0-9)" "2 200" &&
        refused input stream 1 , configure day 0 "$(awk "BEGIN { print $exposure / 4 }")" 2 &&
        refused input stream 1 , configure day 0 "$exposure" 50
}
check "gain is set through the driver; what it cannot set is refused" gain
held() {
    v4l2-ctl -d /dev/video0 --stream-mmap --stream-count=1000 >/dev/null 2>&1 &
    local other=$! code
    until_true 10 grep -q . /proc/$other/fd/. 2>/dev/null
    until_true 10 refused busy stream 1
    code=$?
    kill $other
    wait $other 2>/dev/null
    return $code
}
check "a camera that another program holds is busy" held
stalls() {
    call stream 1 , pump 1500 && holds '.[0].streaming and .[0].frames > 5' || return 1
    v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100
    call stream 1 , pump 500 && holds '.[0].frames == 0' && refused timeout frames 1 "$work/none"
    local code=$?
    v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0
    return $code
}
check "a stream that stands still is told, not waited for" stalls
late() {
    local late=$work/late.json code
    sed 's#/dev/video0#/dev/video77#' "$board" >"$late"
    { sleep 1 && ln -s video0 /dev/video77; } &
    call_board=$late call frames 1 "$work/late"
    code=$?
    wait $!
    rm /dev/video77
    return $code
}
check "a driver that loads late is waited for" late
never() {
    sed 's#/dev/video0#/dev/video78#' "$board" >"$work/never.json"
    local began
    began=$(clock_ms)
    call_board=$work/never.json refused missing frames 1 "$work/none" && [ $(($(clock_ms) - began)) -lt 20000 ]
}
check "one that never comes is missing after a bounded time" never

# ---- sound ----
sox -n -r 16000 -c 1 -b 16 -e signed -t raw "$work/tone" synth 1 sine 1000 vol 0.5 2>/dev/null
level() { # RMS of the middle of a raw recording
    sox -t raw -r 16000 -c 1 -b 16 -e signed "$1" -n trim 0.3 0.4 stat 2>&1 | awk '/RMS.*amplitude/ { print $3 }'
}
pitch() { sox -t raw -r 16000 -c 1 -b 16 -e signed "$1" -n trim 0.3 0.4 stat 2>&1 | awk '/Rough.*frequency/ { print $3 }'; }
played() { # VOLUME: how loud arecord hears what the HAL plays
    local ear try
    for try in 1 2 3; do
        arecord -q -D hw:0,1 -f S16_LE -r 16000 -c 1 -d 3 -t raw "$work/heard" 2>/dev/null &
        ear=$!
        until_true 5 grep -q RUNNING /proc/asound/card0/pcm1c/sub0/status
        call play 16000 "$1" "$work/tone" && wait $ear && return
        wait $ear
        # A machine too busy to fill the buffer in time is told; the sound would have had a hole.
        grep -q 'Broken pipe' "$work/call.log" || return 1
    done
    return 1
}
loud() { played 1 && near "$(sound_level)" 0.3536 0.03; }
# The tone lies anywhere within the recording: its loudest second.
sound_level() {
    sox -t raw -r 16000 -c 1 -b 16 -e signed "$work/heard" "$work/cut.wav" silence 1 0.01 1% trim 0.2 0.5 2>/dev/null
    sox "$work/cut.wav" -n stat 2>&1 | awk '/RMS.*amplitude/ { print $3 }'
}
check "a tone comes out as loud as it is" loud
real_time() { near "$(result '.[0].ms')" 1000 0.5; }
check "playing takes as long as the sound" real_time
softer() { played 0.25 && near "$(sound_level)" 0.0884 0.05; }
check "volume 0.25 is 12 dB less" softer
hears() {
    sox -n -r 16000 -c 1 -b 16 -e signed -t raw "$work/long" synth 6 sine 1000 vol 0.5 2>/dev/null
    aplay -q -D hw:0,0 -f S16_LE -r 16000 -c 1 -t raw "$work/long" 2>/dev/null &
    local mouth=$! code
    until_true 5 grep -q RUNNING /proc/asound/card0/pcm0p/sub0/status
    call record 16000 1 "$work/mine"
    code=$?
    kill $mouth 2>/dev/null
    wait $mouth 2>/dev/null
    [ $code -eq 0 ] && equal "$(stat -c %s "$work/mine")" 32000 && near "$(level "$work/mine")" 0.3536 0.03 &&
        near "$(pitch "$work/mine")" 1000 0.02
}
check "what aplay plays is recorded with its level and pitch" hears
check "a rate the interface has not is refused" refused input record 44100 1 "$work/none"
dumb() { sed 's#"microphone": "hw:0,1",##' "$board" >"$work/dumb.json" && call_board=$work/dumb.json refused missing record 16000 1 "$work/none"; }
check "a board without a microphone has none" dumb

suite_end
