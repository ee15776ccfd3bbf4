#!/usr/bin/env bash
# takt measure on sounds that sox made, held against what sox itself says of them.
. "$(dirname "$0")/suite.bash"
cd "$work" || exit 1

field() { "$takt" measure audio "$1" --json | jq -r ".$2"; }
near() { awk -v a="$1" -v b="$2" -v within="$3" 'BEGIN { d = a - b; exit !(d < within && -d < within) }'; }
# Sox counts a full-scale sine as -3.01 dB; AES17 calls it 0 dBFS.
sox_level() { sox "$1" -n stats 2>&1 | awk '/^RMS lev dB/ { print $4 + 3.0103 }'; }
level_as_sox_says() { near "$(field "$1" level_dbfs)" "$(sox_level "$1")" 0.02; }

sox -R -n -r 48000 -b 16 -c 1 sine.wav synth 2 sine 997 gain -6
sox -R -n -r 16000 -b 16 -c 1 low.wav synth 2 sine 250 gain -20
sox -R -n -r 48000 -b 16 -c 1 noise.wav synth 2 whitenoise gain -12
sox -R -n -r 48000 -b 16 -c 1 square.wav synth 4 square 50 gain -6
sox -R sine.wav -b 24 deep.wav
sox -R sine.wav loud.wav gain 12 2>/dev/null

for sound in sine low noise square deep; do
    check "the level of $sound.wav is what sox says" level_as_sox_says $sound.wav
done
check "997 Hz are 997 Hz" near "$(field sine.wav frequency_hz)" 997 0.001
check "an ideal square wave has 48.34 % distortion" near "$(field square.wav thd_percent)" 48.343 0.2
check "dithered 16 bits at -6 dBFS keep more than 85 dB" near "$(field sine.wav snr_db)" 90 5
check "a clipped sine has clipped samples" test "$(field loud.wav clipped_samples)" -gt 20000
check "a clean one has none" test "$(field sine.wav clipped_samples)" -eq 0

# A sweep sent through sox's own equalizer: +6 dB at 1 kHz, nothing two octaves away; 25 ms late.
sox -R -n -r 48000 -b 16 -c 1 sweep.wav synth 3 sine 20/20000 gain -12
sox -R sweep.wav heard.wav equalizer 1000 1q 6 pad 0.025 0.5 2>/dev/null
"$takt" measure sweep sweep.wav heard.wav --json >sweep.json
at() { jq "[.response[] | select(.[0] > $1)][0][1]" sweep.json; }
check "the equalizer's 6 dB at 1 kHz" near "$(at 999)" 6 0.1
check "nothing at 40 Hz" near "$(at 40)" 0 0.2
check "nothing at 15 kHz" near "$(at 15000)" 0 0.2
check "25 ms late" near "$(jq .delay_ms sweep.json)" 25 0.05

# The talkback path, on sounds that sox made, measured by both: what is taken out of an echo and of
# noise, talkers 20 dB apart, a tone through Opus, and the slots of a frame.
raw="-t raw -r 16000 -b 16 -e signed -c 1"
through() { # KIND IN.wav OUT.wav [PLAYED.wav]
    # shellcheck disable=SC2086
    sox "$2" $raw in.raw && { [ -z "${4:-}" ] || sox "$4" $raw played.raw; } &&
        "$build/tests/integration/talkback" "$1" in.raw out.raw ${4:+played.raw} && sox $raw out.raw "$3"
}
# Both say the same of the last second of a file; prints it.
last_second() { sox "$1" last.wav trim -1 && level_as_sox_says last.wav && field last.wav level_dbfs; }
taken() { # BEFORE.wav AFTER.wav LEAST MOST: dB less in the last second
    local before after
    before=$(last_second "$1") && after=$(last_second "$2") &&
        awk -v b="$before" -v a="$after" -v least="$3" -v most="$4" 'BEGIN { print b, a; exit !(b - a >= least && b - a <= most) }'
}
sox -R -n -r 16000 -b 16 -c 1 played.wav synth 6 whitenoise sinc 200-6000 tremolo 4 60 gain -n -6 2>/dev/null
sox -R played.wav echo.wav pad 0.004 trim 0 6 gain -20
sox -R -n -r 16000 -b 16 -c 1 hiss.wav synth 6 whitenoise sinc 200-6000 gain -n -30 2>/dev/null
sox -R -n -r 16000 -b 16 -c 1 tone.wav synth 3 sine 1000 gain -26
check "an echo is taken out, and both say by how much" eval 'through aec echo.wav no_echo.wav played.wav && taken echo.wav no_echo.wav 15 70'
check "without its reference nothing is" eval 'sox -D -n -r 16000 -b 16 -c 1 silent.wav trim 0 6 && through aec echo.wav same.wav silent.wav && ! taken echo.wav same.wav 10 90'
check "steady noise is taken down by 8 to 35 dB" eval 'through anr hiss.wav no_hiss.wav && taken hiss.wav no_hiss.wav 8 35'
louder() { # a voice 20 dB down comes out as loud as the other, within 12 dB
    sox -R played.wav far.wav gain -20 && through agc played.wav near_talk.wav && through agc far.wav far_talk.wav &&
        taken near_talk.wav far_talk.wav -3 12
}
check "talkers 20 dB apart are brought together" louder
through_opus() { through opus tone.wav coded.wav && taken tone.wav coded.wav -0.3 0.3 && near "$(field coded.wav frequency_hz)" 1000 0.2; }
check "a tone keeps its level and pitch through Opus" through_opus
slots() {
    sox -D -n -r 16000 -b 16 -c 1 empty.wav trim 0 3 && sox -D -M tone.wav empty.wav frame.wav && sox -D frame.wav left.wav remix 1 && sox -D frame.wav right.wav remix 2 &&
        near "$(last_second left.wav)" -26 0.02 && [ "$(sox right.wav -n stat 2>&1 | awk '/Maximum amplitude/ { print $3 }')" = 0.000000 ]
}
check "of a frame with a tone in the left slot the right one is empty" slots
suite_end
