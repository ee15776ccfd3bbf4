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
suite_end
