#!/usr/bin/env bash
# A sample of tests/soak/identity_kills.sh: two stations of two slots, 20 kills.
source "$(dirname "$0")/suite.bash"
STATIONS=${STATIONS:-2} SLOTS=${SLOTS:-2} KILLS=${KILLS:-20} SEED=${SEED:-7}
source "$(dirname "$0")/identity_kills.bash"
kills_run 4
suite_end
