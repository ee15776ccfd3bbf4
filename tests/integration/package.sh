#!/usr/bin/env bash
# What is installed: the Debian package in an empty folder, its unit, manual, completion, examples;
# and what taktd tells the service manager.
source "$(dirname "$0")/suite.bash"
export LC_ALL=C.UTF-8
root=$work/root

package_made() {
    make -C "$repo" --no-print-directory -s deb BUILD="${build#"$repo/"}" >"$work/deb.log" 2>&1 || { cat "$work/deb.log"; return 1; }
    package=$(tail -1 "$work/deb.log")
    test -s "$package" && dpkg-deb --info "$package" && dpkg-deb --info "$package" | grep -q 'Depends:.*libsqlite3-0.*iperf3'
}
# dpkg itself, with a database of its own; what it needs is known to be on this machine.
installs() {
    mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" "$root/var/log" && : >"$root/var/lib/dpkg/status"
    dpkg --root="$root" --force-script-chrootless --force-depends --force-not-root --log="$work/dpkg.log" -i "$package" || return 1
    dpkg --root="$root" --verify takt && [ -z "$(dpkg --root="$root" --verify takt)" ] &&
        test -x "$root/usr/bin/taktd" && test -d "$root/etc/takt" &&
        "$root/usr/bin/takt" --version && "$root/usr/bin/takt" plan check ptz-indoor-3mp/line
}
removes() {
    dpkg --root="$root" --force-script-chrootless --force-not-root --log="$work/dpkg.log" -r takt && ! test -e "$root/usr/bin/taktd"
}
same_bytes() {
    cp "$package" "$work/first.deb" && package_made && cmp "$package" "$work/first.deb"
}
folder_installed() {
    make -C "$repo" --no-print-directory -s install BUILD="${build#"$repo/"}" DESTDIR="$work/dest" PREFIX=/opt/takt >/dev/null &&
        test -x "$work/dest/opt/takt/bin/takt" && test -f "$work/dest/opt/takt/share/man/man1/takt-run.1" &&
        grep -q '^ExecStart=/opt/takt/bin/taktd ' "$work/dest/opt/takt/lib/systemd/system/taktd.service" &&
        test -f "$work/dest/opt/takt/lib/udev/rules.d/70-takt.rules" &&
        test -f "$work/dest/opt/takt/share/locale/zh_CN/LC_MESSAGES/takt.mo" &&
        [ "$(find "$work/dest" -mindepth 1 -maxdepth 2 | wc -l)" = 2 ] # nothing beside the prefix
}
unit_verified() {
    local unit=$root/usr/lib/systemd/system/taktd.service
    sed "s#=/usr/bin#=$root/usr/bin#" "$unit" >"$work/taktd.service"
    MANPATH=$root/usr/share/man systemd-analyze verify "$work/taktd.service" 2>&1 | tee "$work/verify"
    ! grep -q taktd "$work/verify"
}
unit_hardened() { # 0 is all that can be taken away, 10 nothing
    local level
    level=$(systemd-analyze security --offline=true "$work/taktd.service" --no-pager | sed -n 's/.*exposure level for taktd.service: \([0-9.]*\).*/\1/p')
    echo "exposure $level"
    [ -n "$level" ] && awk -v l="$level" 'BEGIN { exit !(l <= 2.5) }'
}
rules_read() {
    # Each line is a comment, or keys with an operator, ended by commas: what udev reads.
    ! grep -vE '^(#.*|)$|^([A-Z]+(\{[A-Za-z]+\})?(==|!=|\+=|=)"[^"]*"(, |$))+$' "$root/usr/lib/udev/rules.d/70-takt.rules" &&
        grep -q a108 "$root/usr/lib/udev/rules.d/70-takt.rules"
}
# Every command has its page, and no page a fault.
manual_clean() {
    local command page count=0
    for command in $("$takt" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
        test -s "$root/usr/share/man/man1/takt-$command.1.gz" || { echo "no page of takt $command"; return 1; }
    done
    for page in "$root"/usr/share/man/man[18]/*.gz; do
        man --warnings -E UTF-8 -Tutf8 -Z -l "$page" 2>"$work/man" >/dev/null
        [ ! -s "$work/man" ] || { echo "$page"; cat "$work/man"; return 1; }
        count=$((count + 1))
    done
    echo "$count pages"
    [ $count -ge 20 ]
}
page_says_what_help_says() {
    man --no-hyphenation --no-justification -l "$root/usr/share/man/man1/takt-operator.1.gz" | tr -s ' \n' ' ' |
        grep -q 'sign.in prints a session; commands take it from the variable TAKT_SESSION'
}
complete_line() { # what Tab offers behind these words
    bash -c '
        . /usr/share/bash-completion/bash_completion
        . "$1/usr/share/bash-completion/completions/takt"
        PATH=$1/usr/bin:$PATH
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9
        _takt; printf "%s\n" "${COMPREPLY[@]}"' - "$root" "$@"
}
completed() {
    complete_line takt con | grep -qx console && complete_line takt run --pl | grep -qx -- --plan &&
        complete_line takt identity st | grep -qx status && complete_line takt operator sign- | grep -qx sign-in &&
        complete_line takt flash --method u | grep -qx usb && complete_line taktd --st | grep -qx -- --station &&
        ! complete_line takt console --pl | grep -q -- '--slot'
}
# A station of each example comes up, its state elsewhere.
examples_start() {
    local example count=0 rc
    for example in "$root"/usr/share/takt/examples/*.json; do
        station=$work/example$count/station.json
        mkdir -p "$work/example$count"
        sed "s#/var/lib/takt#$work/example$count/state#; s#/usr/share#$root/usr/share#g" "$example" >"$station"
        "$root/usr/bin/taktd" --station "$station" &
        rc=1
        until_true 10 "$takt" station status --station "$station" && "$takt" station stop --station "$station" && wait $! && rc=0
        [ $rc = 0 ] || return 1
        count=$((count + 1))
    done
    [ $count -ge 2 ]
}
told() { grep -qF "$1" "$work/told"; }
alive_count() { grep -o WATCHDOG=1 "$work/told" | wc -l; }
told_often() { [ "$(alive_count)" -ge "$1" ]; }
manager_is_told() {
    local manager daemon
    : >"$work/told"
    socat -u UNIX-RECV:"$work/notify.sock" OPEN:"$work/told",append & manager=$!
    until_true 5 test -S "$work/notify.sock" || return 1
    NOTIFY_SOCKET=$work/notify.sock WATCHDOG_USEC=400000 "$build/taktd" --station "$station" & daemon=$!
    until_true 10 told READY=1 && until_true 10 told_often 3 || return 1
    # A loop that stands still says nothing.
    kill -STOP $daemon
    sleep 0.5
    local still
    still=$(alive_count)
    sleep 1
    [ "$(alive_count)" = "$still" ] || return 1
    kill -CONT $daemon
    until_true 10 told_often $((still + 2)) || return 1
    kill -TERM $daemon
    wait $daemon && until_true 5 told STOPPING=1
    local rc=$?
    kill $manager
    wait $manager 2>/dev/null
    return $rc
}

check "make deb makes a package that names what it needs" package_made
check "it installs into an empty folder, and runs from there" installs
check "the same tree gives the same bytes" same_bytes
check "make install keeps within DESTDIR and PREFIX" folder_installed
check "systemd finds no fault in the unit" unit_verified
check "the unit gives away little" unit_hardened
check "udev's rules are rules" rules_read
check "each command has a manual page, none with a fault" manual_clean
check "a page says what --help says" page_says_what_help_says
check "bash completes commands, options, words" completed
check "the example stations start" examples_start
check "the service manager hears: ready, alive, stopping" manager_is_told
check "it is removed again" removes
suite_end
