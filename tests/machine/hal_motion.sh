#!/usr/bin/env bash
# The Linux HAL's pins and motors on gpio-sim: levels in gpio-sim's own files, and rotors
# (tests/machine/rotor.c) that follow the coils and cover the homing sensor.
. "$(dirname "$0")/guest.bash"
guest_run "" --seconds 600
# ---- pins ----
pins_up || exit 1
pin_pull 0 up
button() { call button reset && holds '.[0].level' && pin_pull 0 down && call button reset && holds '.[0].level == false'; }
check "a button's level is the pin's" button
lamps() {
    local blue orange seen=
    call led status_blue 1 , led status_orange 1 , pause 1500 >/dev/null &
    # No program is started to look: this machine may be slow.
    while kill -0 $! 2>/dev/null; do
        read -r blue <"$pins/sim_gpio1/value"
        read -r orange <"$pins/sim_gpio2/value"
        [ "$blue$orange" != 10 ] || seen=1
    done
    wait $! && equal "$seen" 1
}
check "LEDs are lit; one that is active low, by a low level" lamps
night() {
    local coil led pulsed= after=
    call configure night 1 auto 1 , pause 1500 >/dev/null &
    # The pulse is 120 ms long: no program is started to look.
    while kill -0 $! 2>/dev/null; do
        read -r coil <"$pins/sim_gpio5/value"
        read -r led <"$pins/sim_gpio3/value"
        [ "$coil" = 0 ] || pulsed=1
        [ "$pulsed$coil$led" != 101 ] || after=1
    done
    wait $!
    equal "$pulsed$after" 11
}
check "night: the filter's coil gets a pulse, the IR LEDs stay on" night
check "a drive that a line cannot give is refused" refused input configure day 0.5 auto 1
taken() {
    gpioset --mode=time --sec=4 takt-pins 1=1 &
    until_true 5 eval '[ "$(pin_level 1)" = 1 ]' && refused busy led status_blue 0
    local code=$?
    kill $! 2>/dev/null
    wait $! 2>/dev/null
    return $code
}
check "a line that another program holds is busy" taken
check "an LED that the board has not is missing" refused missing led status_green 1

# ---- motors: rotors on gpio-sim's lines ----
rotor_start() { # FIRST_LINE HOME_LINE AT
    pin_pull "$2" up
    "$build/tests/machine/rotor" "$pins" "$1" "$2" "$3" >"$work/rotor" &
    rotor=$!
    until_true 10 grep -q ready "$work/rotor"
}
rotor_end() {
    kill -TERM $rotor
    wait $rotor
    tail -n 1 "$work/rotor"
}
rotor_is() { jq -er "$1" <<<"$(tail -n 1 "$work/rotor")"; }
homes() { # from 101 half steps above the edge; then 200 up, 50 down
    rotor_start 8 12 101 && call home pan , move pan 200 , move pan 150
    local code=$?
    rotor_end
    [ $code -eq 0 ] && holds '.[0].microsteps == 0 and .[0].homed and .[0].home_sensor and .[2].microsteps == 150'
}
check "the axis homes and goes where it is told" homes
# The edge lies between -1 and 0: the pulse that covers the sensor brings the rotor to -1, or one or
# two beyond while this machine is slow to tell. From there on every pulse counts.
there() { between "$(rotor_is .half_steps)" 146 150 &&
    equal "$(rotor_is '[.highest - .half_steps, .highest - .lowest] | join(" ")')" "50 200" && equal "$(rotor_is '[.torn, .coils] | join(" ")')" "0 0"; }
check "the rotor followed every pulse; its coils are off" there
paced() { # 200 half steps at 226/s, with a ramp at both ends
    local ms
    ms=$(result '.[1].ms')
    echo "$ms ms"
    [ "$ms" -ge 880 ] && [ "$ms" -le 2500 ]
}
check "no faster than the board's speed" paced
covered() { # the sensor covered at start: off it first, then onto it from above
    rotor_start 8 12 -40 && call home pan
    local code=$?
    rotor_end
    [ $code -eq 0 ] && [ "$(rotor_is .highest)" -ge 0 ] && between "$(rotor_is .half_steps)" -2 0
}
check "homing from within the sensor meets the edge from above" covered
sixteenth() { # 16 microsteps a step: 8 to a half step
    rotor_start 16 20 30 && call home tilt , move tilt 800
    local code=$?
    rotor_end
    [ $code -eq 0 ] && between "$(rotor_is .half_steps)" 98 100
}
check "positions are microsteps whatever the coils can do" sixteenth
dead_sensor() { pin_pull 20 up && refused timeout home tilt; }
check "a sensor that never comes ends homing" dead_sensor
check "a move before homing is refused" refused state move pan 10
out_of_range() { rotor_start 8 12 5; refused input home pan , move pan 100000; local code=$?; rotor_end; return $code; }
check "a move out of the board's range is refused" out_of_range
suite_end
