#!/usr/bin/env bash
# Power cuts of a real update on the machine, more of them really started; the summary is kept in
# docs/evidence/machine_power_cuts.txt.
export SEED=${SEED:-20261128} CUTS=${CUTS:-16}
exec "$(dirname "$0")/../machine/update_cut.sh"
