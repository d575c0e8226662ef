#!/usr/bin/env bash
# Runs a command on this machine as on a slower one: real-time loops take PERCENT of each processor meanwhile.
#
#   tests/slower.sh PERCENT COMMAND...
#
# For tests that fail elsewhere and not here: with 40, everything takes about 1.7 times as long, with 60 2.5 times. Needs
# root, and the tool that tests/images.sh makes.
set -euo pipefail

[ $# -ge 2 ] || { sed -n 's/^#   //p' "$0" >&2; exit 64; }
percent=$1
shift
tool=$(cd "$(dirname "$0")/.." && pwd)/target/images/bin/tool

loops=()
trap 'kill "${loops[@]}" 2> /dev/null || true' EXIT
for cpu in $(seq 0 $(($(nproc) - 1))); do
  chrt --fifo 1 taskset --cpu-list "$cpu" "$tool" busy --percent "$percent" --seconds 7200 &
  loops+=($!)
done
"$@"
