#!/usr/bin/env bash
# Identities that come without a key: the unit makes its own, the device CA in a PKCS#11 token
# certifies it, and the platform gets the certificates. taktd is killed in between.
source "$(dirname "$0")/suite.bash"

bench_start 2 || exit 1
products=$bench_dir/products
mkdir -p "$products/own"
echo '{ "product": "own", "board": "ssc337de-nand128", "limits": "limits.json" }' \
    >"$products/own/product.json"
echo '{}' >"$products/own/limits.json"
cat >"$products/own/line.json" <<'P'
{ "plan": "line", "product": "own",
  "steps": [ { "id": "power_on", "step": "power_on", "deadline_s": 30 },
             { "id": "connect", "step": "connect", "deadline_s": 20 },
             { "id": "identity", "step": "identity", "deadline_s": 40 },
             { "id": "lock", "step": "lock", "deadline_s": 40 } ],
  "teardown": [ ] }
P
jq --arg products "$products" '.products_dir = $products | del(.device_ca)' "$station" \
    >"$work/without" && cp "$work/without" "$station"
line() { # slot serial
    "$takt" run --station "$station" --plan own/line --order OWN --slot "$1" --serial "$2" --json
}
states() { "$takt" identity status --station "$station" --json; }
bundle_make || exit 1

delivered_without_keys() {
    printf '%s\n' did,mac CAM-1,5c:c3:36:00:00:01 CAM-2,5c:c3:36:00:00:02 CAM-3,5c:c3:36:00:00:03 \
        >"$work/identities.csv"
    "$takt" identity import "$work/identities.csv" --station "$station"
}
without_a_ca_no_unit_begins() {
    line 1 S1 >"$work/result" 2>"$work/progress"
    [ $? != 0 ] && grep -q "names no 'device_ca'" "$work/result" "$work/progress" &&
        states | jq -e '.free == 3'
}
ca_in_a_token() { # imported: OpenSSL's command makes the certificate with the key in its hand
    export SOFTHSM2_CONF=$work/softhsm2.conf
    mkdir "$work/tokens" && echo "directories.tokendir = $work/tokens" >"$SOFTHSM2_CONF" &&
        (umask 077 && echo 1234 >"$work/pin") &&
        softhsm2-util --init-token --free --label takt --pin 1234 --so-pin 5678 >/dev/null &&
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
            -keyout "$work/ca.key" -out "$work/ca.pem" -subj '/CN=Takt devices' \
            -addext keyUsage=critical,keyCertSign 2>/dev/null &&
        softhsm2-util --import "$work/ca.key" --token takt --label devices --id 01 --pin 1234 \
            >/dev/null && rm "$work/ca.key" || return 1
    local uri="pkcs11:token=takt;object=devices?module-path=/usr/lib/softhsm/libsofthsm2.so"
    jq --arg key "$uri&pin-source=$work/pin" --arg certificate "$work/ca.pem" \
        '.device_ca = {certificate: $certificate, key: $key, years: 20}' "$station" >"$work/with"
    station_stop
    cp "$work/with" "$station"
}
a_unit_is_certified_and_locked() {
    line 1 S1 >"$work/result" 2>"$work/progress" &&
        jq -e '.runs[0] | .verdict == "pass" and .did == "CAM-1"' "$work/result"
}
certificates() {
    "$takt" identity certificates --station "$station" --order OWN --out "$work/certificates.pem" &&
        csplit -s -z -f "$work/certificate." "$work/certificates.pem" '/^# /' '{*}'
}
openssl_verifies_it() {
    certificates && openssl verify -x509_strict -CAfile "$work/ca.pem" "$work/certificate.00" &&
        openssl x509 -in "$work/certificate.00" -noout -subject |
        grep -q 'CN = CAM-1, serialNumber = S1'
}
second_is_confirmed() {
    states | jq -e '.confirmed == 2 and .quarantined == 0' ||
        { line 2 S2 >"$work/result" 2>"$work/progress"; false; }
}
killed_it_goes_on_with_the_same_certificate() { # at moments spread over the step
    local moment run
    for moment in 0.05 0.2 0.4; do
        line 2 S2 >"$work/result" 2>"$work/progress" &
        run=$!
        until_true 20 grep -qsE "identity|pass|fail|error" "$work/progress"
        sleep "$moment"
        kill -KILL "$("$takt" station status --station "$station" --json | jq -r .pid)" 2>/dev/null
        wait $run
    done
    until_true 60 second_is_confirmed && certificates &&
        [ "$(grep -c '^# ' "$work/certificates.pem")" = 2 ]
}
units_hold_what_was_issued() {
    local n
    for n in 00 01; do
        openssl x509 -in "$work/certificate.$n" -outform DER -out "$work/der.$n" || return 1
    done
    python3 - "$work"/der.* "$bench_dir"/slot*/flash.img <<'P'
import mmap, os, sys
flash = [mmap.mmap(os.open(p, os.O_RDONLY), 0, prot=mmap.PROT_READ) for p in sys.argv[3:]]
for der in (open(p, "rb").read() for p in sys.argv[1:3]):
    found = [(f, at) for f in flash for at in [f.find(der)] if at >= 0]
    assert len(found) == 1, "a certificate in %d units" % len(found)
    assert found[0][0].find(der, found[0][1] + 1) > 0, "not in the second copy"
P
}
audited() {
    "$takt" identity audit --station "$station" &&
        [ "$(store "select count(*) from audit where action = 'identity.certify'")" = 2 ]
}

check "identities without keys are delivered" delivered_without_keys
check "a station without a device CA gives none away" without_a_ca_no_unit_begins
check "the CA's key lies in a token" ca_in_a_token
check "a unit makes its key, is certified and locked" a_unit_is_certified_and_locked
check "openssl verifies the unit's certificate" openssl_verifies_it
check "killed, a run goes on with the same key and certificate" killed_it_goes_on_with_the_same_certificate
check "each unit's flash holds its certificate, twice" units_hold_what_was_issued
check "each certificate is in the audit chain, once" audited
suite_end
