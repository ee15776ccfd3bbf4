#!/usr/bin/env bash
# The boot script's decisions beside slots_boot()'s, on more environments of chance than `make test`
# tries; the summary is kept in docs/evidence/boot_seeds.txt.
export SEED=${SEED:-0} SEEDS=${SEEDS:-64}
exec "$(dirname "$0")/../machine/boot.sh"
